"""``track_usage``: token usage and cost of all chat model calls in a block."""

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
    """A callback handler that sums up the token usage and cost of chat model calls.

    It counts chat models only. For images, see ``ImageResult.usage``.

    Attributes:
        usage_metadata: Token counts by model.
        calls: Number of answers.
        cached: How many of them LangChain's cache returned. They cost nothing, but as in
            LangChain's own callback, ``usage_metadata`` includes their tokens.
        fallbacks: How many of them came from a fallback model.
        cost: Total cost in US dollars of the answers with a known cost.
        unpriced: Number of answers for which the router reports no cost.
        closed: Whether the ``track_usage`` block has ended, after which nothing is counted.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> usage = RouterUsage()
    >>> model = ChatOrq("openai/gpt-4o", client=OfflineRouter().client())
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
        """Count an answer, unless the ``track_usage`` block has ended."""
        if self.closed:
            return
        super().on_llm_end(response, **kwargs)
        generations = response.generations[0] if response.generations else []
        if generations and isinstance(generations[0], ChatGeneration):
            self._count(generations[0].message)

    def _count(self, message: BaseMessage) -> None:
        provenance, cached = Provenance.of(message), _is_from_cache(message)
        cost = 0.0 if cached else provenance.cost
        with self._lock:
            self.calls += 1
            self.cached += cached
            self.fallbacks += provenance.fell_back
            self.cost += cost or 0.0
            self.unpriced += cost is None

    def __repr__(self) -> str:
        is_priced = self.calls > self.unpriced or not self.calls
        cost = f"{self.cost:.6f}" if is_priced else "unknown"
        return (
            f"RouterUsage(calls={self.calls}, fallbacks={self.fallbacks}, cost={cost}, "
            f"unpriced={self.unpriced}, cached={self.cached}, usage_metadata={self.usage_metadata})"
        )


def _is_from_cache(message: BaseMessage) -> bool:
    """Return whether LangChain's cache returned the message: only the cache sets a cost of 0."""
    usage: Any = getattr(message, "usage_metadata", None) or {}
    return bool(usage.get("total_cost") == 0)


_ACTIVE_TRACKERS: list[ContextVar[RouterUsage | None]] = []
"""One context variable per nesting level, so that nested blocks are all counted.

Context variables are reused, because LangChain hooks cannot be unregistered.
"""


def _get_unused_variable() -> ContextVar[RouterUsage | None]:
    for variable in _ACTIVE_TRACKERS:
        if (tracker := variable.get()) is None or tracker.closed:
            return variable
    name = f"orq_router_usage_{len(_ACTIVE_TRACKERS)}"
    new_variable: ContextVar[RouterUsage | None] = ContextVar(name, default=None)
    register_configure_hook(new_variable, inheritable=True)
    _ACTIVE_TRACKERS.append(new_variable)
    return new_variable


@contextmanager
def track_usage() -> Iterator[RouterUsage]:
    """Track token usage and cost of all chat model calls in a ``with`` block.

    Calls made by chains and agents inside the block count as well. Blocks can be nested; a call
    counts in each of them.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> with track_usage() as usage:
    ...     _ = ChatOrq("openai/gpt-4o", client=OfflineRouter().client()).invoke("Hi")
    >>> usage.calls
    1
    """
    usage, variable = RouterUsage(), _get_unused_variable()
    token = variable.set(usage)
    try:
        yield usage
    finally:
        usage.closed = True
        # If a generator was abandoned inside the block, this runs in another context.
        with suppress(ValueError):
            variable.reset(token)
