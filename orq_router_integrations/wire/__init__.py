"""Requests and responses of the router as values, without network access."""
