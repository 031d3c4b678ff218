"""LangChain's standard tests for chat models, against the offline router."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from orq_router_integrations import ChatOrq, OfflineRouter, content_block
from orq_router_integrations.testing import Answer

ASSETS = Path(__file__).parents[1] / "assets"
MEDIA = {".png": "diagram.png", ".pdf": "dummy.pdf", ".wav": "bird.wav"}


class TestUnit(ChatModelUnitTests):
    chat_model_class = ChatOrq
    chat_model_params = {"model": "openai/gpt-4o", "api_key": "sk-orq-test"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"ORQ_API_KEY": "sk-orq-env", "ORQ_BASE_URL": "router.example"},
            {"model": "openai/gpt-4o"},
            {"api_key": "sk-orq-env", "base_url": "https://router.example/v3/router"},
        )

    @pytest.mark.xfail(reason="langchain-core only loads classes from a fixed list of packages")
    def test_serdes(self, *args: Any, **kwargs: Any) -> None:
        super().test_serdes(*args, **kwargs)


class TestUnitV1(TestUnit):
    chat_model_params = {**TestUnit.chat_model_params, "output_version": "v1"}


class TestUnitResponses(TestUnit):
    chat_model_params = {**TestUnit.chat_model_params, "api": "responses"}


class TestUnitResponsesV1(TestUnit):
    chat_model_params = {**TestUnitResponses.chat_model_params, "output_version": "v1"}


@pytest.fixture
def media_from_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve the media that the suite downloads from files."""

    def get(url: str, **_: Any) -> httpx.Response:
        return httpx.Response(200, content=(ASSETS / MEDIA[Path(url).suffix]).read_bytes())

    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "orq-router-integrations tests")


@pytest.mark.usefixtures("media_from_files")
class TestIntegration(ChatModelIntegrationTests):
    chat_model_class = ChatOrq
    has_tool_calling = True
    has_tool_choice = True
    has_structured_output = True
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True
    returns_usage_metadata = True
    supports_model_override = True
    enable_vcr_tests = True
    model_override_value = "anthropic/claude-sonnet-4-5"

    @property
    def chat_model_params(self) -> dict[str, Any]:
        router = OfflineRouter(answers=count_cached_tokens)
        return {"model": "openai/gpt-4o", "client": router.client()}

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[Any]]:
        details = [
            "audio_input",
            "audio_output",
            "reasoning_output",
            "cache_read_input",
            "cache_creation_input",
        ]
        return {"invoke": details, "stream": details}

    def invoke_with_audio_input(self, *, stream: bool = False) -> AIMessage:
        audio = content_block(ASSETS / "bird.wav")
        return self.ask([("user", [audio])], stream=stream)

    def invoke_with_audio_output(self, *, stream: bool = False) -> AIMessage:
        params = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
        return self.ask("Say hello.", stream=stream, **params)

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self.ask("What is 17 * 23?", stream=stream, reasoning_effort="high")

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self.ask("A long prompt. " * 200, stream=stream, prompt_cache_key="k")

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        params = {"cache_control": {"type": "ephemeral"}}
        return self.ask("A long prompt. " * 200, stream=stream, **params)

    def ask(self, prompt: Any, *, stream: bool, **kwargs: Any) -> AIMessage:
        return ChatOrq(**self.chat_model_params).invoke(prompt, stream=stream, **kwargs)


def count_cached_tokens(body: dict[str, Any]) -> Answer | None:
    """Answer requests that use the provider's prompt cache with the number of cached tokens."""
    if "prompt_cache_key" in body:
        return Answer("Yes.", usage={"prompt_tokens_details": {"cached_tokens": 500}})
    if "cache_control" in body:
        return Answer("Yes.", usage={"prompt_tokens_details": {"cache_creation_tokens": 500}})
    return None


class TestResponses(TestIntegration):
    """The Responses API, which supports neither JSON mode nor audio."""

    supports_json_mode = False
    supports_audio_inputs = False

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "api": "responses"}

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[Any]]:
        details = ["reasoning_output", "cache_read_input"]
        return {"invoke": details, "stream": details}


class TestV1(TestIntegration):
    """Answers as standard content blocks."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "output_version": "v1"}


class TestResponsesV1(TestResponses):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "output_version": "v1"}


class TestResponsesFunctionCalling(TestResponses):
    structured_output_kwargs = {"method": "function_calling"}


class TestFunctionCalling(TestIntegration):
    structured_output_kwargs = {"method": "function_calling"}


class TestJsonMode(TestIntegration):
    """The prompts of the suite do not name the keys, so the answer is scripted."""

    structured_output_kwargs = {"method": "json_mode"}

    @property
    def chat_model_params(self) -> dict[str, Any]:
        router = OfflineRouter(
            answers=lambda body: answer_json_requests(body) or count_cached_tokens(body)
        )
        return {"model": "openai/gpt-4o", "client": router.client()}


def answer_json_requests(body: dict[str, Any]) -> str | None:
    is_json_mode = body.get("response_format", {}).get("type") == "json_object"
    return '{"setup": "Why the cat?", "punchline": "Why not?"}' if is_json_mode else None
