"""Conversion of complete responses, and equality of complete and streamed answers."""

from typing import Any

import orjson
import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage
from support.chat_responses import (
    GPT,
    comparable,
    create_call,
    create_model,
    invoke_with_message,
    merge_chunks,
)

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import InvalidResponseError, ServerError
from orq_router_integrations.testing import Answer

AUDIO = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
ANSWERS: dict[str, tuple[Answer, dict[str, Any]]] = {
    "text": (Answer("Hello there, you."), {}),
    "empty": (Answer(""), {}),
    "unicode": (Answer("Grüße \u2028 🦉 👩‍💻"), {}),
    "tool call": (Answer(tool_calls=(create_call("f", {"city": "Köln", "n": [1, 2]}),)), {}),
    "tool call without arguments": (Answer(tool_calls=(create_call("f"),)), {}),
    "text and two calls": (
        Answer("Ok.", (create_call("f", {"a": 1}), create_call("g", {"b": 2}))),
        {},
    ),
    "invalid call": (Answer(tool_calls=(create_call("f", "no JSON"),)), {}),
    "truncated call": (
        Answer(tool_calls=(create_call("f", '{"city": "Par'),), finish_reason="length"),
        {},
    ),
    "signed reasoning": (Answer("42", reasoning="Let me think.", reasoning_signature="sig"), {}),
    "reasoning and a call": (
        Answer(reasoning="Let me think.", tool_calls=(create_call("f", {"a": 1}),)),
        {},
    ),
    "refusal": (Answer(refusal="I would rather not."), {}),
    "audio": (Answer("Hello there."), AUDIO),
    "logprobs": (
        Answer("Hello there.", logprobs=[{"token": "Hello "}, {"token": "there."}]),
        {"logprobs": True, "top_logprobs": 2},
    ),
    "length": (Answer("Hello there, all of you."), {"max_tokens": 3}),
    "content filter": (Answer("He", finish_reason="content_filter"), {}),
    "stop sequence": (Answer("Hello there, all of you."), {"stop": ["all"]}),
    "usage details": (
        Answer("Hi", usage={"prompt_tokens_details": {"cached_tokens": 7, "audio_tokens": None}}),
        {},
    ),
}
each_answer = pytest.mark.parametrize(("answer", "params"), ANSWERS.values(), ids=ANSWERS)


def create_offline_model(answer: Answer) -> ChatOrq:
    """Create a model on a new router, so that ids and times are those of its first response."""
    return ChatOrq(model=GPT, client=OfflineRouter(answers=lambda _: answer).client())


@each_answer
def test_stream_produces_the_message_of_a_complete_response(
    answer: Answer, params: dict[str, Any]
) -> None:
    expected = comparable(create_offline_model(answer).invoke("Hi", **params))
    collected = create_offline_model(answer).invoke("Hi", stream=True, **params)
    assert comparable(collected) == expected
    chunks = create_offline_model(answer).stream("Hi", **params)
    assert comparable(merge_chunks(chunks)) == expected


@each_answer
async def test_async_calls_produce_the_same_message(answer: Answer, params: dict[str, Any]) -> None:
    expected = comparable(create_offline_model(answer).invoke("Hi", **params))
    assert comparable(await create_offline_model(answer).ainvoke("Hi", **params)) == expected
    stream = create_offline_model(answer).astream("Hi", **params)
    assert comparable(merge_chunks([chunk async for chunk in stream])) == expected


def test_message_has_the_fields_that_langchain_reads() -> None:
    answer = Answer("42", (create_call("f", {"a": 1}, call_id="call_9"),), "Let me think.", "sig")
    message = create_offline_model(answer).invoke("Hi")
    assert message.text == "42"
    assert message.tool_calls == [
        {"name": "f", "args": {"a": 1}, "id": "call_9", "type": "tool_call"}
    ]
    assert message.additional_kwargs["reasoning_content"] == "Let me think."
    assert message.additional_kwargs["reasoning_signature"] == "sig"
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert [block["type"] for block in message.content_blocks] == [
        "reasoning",
        "text",
        "tool_call",
    ]


def test_audio_has_data_and_transcript() -> None:
    message = create_offline_model(Answer("Hello there.")).invoke("Hi", **AUDIO)
    audio = message.additional_kwargs["audio"]
    assert audio["transcript"] == "Hello there."
    assert audio["data"].startswith("UklGR")
    assert audio.keys() == {"id", "expires_at", "data", "transcript", "mime_type"}


