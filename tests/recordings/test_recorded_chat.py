"""Chat completions: every kind of response. The assertions hold for any router."""

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
AUDIO_MODEL = "openai/gpt-4o-audio-preview"
REASONING_MODEL = "openai/gpt-5-mini"
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


def check_answer(message: AIMessage) -> AIMessage:
    """Check usage and finish reason, and return the message."""
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] > 0
    assert Provenance.of(message).finish_reason
    return message


def test_text(model: ChatOrq) -> None:
    message = check_answer(model.invoke("Say hello in one word."))
    assert message.text
    assert "gpt-4o-mini" in (Provenance.of(message).answering_model or "")


def test_stream(model: ChatOrq) -> None:
    chunks = list(model.stream("Count from one to five, in words."))
    assert len(chunks) > 3
    assert check_answer(reduce(add, chunks)).text


def test_tool_calls(model: ChatOrq) -> None:
    bound = model.bind_tools([get_weather], tool_choice="any")
    (call,) = check_answer(bound.invoke("What is the weather in 'Paris'?")).tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})


def test_streamed_tool_calls(model: ChatOrq) -> None:
    bound = model.bind_tools([get_weather], tool_choice="any")
    (call,) = check_answer(reduce(add, bound.stream("What is the weather in 'Paris'?"))).tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})


def test_structured_output(model: ChatOrq) -> None:
    city = model.with_structured_output(City).invoke("Tell me of 'Utrecht', 376000 people.")
    assert city == City(name="Utrecht", inhabitants=376000)


def test_image_and_pdf(model: ChatOrq) -> None:
    files = [content_block(ASSETS / name) for name in ("diagram.png", "dummy.pdf")]
    question = {"type": "text", "text": "What do these files have in common?"}
    assert check_answer(model.invoke([("user", [*files, question])])).text


def test_audio_input(client: RouterClient) -> None:
    recording = content_block(ASSETS / "bird.wav")
    question = {"type": "text", "text": "What do you hear?"}
    model = ChatOrq(model=AUDIO_MODEL, client=client)
    assert check_answer(model.invoke([("user", [recording, question])])).text


def test_reasoning(client: RouterClient) -> None:
    model = ChatOrq(model=REASONING_MODEL, reasoning_effort="low", client=client)
    message = check_answer(model.invoke("What is 17 * 23?"))
    assert message.text
    assert message.usage_metadata["output_token_details"]["reasoning"] >= 0


def test_streamed_reasoning(client: RouterClient) -> None:
    model = ChatOrq(
        model=CLAUDE, thinking={"type": "enabled", "budget_tokens": 1024}, client=client
    )
    message = check_answer(reduce(add, model.stream("What is 17 * 23?", max_tokens=2048)))
    assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]


def test_audio_output(client: RouterClient) -> None:
    model = ChatOrq(model=AUDIO_MODEL, client=client)
    speech = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    (block,) = [b for b in model.invoke("Say hi.", **speech).content_blocks if b["type"] == "audio"]
    assert block["base64"]


def test_json_mode(model: ChatOrq) -> None:
    prompt = "Give the city Utrecht and its 376000 people as JSON, with the keys name, inhabitants."
    answer = model.invoke(prompt, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.text), dict)


async def test_ainvoke(model: ChatOrq) -> None:
    assert check_answer(await model.ainvoke("Say hello in one word.")).text


def test_router_controls(client: RouterClient) -> None:
    controls = {
        "fallbacks": [CLAUDE],
        "retry": {"count": 1},
        "timeout": {"call_timeout": 30_000},
        "name": "recorded",
        "identity": "recorder",
        "thread": "recordings",
        "metadata": {"purpose": "cassette"},
    }
    assert check_answer(ChatOrq(model=GPT, controls=controls, client=client).invoke("Hello!")).text


def test_unknown_model(model: ChatOrq) -> None:
    with pytest.raises(NotFoundError) as caught:
        model.invoke("Hello!", model="openai/no-such-model-9")
    assert caught.value.status_code == 404


def test_wrong_key(create_client: Callable[..., RouterClient]) -> None:
    model = ChatOrq(model=GPT, client=create_client(api_key="sk-orq-wrong"))
    with pytest.raises(AuthenticationError):
        model.invoke("Hello!")
