"""Loaders and blob parsers that convert recordings, PDFs and images to Documents."""
