"""Checks that compare chat model packages; docs/comparison.md shows the results."""
