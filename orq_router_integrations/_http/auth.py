"""API keys: resolve a fixed key or a key function for every attempt of a call."""

import asyncio
from collections.abc import Coroutine
from inspect import isawaitable, iscoroutinefunction
from uuid import uuid4

from orq_router_integrations._http.daemon_threads import run_in_thread
from orq_router_integrations._http.deadline import Deadline, DeadlineExceededError
from orq_router_integrations._http.redaction import REDACTING_FILTER
from orq_router_integrations.errors import RouterInputError, to_input_error
from orq_router_integrations.settings import ApiKey, validate_api_key

_END_OF_ITERATION = (StopIteration, StopAsyncIteration, GeneratorExit)
"""Exceptions that would end the caller's generator as if it were complete."""

_NO_KEY = "The api_key function raised {}. Return a key on every call."


def get_api_key(source: ApiKey | None) -> str:
    """Return the API key for one attempt of a sync call."""
    key = _resolve_now(source)
    if key is None:
        raise RouterInputError(
            "api_key is an async function, which sync calls cannot use. "
            "Use the async methods (such as ainvoke), or pass a str or a sync function."
        )
    return key


async def aget_api_key(source: ApiKey | None, deadline: Deadline) -> str:
    """Return the API key for one attempt of an async call.

    A sync function runs in its own thread because it may block; an async one in the event loop.
    """
    if not callable(source):
        return _validate(_read_source(source))
    try:
        async with asyncio.timeout(deadline.remaining) as scope:
            key: object
            if iscoroutinefunction(source):
                key = source()
            else:
                key = await asyncio.wrap_future(run_in_thread(_read_source, source))
            return _validate(await key if isawaitable(key) else key)
    except TimeoutError:
        if scope.expired():
            raise DeadlineExceededError from None
        raise
    except (StopAsyncIteration, RuntimeError) as error:
        cause = error.__cause__ or error  # a coroutine raises StopIteration as a RuntimeError
        if isinstance(cause, _END_OF_ITERATION):
            raise RouterInputError(_NO_KEY.format(type(cause).__name__)) from None
        raise


def get_account_id(source: ApiKey | None) -> str:
    """Identify the account that a key belongs to, for cache keys.

    An async function cannot be called here, and may return another key each time. It gets a new
    random id, so that its calls never share a cache entry.
    """
    return _resolve_now(source) or uuid4().hex


def _resolve_now(source: ApiKey | None) -> str | None:
    """Return the key, or ``None`` if it would have to be awaited."""
    key = _read_source(source)
    if not isawaitable(key):
        return _validate(key)
    if isinstance(key, Coroutine):
        key.close()  # avoids the warning that it was never awaited
    return None


def _read_source(source: ApiKey | None) -> object:
    """Return a fixed key, or what the function returns: a key, or an awaitable of one."""
    if not callable(source):
        return source.get_secret_value() if source else ""
    try:
        return source()
    except _END_OF_ITERATION as error:
        raise RouterInputError(_NO_KEY.format(type(error).__name__)) from None


def _validate(key: object) -> str:
    """Check that a key can be sent in a header, and register it to be redacted from logs."""
    if key and key == REDACTING_FILTER.latest_key:  # already validated, which is the usual case
        return REDACTING_FILTER.latest_key
    try:
        valid_key = validate_api_key(key)
    except ValueError as error:
        raise to_input_error(error) from None
    REDACTING_FILTER.add_key(valid_key)
    return valid_key
