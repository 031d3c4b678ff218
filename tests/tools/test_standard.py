"""Standard tests of LangChain for the image and the speech tool."""

from typing import Any

from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from orq_router_integrations import OfflineRouter, OrqImageTool, OrqSpeechTool

IMAGE_PARAMS = {"model": "openai/gpt-image-1", "model_args": ["size"]}
IMAGE_ARGS = {"prompt": "a red boat", "size": "64x64"}
SPEECH_PARAMS = {"model": "openai/tts-1", "voice": "alloy"}
SPEECH_ARGS = {"text": "Good morning."}


class TestImageUnit(ToolsUnitTests):
    tool_constructor = OrqImageTool
    tool_constructor_params = {**IMAGE_PARAMS, "api_key": "sk-orq-test"}
    tool_invoke_params_example = IMAGE_ARGS

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"ORQ_API_KEY": "sk-orq-env", "ORQ_BASE_URL": "https://my.orq.ai"},
            {"model": "openai/gpt-image-1"},
            {"api_key": "sk-orq-env", "base_url": "https://my.orq.ai/v3/router"},
        )


class TestImageIntegration(ToolsIntegrationTests):
    tool_constructor = OrqImageTool
    tool_invoke_params_example = IMAGE_ARGS

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {**IMAGE_PARAMS, "client": OfflineRouter().client()}


class TestSpeechUnit(ToolsUnitTests):
    tool_constructor = OrqSpeechTool
    tool_constructor_params = {**SPEECH_PARAMS, "api_key": "sk-orq-test"}
    tool_invoke_params_example = SPEECH_ARGS

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"ORQ_API_KEY": "sk-orq-env", "ORQ_BASE_URL": "router.example"},
            SPEECH_PARAMS,
            {"api_key": "sk-orq-env", "base_url": "https://router.example/v3/router"},
        )


class TestSpeechIntegration(ToolsIntegrationTests):
    tool_constructor = OrqSpeechTool
    tool_invoke_params_example = SPEECH_ARGS

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {**SPEECH_PARAMS, "client": OfflineRouter().client()}


class TestSpeechModelArgs(TestSpeechIntegration):
    """All arguments set by the model, and a long text."""

    tool_invoke_params_example = {
        "text": "Good morning. " * 9,
        "voice": "nova",
        "audio_format": "wav",
    }

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        model_args = ("voice", "audio_format", "speed")
        return {**super().tool_constructor_params, "model_args": model_args, "max_chars": 50}
