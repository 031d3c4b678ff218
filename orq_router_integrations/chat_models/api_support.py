"""Check which content parts the two chat APIs accept."""

from typing import Any

from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, RESPONSES

_REQUIRED_APIS = {
    "mcp_approval_response": (
        RESPONSES,
        "Chat Completions does not accept MCP approvals. Use api='responses'.",
    ),
    "input_audio": (
        CHAT_COMPLETIONS,
        "The Responses API does not accept audio. Use api='chat_completions'.",
    ),
    "image_file": (
        RESPONSES,
        (
            "Chat Completions does not accept an image by file_id. "
            "Pass its URL or its data, or use api='responses'."
        ),
    ),
}
"""The API that a type of part requires, and the error for the other API."""


def validate_api_support(api: str, *contents: Any) -> None:
    """Check that an API accepts all parts of a message.

    Raises:
        ValueError: A part requires the other API.
    """
    for content in contents:
        for index, part in enumerate(content if isinstance(content, list) else ()):
            required_api, error = _REQUIRED_APIS.get(part["type"], (api, ""))
            if required_api != api:
                raise ValueError(f".content[{index}]: {error}")
