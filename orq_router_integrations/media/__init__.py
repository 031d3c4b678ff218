"""Media files: types, metadata, content blocks and atomic writing."""
