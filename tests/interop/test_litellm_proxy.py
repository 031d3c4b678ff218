"""A LiteLLM proxy as the server, with its own mock models and with an offline router upstream.

The proxy needs its own environment. These commands create it and run the tests:

    python3 -m venv .venv-litellm && .venv-litellm/bin/pip install 'litellm[proxy]'
    python -m pytest -m litellm
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import reduce
from operator import add
from pathlib import Path

import httpx
import pytest
import yaml
from pydantic import BaseModel

from orq_router_integrations import (
    ChatOrq,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    Provenance,
    RouterClient,
    content_block,
)
from orq_router_integrations.errors import BadRequestError, ServerError

pytestmark = pytest.mark.litellm

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "tests" / "assets"
COMMAND = shutil.which("litellm", path=f"{ROOT / '.venv-litellm' / 'bin'}{os.pathsep}{os.defpath}")
KEY = "sk-litellm"
MOCK = "openai/gpt-4o"
PROXIED = "proxied/gpt-4o"
MOCKED = "Hello from the mock of LiteLLM."
MOCKED_URL = "https://example.com/star.png"
SECONDS_TO_START = 60

both_apis = pytest.mark.parametrize("api", ["chat_completions", "responses"])


class City(BaseModel):
    """A city and its people."""

    name: str
    inhabitants: int


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


def build_config(upstream_url: str) -> dict[str, object]:
    """Build a configuration with mock models, and models that are proxied to an offline router."""
    mocks = {MOCK: MOCKED, "openai/dall-e-3": MOCKED_URL}
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": name, "api_key": "none", "mock_response": response},
        }
        for name, response in mocks.items()
    ]
    for name in ("gpt-4o", "gpt-image-1", "tts-1", "whisper-1"):
        params = {"model": f"openai/openai/{name}", "api_key": "any", "api_base": upstream_url}
        models.append({"model_name": f"proxied/{name}", "litellm_params": params})
    return {"model_list": models, "general_settings": {"master_key": KEY}}


@pytest.fixture(scope="module")
def proxy(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a proxy that serves under the path of the router."""
    if COMMAND is None:
        pytest.skip("LiteLLM is not installed: see the commands at the top of this file")
    directory = tmp_path_factory.mktemp("litellm")
    (directory / "config.yaml").write_text(yaml.safe_dump(build_config(base_url)))
    port = find_free_port()
    environment = {
        "PATH": os.defpath,
        "HOME": str(directory),
        "SERVER_ROOT_PATH": "/v3/router",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    with (directory / "log").open("w") as log:
        arguments = [COMMAND, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(
            arguments, cwd=directory, env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}/v3/router"
            wait_for(f"{url}/health/liveliness", process, directory / "log")
            yield url
        finally:
            process.terminate()
            process.wait(20)


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail(f"LiteLLM did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def client(proxy: str) -> Iterator[RouterClient]:
    with RouterClient(api_key=KEY, base_url=proxy, max_retries=0) as client:
        yield client


@both_apis
def test_mock_model_answers(client: RouterClient, api: str) -> None:
    message = ChatOrq(model=MOCK, api=api, client=client).invoke("Hi")
    assert message.text == MOCKED
    assert Provenance.of(message).answering_model == MOCK
    assert message.usage_metadata["total_tokens"] > 0


def test_mock_model_streams(client: RouterClient) -> None:
    chunks = list(ChatOrq(model=MOCK, client=client).stream("Hi"))
    assert len(chunks) > 2
    message = reduce(add, chunks)
    assert message.text == MOCKED
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.usage_metadata["total_tokens"] > 0


async def test_mock_model_answers_async_calls(proxy: str) -> None:
    async with RouterClient(api_key=KEY, base_url=proxy) as client:
        assert (await ChatOrq(model=MOCK, client=client).ainvoke("Hi")).text == MOCKED


@both_apis
def test_proxied_answer_is_complete_or_streamed(client: RouterClient, api: str) -> None:
    model = ChatOrq(model=PROXIED, api=api, client=client)
    message, streamed = model.invoke("Hi"), reduce(add, model.stream("Hi"))
    assert message.text == streamed.text == f"Offline answer from {MOCK} to 'Hi'."
    assert streamed.usage_metadata["total_tokens"] > 0


@both_apis
def test_tool_is_called(client: RouterClient, api: str) -> None:
    bound = ChatOrq(model=PROXIED, api=api, client=client).bind_tools(
        [get_weather], tool_choice="any"
    )
    for message in (bound.invoke("In 'Paris'?"), reduce(add, bound.stream("In 'Paris'?"))):
        (call,) = message.tool_calls
        assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})


@both_apis
def test_structured_output_is_parsed(client: RouterClient, api: str) -> None:
    model = ChatOrq(model=PROXIED, api=api, client=client).with_structured_output(City)
    city = model.invoke("Tell me of 'Utrecht', 376000 people.")
    assert city == City(name="Utrecht", inhabitants=376000)


def test_image_is_received(client: RouterClient) -> None:
    question = [content_block(ASSETS / "diagram.png"), {"type": "text", "text": "What is it?"}]
    answer = ChatOrq(model=PROXIED, client=client).invoke([("user", question)])
    assert "an image (PNG" in answer.text


def test_reasoning_is_received(client: RouterClient) -> None:
    answer = ChatOrq(model=PROXIED, client=client).invoke("Why?", reasoning_effort="high")
    assert [block["type"] for block in answer.content_blocks] == ["reasoning", "text"]


def test_unknown_model_raises(client: RouterClient) -> None:
    with pytest.raises(BadRequestError, match="Invalid model name"):
        ChatOrq(model="no/model", client=client).invoke("Hi")


def test_wrong_key_raises(proxy: str) -> None:
    """Without a database, the proxy answers 400 instead of 401."""
    client = RouterClient(api_key="sk-wrong", base_url=proxy, max_retries=0)
    with pytest.raises(BadRequestError, match="No connected db"):
        ChatOrq(model=MOCK, client=client).invoke("Hi")


def test_response_contains_the_proxied_name(client: RouterClient) -> None:
    """Responses contain the proxy's model name, except for streams of the Responses API."""
    chat = ChatOrq(model=PROXIED, client=client)
    responses = ChatOrq(model=PROXIED, api="responses", client=client)
    streamed = reduce(add, responses.stream("Hi"))
    models = [Provenance.of(m).response_model for m in (chat.invoke("Hi"), streamed)]
    assert models == [PROXIED, "gpt-4o"]


def test_fallbacks_work_and_timeout_raises(client: RouterClient) -> None:
    """Fallbacks work. ``timeout`` does not: LiteLLM expects a number, the router an object."""
    model = ChatOrq(model=PROXIED, client=client)
    tracing = {"identity": "u1", "thread": "t1", "metadata": {"team": "a"}}
    controls = {"fallbacks": [MOCK], "cache": {"ttl": 60}, **tracing}
    assert model.invoke("Hi", controls=controls).text
    with pytest.raises(ServerError, match="not 'dict'"):
        model.invoke("Hi", controls={"timeout": {"call_timeout": 5000}})


def test_mock_image_has_a_url(client: RouterClient) -> None:
    tool = OrqImageTool(model="openai/dall-e-3", return_format="url", client=client)
    image = tool.generate("a star").image
    assert (image.url, image.data) == (MOCKED_URL, None)


def test_image_can_be_generated_and_edited(client: RouterClient) -> None:
    tool = OrqImageTool(model="proxied/gpt-image-1", size="256x256", client=client)
    boat = tool.generate("a boat")
    fog = tool.edit("in fog", boat)
    assert [boat.image.mime_type, fog.image.mime_type] == ["image/png", "image/png"]
    assert boat.image.id != fog.image.id


def test_speech_is_transcribed(client: RouterClient) -> None:
    tool = OrqSpeechTool(model="proxied/tts-1", voice="alloy", audio_format="wav", client=client)
    recording = tool.synthesize("The router answers.").read()
    loader = OrqTranscriptionLoader(
        source=recording, model="proxied/whisper-1", granularity="word", client=client
    )
    assert [word.page_content for word in loader.load()] == ["The", "router", "answers."]
    assert b"".join(tool.stream("The router answers.")).startswith(b"RIFF")


@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt"])
def test_every_transcript_format_is_read(client: RouterClient, response_format: str) -> None:
    speech = OrqSpeechTool(
        model="proxied/tts-1", voice="alloy", audio_format="wav", client=client
    ).synthesize("Hello.")
    [document] = OrqTranscriptionLoader(
        source=speech.read(),
        model="proxied/whisper-1",
        response_format=response_format,
        client=client,
    ).load()
    assert document.page_content == "Hello."
