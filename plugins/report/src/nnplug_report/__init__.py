"""Reports of trainings and predictions, and a slice viewer, each as one HTML file that loads nothing."""
