"""Models, calls and answers shared by tests of agents and of LangChain's runnable machinery."""

from typing import Any

import pytest
from langchain_core.tools import tool

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.testing import Answer

GPT = "openai/gpt-4o"
FULL = Answer(
    "It is 42.",
    reasoning="Let me think.",
    reasoning_signature="SIGNATURE",
    tool_calls=[
        {"name": "add", "args": {"a": 1}, "id": "c1"},
        {"name": "look", "args": {"b": "x"}, "id": "c2"},
    ],
)

both_apis = pytest.mark.parametrize("api", ["chat_completions", "responses"])
every_version = pytest.mark.parametrize("version", [None, "v1"], ids=["default", "v1 content"])


def create_agent_model(router: OfflineRouter, api: str, **kwargs: Any) -> ChatOrq:
    return ChatOrq(**{"model": GPT, "client": router.client(), "api": api, **kwargs})


async def invoke_runnable(runnable: Any, is_async: bool, value: Any = "Hi", **kwargs: Any) -> Any:
    return await runnable.ainvoke(value, **kwargs) if is_async else runnable.invoke(value, **kwargs)


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"
