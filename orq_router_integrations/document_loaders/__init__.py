"""Recordings as Documents: loaders and a blob parser over transcriptions and translations."""
