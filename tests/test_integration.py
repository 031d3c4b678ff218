"""``RouterIntegration``, the base class of all integrations: arguments, client, controls, repr."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from support.scripted_router import KEY

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqAudioParser,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    RouterClient,
    RouterControls,
)

GPT = "openai/gpt-4o"


@pytest.fixture(autouse=True)
def api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORQ_API_KEY", KEY)


def test_main_argument_may_be_positional():
    assert ChatOrq(GPT, temperature=0).model == GPT
    assert OrqTranscriptionLoader("calls/*.mp3", model="openai/whisper-1").source == "calls/*.mp3"


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (lambda: OrqImageTool("openai/gpt-image-1"), "such as model=..., "),
        (lambda: OrqSpeechTool("openai/tts-1"), "such as model=..., voice=..."),
        (
            lambda: OrqAudioParser("openai/whisper-1"),
            "OrqAudioParser takes no positional arguments",
        ),
        (lambda: RouterClient(KEY), "such as api_key="),
        (lambda: RouterControls(["a/b"]), "RouterControls takes no .* such as fallbacks=..., "),
        (lambda: ChatOrq(GPT, 0.5), "one positional argument, 'model'"),
        (lambda: ChatOrq(GPT, model=GPT), "'model' twice"),
    ],
)
def test_other_positional_arguments_raise(create: Any, message: str):
    with pytest.raises(TypeError, match=message) as raised:
        create()
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "fix"),
    {
        "api_base": "Use 'base_url'.",
        "model_name": "Use 'model'.",
        "request_timeout": "Use 'timeout'.",
        "fallback": "Use controls={'fallbacks': [...]}.",
        "fallbacks": "It is a router control: use controls=RouterControls(fallbacks=...).",
        "use_responses_api": "Use api='responses'.",
        "tools": "Use model.bind_tools([...]).",
        "response_format": "Use model.with_structured_output(...).",
        "stop_sequences": "Use 'stop'.",
        "logit_bias": "use extra_body={'logit_bias': ...}.",
        "prediction": "use extra_body={'prediction': ...}.",
        "safety_identifier": "use extra_body={'safety_identifier': ...}.",
        "organization": "Not supported by the router",
        "pace": "Use client=RouterClient(pace=...).",
        "trace_calls": "Use client=RouterClient(trace_calls=...).",
        "temprature": "Did you mean 'temperature'?",
    }.items(),
)
def test_unknown_argument_error_says_what_to_write(name: str, fix: str):
    with pytest.raises(ValidationError) as raised:
        ChatOrq(GPT, **{name: "x"})
    assert f"Unknown argument '{name}'. " in str(raised.value)
    assert fix in str(raised.value)


def test_unknown_argument_of_the_client_raises():
    with pytest.raises(
        ValidationError, match=r"'fallbacks'. It is a router control: use controls="
    ):
        RouterClient(fallbacks=[GPT])
    with pytest.raises(ValidationError, match=r"'openai_api_key'. Use 'api_key'"):
        RouterClient(openai_api_key="x")


def test_unknown_argument_of_a_call_raises():
    with pytest.raises(ValueError, match=r"Unknown argument 'max_completion_tokens'. Use 'max_to"):
        ChatOrq(GPT).invoke("Hi", max_completion_tokens=5)


def test_repr_starts_with_the_model_and_omits_defaults():
    assert repr(ChatOrq(temperature=0.5, model=GPT)) == (
        "ChatOrq(model='openai/gpt-4o', temperature=0.5)"
    )
    tool = OrqImageTool(size="1024x1024", model="openai/gpt-image-1")
    assert repr(tool) == "OrqImageTool(model='openai/gpt-image-1', size='1024x1024')"
    assert repr(ChatOrq(GPT, temperature=None, max_retries=2)) == "ChatOrq(model='openai/gpt-4o')"


def test_repr_of_the_client_omits_defaults():
    client = RouterClient(timeout=5, max_retries=2, base_url="my.orq.ai", controls={})
    assert repr(client) == (
        "RouterClient(api_key=SecretStr('**********'), timeout=5.0, "
        "base_url='https://my.orq.ai/v3/router')"
    )


def test_repr_hides_the_key():
    assert KEY not in repr(ChatOrq(GPT, api_key=KEY))


@pytest.mark.parametrize(
    "client", [OfflineRouter(), httpx.Client(), "sk-orq-key"], ids=["router", "httpx", "key"]
)
def test_client_of_another_type_raises(client: Any):
    with pytest.raises(ValidationError, match="Expected a RouterClient, got") as raised:
        ChatOrq(GPT, client=client)
    assert "sk-orq-key" not in str(raised.value)


def test_client_is_created_again_when_a_setting_changes():
    model = ChatOrq(GPT)
    client = model.resolved_client
    assert model.resolved_client is client
    model.timeout = 5.0
    assert model.resolved_client is not client
    assert model.resolved_client.timeout == 5.0


def test_controls_of_a_call_are_merged_field_by_field():
    model = ChatOrq(GPT, controls={"name": "a", "identity": "user-17"})
    merged = model.merge_controls({"name": "b"})
    assert (merged.name, merged.identity.id) == ("b", "user-17")
    assert model.merge_controls() is model.controls
    with pytest.raises(ValueError, match=r"controls\.retry\.count"):
        model.merge_controls({"retry": {"count": 9}})
