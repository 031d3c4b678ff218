"""Complete responses of the Responses API, converted to completions."""

from typing import Any

import orjson
import pytest

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    Response,
    WireError,
)
from orq_router_integrations.wire.responses_output import PendingResponse, parse_response


def parse(body: Any) -> Any:
    return parse_response(Response(200, {}, orjson.dumps(body)))


def build_response(*output: Any, **fields: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-4o"}
    return {**response, "output": list(output), **fields}


def build_message(*parts: Any) -> dict[str, Any]:
    return {"type": "message", "id": "m1", "role": "assistant", "content": list(parts)}


def build_text(text: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, **fields}


def build_reasoning(*texts: str, **fields: Any) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "r1", "summary": summary, **fields}


def convert(*output: Any) -> dict[str, Any]:
    """Return the fields of the message, apart from the role, that are set."""
    (choice,) = parse(build_response(*output))["choices"]
    message: dict[str, Any] = {name: value for name, value in choice["message"].items() if value}
    message.pop("role")
    message.pop("item_ids", None)  # see test_responses_items.py
    return message


HI = build_message(build_text("Hi"))
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
CITATION = {"type": "url_citation", "url": "https://example.com", "title": "T"}
FUNCTION = {"id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {}}
REASONING_ITEM = {"reasoning": "Hm.", "signature": "SIGNATURE"}

ITEMS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "text": ([HI], {"content": "Hi"}),
    "text in parts": ([build_message(build_text("Hi "), build_text("you"))], {"content": "Hi you"}),
    "two messages": ([HI, build_message(build_text("!"))], {"content": "Hi!"}),
    "content as a string": ([{"type": "message", "content": "Hi"}], {"content": "Hi"}),
    "annotations": (
        [build_message(build_text("Hi", annotations=[CITATION]))],
        {"content": "Hi", "annotations": [CITATION]},
    ),
    "annotations of two parts": (
        [
            build_message(
                build_text("A", annotations=[CITATION]), build_text("B", annotations=[CITATION])
            )
        ],
        {"content": "AB", "annotations": [CITATION, CITATION]},
    ),
    "refusal": ([build_message({"type": "refusal", "refusal": "No."})], {"refusal": "No."}),
    "tool call": ([CALL], {"tool_calls": [FUNCTION]}),
    "custom tool call": (
        [{"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "ls"}],
        {"tool_calls": [{"id": "c1", "function": {"name": "run", "arguments": '{"__arg1":"ls"}'}}]},
    ),
    "text and tool call": ([HI, CALL], {"content": "Hi", "tool_calls": [FUNCTION]}),
    "reasoning": ([build_reasoning("Hm."), HI], {"reasoning": "Hm.", "content": "Hi"}),
    "reasoning in two parts": ([build_reasoning("A", "B")], {"reasoning": "A\n\nB"}),
    "reasoning as content": (
        [build_reasoning(content=[{"type": "reasoning_text", "text": "Hm."}])],
        {"reasoning": "Hm."},
    ),
    "encrypted reasoning": (
        [build_reasoning("Hm.", encrypted_content="SIGNATURE")],
        {"reasoning": "Hm.", "reasoning_items": [REASONING_ITEM]},
    ),
    "encrypted reasoning without summary": (
        [build_reasoning(encrypted_content="SIGNATURE")],
        {"reasoning_items": [{"reasoning": "", "signature": "SIGNATURE"}]},
    ),
    "image": (
        [{"type": "image_generation_call", "id": "i", "result": "aGk="}],
        {"images": [{"b64_json": "aGk="}]},
    ),
    "search": ([SEARCH, HI], {"content": "Hi", "output_items": [SEARCH]}),
    "unknown item": ([{"type": "new_call"}], {"output_items": [{"type": "new_call"}]}),
    "invalid items": (["junk", None, 5, HI], {"content": "Hi"}),
}


@pytest.mark.parametrize(("output", "message"), ITEMS.values(), ids=ITEMS)
def test_items_become_message_fields(output: list[Any], message: dict[str, Any]) -> None:
    assert convert(*output) == message


def test_signatures_keep_their_order() -> None:
    first, second = (build_reasoning(text, encrypted_content=text * 3) for text in "AB")
    assert convert(first, second, CALL)["reasoning_items"] == [
        {"reasoning": "A", "signature": "AAA"},
        {"reasoning": "B", "signature": "BBB"},
    ]


def test_logprobs_belong_to_the_choice() -> None:
    token = {"token": "Hi", "logprob": -0.1}
    (choice,) = parse(build_response(build_message(build_text("Hi", logprobs=[token]))))["choices"]
    assert choice["logprobs"] == {"content": [token]}
    assert "logprobs" not in choice["message"]


INCOMPLETE: dict[str, tuple[Any, str]] = {
    "tokens": ({"reason": "max_output_tokens"}, "length"),
    "filter": ({"reason": "content_filter"}, "content_filter"),
    "unknown reason": ({"reason": "tired"}, "length"),
    "no reason": ({}, "length"),
    "null details": (None, "length"),
    "null reason": ({"reason": None}, "length"),
}


@pytest.mark.parametrize(("details", "reason"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_finish_reason_of_an_incomplete_response(details: Any, reason: str) -> None:
    completion = parse(build_response(HI, status="incomplete", incomplete_details=details))
    assert completion["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize(
    ("output", "status", "reason"),
    [
        ((HI,), "completed", "stop"),
        ((HI, CALL), "completed", "tool_calls"),
        ((HI,), "cancelled", "cancelled"),
    ],
    ids=["text", "tool call", "cancelled"],
)
def test_finish_reason(output: Any, status: str, reason: str) -> None:
    completion = parse(build_response(*output, status=status))
    assert completion["choices"][0]["finish_reason"] == reason


def test_incomplete_response_may_be_empty() -> None:
    completion = parse(build_response(status="incomplete"))
    assert completion["choices"][0]["message"]["content"] == ""


def test_metadata_has_the_names_of_chat_completions() -> None:
    usage = {
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_cost": 0.25,
    }
    completion = parse(build_response(HI, created_at=7, usage=usage, service_tier="flex"))
    del completion["choices"]
    assert completion == {
        "id": "resp_1",
        "model": "gpt-4o",
        "created": 7,
        "service_tier": "flex",
        "api": "responses",
        "usage": usage,
    }


ERRORS: dict[str, Any] = {
    "error": {"error": {"message": "out"}},
    "error as text": {"error": "out"},
    "flat error": {"code": "x", "message": "out"},
    "failed": build_response(status="failed", error={"code": "x", "message": "out"}),
    "failed without an error": build_response(HI, status="failed"),
    "error and output": build_response(HI, error={"message": "out"}),
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_error_with_status_200_raises(body: Any) -> None:
    with pytest.raises(EmbeddedError):
        parse(body)


WITHOUT_OUTPUT: dict[str, Any] = {
    "null": None,
    "array": [],
    "string": "Hi",
    "empty object": {},
    "empty output": build_response(),
    "cancelled": build_response(status="cancelled"),
    "null output": build_response(output=None),
    "output as object": build_response(output={"type": "message"}),
    "output as string": build_response(output="Hi"),
    "invalid items only": build_response(None, "?", 5),
    "chat completion": {"choices": [{"message": {"content": "Hi"}}]},
}


@pytest.mark.parametrize("body", WITHOUT_OUTPUT.values(), ids=WITHOUT_OUTPUT)
def test_response_without_output_raises(body: Any) -> None:
    with pytest.raises(MalformedResponseError):
        parse(body)


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_unfinished_response_is_pending(status: str) -> None:
    pending = parse(build_response(status=status))
    assert isinstance(pending, PendingResponse)
    assert pending.id == "resp_1"


@pytest.mark.parametrize("response_id", [None, 5])
def test_unfinished_response_without_an_id_raises(response_id: Any) -> None:
    with pytest.raises(MalformedResponseError):
        parse(build_response(status="queued", id=response_id))


UNEXPECTED: dict[str, Any] = {
    "string as item": build_response("junk", HI),
    "null item": build_response(None, HI),
    "item without type": build_response({}, HI),
    "null content": build_response({"type": "message", "content": None}, HI),
    "content as number": build_response({"type": "message", "content": 5}),
    "string as part": build_response(build_message("Hi")),
    "null part": build_response(build_message(None)),
    "null text": build_response(build_message(build_text(None))),
    "text as number": build_response(build_message(build_text(5), build_text("a"))),
    "null annotations": build_response(build_message(build_text("Hi", annotations=None))),
    "annotations as string": build_response(
        build_message(build_text("A", annotations="?"), build_text("B"))
    ),
    "annotations of two types": build_response(
        build_message(
            build_text("A", annotations={"a": 1}), build_text("B", annotations=[CITATION])
        )
    ),
    "null refusal": build_response(build_message({"type": "refusal", "refusal": None}), HI),
    "refusal as list": build_response(
        build_message({"type": "refusal", "refusal": "No"}, {"type": "refusal", "refusal": []})
    ),
    "refusals of two types": build_response(
        build_message({"type": "refusal", "refusal": "No"}, {"type": "refusal", "refusal": 5})
    ),
    "null summary": build_response(build_reasoning(summary=None), HI),
    "summary as string": build_response(build_reasoning(summary="Hm."), HI),
    "summary of strings": build_response(build_reasoning(summary=["Hm."]), HI),
    "summary of nulls": build_response(build_reasoning(summary=[None]), HI),
    "summary as number": build_response(build_reasoning(summary=5), HI),
    "null text in summary": build_response(build_reasoning(summary=[{"text": None}]), HI),
    "number in summary": build_response(build_reasoning(summary=[{"text": 5}]), HI),
    "signature as number": build_response(build_reasoning("Hm.", encrypted_content=5), HI),
    "image as number": build_response({"type": "image_generation_call", "result": 5}),
    "logprobs as string": build_response(
        build_message(build_text("A", logprobs="?"), build_text("B"))
    ),
    "details as string": build_response(HI, status="incomplete", incomplete_details="long"),
    "usage as string": build_response(HI, usage="much"),
    "usage as list": build_response(HI, usage=[1]),
    "type as list": build_response({"type": ["message"]}, HI),
}


@pytest.mark.parametrize("body", UNEXPECTED.values(), ids=UNEXPECTED)
def test_unexpected_types_are_read_or_raise_a_wire_error(body: Any) -> None:
    try:
        completion = parse(body)
    except WireError:
        return
    assert isinstance(completion["choices"][0]["message"]["content"], str)


@pytest.mark.parametrize(
    "content",
    [5, {"text": "Hi"}, [{"type": "output_text", "text": 5}]],
    ids=["number", "object", "part with a number"],
)
def test_content_without_text_raises(content: Any) -> None:
    with pytest.raises(MalformedResponseError, match="has no text"):
        parse(build_response({"type": "message", "content": content}))


def test_body_that_is_not_json_raises() -> None:
    with pytest.raises(MalformedResponseError, match="not JSON"):
        parse_response(Response(200, {}, b"<html>"))
