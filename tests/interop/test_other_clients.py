"""Clients of other packages work with a served offline router in lenient mode.

``.ci/run`` installs the packages with the extra ``interop``. Clients in JavaScript,
instructor and LlamaIndex are represented by their requests: their dependencies conflict.
"""

import io
import json
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import openai
import pytest
from pydantic import BaseModel
from support.served_router import serve_router

from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing.images import create_png

pytestmark = pytest.mark.slow

GPT = "openai/gpt-4o"
PROMPT = "'Ada' is 36"


class Person(BaseModel):
    name: str
    age: int


ADA = Person(name="Ada", age=36)


def get_weather(city: Annotated[str, "Name of the city"]) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


@pytest.fixture(scope="module")
def lenient_url() -> Iterator[str]:
    with serve_router(OfflineRouter(lenient=True)) as url:
        yield url


@pytest.fixture
def http(lenient_url: str) -> Iterator[httpx.Client]:
    headers = {"authorization": "Bearer any"}
    with httpx.Client(base_url=lenient_url, headers=headers) as client:
        yield client


@pytest.mark.parametrize("model_class", ["OpenAIChatModel", "OpenAIResponsesModel"])
async def test_pydantic_ai_works(lenient_url: str, model_class: str) -> None:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    models = pytest.importorskip("pydantic_ai.models.openai")
    providers = pytest.importorskip("pydantic_ai.providers.openai")
    async with openai.AsyncOpenAI(api_key="any", base_url=lenient_url) as client:
        model = getattr(models, model_class)(
            GPT, provider=providers.OpenAIProvider(openai_client=client)
        )
        agent = pydantic_ai.Agent(model, tools=[get_weather])
        result = await agent.run("What is the weather in Rome?")
        assert "get_weather: 'sunny in Rome'" in result.output
        typed = pydantic_ai.Agent(model, output_type=Person)
        assert (await typed.run(PROMPT)).output == ADA


@pytest.mark.parametrize("model_class", ["OpenAIChatCompletionsModel", "OpenAIResponsesModel"])
async def test_openai_agents_work(lenient_url: str, model_class: str) -> None:
    agents = pytest.importorskip("agents")
    agents.set_tracing_disabled(True)
    async with openai.AsyncOpenAI(api_key="any", base_url=lenient_url) as client:
        model = getattr(agents, model_class)(GPT, openai_client=client)
        tool = agents.function_tool(get_weather)
        agent = agents.Agent(name="a", instructions="Be brief.", model=model, tools=[tool])
        result = await agents.Runner.run(agent, "What is the weather in Rome?")
        assert "get_weather: 'sunny in Rome'" in result.final_output
        typed = agents.Agent(name="b", model=model, output_type=Person)
        assert (await agents.Runner.run(typed, PROMPT)).final_output == ADA


