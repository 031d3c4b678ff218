"""Shapes of ``POST /responses``: its parameters; replies and events, told as chat completions.

A reply is translated into a completion and an event into a chunk, so that what LangChain needs is
converted once, for both APIs. Source: contract section 2.13.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator
from typing_extensions import Self

from orq_router_integrations.wire.call import BadReply, ErrorInReply, Reply
from orq_router_integrations.wire.chat_completions import Effort, Whole, Wired
from orq_router_integrations.wire.events import EventReader, kind_of, refuse_error

Wire = dict[str, Any]


class Reasoning(Wired):
    """How much a model reasons, and what it shows of that."""

    effort: Effort | None = None
    summary: Literal["concise", "detailed", "auto"] | None = None


class ResponsesParams(BaseModel):
    """Parameters that only the Responses API has; sent only when set.

    Attributes:
        previous_response_id: continue a stored response (the ``id`` in ``response_metadata``);
            send only what is new since.
        store: whether the router keeps the response, which it does unless told otherwise.
        reasoning: effort, and the summary that becomes reasoning in the answer.
        background: whether the router answers at once and works on; ``invoke`` then asks until the
            response is there. Needs ``store``, and does not stream.
        include: further output to ask for, such as ``reasoning.encrypted_content``.
        max_tool_calls: most calls of server tools.
        service_tier: the provider's.
    """

    previous_response_id: Annotated[str, Field(min_length=1)] | None = None
    store: Annotated[bool, Field(strict=True)] | None = None
    background: Annotated[bool, Field(strict=True)] | None = None
    reasoning: Reasoning | None = None
    include: list[str] | None = None
    max_tool_calls: Annotated[Whole, Field(ge=1)] | None = None
    service_tier: str | None = None

    @model_validator(mode="after")
    def _background_is_stored(self) -> Self:
        if self.background and self.store is False:
            raise ValueError("background: needs store; a response that is not kept cannot be read")
        return self

    def responses_params(self) -> Wire:
        """The parameters that are set, as they go on the wire."""
        fields = {name: getattr(self, name) for name in ResponsesParams.model_fields}
        found = {name: value for name, value in fields.items() if value is not None}
        if self.reasoning is not None:
            found["reasoning"] = self.reasoning.model_dump(exclude_none=True)
        return found


# Replies

_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_USAGE = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A background response that the router still works on."""

    id: str


def read_response(reply: Reply) -> Wire | Unfinished:
    """The response in a reply, as a completion; or that it is not finished.

    Raises:
        BadReply: it is not JSON, or has no output.
        ErrorInReply: it is an error, or the response failed.
    """
    body = reply.json()
    refuse_error(body, reply.content)
    if not isinstance(body, dict):
        raise BadReply(f"the body is {kind_of(body)}, not an object")
    if body.get("status") in {"queued", "in_progress"} and isinstance(body.get("id"), str):
        return Unfinished(body["id"])
    return completion_of(body, reply.content)


def completion_of(response: Wire, content: bytes) -> Wire:
    """A whole response as a completion.

    Raises:
        BadReply: it has no output.
        ErrorInReply: it failed.
    """
    output = response.get("output")
    if response.get("status") == "failed":
        raise ErrorInReply(content)
    if not isinstance(output, list) or not (output or response.get("status") == "incomplete"):
        raise BadReply("the response has no output", content)
    message: Wire = {"role": "assistant", "content": "", "annotations": [], "tool_calls": []}
    for item in output:
        if isinstance(item, dict):
            _fold(item, message)
    choice = {"index": 0, "message": message, **_end(response, bool(message["tool_calls"]))}
    if logprobs := message.pop("logprobs", None):
        choice["logprobs"] = {"content": logprobs}
    return {**_frame(response), "choices": [choice]}


def _frame(response: Wire) -> Wire:
    usage = response.get("usage")
    known = {name: response.get(name) for name in ("id", "model", "service_tier")}
    return {
        **known,
        "created": response.get("created_at"),
        "usage": {_USAGE.get(k, k): v for k, v in usage.items()} if usage else None,
        "api": "responses",
    }


