"""The endpoint POST /responses with stored responses and v1/responses/compact.

Choices where the documentation is silent:

* Providers receive the earlier turns as items, never the id of a stored response.
* Instructions apply to one request only.
* Providers answer a background request immediately; each GET then reveals one more status.
* A stream that breaks is not stored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orq_router_integrations.testing.answering import text_endpoint
from orq_router_integrations.testing.answering.prompt import list_items, read_message
from orq_router_integrations.testing.answering.script import Answer, AnswerScript
from orq_router_integrations.testing.responses.schema import JsonObject, ResponsesRequest
from orq_router_integrations.testing.routing.endpoint import validate_body
from orq_router_integrations.testing.routing.platform import ModelRegistry
from orq_router_integrations.testing.routing.response import HTTPError, RouterResponse, reject_field
from orq_router_integrations.wire.controls import (
    DEFAULT_RETRY_STATUSES,
    RouterControls,
    RouterRetry,
)
from orq_router_integrations.wire.endpoints import RESPONSES

USD_PER_INPUT_TOKEN = 1e-6  # invented, like the next one
USD_PER_OUTPUT_TOKEN = 4e-6
_UNFINISHED: JsonObject = {
    **dict.fromkeys(("completed_at", "error", "incomplete_details", "usage")),
    "output": [],
}
"""Fields of a response that is not finished."""

_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponsesEndpoint(text_endpoint.TextEndpoint[ResponsesRequest]):
    """Handler of responses, with the state that is kept between requests."""

    endpoint = RESPONSES
    schema = ResponsesRequest
    default_retry = RouterRetry(
        count=2, on_codes=tuple(code for code in DEFAULT_RETRY_STATUSES if code != 408)
    )

    def __init__(self, script: AnswerScript, models: ModelRegistry) -> None:
        super().__init__(script)
        self._models = models
        # The states of each response that a GET has not revealed yet; the last one is the final one
        self._states: dict[str, list[JsonObject]] = {}

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> ResponsesRequest:
        """Validate a body without its controls and load the conversation it continues."""
        request = super().parse(body, controls, lenient=lenient)
        fields = {**request.prompt.body, "metadata": controls.metadata or {}}
        conversation = self._load_conversation(fields)
        if request.previous_response_id is not None:
            fields["input"] = conversation
        return ResponsesRequest.model_validate(fields)

    def build_response(
        self, request: ResponsesRequest, model: str, answer: Answer
    ) -> RouterResponse:
        return self._create_response(request, model, **build_answer_fields(answer, request))

    def _create_response(
        self, request: ResponsesRequest, model: str, **fields: Any
    ) -> RouterResponse:
        """Create a response with the settings of the request and these fields."""
        number = next(self._numbers)
        headers = {"__all__": {"headers"}}  # headers of MCP tools may contain keys
        body = {
            **request.model_dump(exclude={"tools": headers, "stream": True}),
            "id": f"resp_offline_{number:06d}",
            "object": "response",
            "created_at": text_endpoint.EPOCH + number,
            "model": model.partition("/")[2],
            "input": list_items(request.prompt.body),
            # Required by the vendor's SDK
            "prompt_cache_retention": None,
            "truncation": "disabled",
            "user": None,
            **_UNFINISHED,
            **fields,
        }
        if body["status"] == "completed":
            body["completed_at"] = body["created_at"]
        for index, item in enumerate(body["output"]):
            item["id"] = f"{item['type']}_offline_{number:06d}_{index}"
        chunks = tuple(iter_events(body)) if request.is_streamed else None
        return RouterResponse(body, chunks=chunks)

    def create_error_chunk(self, number: int, error: Any) -> Any:
        if not isinstance(error, dict) or "error" not in error:
            return error  # a scripted body in another format
        return {"type": "error", "sequence_number": number, **error}

    def finalize(self, request: ResponsesRequest, response: RouterResponse) -> RouterResponse:
        """Store a complete response if requested; return background responses as queued."""
        if response.status != 200 and request.background:
            error = response.body.get("error") if isinstance(response.body, dict) else None
            response = self._create_response(request, request.model, status="failed", error=error)
        if response.status != 200 or not response.is_complete:
            return response
        body = response.body if response.chunks is None else response.chunks[-1]["response"]
        if request.store is not False:
            self._states[body["id"]] = [body]
        if not request.background or request.is_streamed:
            return response
        self._states[body["id"]] = [build_unfinished_response(body, "in_progress"), body]
        return replace(response, body=build_unfinished_response(body, "queued"))

    def get_stored(self, id_: str) -> JsonObject:
        """Return a response. A background response is first returned as in progress."""
        states = self._states.get(id_)
        if states is None:
            raise HTTPError(404, f"response {id_!r} is not stored", param="response_id")
        return states.pop(0) if len(states) > 1 else states[0]

    def compact(self, body: Mapping[str, Any], *, lenient: bool) -> JsonObject:
        """Replace everything before the user's last message with a compaction item."""
        request = validate_body(ResponsesRequest, body, lenient=lenient)
        self._models.check_enabled(request.model)
        items = self._load_conversation(request.model_dump(exclude_unset=True))
        users = (index for index, item in enumerate(items) if item.get("role") == "user")
        start = max(users, default=len(items))
        number = next(self._numbers)
        compaction = {
            "type": "compaction",
            "id": f"cmp_offline_{number:06}",
            "encrypted_content": f"{start} items, compacted by the offline router",
        }
        tokens = sum(read_message(item).tokens for item in items)
        return {
            "id": f"resp_compaction_{number:06}",
            "object": "response.compaction",
            "created_at": text_endpoint.EPOCH + number,
            "output": [compaction, *items[start:]],
            "usage": {
                "input_tokens": tokens,
                "output_tokens": 0,
                "total_tokens": tokens,
                "total_cost": tokens * USD_PER_INPUT_TOKEN,
            },
        }

    def _load_conversation(self, fields: Mapping[str, Any]) -> list[JsonObject]:
        """Return the items of a request, preceded by the conversation that it continues."""
        previous = fields.get("previous_response_id")
        if previous is None and not fields.get("input"):
            reject_field("input", "is required unless previous_response_id is set")
        states = self._states.get(previous or "", [])
        if previous is not None and (len(states) != 1 or states[0]["status"] == "failed"):
            reject_field("previous_response_id", f"{previous!r} is not stored or not completed")
        earlier = [*states[0]["input"], *states[0]["output"]] if states else []
        return [*earlier, *list_items(fields)]


