"""The router's requests and responses as values, without network access."""
