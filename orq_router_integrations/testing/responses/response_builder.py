"""From an answer to the JSON of a response."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer, ScriptedToolCall
from orq_router_integrations.testing.answering.chunking import (
    EPOCH,
    create_call_id,
    create_logprobs,
)
from orq_router_integrations.testing.responses.items import SEARCH
from orq_router_integrations.testing.responses.schema import ChosenFunction, ResponsesRequest
from orq_router_integrations.testing.responses.tools import dump_tool

SEARCHES = frozenset({"orq:web_search", "orq:google_search"})
"""Names of a scripted tool call that stand for a search by the router itself."""

_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_STARTED: dict[str, Any] = {
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "output": [],
    "usage": None,
}
"""What a response holds that has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseBuilder:
    """A response, ready to be written.

    Attributes:
        number: which reply this is, from 1; ids and times follow from it.
        model: the provider's name of the model, without the provider.
        request: what was asked.
        sent: the input items as they were sent.
        metadata: of the request.
        trace_id: of the request.
        turn: position in the conversation, so that tool call ids differ between turns.
    """

    number: int
    model: str
    request: ResponsesRequest
    sent: list[Any]
    metadata: Mapping[str, str]
    trace_id: str
    turn: int

    def build(self, answer: Answer, usage: Mapping[str, Any]) -> dict[str, Any]:
        """The response to this answer."""
        reason = _REASONS.get(answer.finish_reason or "")
        output = list(self._build_output(answer))
        if reason and output:
            output[-1]["status"] = "incomplete"
        return self._build_frame("incomplete" if reason else "completed") | {
            "completed_at": None if reason else EPOCH + self.number,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": output,
            "usage": dict(usage),
        }

    def build_failed(self, code: str, message: str) -> dict[str, Any]:
        """The response where every provider failed."""
        return self._build_frame("failed") | {"error": {"code": code, "message": message}}

    def _build_frame(self, status: str) -> dict[str, Any]:
        asked = self.request
        optional = {"top_k": asked.top_k, "conversation": _dump(asked.conversation)}
        return {
            "id": f"resp_offline_{self.number:06d}",
            "object": "response",
            "created_at": EPOCH + self.number,
            "status": status,
            "model": self.model,
            **_STARTED,
            "input": self.sent,
            "metadata": dict(self.metadata),
            "telemetry": {"trace_id": self.trace_id, "span_id": self.trace_id[-16:]},
            **_echo_settings(asked),
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _build_output(self, answer: Answer) -> Iterator[dict[str, Any]]:
        if answer.reasoning is not None or answer.reasoning_signature is not None:
            yield self._build_reasoning(answer)
        searches = [call for call in answer.calls if call.name in SEARCHES]
        for index, call in enumerate(searches):
            yield self._build_search(index, call)
        calls = [call for call in answer.calls if call.name not in SEARCHES]
        if answer.text or answer.refusal is not None or not calls:
            yield self._build_message(answer)
        for index, call in enumerate(calls):
            yield self._build_call(index, call)

    def _create_id(self, kind: str, index: int = 0) -> str:
        return f"{kind}_offline_{self.number:06d}_{index}"

    def _build_reasoning(self, answer: Answer) -> dict[str, Any]:
        text = answer.reasoning
        item = {
            "type": "reasoning",
            "id": self._create_id("rs"),
            "status": "completed",
            "summary": [] if text is None else [{"type": "summary_text", "text": text}],
        }
        if answer.reasoning_signature is not None:
            item["encrypted_content"] = answer.reasoning_signature
        return item

    def _build_message(self, answer: Answer) -> dict[str, Any]:
        alternatives = self.request.top_logprob_count
        text = {
            "type": "output_text",
            "text": answer.text,
            "annotations": [dict(item) for item in answer.annotations],
            "logprobs": [] if alternatives is None else create_logprobs(answer, alternatives),
        }
        refusal = {"type": "refusal", "refusal": answer.refusal}
        refused = [] if answer.refusal is None else [refusal]
        return {
            "type": "message",
            "id": self._create_id("msg"),
            "status": "completed",
            "role": "assistant",
            "content": ([text] if answer.text or not refused else []) + refused,
        }

    def _build_call(self, index: int, call: ScriptedToolCall) -> dict[str, Any]:
        custom = call.name in {tool.name for tool in self.request.custom_tools}
        text = call.args if isinstance(call.args, str) else call.arguments_json
        payload = {"input": text} if custom else {"arguments": call.arguments_json}
        return {
            "type": "custom_tool_call" if custom else "function_call",
            "id": self._create_id("ctc" if custom else "fc", index),
            "status": "completed",
            "call_id": create_call_id(call, turn=self.turn, index=index),
            "name": call.name,
            **payload,
        }

    def _build_search(self, index: int, call: ScriptedToolCall) -> dict[str, Any]:
        action = {"query": call.args} if isinstance(call.args, str) else dict(call.args)
        return {
            "type": SEARCH,
            "id": self._create_id("ws", index),
            "status": "completed",
            "action": {"type": "search", **action},
        }


def build_started(body: Mapping[str, Any], status: str) -> dict[str, Any]:
    """A response before it ended: queued or in progress."""
    return {**body, **_STARTED, "status": status}


def _echo_settings(asked: ResponsesRequest) -> dict[str, Any]:
    """The request's settings, and OpenAI's defaults for those left out."""
    choice, tier = asked.tool_choice, asked.service_tier
    return {
        "background": bool(asked.background),
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": asked.max_tool_calls,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": asked.previous_response_id,
        "prompt_cache_key": asked.prompt_cache_key,
        "prompt_cache_options": _dump(asked.prompt_cache_options),
        "prompt_cache_retention": None,
        "reasoning": _dump(asked.reasoning),
        "safety_identifier": asked.safety_identifier,
        "service_tier": "default" if tier in {None, "auto"} else tier,
        "store": asked.is_stored,
        "text": {"format": {"type": "text"}, **(_dump(asked.text) or {})},
        "tool_choice": _dump(choice) if isinstance(choice, ChosenFunction) else choice or "auto",
        "tools": [dump_tool(tool) for tool in asked.tools or ()],
        "truncation": "disabled",
        "user": None,
        **_echo_sampling(asked),
    }


def _echo_sampling(asked: ResponsesRequest) -> dict[str, Any]:
    return {
        "frequency_penalty": asked.frequency_penalty or 0.0,
        "presence_penalty": asked.presence_penalty or 0.0,
        "temperature": 1.0 if asked.temperature is None else asked.temperature,
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": 1.0 if asked.top_p is None else asked.top_p,
    }


def _dump(part: Any) -> Any:
    return None if part is None else part.model_dump(exclude_none=True, by_alias=True)
