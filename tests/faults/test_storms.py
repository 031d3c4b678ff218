"""Many calls, cancelled calls, event loops, threads and forks: nothing is mixed up or lost."""

import pytest

from faults.storms import STORMS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("name", STORMS)
def test_storm_does_no_damage(name: str) -> None:
    assert STORMS[name]()
