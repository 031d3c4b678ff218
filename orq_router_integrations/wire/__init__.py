"""The router's wire as plain values: requests, replies, controls, streams. No I/O in here."""
