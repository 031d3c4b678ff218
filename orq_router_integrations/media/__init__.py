"""Media files: types, metadata, content blocks and safe writing."""
