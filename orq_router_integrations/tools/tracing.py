"""Trace streamed tool runs with LangChain callbacks.

LangChain traces tools that return a value, but not tools that yield one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.tools import BaseTool
from typing_extensions import AsyncGenerator

from orq_router_integrations._http.async_generators import scoped_asynccontextmanager

SummaryFunction = Callable[[], str]
"""Returns the output that is reported when the run ends."""


@contextmanager
def trace_run(
    tool: BaseTool, input_: Any, config: RunnableConfig | None, summarize: SummaryFunction
) -> Iterator[None]:
    """Report the block to callbacks as a run of the tool.

    A stream that is closed early counts as ended, not as failed.
    """
    manager, start_args = _configure(CallbackManager, tool, input_, config)
    run = manager.on_tool_start(**start_args)
    try:
        yield
    except GeneratorExit:
        run.on_tool_end(summarize(), name=tool.name)
        raise
    except BaseException as error:
        run.on_tool_error(error)
        raise
    run.on_tool_end(summarize(), name=tool.name)


@scoped_asynccontextmanager
async def atrace_run(
    tool: BaseTool, input_: Any, config: RunnableConfig | None, summarize: SummaryFunction
) -> AsyncGenerator[None]:
    """Report the block to callbacks as a run of the tool; see ``trace_run``."""
    manager, start_args = _configure(AsyncCallbackManager, tool, input_, config)
    run = await manager.on_tool_start(**start_args)
    try:
        yield
    except GeneratorExit:
        await run.on_tool_end(summarize(), name=tool.name)
        raise
    except BaseException as error:
        await run.on_tool_error(error)
        raise
    await run.on_tool_end(summarize(), name=tool.name)


def _configure(
    manager_class: Any, tool: BaseTool, input_: Any, config: RunnableConfig | None
) -> tuple[Any, dict[str, Any]]:
    """Return the callback manager of a run, and the arguments of its ``on_tool_start``."""
    config = ensure_config(config)
    manager = manager_class.configure(
        config.get("callbacks"),
        tool.callbacks,
        tool.verbose,
        config.get("tags"),
        tool.tags,
        config.get("metadata"),
        tool.metadata,
    )
    return manager, {
        "serialized": {"name": tool.name, "description": tool.description},
        "input_str": str(input_),
        "inputs": input_ if isinstance(input_, dict) else None,
        "name": config.get("run_name"),
        "run_id": config.get("run_id"),
    }
