"""The addresses of the server, a class for each group of them."""
