"""POST /chat/completions: its schema, and its replies."""
