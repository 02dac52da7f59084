"""Open, pack and exchange trained models."""
