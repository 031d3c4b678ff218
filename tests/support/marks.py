"""Marks that several test modules share."""

import pytest

sync_and_async = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
