"""A model's own speech and images, which no API takes back, in the turns that had them."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from support.scripted_router import Script, client_of, says

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.blocks import PROVIDER
from orq_router_integrations.chat_models.messages import to_wire

GPT = "openai/gpt-4o"
IMAGE = {"image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
APIS = ["chat_completions", "responses"]


def turn(content: Any = "", **kept: Any) -> AIMessage:
    ours = {"model_provider": PROVIDER}
    return AIMessage(content, additional_kwargs=kept, response_metadata=ours)


def sent(message: AIMessage, api: str) -> Any:
    """The content of an answer, sent again."""
    return to_wire([HumanMessage("Hi"), message, HumanMessage("And?")], api=api)[1]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_an_answer_that_was_only_an_image_says_so(api: str, version: str) -> None:
    drawing = {"role": "assistant", "content": None, "images": [IMAGE]}
    script = Script(says(json={"choices": [{"message": drawing}]}))
    model = ChatOrq(model=GPT, client=client_of(script), output_version=version)
    assert sent(model.invoke("Draw!"), api) == {
        "role": "assistant",
        "content": "[image answer, not sent again]",
    }


@pytest.mark.parametrize("api", APIS)
def test_an_image_beside_words_is_left_out(api: str) -> None:
    assert sent(turn("Here.", images=[IMAGE]), api)["content"] == "Here."


@pytest.mark.parametrize("api", APIS)
def test_an_empty_answer_stays_empty(api: str) -> None:
    assert sent(turn(), api)["content"] == ""


SPOKEN: dict[str, tuple[AIMessage, str]] = {
    "its transcript": (turn(audio={"id": "a1", "transcript": "Hello."}), "Hello."),
    "its transcript, without an id": (turn(audio={"transcript": "Hello."}), "Hello."),
    "a note, without a transcript": (turn(audio={"id": "a1"}), "[audio answer, not sent again]"),
    "the text, where it says the same": (
        turn("Hello.", audio={"id": "a1", "transcript": "Hello."}),
        "Hello.",
    ),
    "both, where they differ": (
        turn("Listen:", audio={"id": "a1", "transcript": "Hello."}),
        "Listen:\nHello.",
    ),
    "words beside blocks": (
        turn([{"type": "audio", "base64": "UklG"}], audio={"transcript": "Hello."}),
        "Hello.",
    ),
}


@pytest.mark.parametrize(("message", "words"), SPOKEN.values(), ids=SPOKEN)
def test_the_responses_api_gets_of_a_spoken_answer(message: AIMessage, words: str) -> None:
    assert sent(message, "responses") == {"role": "assistant", "content": words}


def test_chat_completions_finds_a_spoken_answer_by_its_id() -> None:
    message = turn(audio={"id": "a1", "transcript": "Hello."})
    assert sent(message, "chat_completions") == {
        "role": "assistant",
        "content": "",
        "audio": {"id": "a1"},
    }


def test_a_spoken_turn_does_not_vanish_from_the_input_of_the_responses_api(
    router: OfflineRouter,
) -> None:
    speech: Any = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    heard = ChatOrq(model=GPT, client=router.client()).invoke("Hi", **speech)
    model = ChatOrq(model=GPT, api="responses", client=router.client())
    model.invoke([HumanMessage("Hi"), heard, HumanMessage("And?")])
    roles = [item["role"] for item in router.requests[1].body["input"]]
    assert roles == ["user", "assistant", "user"]
    transcript = heard.additional_kwargs["audio"]["transcript"]
    assert router.requests[1].body["input"][1]["content"] == transcript
