"""Why an answer ended, in the terms of langchain-core 1.8.4."""

from typing import Any

from langchain_core.messages import BaseMessage

from orq_router_integrations.wire.json import as_str

FINISH_FIELDS = ("finish_reason", "normalized_finish_reason", "finish_state")
"""Fields of ``response_metadata`` that the last event of a stream repeats."""

_NORMALIZED = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "eos", "eos_token"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), "length"),
    "model_context_window_exceeded": "length",
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_call"),
    **dict.fromkeys(("content_filter", "recitation", "spii", "image_safety"), "content_filter"),
    # Gemini's reasons are refusals in LangChain's own integration, too.
    **dict.fromkeys(("refusal", "safety", "prohibited_content", "blocklist"), "refusal"),
}
"""The normalized reason, by the reason of a provider in lower case."""

_FILTERED = {"content_filter", "refusal"}
_INCOMPLETE = {*_FILTERED, "length"}


def normalize_finish_reason(reason: Any) -> str | None:
    """Return ``stop``, ``length``, ``tool_call``, ``content_filter``, ``refusal`` or ``None``."""
    return _NORMALIZED.get(str(reason).lower())


def get_refusal(message: BaseMessage) -> str | None:
    """Return the text of a refusal, which may be empty, or ``None`` if the model did not refuse."""
    if refusal := as_str(message.additional_kwargs.get("refusal")):
        return refusal
    reason = message.response_metadata.get("finish_reason")
    return "" if normalize_finish_reason(reason) == "refusal" else None


def is_filtered(reason: Any) -> bool:
    """Return whether the model refused to answer, or a filter removed the answer."""
    return normalize_finish_reason(reason) in _FILTERED


def create_finish_metadata(
    reason: Any, *, has_refusal: bool, has_tool_calls: bool
) -> dict[str, str]:
    """Create the fields of ``response_metadata`` that describe why an answer ended.

    Args:
        reason: The reason of the provider; no field is created without one.
        has_refusal: Whether the message has a refusal. Providers send ``stop`` with it.
        has_tool_calls: Whether the message has tool calls. Some providers send ``stop`` with them.
    """
    if not reason:
        return {}
    normalized = normalize_finish_reason(reason)
    if has_refusal:
        normalized = "refusal"
    elif has_tool_calls and normalized == "stop":
        normalized = "tool_call"
    fields = {"finish_reason": reason, "normalized_finish_reason": normalized}
    if reason == "cancelled":
        fields["finish_state"] = "cancelled"
    elif normalized:
        fields["finish_state"] = "incomplete" if normalized in _INCOMPLETE else "completed"
    return {name: value for name, value in fields.items() if value}
