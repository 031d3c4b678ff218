"""Reasoning, media and content parts in the spellings of several providers."""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from support.chat import create_model as create_offline_model
from support.chat import last_body
from support.chat_responses import (
    DONE,
    EVENT_STREAM,
    STOP,
    create_delta,
    create_model,
    encode_event,
    invoke_with_message,
    merge_deltas,
)
from support.response_events import create_event, decode_deltas

from orq_router_integrations import OfflineRouter
from orq_router_integrations.chat_models.message_conversion import convert_messages

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

TEXT = {"type": "text", "text": "Hi"}
REASONING = {
    "Mistral": {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
    "Mistral, several chunks": {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "H"}, {"type": "text", "text": "m."}],
    },
    "Mistral, with a reference": {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "Hm."}, {"type": "reference", "reference_ids": [1]}],
    },
    "Anthropic": {"type": "thinking", "thinking": "Hm."},
    "LangChain": {"type": "reasoning", "reasoning": "Hm."},
    "Amazon Bedrock": {"type": "reasoning_content", "reasoning_content": {"text": "Hm."}},
    "Responses API": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
}
each_reasoning = pytest.mark.parametrize("part", REASONING.values(), ids=REASONING)


@each_reasoning
def test_reasoning_part_is_read_from_a_complete_answer(part: Any) -> None:
    message = invoke_with_message(content=[part, TEXT])
    assert (message.content, message.additional_kwargs["reasoning_content"]) == ("Hi", "Hm.")


@each_reasoning
def test_reasoning_part_is_read_from_a_stream(part: Any) -> None:
    message = merge_deltas(create_delta(content=[part]), create_delta(content=[TEXT]), STOP)
    assert (message.content, message.additional_kwargs["reasoning_content"]) == ("Hi", "Hm.")


@each_reasoning
def test_reasoning_part_is_read_from_events(part: Any) -> None:
    events = [create_delta(content=[part]), create_delta(content="Hi"), STOP]
    content = b"".join(map(encode_event, events)) + DONE
    stream = create_model(content, EVENT_STREAM).stream_events("Hi", version="v3")
    blocks = stream.output.content_blocks
    assert [block["type"] for block in blocks] == ["reasoning", "text"]
    assert blocks[0]["reasoning"] == "Hm."


@each_reasoning
def test_reasoning_part_is_read_from_the_responses_api(part: Any) -> None:
    item = {"type": "message", "content": [part, {"type": "output_text", "text": "Hi"}]}
    delta = {"content": "Hi", "reasoning": "Hm."}
    assert decode_deltas(create_event("output_item.done", item=item)) == [delta]
    body = {"id": "r", "status": "completed", "output": [item]}
    message = create_model(orjson.dumps(body), api="responses").invoke("Hi")
    assert (message.content, message.additional_kwargs["reasoning_content"]) == ("Hi", "Hm.")


@each_reasoning
def test_reasoning_part_of_an_earlier_answer_is_sent(part: Any) -> None:
    call = {"name": "f", "args": {}, "id": "c"}
    (payload,) = convert_messages([AIMessage([part, TEXT], tool_calls=[call])])
    assert (payload["content"], payload["reasoning_content"]) == ("Hi", "Hm.")


def test_reasoning_is_not_read_twice() -> None:
    part = REASONING["Mistral"]
    message = invoke_with_message(content=[part, TEXT], reasoning_content="Hm.")
    assert message.additional_kwargs["reasoning_content"] == "Hm."


def test_signatures_of_reasoning_parts_are_kept() -> None:
    first = {"type": "thinking", "thinking": "A", "signature": "S1"}
    second = {"type": "thinking", "thinking": "B", "signature": "S2"}
    kwargs = invoke_with_message(content=[first, TEXT]).additional_kwargs
    assert kwargs == {"reasoning_content": "A", "reasoning_signature": "S1"}
    kwargs = invoke_with_message(content=[first, second, TEXT]).additional_kwargs
    items = [{"reasoning": "A", "signature": "S1"}, {"reasoning": "B", "signature": "S2"}]
    assert kwargs == {"reasoning_content": "AB", "reasoning_items": items}


