"""``track_usage``: token usage and cost of all chat model calls in a block."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook

from orq_router_integrations.chat_models.response_metadata import Provenance
from orq_router_integrations.wire.arguments import warn_caller
from orq_router_integrations.wire.html_table import format_table

if TYPE_CHECKING:
    from orq_router_integrations.wire.models import CatalogModel


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
        estimated_cost: Estimated cost in US dollars of unpriced answers, from the prices in
            ``catalog``. It is not part of ``cost``.
        unestimated: Number of unpriced answers without an estimate.
        closed: Whether the ``track_usage`` block has ended, after which nothing is counted.
    """

    run_inline = True  # async calls run callbacks in other threads otherwise

    def __init__(self, catalog: "Iterable[CatalogModel]" = ()) -> None:
        super().__init__()
        self._catalog = {model.id: model for model in catalog}
        self.calls = self.cached = self.fallbacks = self.unpriced = self.unestimated = 0
        self.cost = self.estimated_cost = 0.0
        self.closed = False

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        """Record that the calls of this thread are counted."""
        for threads in list(_OPEN_BLOCKS.values()):
            threads.add(threading.current_thread())

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Count an answer, unless the ``track_usage`` block has ended."""
        if self.closed:
            return
        super().on_llm_end(response, **kwargs)
        generations = response.generations[0] if response.generations else []
        if not generations or not isinstance(generations[0], ChatGeneration):
            return
        message = generations[0].message
        provenance, usage = Provenance.of(message), getattr(message, "usage_metadata", None) or {}
        is_cached = usage.get("total_cost") == 0  # only LangChain's cache sets it
        cost = 0.0 if is_cached else provenance.cost
        estimate = self._estimate_cost(usage, provenance) if cost is None else 0.0
        with self._lock:
            self.calls += 1
            self.cached += is_cached
            self.fallbacks += provenance.fell_back
            self.cost += cost or 0.0
            self.unpriced += cost is None
            self.estimated_cost += estimate or 0.0
            self.unestimated += estimate is None

    def _estimate_cost(self, usage: dict[str, Any], provenance: Provenance) -> float | None:
        """Estimate the cost from the prices of the model that answered, if it is in the catalog."""
        model = self._catalog.get(provenance.answering_model or "")
        if model is None and not provenance.fell_back:  # the answer may name a snapshot
            model = self._catalog.get(provenance.requested_model or "")
        if model is None or not usage:
            return None
        return model.estimate_cost(usage["input_tokens"], usage["output_tokens"])

    def _format_cost(self) -> str:
        is_priced = self.calls > self.unpriced or not self.calls
        return f"{self.cost:.6f}" if is_priced else "unknown"

    def _repr_html_(self) -> str:
        """Return a table with the tokens of each model, and the totals, for notebooks."""
        header = ("model", "input tokens", "output tokens", "total tokens")
        rows = [
            (model, tokens["input_tokens"], tokens["output_tokens"], tokens["total_tokens"])
            for model, tokens in self.usage_metadata.items()
        ]
        totals = f"calls: {self.calls}, fallbacks: {self.fallbacks}, cost: {self._format_cost()}"
        if self.estimated_cost:
            totals += f", estimated cost: {self.estimated_cost:.6f}"
        return f"{format_table(header, rows)}<small>{totals}</small>"

    def __repr__(self) -> str:
        tokens = {model: usage["total_tokens"] for model, usage in self.usage_metadata.items()}
        return (
            f"RouterUsage(calls={self.calls}, fallbacks={self.fallbacks}, "
            f"cost={self._format_cost()}, unpriced={self.unpriced}, "
            f"estimated_cost={self.estimated_cost:.6f}, cached={self.cached}, "
            f"total_tokens={tokens})"
        )


_TRACKER_VARIABLES: list[ContextVar[RouterUsage | None]] = []
"""One context variable per nesting level, so that nested blocks are all counted.

Context variables are reused, because LangChain hooks cannot be unregistered.
"""

_OPEN_BLOCKS: dict[RouterUsage, set[threading.Thread]] = {}
"""The trackers of all open blocks in the process, with the threads that do not need a warning."""


def warn_if_uncounted() -> None:
    """Warn once per block if a thread that was started inside it makes a call that is not counted.

    Threads inherit context variables only in free-threaded builds of Python 3.14.
    """
    thread = threading.current_thread()
    for usage, threads in list(_OPEN_BLOCKS.items()):
        if thread not in threads:
            _OPEN_BLOCKS.pop(usage, None)
            warn_caller(
                f"track_usage() does not count this call, because {thread.name!r} is a new thread. "
                "Start it with contextvars.copy_context().run, or pass "
                "config={'callbacks': [usage]} to the call."
            )


@contextmanager
def track_usage(catalog: "Iterable[CatalogModel]" = ()) -> Iterator[RouterUsage]:
    """Track token usage and cost of all chat model calls in a ``with`` block.

    Calls made by chains and agents inside the block count as well. Blocks can be nested; a call
    counts in each of them. Calls in threads that you start yourself are not counted and issue a
    warning, unless the threads run in a copy of the context (`contextvars.copy_context().run`).

    Args:
        catalog: Models with prices, from ``RouterClient.list_catalog_models``. They are used to
            estimate the cost of answers for which the router reports none (``estimated_cost``).

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> with track_usage() as usage:
    ...     _ = ChatOrq("openai/gpt-4o", client=OfflineRouter().client()).invoke("Hi")
    >>> usage.calls
    1
    """
    variable = next(filter(_is_unused, _TRACKER_VARIABLES), None)
    if variable is None:
        variable = ContextVar(f"orq_router_usage_{len(_TRACKER_VARIABLES)}", default=None)
        register_configure_hook(variable, inheritable=True)
        _TRACKER_VARIABLES.append(variable)
    usage = RouterUsage(catalog)
    token = variable.set(usage)
    _OPEN_BLOCKS[usage] = set(threading.enumerate())
    try:
        yield usage
    finally:
        usage.closed = True
        _OPEN_BLOCKS.pop(usage, None)
        # If a generator was abandoned inside the block, this runs in another context.
        with suppress(ValueError):
            variable.reset(token)


def _is_unused(variable: ContextVar[RouterUsage | None]) -> bool:
    usage = variable.get()
    return usage is None or usage.closed
