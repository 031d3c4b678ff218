"""Standard tests of LangChain for the image tool."""

from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from orq_router_integrations import OfflineRouter, OrqImageTool

EXAMPLE = {"prompt": "a red boat", "size": "64x64"}


class TestUnit(ToolsUnitTests):
    @property
    def tool_constructor(self) -> type[OrqImageTool]:
        return OrqImageTool

    @property
    def tool_constructor_params(self) -> dict:
        return {"model": "openai/gpt-image-1", "api_key": "sk-orq-test", "model_args": ["size"]}

    @property
    def tool_invoke_params_example(self) -> dict:
        return EXAMPLE

    @property
    def init_from_env_params(self) -> tuple[dict, dict, dict]:
        return (
            {"ORQ_API_KEY": "sk-orq-env", "ORQ_BASE_URL": "https://my.orq.ai"},
            {"model": "openai/gpt-image-1"},
            {"api_key": "sk-orq-env", "base_url": "https://my.orq.ai/v3/router"},
        )


class TestIntegration(ToolsIntegrationTests):
    @property
    def tool_constructor(self) -> OrqImageTool:
        client = OfflineRouter().client()
        return OrqImageTool(model="openai/gpt-image-1", client=client, model_args=["size"])

    @property
    def tool_invoke_params_example(self) -> dict:
        return EXAMPLE
