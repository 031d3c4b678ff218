"""Sending requests to the router: connections, deadlines, retries and errors."""
