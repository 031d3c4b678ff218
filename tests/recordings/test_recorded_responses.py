"""The Responses API: every kind of response. The assertions hold for any router."""

from functools import reduce
from operator import add
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from orq_router_integrations import ChatOrq, Provenance, RouterClient, content_block
from orq_router_integrations.errors import RouterStatusError

pytestmark = pytest.mark.vcr

ASSETS = Path(__file__).parents[1] / "assets"
GPT = "openai/gpt-5-mini"


class City(BaseModel):
    """A city and its people."""

    name: str
    inhabitants: int


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


@pytest.fixture
def model(client: RouterClient) -> ChatOrq:
    return ChatOrq(model=GPT, api="responses", reasoning={"effort": "low"}, client=client)


def check_answer(message: AIMessage) -> AIMessage:
    """Check usage and id, and return the message."""
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] > 0
    assert message.response_metadata["id"]
    return message


def test_text(model: ChatOrq) -> None:
    message = check_answer(model.invoke("Say hello in one word."))
    assert message.text
    assert "gpt-5-mini" in (Provenance.of(message).answering_model or "")


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


def test_previous_response_id(model: ChatOrq) -> None:
    first = check_answer(model.invoke("My name is Ada."))
    second = model.invoke("What is my name?", previous_response_id=first.response_metadata["id"])
    assert check_answer(second).text


@pytest.mark.slow
def test_background(model: ChatOrq) -> None:
    assert check_answer(model.invoke("Say hello in one word.", background=True)).text


def test_unknown_previous_response_id(model: ChatOrq) -> None:
    with pytest.raises(RouterStatusError) as caught:
        model.invoke("And?", previous_response_id="resp_no_such_response")
    assert 400 <= caught.value.status_code < 500
