"""Image tools for tests, connected to the offline router."""

from typing import Any

from langchain_core.messages import ToolMessage

from orq_router_integrations import OfflineRouter, OrqImageTool

GPT = "openai/gpt-image-1"
DALLE2 = "openai/dall-e-2"
DALLE3 = "openai/dall-e-3"


def create_tool(router: OfflineRouter | None = None, **kwargs: Any) -> OrqImageTool:
    """Create a tool for GPT Image that uses an offline router."""
    client = (router or OfflineRouter()).client()
    return OrqImageTool(**{"model": GPT, "client": client} | kwargs)


def call_tool(image_tool: OrqImageTool, **args: Any) -> ToolMessage:
    """Invoke a tool as an agent does."""
    call = {"type": "tool_call", "id": "1", "name": image_tool.name, "args": args}
    return image_tool.invoke(call)
