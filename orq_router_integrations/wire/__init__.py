"""Requests and responses of the router as values. Nothing in this package does I/O."""
