"""The API key of a call: a fixed one, or one that a function gives for every attempt."""

import asyncio
import threading
from collections.abc import Awaitable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from inspect import isawaitable, iscoroutinefunction
from typing import TypeVar
from uuid import uuid4

from orq_router_integrations._http.deadline import Deadline, DeadlineExceededError
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.settings import ApiKey, validate_api_key
from orq_router_integrations.validation import to_input_error

T = TypeVar("T")


def get_api_key(source: ApiKey | None) -> str:
    """The key for one attempt of a sync call.

    Raises:
        RouterInputError: there is none that fits into a header, or it takes an async function.
    """
    key = _at_once(source)
    if key is None:
        raise RouterInputError("api_key: an async function cannot serve sync calls; use ainvoke")
    return key


def get_account_id(source: ApiKey | None) -> str:
    """What tells this key's account from others: the key itself, as far as it is known.

    What an async function would give is not known before it is awaited, and may differ from call
    to call. It never counts as the same account.
    """
    return _at_once(source) or uuid4().hex


async def aget_api_key(source: ApiKey | None, deadline: Deadline) -> str:
    """The key for one attempt of an async call, if it comes in time; see ``key_of``.

    A function is asked in a thread of its own, for it may block; an async one in the event loop.

    Raises:
        LateError: it does not.
    """
    if callable(source) and not iscoroutinefunction(source):
        key: object = await _in_time(_in_a_thread(source), deadline)
    else:
        key = _given(source)
    return _checked(await _in_time(key, deadline) if isawaitable(key) else key)


def _in_a_thread(source: ApiKey) -> Awaitable[object]:
    """What a function gives; one that never returns holds up neither other threads nor the exit."""
    given: Future[object] = Future()
    given.set_running_or_notify_cancel()  # from now on it can be given up, but not cancelled

    def ask() -> None:
        try:
            given.set_result(_given(source))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            given.set_exception(error)

    context = copy_context()
    threading.Thread(target=context.run, args=(ask,), name="orq-key", daemon=True).start()
    return asyncio.wrap_future(given)


async def _in_time(giving: Awaitable[T], clock: Deadline) -> T:
    task = asyncio.ensure_future(giving)
    try:
        await asyncio.wait({task}, timeout=clock.remaining)
        if not task.done():
            raise DeadlineExceededError
    finally:
        task.cancel()
    return task.result()


def _at_once(source: ApiKey | None) -> str | None:
    """The key, unless it must be awaited."""
    key = _given(source)
    if not isawaitable(key):
        return _checked(key)
    if isinstance(key, Coroutine):
        key.close()
    return None


def _given(source: ApiKey | None) -> object:
    if not callable(source):
        return source.get_secret_value() if source else ""
    try:
        return source()
    except StopIteration:  # in a generator it would be another error, and in a future none at all
        raise RouterInputError("api_key: the function has no key left (StopIteration)") from None


def _checked(key: object) -> str:
    """A key fit for a header; also those from functions and from the environment of a pickle."""
    try:
        return validate_api_key(key)
    except ValueError as error:
        raise to_input_error(error) from None
