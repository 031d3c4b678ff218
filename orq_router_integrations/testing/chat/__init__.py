"""POST /chat/completions: request schema and responses."""
