"""How long to wait: by the settings, and by what the controls allow the router to take."""

import httpx

from orq_router_integrations._http.deadline import Deadline
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.settings import MAX_TIMEOUT_SECONDS, RouterSettings
from orq_router_integrations.validation import warn_caller
from orq_router_integrations.wire.controls import RouterControls

CONNECT_SECONDS = 10.0
DEFAULT_SECONDS = 600.0
MARGIN_SECONDS = 30.0


def resolve_timeout(
    settings: RouterSettings, requested: float | None, controls: RouterControls
) -> httpx.Timeout:
    """Seconds between two bytes; warns where the router may take longer by its controls.

    Args:
        settings: their ``timeout`` holds where the call names none.
        requested: what the call names.
        controls: those of the call; without a setting, their worst case decides.

    Raises:
        RouterInputError: the call names an impossible one.
    """
    worst = controls.worst_case_seconds
    seconds = settings.timeout if requested is None else requested
    if seconds is None:
        seconds = DEFAULT_SECONDS if worst is None else worst + MARGIN_SECONDS
        seconds = min(seconds, MAX_TIMEOUT_SECONDS)
    elif not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise RouterInputError(f"timeout: 0 to {MAX_TIMEOUT_SECONDS} seconds, not {seconds}")
    else:
        _warn_if_short("timeout", seconds, worst)
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


def create_deadline(
    settings: RouterSettings, timeout: httpx.Timeout, controls: RouterControls
) -> Deadline:
    """The clock of a call that begins now."""
    deadline = settings.deadline
    if deadline is None:
        deadline = max(DEFAULT_SECONDS, timeout.read or 0)
    else:
        _warn_if_short("deadline", deadline, controls.worst_case_seconds)
    return Deadline(timeout=deadline, idle_timeout=settings.stream_chunk_timeout)


def _warn_if_short(name: str, seconds: float, worst: float | None) -> None:
    if worst is not None and seconds < worst:
        warn_caller(
            f"{name}={seconds:g} is shorter than the router may take by its controls "
            f"({worst:g} seconds for every model, retry and pause): the client would hang up "
            "on a fallback that is still working",
        )
