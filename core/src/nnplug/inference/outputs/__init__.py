"""What a prediction leaves in its folder: label maps and further files of writers, their log and report."""
