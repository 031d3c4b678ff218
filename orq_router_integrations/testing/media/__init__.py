"""Inspect the media of a request: images, PDFs and audio."""
