"""Build the JSON of a response from an answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer, ScriptedToolCall
from orq_router_integrations.testing.answering.chunking import (
    EPOCH,
    create_call_id,
    create_logprobs,
)
from orq_router_integrations.testing.answering.usage import Usage, override_usage
from orq_router_integrations.testing.responses.items import SEARCH_CALL
from orq_router_integrations.testing.responses.schema import (
    ChosenFunction,
    ResponsesRequest,
    dump_tool,
)

SEARCH_TOOLS = frozenset({"orq:web_search", "orq:google_search"})
"""Names of scripted tool calls that become web searches by the router."""

USD_PER_INPUT_TOKEN = 1e-6
"""Fictitious price of an input token, in USD."""

USD_PER_OUTPUT_TOKEN = 4e-6
"""Fictitious price of an output token, in USD."""

USAGE_NAMES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"} | {
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
"""Names of usage fields on this endpoint by their names on /chat/completions."""

_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_UNFINISHED: dict[str, Any] = {
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "output": [],
    "usage": None,
}
"""Fields of a response that is not finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseBuilder:
    """Builder of one response."""

    number: int
    model: str
    request: ResponsesRequest
    input_items: list[Any]
    metadata: Mapping[str, str]
    trace_id: str
    turn: int

    def build(self, answer: Answer, usage: Mapping[str, Any]) -> dict[str, Any]:
        """Return the response with this answer and usage."""
        reason = _INCOMPLETE_REASONS.get(answer.finish_reason or "")
        output = list(self._build_output(answer))
        if reason and output:
            output[-1]["status"] = "incomplete"
        return self._build_object("incomplete" if reason else "completed") | {
            "completed_at": None if reason else EPOCH + self.number,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": output,
            "usage": dict(usage),
        }

    def build_failed(self, code: str, message: str) -> dict[str, Any]:
        """Return the response to a request for which every provider failed."""
        return self._build_object("failed") | {"error": {"code": code, "message": message}}

    def _build_object(self, status: str) -> dict[str, Any]:
        request = self.request
        optional = {"top_k": request.top_k, "conversation": _dump(request.conversation)}
        return {
            "id": f"resp_offline_{self.number:06d}",
            "object": "response",
            "created_at": EPOCH + self.number,
            "status": status,
            "model": self.model,
            **_UNFINISHED,
            "input": self.input_items,
            "metadata": dict(self.metadata),
            "telemetry": {"trace_id": self.trace_id, "span_id": self.trace_id[-16:]},
            **_echo_settings(request),
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _build_output(self, answer: Answer) -> Iterator[dict[str, Any]]:
        if answer.reasoning is not None or answer.reasoning_signature is not None:
            yield self._build_reasoning(answer)
        searches = [call for call in answer.calls if call.name in SEARCH_TOOLS]
        for index, call in enumerate(searches):
            yield self._build_search(index, call)
        calls = [call for call in answer.calls if call.name not in SEARCH_TOOLS]
        if answer.text or answer.refusal is not None or not calls:
            yield self._build_message(answer)
        for index, call in enumerate(calls):
            yield self._build_call(index, call)

    def _create_id(self, prefix: str, index: int = 0) -> str:
        return f"{prefix}_offline_{self.number:06d}_{index}"

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
        refusals = [] if answer.refusal is None else [refusal]
        return {
            "type": "message",
            "id": self._create_id("msg"),
            "status": "completed",
            "role": "assistant",
            "content": ([text] if answer.text or not refusals else []) + refusals,
        }

    def _build_call(self, index: int, call: ScriptedToolCall) -> dict[str, Any]:
        is_custom = call.name in {tool.name for tool in self.request.custom_tools}
        text = call.args if isinstance(call.args, str) else call.arguments_json
        payload = {"input": text} if is_custom else {"arguments": call.arguments_json}
        return {
            "type": "custom_tool_call" if is_custom else "function_call",
            "id": self._create_id("ctc" if is_custom else "fc", index),
            "status": "completed",
            "call_id": create_call_id(call, turn=self.turn, index=index),
            "name": call.name,
            **payload,
        }

    def _build_search(self, index: int, call: ScriptedToolCall) -> dict[str, Any]:
        action = {"query": call.args} if isinstance(call.args, str) else dict(call.args)
        return {
            "type": SEARCH_CALL,
            "id": self._create_id("ws", index),
            "status": "completed",
            "action": {"type": "search", **action},
        }


def build_unfinished(body: Mapping[str, Any], status: str) -> dict[str, Any]:
    """Return the response as it was before it finished, with this status."""
    return {**body, **_UNFINISHED, "status": status}


def _echo_settings(request: ResponsesRequest) -> dict[str, Any]:
    """Return the request's settings, with OpenAI's defaults for missing ones."""
    choice, tier = request.tool_choice, request.service_tier
    return {
        "background": bool(request.background),
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "prompt_cache_options": _dump(request.prompt_cache_options),
        "prompt_cache_retention": None,
        "reasoning": _dump(request.reasoning),
        "safety_identifier": request.safety_identifier,
        "service_tier": "default" if tier in {None, "auto"} else tier,
        "store": request.is_stored,
        "text": {"format": {"type": "text"}, **(_dump(request.text) or {})},
        "tool_choice": _dump(choice) if isinstance(choice, ChosenFunction) else choice or "auto",
        "tools": [dump_tool(tool) for tool in request.tools or ()],
        "truncation": "disabled",
        "user": None,
        **_echo_sampling(request),
    }


def _echo_sampling(request: ResponsesRequest) -> dict[str, Any]:
    return {
        "frequency_penalty": request.frequency_penalty or 0.0,
        "presence_penalty": request.presence_penalty or 0.0,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
    }


def _dump(model: Any) -> Any:
    return None if model is None else model.model_dump(exclude_none=True, by_alias=True)


def build_usage(usage: Usage, answer: Answer) -> dict[str, Any]:
    """Return the ``usage`` of a response, with the fields scripted by the answer."""
    body: dict[str, Any] = {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_creation_tokens": usage.cache_creation_tokens,
            "cache_write_tokens": usage.cache_creation_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    searches = sum(call.name in SEARCH_TOOLS for call in answer.calls)
    if searches:
        body["server_tool_use"] = {"web_search_requests": searches}
    body = override_usage(body, answer.usage, USAGE_NAMES)
    return _compute_costs(body) | body


def _compute_costs(body: dict[str, Any]) -> dict[str, float]:
    input_cost = round((body["input_tokens"] or 0) * USD_PER_INPUT_TOKEN, 9)
    output_cost = round((body["output_tokens"] or 0) * USD_PER_OUTPUT_TOKEN, 9)
    total_cost = round(input_cost + output_cost, 9)
    return {"input_cost": input_cost, "output_cost": output_cost, "total_cost": total_cost}