def _end(response: Wire, called: bool) -> Wire:
    details = response.get("incomplete_details") or {}
    if response.get("status") == "incomplete":
        return {"finish_reason": _REASONS.get(str(details.get("reason")), "length")}
    return {"finish_reason": "tool_calls" if called else "stop"}


def _fold(item: Wire, message: Wire) -> None:
    """Add an output item to the message."""
    match item.get("type"):
        case "message":
            for part in item.get("content") or ():
                _fold_part(part, message)
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            message["tool_calls"].append({"id": item.get("call_id"), "function": function})
        case _:
            _merge(message, _delta_of(item))
            if item.get("type") == "reasoning":
                _merge(message, {"reasoning": _thought(item)})


def _fold_part(part: Wire, message: Wire) -> None:
    if part.get("type") == "refusal":
        _merge(message, {"refusal": part.get("refusal")})
        return
    found = {"content": part.get("text"), "annotations": part.get("annotations") or []}
    _merge(message, {**found, "logprobs": part.get("logprobs") or []})


def _merge(message: Wire, delta: Wire) -> None:
    for name, value in delta.items():
        if value:
            message[name] = message[name] + value if message.get(name) else value


def _delta_of(item: Wire) -> Wire:
    """What a finished item adds beside what its own events have told."""
    match item.get("type"):
        case "reasoning" if item.get("encrypted_content"):
            seal = {"reasoning": _thought(item), "signature": item["encrypted_content"]}
            return {"reasoning_items": [seal]}
        case "image_generation_call" if item.get("result"):
            return {"images": [{"b64_json": item["result"]}]}
        case "reasoning" | "message" | "function_call":
            return {}
    return {"output_items": [item]}


def _thought(item: Wire) -> str:
    parts = item.get("summary") or item.get("content") or ()
    return "\n\n".join(part.get("text") or "" for part in parts)


# Streams

_TEXTS = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning.delta": "reasoning",
}
_ENDS = {"response.completed", "response.incomplete"}


class ResponseDecoder(EventReader):
    """Bytes of a response stream in, chunks as of chat completions out."""

    def __init__(self) -> None:
        super().__init__()
        self._called = False

    def read(self, event: Wire, data: bytes) -> Iterator[Wire]:
        """Translate one event; those that say nothing new are passed over."""
        kind = event.get("type")
        if kind in {"error", "response.failed"}:
            raise ErrorInReply(data)
        if kind in _ENDS:
            yield from self._ended(event.get("response") or {})
        elif kind in _TEXTS:
            self.hear(event.get("delta") if kind == "response.output_text.delta" else None)
            told = {"logprobs": {"content": event["logprobs"]}} if event.get("logprobs") else {}
            yield _chunk({_TEXTS[kind]: event.get("delta")}, **told)
        elif delta := self._delta(str(kind), event):
            yield _chunk(delta)

    def _delta(self, kind: str, event: Wire) -> Wire:
        item = event.get("item") or {}
        index = event.get("output_index")
        match kind:
            case "response.output_item.added" if item.get("type") == "function_call":
                self._called = True
                function = {"name": item.get("name"), "arguments": ""}
                call = {"index": index, "id": item.get("call_id"), "function": function}
                return {"tool_calls": [call]}
            case "response.function_call_arguments.delta":
                function = {"arguments": event.get("delta")}
                return {"tool_calls": [{"index": index, "function": function}]}
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                return {"reasoning": "\n\n"}
            case "response.output_text.annotation.added":
                return {"annotations": [event.get("annotation")]}
            case "response.output_item.done":
                return _delta_of(item)
        return {}

    def _ended(self, response: Wire) -> Iterator[Wire]:
        self.done = True
        choice = {"index": 0, "delta": {}, **_end(response, self._called)}
        yield {**_frame(response), "choices": [choice]}


def _chunk(delta: Wire, **members: Any) -> Wire:
    return {"choices": [{"index": 0, "delta": delta, **members}]}
