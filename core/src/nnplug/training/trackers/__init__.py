"""Send the course of a training to trackers, in threads of their own."""