def build_unfinished_response(body: Mapping[str, Any], status: str) -> JsonObject:
    """Return the response as it was before it finished, with this status."""
    return {**body, **_UNFINISHED, "status": status}


def build_answer_fields(answer: Answer, request: ResponsesRequest) -> JsonObject:
    """Return the fields of a response that depend on the answer."""
    output = [{**item, "status": "completed"} for item in _iter_output(answer, request)]
    reason = _INCOMPLETE_REASONS.get(answer.finish_reason or "")
    if reason:
        output[-1]["status"] = "incomplete"
    usage = text_endpoint.count_usage(request.prompt, answer)
    input_cost = round((usage["input_tokens"] or 0) * USD_PER_INPUT_TOKEN, 9)
    output_cost = round((usage["output_tokens"] or 0) * USD_PER_OUTPUT_TOKEN, 9)
    return {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": {
            "input_cost": input_cost,
            "output_cost": output_cost,
            "total_cost": round(input_cost + output_cost, 9),
            **usage,
            "input_tokens_details": {"cache_write_tokens": 0, **usage["input_tokens_details"]},
        },
    }


def _iter_output(answer: Answer, request: ResponsesRequest) -> Iterator[JsonObject]:
    signature = answer.reasoning_signature
    if answer.reasoning is not None or signature is not None:
        summary = [{"type": "summary_text", "text": answer.reasoning}] if answer.reasoning else []
        yield {"type": "reasoning", "summary": summary, "encrypted_content": signature}
    if answer.text or answer.refusal is not None or not answer.calls:
        content = _build_content(answer, request)
        yield {"type": "message", "role": "assistant", "content": content}
    custom = {tool["name"] for tool in request.tools or () if tool["type"] == "custom"}
    for call in answer.calls:
        item = {"type": "function_call", "arguments": call.arguments}
        if call.name in custom:
            item = {"type": "custom_tool_call", "input": call.arguments}
        yield {**item, "call_id": call.id, "name": call.name}


