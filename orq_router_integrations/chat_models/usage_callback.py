"""Usage and cost, added up over a chain."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook

from orq_router_integrations.chat_models.provenance import Provenance


class RouterUsage(UsageMetadataCallbackHandler):
    """A callback that adds up tokens by model (``usage_metadata``), cost and fallbacks.

    It hears of chat models only: ``ImageResult.usage`` has what images took, speech tells nothing.

    Attributes:
        calls: answers counted.
        cached: those of them that LangChain's cache gave. They cost nothing; their tokens count
            as LangChain counts them.
        fallbacks: those that another model gave than the one asked for.
        cost: US dollars, of the answers whose cost the router states.
        unpriced: answers whose cost it does not state.
        closed: whether it counts no more.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> usage = RouterUsage()
    >>> model = ChatOrq(model="openai/gpt-4o", client=OfflineRouter().client())
    >>> _ = model.batch(["One", "Two"], {"callbacks": [usage]})
    >>> usage.calls, sorted(usage.usage_metadata)
    (2, ['openai/gpt-4o'])
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.cached = 0
        self.fallbacks = 0
        self.cost = 0.0
        self.unpriced = 0
        self.closed = False

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Count one answer, unless its block is over."""
        if self.closed:
            return
        super().on_llm_end(response, **kwargs)
        generations = response.generations[0] if response.generations else []
        for generation in generations[:1]:
            if isinstance(generation, ChatGeneration):
                self._count(generation.message)

    def _count(self, message: BaseMessage) -> None:
        found, cached = Provenance.of(message), _from_cache(message)
        cost = 0.0 if cached else found.cost
        with self._lock:
            self.calls += 1
            self.cached += cached
            self.fallbacks += found.fell_back
            self.cost += cost or 0.0
            self.unpriced += cost is None

    def __repr__(self) -> str:
        priced = self.calls > self.unpriced or not self.calls
        cost = f"{self.cost:.6f}" if priced else "unknown"
        return (
            f"RouterUsage(calls={self.calls}, fallbacks={self.fallbacks}, cost={cost}, "
            f"unpriced={self.unpriced}, cached={self.cached}, usage_metadata={self.usage_metadata})"
        )


def _from_cache(message: BaseMessage) -> bool:
    """Whether LangChain took the answer from its cache: then, and only then, it states a cost."""
    usage: Any = getattr(message, "usage_metadata", None) or {}
    return bool(usage.get("total_cost") == 0)


_ACTIVE_TRACKERS: list[ContextVar[RouterUsage | None]] = []
"""One for each block that is open around another: LangChain then tells all of them."""


def _free() -> ContextVar[RouterUsage | None]:
    """The first that no block around this one uses."""
    for variable in _ACTIVE_TRACKERS:
        if (current := variable.get()) is None or current.closed:
            return variable
    name = f"orq_router_usage_{len(_ACTIVE_TRACKERS)}"
    new: ContextVar[RouterUsage | None] = ContextVar(name, default=None)
    register_configure_hook(new, inheritable=True)
    _ACTIVE_TRACKERS.append(new)
    return new


@contextmanager
def track_usage() -> Iterator[RouterUsage]:
    """Add up every call of a chat model within the block, also those of chains and agents in it.

    Within another block, both count.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> with track_usage() as usage:
    ...     _ = ChatOrq(model="openai/gpt-4o", client=OfflineRouter().client()).invoke("Hi")
    >>> usage.calls
    1
    """
    usage, current = RouterUsage(), _free()
    token = current.set(usage)
    try:
        yield usage
    finally:
        usage.closed = True
        with suppress(ValueError):  # a generator that was left is closed in another context
            current.reset(token)
