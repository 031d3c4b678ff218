"""Loaders and a blob parser that turn recordings into Documents."""
