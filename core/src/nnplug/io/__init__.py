"""Read images and label maps from files into arrays, and write them."""
