"""Checks that compare chat model packages; the README shows the results in a table."""