def test_part_whose_type_is_not_a_str_is_text() -> None:
    part = {"type": ["x"], "text": "Well. "}
    assert invoke_with_message(content=[part, TEXT]).text == "Well. Hi"


def test_refusal_and_image_parts_are_read_from_a_stream() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}
    message = merge_deltas(
        create_delta(content=[{"type": "refusal", "refusal": "I w"}]),
        create_delta(content=[{"type": "refusal", "refusal": "on't."}, image]),
        STOP,
    )
    assert message.additional_kwargs == {"refusal": "I won't.", "images": [image]}


PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjQK"
DATA_URL = f"data:image/png;base64,{PNG}"
PDF_URL = f"data:application/pdf;base64,{PDF}"
HUMAN_PARTS = {
    "text": ({"type": "input_text", "text": "Hi"}, {"type": "input_text", "text": "Hi"}),
    "image": (
        {"type": "input_image", "image_url": DATA_URL, "detail": "low"},
        {"type": "input_image", "image_url": DATA_URL, "detail": "low"},
    ),
    "image by URL": (
        {"type": "input_image", "image_url": "https://a.b/c.png"},
        {"type": "input_image", "image_url": "https://a.b/c.png"},
    ),
    "file": (
        {"type": "input_file", "file_data": PDF_URL, "filename": "a.pdf"},
        {"type": "input_file", "file_data": PDF_URL, "filename": "a.pdf"},
    ),
    "file as base64": (
        {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
        {"type": "input_file", "file_data": PDF_URL, "filename": "a.pdf"},
    ),
    "text of an answer": (
        {"type": "output_text", "text": "Hi", "annotations": []},
        {"type": "input_text", "text": "Hi"},
    ),
}


@pytest.mark.parametrize(("part", "sent_part"), HUMAN_PARTS.values(), ids=HUMAN_PARTS)
def test_responses_part_of_a_human_message_is_converted(
    part: Any, sent_part: Any, router: OfflineRouter
) -> None:
    for api in ("responses", "chat_completions"):
        model = create_offline_model(router, api=api)
        model.invoke([HumanMessage([part, {"type": "text", "text": "Describe it."}])])
    (item,) = router.requests[0].body["input"]
    assert item["content"][0] == sent_part
    chat_type = last_body(router)["messages"][0]["content"][0]["type"]
    assert f"input_{chat_type.removesuffix('_url')}" == sent_part["type"]


IMAGES = {
    "b64_json": {"b64_json": DATA_URL},
    "URL in a dict": {"type": "image_url", "image_url": {"url": DATA_URL}},
    "URL as a str": {"type": "image_url", "image_url": DATA_URL},
    "only a str": DATA_URL,
    "upper case": {"b64_json": DATA_URL.replace("data:", "DATA:")},
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_data_url_of_an_image_becomes_a_block(image: Any) -> None:
    message = invoke_with_message(content="", images=[image])
    assert message.content_blocks == [{"type": "image", "base64": PNG, "mime_type": "image/png"}]


def test_data_url_of_the_image_generation_tool_becomes_a_block() -> None:
    item = {"type": "image_generation_call", "id": "i", "result": DATA_URL}
    body = {"id": "r", "status": "completed", "output": [item]}
    message: Any = create_model(orjson.dumps(body), api="responses").invoke("Hi")
    assert message.content_blocks[0]["base64"] == PNG


WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEA"


def test_data_url_of_audio_becomes_a_block() -> None:
    url = f"data:audio/wav;base64,{WAV}"
    complete = invoke_with_message(content="", audio={"id": "a", "data": url})
    streamed = merge_deltas(
        create_delta(audio={"id": "a", "data": url[:-8]}),
        create_delta(audio={"data": url[-8:]}),
        STOP,
    )
    for message in (complete, streamed):
        (block,) = message.content_blocks
        assert (block["base64"], block["mime_type"]) == (WAV, "audio/wav")  # type: ignore[typeddict-item]


@pytest.mark.parametrize("block_type", ["image", "file"])
def test_data_url_is_accepted_as_base64_of_a_human_message(block_type: str) -> None:
    block = {"type": block_type, "base64": DATA_URL}
    (payload,) = convert_messages([HumanMessage([block])])
    assert payload["content"] == [{"type": "image_url", "image_url": {"url": DATA_URL}}]
