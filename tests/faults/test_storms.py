"""Many calls, cancelled calls, loops, threads and forks: nothing is mixed up or left behind."""

import pytest

from faults.storms import STORMS


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("name", STORMS)
def test_nothing_is_damaged_by(name: str) -> None:
    assert STORMS[name]()
