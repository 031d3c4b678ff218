"""Async generators that asyncio does not close on its own.

When an event loop shuts down or a generator is garbage collected, asyncio closes every async
generator it knows. If it closes an inner one while the outer one is closing it as well, asyncio
logs an error. The generators here are hidden from asyncio, so only their owner closes them.
"""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import Generic, ParamSpec, Self, TypeVar, cast

from typing_extensions import AsyncGenerator

T = TypeVar("T")
P = ParamSpec("P")


class ScopedAsyncGenerator(Generic[T]):
    """Wraps an async generator to hide it from asyncio; the ``async with`` block closes it."""

    def __init__(self, generator: AsyncGenerator[T]) -> None:
        self._generator, self._started = generator, False
        self.aclose, self.athrow = generator.aclose, generator.athrow

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._generator.aclose()

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[T]:
        if self._started:
            return self._generator.__anext__()
        self._started = True
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        try:
            return self._generator.__anext__()  # Python calls the hooks at the first step
        finally:
            sys.set_asyncgen_hooks(*hooks)


def scoped_asynccontextmanager(
    function: Callable[P, AsyncGenerator[T]],
) -> Callable[P, AbstractAsyncContextManager[T]]:
    """Like ``contextlib.asynccontextmanager``, with a generator that is hidden from asyncio."""

    @wraps(function)
    def create_generator(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        return cast("AsyncGenerator[T]", ScopedAsyncGenerator(function(*args, **kwargs)))

    return asynccontextmanager(create_generator)
