"""A progress bar over files, as LangChain's loaders have it, with what matters for audio."""

from importlib.util import find_spec
from typing import Any, Self

INSTALL_COMMAND = "pip install 'orq-router-integrations[progress]'"


def require_tqdm(wanted: bool) -> bool:
    """Check that a bar can be shown.

    Raises:
        ValueError: tqdm is not installed; the message names the extra.
    """
    if wanted and find_spec("tqdm") is None:
        raise ValueError(f"show_progress: needs tqdm: {INSTALL_COMMAND}")
    return wanted


class ProgressBar:
    """Counts files, minutes of audio and errors; shows them where that is wanted."""

    def __init__(self, *, enabled: bool, total: int | None) -> None:
        self._bar: Any = None
        self._minutes = 0.0
        self._errors = 0
        if enabled:
            from tqdm.auto import tqdm  # noqa: PLC0415 - an extra

            self._bar = tqdm(total=total, unit="file")

    def update(self, seconds: float | None, errors: int) -> None:
        """Count one file."""
        self._minutes += (seconds or 0.0) / 60
        self._errors += errors
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._minutes:.1f} min audio, {self._errors} errors")
            self._bar.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
