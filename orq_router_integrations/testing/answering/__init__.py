"""Answers of the offline models: scripted ones, or default ones that follow from the request."""
