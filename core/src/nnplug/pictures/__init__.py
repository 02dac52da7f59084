"""Pictures of images with label maps over them: overlays of folders, and previews of predictions."""
