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


@contextmanager
def trace_run(
    tool: BaseTool, input_: Any, config: RunnableConfig | None, summarize: Callable[[], str]
) -> Iterator[None]:
    """Report the block to callbacks as a run of the tool, and ``summarize()`` as its output."""
    run = _start_run(CallbackManager, tool, input_, config)
    try:
        yield
    except GeneratorExit:
        pass  # a stream that is closed early counts as ended, not as failed
    except BaseException as error:
        run.on_tool_error(error)
        raise
    run.on_tool_end(summarize(), name=tool.name)


@scoped_asynccontextmanager
async def atrace_run(
    tool: BaseTool, input_: Any, config: RunnableConfig | None, summarize: Callable[[], str]
) -> AsyncGenerator[None]:
    """Report the block to callbacks as a run of the tool; see ``trace_run``."""
    run = await _start_run(AsyncCallbackManager, tool, input_, config)
    try:
        yield
    except GeneratorExit:
        pass
    except BaseException as error:
        await run.on_tool_error(error)
        raise
    await run.on_tool_end(summarize(), name=tool.name)


def _start_run(
    manager_class: Any, tool: BaseTool, input_: Any, config: RunnableConfig | None
) -> Any:
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
    return manager.on_tool_start(
        {"name": tool.name, "description": tool.description},
        str(input_),
        inputs=input_ if isinstance(input_, dict) else None,
        name=config.get("run_name"),
        run_id=config.get("run_id"),
    )