def test_haystack_works(lenient_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
    chat = pytest.importorskip("haystack.components.generators.chat")
    dataclasses = pytest.importorskip("haystack.dataclasses")
    tools = pytest.importorskip("haystack.tools")
    utils = pytest.importorskip("haystack.utils")
    chunks: list[Any] = []
    options = {"api_key": utils.Secret.from_token("any"), "api_base_url": lenient_url, "model": GPT}
    generator = chat.OpenAIChatGenerator(**options)
    streaming = chat.OpenAIChatGenerator(**options, streaming_callback=chunks.append)
    question = dataclasses.ChatMessage.from_user("What is the weather in Rome?")
    tool = tools.create_tool_from_function(get_weather)
    (reply,) = generator.run([question], tools=[tool])["replies"]
    generator.client.close()
    assert [(call.tool_name, call.arguments) for call in reply.tool_calls] == [
        ("get_weather", {"city": "Rome"})
    ]
    (reply,) = streaming.run([question])["replies"]
    streaming.client.close()
    assert reply.text == "".join(chunk.content for chunk in chunks)


SCHEMA = {**Person.model_json_schema(), "additionalProperties": False}
USER = {"role": "user", "content": PROMPT}


TOOL = {"type": "function", "function": {"name": "Person", "parameters": SCHEMA, "strict": False}}
FORMAT = {"type": "json_schema", "name": "Person", "schema": SCHEMA, "strict": True}
INSTRUCTIONS = f"""As a genius expert, your task is to understand the content and provide
the parsed objects in json that match the following json_schema:

{json.dumps(SCHEMA, indent=2)}

Make sure to return an instance of the JSON, not the schema itself"""
SYSTEM = {"role": "system", "content": INSTRUCTIONS}
CODE_BLOCK = "Return the correct JSON response within a ```json codeblock. not the JSON_SCHEMA"

REQUESTS = {
    "llama-index": {
        "messages": [USER],
        "parallel_tool_calls": False,
        "temperature": 0.1,
        "tool_choice": "required",
        "tools": [TOOL],
    },
    "instructor TOOLS": {
        "messages": [USER],
        "tool_choice": {"type": "function", "function": {"name": "Person"}},
        "tools": [TOOL],
    },
    "instructor JSON": {"messages": [SYSTEM, USER], "response_format": {"type": "json_object"}},
    "instructor MD_JSON": {
        "messages": [SYSTEM, {"role": "user", "content": f"{PROMPT}\n\n{CODE_BLOCK}"}]
    },
    "instructor RESPONSES_TOOLS": {
        "input": [USER],
        "text": {"format": FORMAT},
        "tool_choice": {"type": "function", "name": "Person"},
        "tools": [{"type": "function", "name": "Person", "parameters": SCHEMA, "strict": True}],
    },
    "ai-sdk chat": {
        "messages": [USER],
        "store": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "Person", "schema": SCHEMA, "strict": True},
        },
    },
    "ai-sdk responses": {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": PROMPT}]}],
        "truncation": "auto",
        "text": {"format": FORMAT},
    },
}
"""Requests for a ``Person``, recorded from llama-index-llms-openai-like 0.8, instructor 1.17 and
@ai-sdk/openai."""


def find_output(body: dict[str, Any]) -> str:
    """Return the JSON in a response, from its text or its only tool call."""
    if "choices" in body:
        message = body["choices"][0]["message"]
        calls = message.get("tool_calls") or ()
        return calls[0]["function"]["arguments"] if calls else message["content"]
    (item,) = (item for item in body["output"] if item["type"] in {"message", "function_call"})
    return item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"]


@pytest.mark.parametrize("name", REQUESTS)
def test_recorded_requests_return_structured_output(http: httpx.Client, name: str) -> None:
    body = REQUESTS[name]
    path = "/responses" if "input" in body else "/chat/completions"
    response = http.post(path, json={"model": GPT, **body})
    assert response.status_code == 200, response.text
    output = find_output(response.json()).removeprefix("```json").removesuffix("```")
    assert Person.model_validate_json(output) == ADA


def test_forms_of_the_javascript_client_are_accepted(http: httpx.Client) -> None:
    """It repeats ``image[]``, and sends files without a type."""
    image = create_png("boat", (64, 64))
    fields = {"model": "openai/gpt-image-1", "prompt": "bird", "input_fidelity": "high"}
    files = [("image[]", (name, io.BytesIO(image), "image/png")) for name in ("a.png", "b.png")]
    edited = http.post("/images/edits", data=fields, files=files)
    assert edited.status_code == 200, edited.text
    assert edited.json()["data"]
    speech = {"model": "openai/tts-1", "voice": "alloy", "input": "Good day."}
    audio = http.post("/audio/speech", json=speech).content
    fields = {"model": "openai/whisper-1", "timestamp_granularities[]": "word"}
    fields["response_format"] = "verbose_json"
    recording = ("a.mp3", audio, "application/octet-stream")
    transcript = http.post("/audio/transcriptions", data=fields, files={"file": recording})
    assert [word["word"] for word in transcript.json()["words"]] == ["Good", "day."]
