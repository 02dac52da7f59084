"""Components for nnplug. Keep this file free of imports: it runs whenever nnplug lists its plugins."""
