"""A run of a tool that yields, told to LangChain's callbacks as core tells of one that returns."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.tools import BaseTool
from typing_extensions import AsyncGenerator

from orq_router_integrations._http.async_generators import scoped_asynccontextmanager

SummaryFunction = Callable[[], str]
"""What is told of the run at its end."""


@contextmanager
def trace_run(
    tool: BaseTool, input_: Any, config: RunnableConfig | None, summarize: SummaryFunction
) -> Iterator[None]:
    """A run from here to the end of the block; left early it has ended, not failed."""
    found = ensure_config(config)
    manager = CallbackManager.configure(*_heard_by(tool, found))
    run = manager.on_tool_start(**_start(tool, input_, found))
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
    """The same for async callbacks."""
    found = ensure_config(config)
    manager = AsyncCallbackManager.configure(*_heard_by(tool, found))
    run = await manager.on_tool_start(**_start(tool, input_, found))
    try:
        yield
    except GeneratorExit:
        await run.on_tool_end(summarize(), name=tool.name)
        raise
    except BaseException as error:
        await run.on_tool_error(error)
        raise
    await run.on_tool_end(summarize(), name=tool.name)


def _heard_by(tool: BaseTool, config: RunnableConfig) -> tuple[Any, ...]:
    """The arguments of ``configure``: who hears of the run, and under which tags and metadata."""
    return (
        config.get("callbacks"),
        tool.callbacks,
        tool.verbose,
        config.get("tags"),
        tool.tags,
        config.get("metadata"),
        tool.metadata,
    )


def _start(tool: BaseTool, given: Any, config: RunnableConfig) -> dict[str, Any]:
    return {
        "serialized": {"name": tool.name, "description": tool.description},
        "input_str": str(given),
        "inputs": given if isinstance(given, dict) else None,
        "name": config.get("run_name"),
        "run_id": config.get("run_id"),
    }
