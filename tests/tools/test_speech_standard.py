"""Standard tests of LangChain for the speech tool."""

from typing import Any

from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from orq_router_integrations import OfflineRouter, OrqSpeechTool

TTS = {"model": "openai/tts-1", "voice": "alloy"}


class TestUnit(ToolsUnitTests):
    tool_constructor = OrqSpeechTool
    tool_constructor_params = {**TTS, "api_key": "sk-orq-test"}
    tool_invoke_params_example = {"text": "Good morning."}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"ORQ_API_KEY": "sk-orq-env", "ORQ_BASE_URL": "router.example"},
            TTS,
            {"api_key": "sk-orq-env", "base_url": "https://router.example/v3/router"},
        )


class TestIntegration(ToolsIntegrationTests):
    tool_constructor = OrqSpeechTool
    tool_invoke_params_example = {"text": "Good morning."}

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {**TTS, "client": OfflineRouter().client()}


class TestModelArgs(TestIntegration):
    """All arguments set by the model, and a long text."""

    tool_invoke_params_example = {
        "text": "Good morning. " * 9,
        "voice": "nova",
        "audio_format": "wav",
    }

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        opened = {"model_args": ("voice", "audio_format", "speed"), "max_chars": 50}
        return {**super().tool_constructor_params, **opened}
