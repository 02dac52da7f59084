"""Jobs of nnplug on a Dask cluster."""
