"""Streamed text with surrogate pairs that are split, since JSON escapes UTF-16 code units."""

import pytest
from support.chat_responses import DONE, convert_stream, encode_event

from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, RESPONSES
from orq_router_integrations.wire.call import MalformedResponseError
from orq_router_integrations.wire.chat_completions import ChatStreamDecoder
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder

HIGH, LOW = r"\ud83d", r"\ude00"
DECODERS = {CHAT_COMPLETIONS: ChatStreamDecoder, RESPONSES: ResponsesStreamDecoder}
FINAL_EVENTS = {
    CHAT_COMPLETIONS: '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    RESPONSES: '{"type":"response.completed","response":{"status":"completed","output":[]}}',
}


def create_text_event(api: str, text: str) -> bytes:
    if api == RESPONSES:
        event = f'{{"type":"response.output_text.delta","output_index":0,"delta":"{text}"}}'
    else:
        event = f'{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}'
    return encode_event(event.encode())


def stream_text(api: str, *texts: str, final_event: bytes = b"") -> str:
    """Return the text of a stream; each chunk must be valid Unicode."""
    final_event = final_event or encode_event(FINAL_EVENTS[api].encode())
    events = [create_text_event(api, text) for text in texts]
    chunks = convert_stream(*events, final_event, create_decoder=DECODERS[api])
    return b"".join(chunk.text.encode() for chunk in chunks).decode()


TEXTS: dict[str, tuple[list[str], str]] = {
    "pair split over two events": ([f"a{HIGH}", f"{LOW}b"], "a\U0001f600b"),
    "only the pair": ([HIGH, LOW], "\U0001f600"),
    "empty text between": ([HIGH, "", LOW], "\U0001f600"),
    "two pairs": ([HIGH, LOW + HIGH, LOW], "\U0001f600\U0001f600"),
    "high surrogate before text": ([f"a{HIGH}", "b", "c"], "abc\ufffd"),
    "high surrogate at the end": ([f"a{HIGH}"], "a\ufffd"),
    "two high surrogates": ([HIGH, HIGH + LOW], "\U0001f600\ufffd"),
    "escaped backslash": (["\\\\ud83d", "\\\\ude00"], "\\ud83d\\ude00"),
    "low surrogate": (["a", f"{LOW}b"], "a\ufffdb"),
    "wrong order": ([LOW, HIGH], "\ufffd\ufffd"),
    "high surrogate inside text": ([f"a{HIGH}b", LOW], "a\ufffdb\ufffd"),
    "complete characters": (
        ["\U0001f600", HIGH + LOW, "\u00e9"],
        "\U0001f600\U0001f600\u00e9",
    ),
}


@pytest.mark.parametrize("api", FINAL_EVENTS)
@pytest.mark.parametrize(("texts", "expected"), TEXTS.values(), ids=TEXTS)
def test_split_pairs_are_joined(api: str, texts: list[str], expected: str) -> None:
    assert stream_text(api, *texts) == expected


def test_stream_may_end_with_an_unpaired_surrogate() -> None:
    event = rb'{"choices":[{"index":0,"delta":{"content":"\ud83d"},"finish_reason":"length"}]}'
    assert stream_text(CHAT_COMPLETIONS, "a", final_event=encode_event(event)) == "a\ufffd"
    assert stream_text(CHAT_COMPLETIONS, f"a{HIGH}", final_event=DONE) == "a\ufffd"


def test_deep_nesting_after_a_high_surrogate_raises() -> None:
    first = create_text_event(CHAT_COMPLETIONS, HIGH)
    deep = b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(MalformedResponseError, match="not JSON"):
        convert_stream(first, encode_event(deep))
