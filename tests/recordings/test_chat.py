"""Chat completions: every kind of reply. What is asserted holds for any router."""

import json
from collections.abc import Callable
from functools import reduce
from operator import add
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from orq_router_integrations import ChatOrq, Provenance, RouterClient, content_block
from orq_router_integrations.errors import AuthenticationError, NotFoundError

pytestmark = pytest.mark.vcr

ASSETS = Path(__file__).parents[1] / "assets"
GPT = "openai/gpt-4o-mini"
LISTENER = "openai/gpt-4o-audio-preview"
THINKER = "openai/gpt-5-mini"
CLAUDE = "anthropic/claude-sonnet-4-5"


class City(BaseModel):
    """A city and its people."""

    name: str
    inhabitants: int


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


@pytest.fixture
def model(client: RouterClient) -> ChatOrq:
    return ChatOrq(model=GPT, client=client)


def whole(message: AIMessage) -> AIMessage:
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] > 0
    assert Provenance.of(message).finish_reason
    return message


def test_text(model: ChatOrq) -> None:
    message = whole(model.invoke("Say hello in one word."))
    assert message.text
    assert "gpt-4o-mini" in (Provenance.of(message).answering_model or "")


def test_stream(model: ChatOrq) -> None:
    chunks = list(model.stream("Count from one to five, in words."))
    assert len(chunks) > 3
    assert whole(reduce(add, chunks)).text


def test_tool_calls(model: ChatOrq) -> None:
    bound = model.bind_tools([get_weather], tool_choice="any")
    (call,) = whole(bound.invoke("What is the weather in 'Paris'?")).tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})


def test_streamed_tool_calls(model: ChatOrq) -> None:
    bound = model.bind_tools([get_weather], tool_choice="any")
    (call,) = whole(reduce(add, bound.stream("What is the weather in 'Paris'?"))).tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})


def test_structured(model: ChatOrq) -> None:
    city = model.with_structured_output(City).invoke("Tell me of 'Utrecht', 376000 people.")
    assert city == City(name="Utrecht", inhabitants=376000)


def test_image_and_pdf(model: ChatOrq) -> None:
    files = [content_block(ASSETS / name) for name in ("diagram.png", "dummy.pdf")]
    question = {"type": "text", "text": "What do these files have in common?"}
    assert whole(model.invoke([("user", [*files, question])])).text


def test_recording(client: RouterClient) -> None:
    spoken = content_block(ASSETS / "bird.wav")
    question = {"type": "text", "text": "What do you hear?"}
    model = ChatOrq(model=LISTENER, client=client)
    assert whole(model.invoke([("user", [spoken, question])])).text


def test_reasoning(client: RouterClient) -> None:
    model = ChatOrq(model=THINKER, reasoning_effort="low", client=client)
    message = whole(model.invoke("What is 17 * 23?"))
    assert message.text
    assert message.usage_metadata["output_token_details"]["reasoning"] >= 0


def test_streamed_reasoning(client: RouterClient) -> None:
    model = ChatOrq(
        model=CLAUDE, thinking={"type": "enabled", "budget_tokens": 1024}, client=client
    )
    message = whole(reduce(add, model.stream("What is 17 * 23?", max_tokens=2048)))
    assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]


def test_a_spoken_answer(client: RouterClient) -> None:
    model = ChatOrq(model=LISTENER, client=client)
    speech = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    (block,) = [b for b in model.invoke("Say hi.", **speech).content_blocks if b["type"] == "audio"]
    assert block["base64"]


def test_json(model: ChatOrq) -> None:
    prompt = "Give the city Utrecht and its 376000 people as JSON, with the keys name, inhabitants."
    answer = model.invoke(prompt, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.text), dict)


async def test_awaited(model: ChatOrq) -> None:
    assert whole(await model.ainvoke("Say hello in one word.")).text


def test_controls(client: RouterClient) -> None:
    controls = {
        "fallbacks": [CLAUDE],
        "retry": {"count": 1},
        "timeout": {"call_timeout": 30_000},
        "name": "recorded",
        "identity": "recorder",
        "thread": "recordings",
        "metadata": {"purpose": "cassette"},
    }
    assert whole(ChatOrq(model=GPT, controls=controls, client=client).invoke("Hello!")).text


def test_a_model_that_is_not_enabled(model: ChatOrq) -> None:
    with pytest.raises(NotFoundError) as caught:
        model.invoke("Hello!", model="openai/no-such-model-9")
    assert caught.value.status_code == 404


def test_a_wrong_key(make_client: Callable[..., RouterClient]) -> None:
    model = ChatOrq(model=GPT, client=make_client(api_key="sk-orq-wrong"))
    with pytest.raises(AuthenticationError):
        model.invoke("Hello!")
