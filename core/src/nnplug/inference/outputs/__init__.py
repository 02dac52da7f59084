"""Write what a prediction leaves in its folder: label maps, further files of writers, and a log."""
