"""Characters that an upstream cuts in half, as JSON escapes of UTF-16 can be."""

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks

from orq_router_integrations.chat_models.request_builder import CHAT_APIS
from orq_router_integrations.chat_models.response_conversion import StreamConverter
from orq_router_integrations.chat_models.tool_calls import (
    ToolCallAccumulator,
    parse_tool_calls,
    strip_invalid_suffix,
)
from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.model_candidates import ModelCandidates

GPT = "openai/gpt-4o"
HIGH, LOW = r"\ud83d", r"\ude00"
ENDS = {
    "chat_completions": '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    "responses": '{"type":"response.completed","response":{"status":"completed","output":[]}}',
}


def text_event(api: str, text: str) -> str:
    if api == "responses":
        return f'{{"type":"response.output_text.delta","output_index":0,"delta":"{text}"}}'
    return f'{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}'


def said(api: str, *texts: str, end: str = "") -> str:
    """The text of a stream, put together of its chunks; none of them has half a character."""
    reader = StreamConverter(
        Response(200, {}), ModelCandidates(GPT, (GPT,)), CHAT_APIS[api].create_decoder
    )
    events = [text_event(api, text) for text in texts] + [end or ENDS[api]]
    found = [chunk for item in events for chunk in reader.feed(f"data: {item}\n\n".encode())]
    if not reader.done:
        found += reader.finish()
    return b"".join(chunk.text.encode() for chunk in found).decode()


TEXTS: dict[str, tuple[list[str], str]] = {
    "cut in half": ([f"a{HIGH}", f"{LOW}b"], "a\U0001f600b"),
    "nothing else": ([HIGH, LOW], "\U0001f600"),
    "nothing in between": ([HIGH, "", LOW], "\U0001f600"),
    "one after the other": ([HIGH, LOW + HIGH, LOW], "\U0001f600\U0001f600"),
    "no second half": ([f"a{HIGH}", "b", "c"], "a\ufffdbc"),
    "no second half at the end": ([f"a{HIGH}"], "a\ufffd"),
    "two first halves": ([HIGH, HIGH + LOW], "\ufffd\U0001f600"),
    "no first half": (["a", f"{LOW}b"], "a\ufffdb"),
    "halves in the wrong order": ([LOW, HIGH], "\ufffd\ufffd"),
    "a half in the middle": ([f"a{HIGH}b", LOW], "a\ufffdb\ufffd"),
    "whole characters": (["\U0001f600", HIGH + LOW, "\u00e9"], "\U0001f600\U0001f600\u00e9"),
}


@pytest.mark.parametrize("api", ENDS)
@pytest.mark.parametrize(("texts", "whole"), TEXTS.values(), ids=TEXTS)
def test_halves_that_follow_each_other_are_one_character(
    api: str, texts: list[str], whole: str
) -> None:
    assert said(api, *texts) == whole


def test_a_stream_may_end_in_half_a_character() -> None:
    end = r'{"choices":[{"index":0,"delta":{"content":"\ud83d"},"finish_reason":"length"}]}'
    assert said("chat_completions", "a", end=end) == "a\ufffd"
    assert said("chat_completions", f"a{HIGH}", end="[DONE]") == "a\ufffd"


@pytest.mark.parametrize("member", ["reasoning", "refusal"])
def test_half_a_character_elsewhere_is_replaced_and_the_text_goes_on(member: str) -> None:
    event = f'{{"choices":[{{"index":0,"delta":{{"{member}":"{LOW}","content":"{LOW}"}}}}]}}'
    reader = StreamConverter(Response(200, {}), ModelCandidates(GPT, (GPT,)))
    first = text_event("chat_completions", f"a{HIGH}")
    _, chunk = reader.feed(f"data: {first}\n\ndata: {event}\n\n".encode())
    assert chunk.text == "\U0001f600"
    assert "\ufffd" in chunk.message.additional_kwargs.values()


def test_an_event_that_is_nested_too_deep_behind_half_a_character_is_no_answer() -> None:
    reader = StreamConverter(Response(200, {}), ModelCandidates(GPT, (GPT,)))
    first = text_event("chat_completions", HIGH)
    deep = '{"choices":' + "[" * 100_000 + "]" * 100_000 + "}"
    list(reader.feed(f"data: {first}\n\n".encode()))
    with pytest.raises(MalformedResponseError, match="not JSON"):
        list(reader.feed(f"data: {deep}\n\n".encode()))


@pytest.mark.parametrize(("half", "read"), [(HIGH, "\ufffd"), (HIGH + LOW, "\U0001f600")])
def test_half_a_character_spoils_no_tool_call(half: str, read: str) -> None:
    function = {"name": "f", "arguments": f'{{"x":"{half}"}}'}
    calls = parse_tool_calls([{"id": "c", "function": function}])
    assert [call["args"] for call in calls.valid] == [{"x": read}]


def test_a_streamed_call_with_half_a_character_is_an_invalid_one() -> None:
    function = {"name": "f", "arguments": f'{{"x":"{HIGH}"}}'}
    assembly = ToolCallAccumulator()
    fragments = assembly.convert_deltas([{"index": 0, "id": "c", "function": function}])
    chunks = [AIMessageChunk("", tool_call_chunks=[call]) for call in fragments]
    whole = add_ai_message_chunks(
        *chunks, AIMessageChunk("", tool_call_chunks=assembly.invalidate_truncated_calls())
    )
    assert whole.tool_calls == []
    (call,) = whole.invalid_tool_calls
    assert strip_invalid_suffix(call["args"]) == function["arguments"]
