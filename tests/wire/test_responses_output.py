"""Whole replies of the Responses API, read as completions: every kind of item, and odd ones."""

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


def read(response: Any) -> Any:
    return parse_response(Response(200, {}, orjson.dumps(response)))


def response(*output: Any, **members: Any) -> dict[str, Any]:
    found = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-4o"}
    return {**found, "output": list(output), **members}


def message(*parts: Any) -> dict[str, Any]:
    return {"type": "message", "id": "m1", "role": "assistant", "content": list(parts)}


def text(words: str, **members: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": words, **members}


def call(**members: Any) -> dict[str, Any]:
    found = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
    return {**found, **members}


def thought(*words: str, **members: Any) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": word} for word in words]
    return {"type": "reasoning", "id": "r1", "summary": summary, **members}


HI = message(text("Hi"))


def said(*output: Any) -> dict[str, Any]:
    (choice,) = read(response(*output))["choices"]
    found: dict[str, Any] = {k: v for k, v in choice["message"].items() if v}
    found.pop("role")
    return found


NOTE = {"type": "url_citation", "url": "https://example.com", "title": "T"}
FUNCTION = {"id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {}}
SEALED = {"reasoning": "Hm.", "signature": "SEAL"}

ITEMS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "a text": ([HI], {"content": "Hi"}),
    "a text in parts": ([message(text("Hi "), text("you"))], {"content": "Hi you"}),
    "two messages": ([HI, message(text("!"))], {"content": "Hi!"}),
    "annotations": (
        [message(text("Hi", annotations=[NOTE]))],
        {"content": "Hi", "annotations": [NOTE]},
    ),
    "annotations of two parts": (
        [message(text("A", annotations=[NOTE]), text("B", annotations=[NOTE]))],
        {"content": "AB", "annotations": [NOTE, NOTE]},
    ),
    "a refusal": ([message({"type": "refusal", "refusal": "No."})], {"refusal": "No."}),
    "a call": ([call()], {"tool_calls": [FUNCTION]}),
    "a call of a custom tool": (
        [{"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "ls"}],
        {"tool_calls": [{"id": "c1", "function": {"name": "run", "arguments": '{"__arg1":"ls"}'}}]},
    ),
    "text and a call": ([HI, call()], {"content": "Hi", "tool_calls": [FUNCTION]}),
    "reasoning": ([thought("Hm."), HI], {"reasoning": "Hm.", "content": "Hi"}),
    "reasoning in two parts": ([thought("A", "B")], {"reasoning": "A\n\nB"}),
    "reasoning as content": (
        [thought(content=[{"type": "reasoning_text", "text": "Hm."}])],
        {"reasoning": "Hm."},
    ),
    "sealed reasoning": (
        [thought("Hm.", encrypted_content="SEAL")],
        {"reasoning": "Hm.", "reasoning_items": [SEALED]},
    ),
    "a seal alone": (
        [thought(encrypted_content="SEAL")],
        {"reasoning_items": [{"reasoning": "", "signature": "SEAL"}]},
    ),
    "a picture": (
        [{"type": "image_generation_call", "id": "i", "result": "aGk="}],
        {"images": [{"b64_json": "aGk="}]},
    ),
    "a search": ([SEARCH, HI], {"content": "Hi", "output_items": [SEARCH]}),
    "an item of no known type": ([{"type": "new_call"}], {"output_items": [{"type": "new_call"}]}),
}


@pytest.mark.parametrize(("output", "found"), ITEMS.values(), ids=ITEMS)
def test_an_item_is_told_as_a_member_of_the_message(
    output: list[Any], found: dict[str, Any]
) -> None:
    assert said(*output) == found


def test_several_sealed_thoughts_are_kept_apart_and_in_order() -> None:
    first, second = (thought(word, encrypted_content=word * 3) for word in "AB")
    assert said(first, second, call())["reasoning_items"] == [
        {"reasoning": "A", "signature": "AAA"},
        {"reasoning": "B", "signature": "BBB"},
    ]


def test_logprobs_are_those_of_the_choice() -> None:
    item = {"token": "Hi", "logprob": -0.1}
    (choice,) = read(response(message(text("Hi", logprobs=[item]))))["choices"]
    assert choice["logprobs"] == {"content": [item]}
    assert "logprobs" not in choice["message"]


INCOMPLETE: dict[str, tuple[Any, str]] = {
    "tokens": ({"reason": "max_output_tokens"}, "length"),
    "a filter": ({"reason": "content_filter"}, "content_filter"),
    "another reason": ({"reason": "tired"}, "length"),
    "no reason": ({}, "length"),
    "null details": (None, "length"),
    "a null reason": ({"reason": None}, "length"),
}


@pytest.mark.parametrize(("details", "reason"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_an_incomplete_response_says_why(details: Any, reason: str) -> None:
    found = read(response(HI, status="incomplete", incomplete_details=details))
    assert found["choices"][0]["finish_reason"] == reason


def test_a_response_that_was_cancelled_says_so() -> None:
    (choice,) = read(response(HI, status="cancelled"))["choices"]
    assert choice["finish_reason"] == "cancelled"


def test_an_incomplete_response_may_have_said_nothing() -> None:
    found = read(response(status="incomplete"))
    assert found["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize(("output", "reason"), [((HI,), "stop"), ((HI, call()), "tool_calls")])
def test_a_completed_response_ends_as_its_output_does(output: Any, reason: str) -> None:
    assert read(response(*output))["choices"][0]["finish_reason"] == reason


def test_the_frame_is_told_in_the_words_of_chat() -> None:
    usage = {
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_cost": 0.25,
    }
    found = read(response(HI, created_at=7, usage=usage, service_tier="flex"))
    assert found["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
        "total_cost": 0.25,
    }
    names = ("id", "model", "created", "service_tier", "api")
    assert [found[name] for name in names] == ["resp_1", "gpt-4o", 7, "flex", "responses"]


ERRORS: dict[str, Any] = {
    "an error": {"error": {"message": "out"}},
    "an error as text": {"error": "out"},
    "a flat error": {"code": "x", "message": "out"},
    "a failed response": response(status="failed", error={"code": "x", "message": "out"}),
    "a failed response without its error": response(HI, status="failed"),
    "an error beside output": response(HI, error={"message": "out"}),
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_an_error_in_a_good_reply_is_an_error(body: Any) -> None:
    with pytest.raises(EmbeddedError):
        read(body)


NO_ANSWERS: dict[str, Any] = {
    "null": None,
    "an array": [],
    "a text": "Hi",
    "nothing": {},
    "no output": response(),
    "null output": response(output=None),
    "output that is an object": response(output={"type": "message"}),
    "output that is a text": response(output="Hi"),
    "output of junk only": response(None, "?", 5),
    "a chat completion": {"choices": [{"message": {"content": "Hi"}}]},
}


@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_a_reply_without_output_is_refused(body: Any) -> None:
    with pytest.raises(MalformedResponseError):
        read(body)


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_that_has_not_ended_is_told_as_such(status: str) -> None:
    assert read(response(status=status)) == PendingResponse("resp_1")


@pytest.mark.parametrize("name", [None, 5])
def test_a_response_that_has_not_ended_and_has_no_id_is_refused(name: Any) -> None:
    with pytest.raises(MalformedResponseError):
        read(response(status="queued", id=name))


def test_a_cancelled_response_is_no_answer() -> None:
    with pytest.raises(WireError):
        read(response(status="cancelled"))


ODD: dict[str, Any] = {
    "a text among the items": response("junk", HI),
    "a null item": response(None, HI),
    "an item without type": response({}, HI),
    "null content": response({"type": "message", "content": None}, HI),
    "content that is a text": response({"type": "message", "content": "Hi"}),
    "content that is a number": response({"type": "message", "content": 5}),
    "a part that is a text": response(message("Hi")),
    "a null part": response(message(None)),
    "a null text": response(message(text(None))),  # type: ignore[arg-type]
    "a text that is a number": response(message(text(5), text("a"))),  # type: ignore[arg-type]
    "null annotations": response(message(text("Hi", annotations=None))),
    "annotations that are a text": response(message(text("A", annotations="?"), text("B"))),
    "annotations of two types": response(
        message(text("A", annotations={"a": 1}), text("B", annotations=[NOTE]))
    ),
    "a null refusal": response(message({"type": "refusal", "refusal": None}), HI),
    "a refusal that is a list": response(
        message({"type": "refusal", "refusal": "No"}, {"type": "refusal", "refusal": []})
    ),
    "refusals of two types": response(
        message({"type": "refusal", "refusal": "No"}, {"type": "refusal", "refusal": 5})
    ),
    "a null summary": response(thought(summary=None), HI),
    "a summary that is a text": response(thought(summary="Hm."), HI),
    "a summary of texts": response(thought(summary=["Hm."]), HI),
    "a summary of nulls": response(thought(summary=[None]), HI),
    "a summary that is a number": response(thought(summary=5), HI),
    "a null text of a summary": response(thought(summary=[{"text": None}]), HI),
    "a number of a summary": response(thought(summary=[{"text": 5}]), HI),
    "a seal that is a number": response(thought("Hm.", encrypted_content=5), HI),
    "a picture that is a number": response({"type": "image_generation_call", "result": 5}),
    "logprobs that are a text": response(message(text("A", logprobs="?"), text("B"))),
    "details that are a text": response(HI, status="incomplete", incomplete_details="long"),
    "usage that is a text": response(HI, usage="much"),
    "usage that is a list": response(HI, usage=[1]),
    "a type that is a list": response({"type": ["message"]}, HI),
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_odd_members_are_read_or_refused_but_never_crash(body: Any) -> None:
    try:
        found = read(body)
    except WireError:
        return
    assert isinstance(found["choices"][0]["message"]["content"], str)


@pytest.mark.parametrize("content", [5, {"text": "Hi"}, [{"type": "output_text", "text": 5}]])
def test_content_without_text_is_refused(content: Any) -> None:
    with pytest.raises(MalformedResponseError, match="without text"):
        read(response({"type": "message", "content": content}))


def test_content_may_be_a_plain_text() -> None:
    assert said({"type": "message", "content": "Hi"})["content"] == "Hi"


def test_a_good_message_survives_junk_beside_it() -> None:
    assert said("junk", None, 5, HI)["content"] == "Hi"


def test_a_reply_that_is_no_json_is_refused() -> None:
    with pytest.raises(MalformedResponseError, match="not JSON"):
        parse_response(Response(200, {}, b"<html>"))
