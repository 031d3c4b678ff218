"""Answers of the offline models, either scripted or derived from the request."""
