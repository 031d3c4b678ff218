"""The image endpoints, which draw images that show their prompt."""
