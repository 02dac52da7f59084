"""A trainer for nnplug that needs a tenth of the iterations."""