# Choices


def test_usage_is_on_the_first_of_several_choices() -> None:
    model = ChatOrq(model=GPT, client=OfflineRouter(answers={"Hi": "Hello"}).client())
    result = model.generate([[HumanMessage("Hi")]], n=3)
    messages = [generation.message for generation in result.generations[0]]
    assert [message.text for message in messages] == ["Hello"] * 3
    assert [bool(message.usage_metadata) for message in messages] == [True, False, False]
    assert all(message.response_metadata["finish_reason"] == "stop" for message in messages)


def create_choice(text: str, **fields: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, **fields}


CHOICES: dict[str, list[dict[str, Any]]] = {
    "sorted by index": [create_choice("B", index=1), create_choice("A", index=0)],
    "sorted by indices in several forms": [
        create_choice("B", index="1"),
        create_choice("A", index=0.0),
    ],
    "unchanged without indices": [create_choice("A"), create_choice("B")],
    "unchanged with one index": [create_choice("A"), create_choice("B", index=0)],
    "unchanged with invalid indices": [
        create_choice("A", index="one"),
        create_choice("B", index=None),
    ],
}


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_choices_are_ordered_by_index(choices: list[dict[str, Any]]) -> None:
    model = create_model(orjson.dumps({"choices": choices}))
    (generations,) = model.generate([[HumanMessage("Hi")]]).generations
    assert [generation.text for generation in generations] == ["A", "B"]
    assert model.invoke("Hi").text == "A"


# Invalid responses

INVALID_BODIES = {
    "HTML": b"<html>Bad gateway</html>",
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "str": b'"Hi"',
    "no choices": b"{}",
    "empty choices": b'{"choices": []}',
    "null choices": b'{"choices": null}',
    "choices as an object": b'{"choices": {"message": {}}}',
    "choice as a str": b'{"choices": ["Hi"]}',
    "choice without message": b'{"choices": [{}]}',
    "null message": b'{"choices": [{"message": null}]}',
    "content as a number": b'{"choices": [{"message": {"content": 5}}]}',
    "content as an object": b'{"choices": [{"message": {"content": {"text": "Hi"}}}]}',
    "content false": b'{"choices": [{"message": {"content": false}}]}',
    "parts without text": b'{"choices": [{"message": {"content": [{"text": 5}, 5]}}]}',
    "unknown parts": b'{"choices": [{"message": {"content": [{"type": "x"}]}}]}',
    "unclosed nesting": b'{"choices": ' + b"[" * 5000,
}


@pytest.mark.parametrize("content", INVALID_BODIES.values(), ids=INVALID_BODIES)
def test_response_without_an_answer_raises(content: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        create_model(content).invoke("Hi")
    assert caught.value.endpoint == "/chat/completions"
    assert caught.value.status_code == 200
    assert "application/json" in str(caught.value)


def test_unpaired_surrogate_in_a_response_is_replaced() -> None:
    content = rb'{"choices": [{"message": {"content": "Hi \ud83d"}}]}'
    assert create_model(content).invoke("Hi").text == "Hi \ufffd"


@pytest.mark.parametrize(
    "content",
    [b'{"error": {"message": "out"}}', b'{"error": "out"}', b'{"code": "x", "message": "out"}'],
    ids=["object", "str", "flat"],
)
def test_error_with_status_200_raises(content: bytes) -> None:
    with pytest.raises(ServerError, match="out"):
        create_model(content).invoke("Hi")


CONSTRUCTOR = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain_core", "messages", "HumanMessage"],
    "kwargs": {"content": "from the server"},
}
SECRET = {"lc": 1, "type": "secret", "id": ["ORQ_API_KEY"]}


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])
def test_arguments_shaped_like_serialized_objects_stay_data(
    monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """A model must not be able to create objects, or read secrets, when a message is loaded."""
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-ENV")
    call = create_call("f", {"one": CONSTRUCTOR, "two": [SECRET]})
    message = create_offline_model(Answer("Hi", (call,))).invoke("Hi", stream=stream)
    loaded = loads(dumps(message), allowed_objects=[AIMessage], secrets_from_env=True)
    assert loaded == message
    assert loaded.tool_calls[0]["args"] == {"one": CONSTRUCTOR, "two": [SECRET]}
    assert not isinstance(loaded.tool_calls[0]["args"]["one"], HumanMessage)


def test_text_in_content_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}]
    assert invoke_with_message(content=parts).text == "Hello there"
