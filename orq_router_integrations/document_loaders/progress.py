"""Progress bar for loaders."""

from importlib.util import find_spec
from typing import Any, Self

INSTALL_COMMAND = "pip install 'orq-router-integrations[progress]'"


def require_tqdm(enabled: bool) -> bool:
    """Check that tqdm is installed if the progress bar is enabled."""
    if enabled and find_spec("tqdm") is None:
        raise ValueError(f"show_progress: Requires tqdm. Install it with {INSTALL_COMMAND}.")
    return enabled


class ProgressBar:
    """Progress bar that counts files, minutes of audio and errors."""

    def __init__(self, total: int | None) -> None:
        from tqdm.auto import tqdm  # noqa: PLC0415 - optional dependency

        self._bar: Any = tqdm(total=total, unit="file")
        self._minutes = 0.0
        self._error_count = 0

    def update(self, duration_seconds: float | None, error_count: int) -> None:
        """Add one file."""
        self._minutes += (duration_seconds or 0.0) / 60
        self._error_count += error_count
        self._bar.set_postfix_str(f"{self._minutes:.1f} min audio, {self._error_count} errors")
        self._bar.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