def _build_content(answer: Answer, request: ResponsesRequest) -> list[JsonObject]:
    if answer.refusal is not None:
        return [{"type": "refusal", "refusal": answer.refusal}]
    is_included = "message.output_text.logprobs" in (request.include or ())
    has_logprobs = is_included or "top_logprobs" in request.model_fields_set
    text = {
        "type": "output_text",
        "text": answer.text,
        "annotations": list(map(dict, answer.annotations)),
        "logprobs": list(map(dict, answer.logprobs)) if has_logprobs else [],
    }
    return [text]


_STREAMED = {
    "output_text": ("output_text", "text", ("logprobs",)),
    "refusal": ("refusal", "refusal", ()),
    "summary_text": ("reasoning_summary_text", "text", ()),
    "function_call": ("function_call_arguments", "arguments", ("name",)),
    "custom_tool_call": ("custom_tool_call_input", "input", ()),
}
"""For each type of part or item: event prefix, streamed field, other fields of the last event."""


def iter_events(body: Mapping[str, Any]) -> Iterator[JsonObject]:
    """Yield the events of a finished response."""
    unfinished = build_unfinished_response(body, "in_progress")
    events = [
        {"type": f"response.{name}", "response": unfinished} for name in ("created", "in_progress")
    ]
    for index, item in enumerate(body["output"]):
        events += _iter_item(item, index)
    events.append({"type": f"response.{body['status']}", "response": body})
    for number, event in enumerate(events):
        yield {"type": event["type"], "sequence_number": number, **event}


def _iter_item(item: JsonObject, index: int) -> Iterator[JsonObject]:
    position = {"output_index": index, "item_id": item["id"]}
    added = _clear(item) | {"status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": index, "item": added}
    yield from _iter_text(item, position)
    for name, prefix in (("summary", "reasoning_summary_part"), ("content", "content_part")):
        for number, part in enumerate(item.get(name, ())):
            place = {**position, f"{name}_index": number}
            yield {"type": f"response.{prefix}.added", **place, "part": _clear(part)}
            yield from _iter_text(part, place)
            yield {"type": f"response.{prefix}.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _clear(value: Mapping[str, Any]) -> JsonObject:
    """Return an item or a part as it is before its content is streamed."""
    _, name, _ = _STREAMED.get(value["type"], ("", "", ()))
    empty = {name: "", "annotations": [], "logprobs": [], "content": [], "summary": []}
    return {key: empty.get(key, field) for key, field in value.items()}


def _iter_text(value: JsonObject, position: JsonObject) -> Iterator[JsonObject]:
    """Yield the events of a part or an item with a streamed field."""
    if value["type"] not in _STREAMED:
        return
    prefix, name, extra_names = _STREAMED[value["type"]]
    is_code = name in {"arguments", "input"}
    split = text_endpoint.split_fragments if is_code else text_endpoint.split_after_words
    for index, fragment in enumerate(split(value[name])):
        event = {"type": f"response.{prefix}.delta", **position, "delta": fragment}
        if "logprobs" in value:
            event["logprobs"] = value["logprobs"][index : index + 1]
        yield event
    fields = {key: value[key] for key in (name, *extra_names)}
    yield {"type": f"response.{prefix}.done", **position, **fields}
