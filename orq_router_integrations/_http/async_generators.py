"""Async generators that nobody but their owner closes.

When an event loop ends, or a generator is forgotten, asyncio closes the async generators it knows:
the inner ones while their owner is closing them, which then is an error that it logs.
"""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import Any, Generic, ParamSpec, Self, TypeVar

from typing_extensions import AsyncGenerator

T = TypeVar("T")
P = ParamSpec("P")


class ScopedAsyncGenerator(Generic[T]):
    """An async generator that asyncio never hears of; it is closed at the end of its block."""

    def __init__(self, source: AsyncGenerator[T]) -> None:
        self._source, self._begun = source, False
        self.aclose, self.athrow = source.aclose, source.athrow

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._source.aclose()

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[T]:
        if self._begun:
            return self._source.__anext__()
        self._begun, hooks = True, sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        try:
            return self._source.__anext__()  # is told of with its first step, or never
        finally:
            sys.set_asyncgen_hooks(*hooks)


def scoped_asynccontextmanager(
    work: Callable[P, AsyncGenerator[T]],
) -> Callable[P, AbstractAsyncContextManager[T]]:
    """As ``asynccontextmanager``, of generators that asyncio never hears of."""
    plain = asynccontextmanager(work)

    @wraps(work)
    def made(*given: P.args, **named: P.kwargs) -> AbstractAsyncContextManager[T]:
        context: Any = plain(*given, **named)
        context.gen = ScopedAsyncGenerator(context.gen)
        return context  # type: ignore[no-any-return]

    return made
