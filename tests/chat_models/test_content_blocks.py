"""What ``content_blocks`` shows of an answer, whole and streamed, in both output versions."""

from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.testing import Answer, ToolCall

ANSWER = Answer(
    "It is 42.",
    reasoning="Let me think.",
    reasoning_signature="SEAL",
    tool_calls=(ToolCall("add", {"a": 1}, id="c1"), ToolCall("look", {"b": "x"}, id="c2")),
)
BLOCKS = [
    {"type": "reasoning", "reasoning": "Let me think.", "extras": {"signature": "SEAL"}},
    {"type": "text", "text": "It is 42."},
    {"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 1}},
    {"type": "tool_call", "id": "c2", "name": "look", "args": {"b": "x"}},
]


def answering(answer: Answer, version: str | None = None) -> ChatOrq:
    client = OfflineRouter(answers={"Hi": answer}).client()
    return ChatOrq(model="openai/gpt-4o", client=client, output_version=version)


def plain(blocks: list[Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in block.items() if k != "index"} for block in blocks]


@pytest.mark.parametrize("version", [None, "v1"])
def test_whole_and_streamed_answers_have_the_same_blocks(version: str | None) -> None:
    model = answering(ANSWER, version)
    streamed = reduce(add, model.stream("Hi"))
    assert plain(model.invoke("Hi").content_blocks) == BLOCKS
    assert plain(streamed.content_blocks) == BLOCKS


def test_under_v1_the_content_is_the_blocks() -> None:
    assert plain(answering(ANSWER, "v1").invoke("Hi").content) == BLOCKS


def test_events_end_in_the_same_blocks() -> None:
    stream = answering(ANSWER).stream_events("Hi", version="v3")
    list(stream)
    assert plain(stream.output.content) == BLOCKS


def test_a_refusal_is_a_block() -> None:
    (block,) = answering(Answer(refusal="I would rather not.")).invoke("Hi").content_blocks
    assert block["value"] == {"type": "refusal", "refusal": "I would rather not."}


def test_a_spoken_answer_is_an_audio_block() -> None:
    speech = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    whole = answering(Answer("Hello")).invoke("Hi", **speech)
    block = whole.content_blocks[-1]
    assert (block["type"], block["mime_type"]) == ("audio", "audio/wav")
    assert block["extras"]["transcript"] == "Hello"


def said(**kept: Any) -> list[Any]:
    metadata = {"model_provider": PROVIDER}
    return AIMessage("x", additional_kwargs=kept, response_metadata=metadata).content_blocks


def test_annotations_are_citations_of_the_text() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://a.b", "title": "A"}}
    (block,) = said(annotations=[note])
    assert block["annotations"] == [{"type": "citation", "url": "https://a.b", "title": "A"}]


def test_annotations_of_another_kind_are_kept() -> None:
    (block,) = said(annotations=[{"type": "file", "file": {"hash": "h"}}])
    assert block["annotations"][0]["value"] == {"type": "file", "file": {"hash": "h"}}


@pytest.mark.parametrize(
    ("image", "block"),
    [
        ({"image_url": {"url": "https://a.b/c.png"}}, {"url": "https://a.b/c.png"}),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            {"base64": "iVBO", "mime_type": "image/png"},
        ),
        ({"b64_json": "iVBO"}, {"base64": "iVBO", "mime_type": "image/png"}),
    ],
)
def test_images_are_image_blocks(image: Any, block: dict[str, str]) -> None:
    assert said(images=[image])[-1] == {"type": "image", **block}


def test_sealed_reasoning_without_words_is_a_reasoning_block() -> None:
    assert said(redacted_reasoning="XYZ")[0]["extras"] == {"redacted_data": "XYZ"}
