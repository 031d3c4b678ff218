"""Fields of ``ChatOrq``: unknown arguments, profiles, token counts, tracing and serialization."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd, dumps, load, loads
from langchain_core.messages import HumanMessage, ToolMessage, trim_messages
from langchain_core.tracers import BaseTracer, Run
from pydantic import BaseModel, ValidationError
from support.chat import CLAUDE, GPT, create_model

from orq_router_integrations import ChatOrq, OfflineRouter, content_block
from orq_router_integrations.demo import ASSETS
from orq_router_integrations.errors import RouterInputError


class City(BaseModel):
    """A city."""

    name: str


SUGGESTIONS = {
    "temprature": "Did you mean 'temperature'?",
    "model_name": "Use 'model'.",
    "max_completion_tokens": "Use 'max_tokens'.",
    "model_kwargs": "Use 'extra_body'.",
    "tools": "Use model.bind_tools([...]).",
    "response_format": "Use model.with_structured_output(...).",
    "user": "Use controls={'identity': ...}.",
    "extra_headers": "Use ChatOrq(..., default_headers=...).",
    "logit_bias": "use extra_body={'logit_bias': ...}.",
    "organization": "Not supported by the router",
    "fallbacks": "use controls=RouterControls(fallbacks=...).",
}


@pytest.mark.parametrize("name", SUGGESTIONS)
def test_error_for_unknown_argument_says_what_to_use(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ChatOrq(model=GPT, api_key="k", **{name: 1})
    assert f"Unknown argument '{name}'" in str(caught.value)
    assert SUGGESTIONS[name] in str(caught.value)


def test_suggested_arguments_exist() -> None:
    for name, hint in ChatOrq.argument_hints.items():
        if hint.isidentifier():
            assert hint in ChatOrq.model_fields, name


def test_every_field_is_described() -> None:
    fields_without_description = {
        name for name, field in ChatOrq.model_fields.items() if not field.description
    }
    assert fields_without_description <= BaseChatModel.model_fields.keys()


def test_unknown_disabled_param_raises() -> None:
    with pytest.raises(ValidationError, match=r"Unknown argument 'temprature'.*'temperature'"):
        ChatOrq(model=GPT, api_key="k", disabled_params={"temprature": None})


def test_unknown_tool_media_raises() -> None:
    with pytest.raises(ValidationError, match="tool_media"):
        ChatOrq(model=GPT, api_key="k", tool_media="nowhere")


# Profiles


@pytest.mark.parametrize("model", [GPT, "azure/gpt-4.1-mini", "google/gemini-2.5-flash"])
def test_agent_uses_native_structured_output_if_the_profile_allows(model: str) -> None:
    router = OfflineRouter()
    agent = create_agent(create_model(router, model=model), [], response_format=City)
    result = agent.invoke({"messages": [("user", "Tell me about 'Utrecht'.")]})
    assert result["structured_response"] == City(name="Utrecht")
    assert router.requests[0].body["response_format"]["type"] == "json_schema"


def test_unknown_model_has_no_profile() -> None:
    assert ChatOrq(model="groq/custom", api_key="k").profile is None


def test_profile_can_be_set() -> None:
    model = ChatOrq(model=GPT, api_key="k", profile={"max_input_tokens": 5})
    assert model.profile == {"max_input_tokens": 5}


# Token counts


def test_tokens_are_estimated(model: ChatOrq) -> None:
    chart = content_block(ASSETS / "chart.png", detail="low")
    text = [HumanMessage("What does this chart say?")]
    with_image = [HumanMessage([chart, "What does this chart say?"])]
    count = model.get_num_tokens_from_messages(text)
    assert 8 <= count <= 16
    assert model.get_num_tokens_from_messages(with_image) - count == 85
    assert model.get_num_tokens_from_messages(text, tools=[City]) > count


def test_message_shorthand_counts_like_a_message(model: ChatOrq) -> None:
    tuples, messages = [("user", "Hi")], [HumanMessage("Hi")]
    count = model.get_num_tokens_from_messages(messages)
    assert model.get_num_tokens_from_messages(tuples) == count


def test_server_tools_are_counted_for_the_api_that_supports_them() -> None:
    text, search = [HumanMessage("Hi")], [{"type": "orq:web_search"}]
    model = ChatOrq(model=GPT, api="responses", api_key="k")
    count = model.get_num_tokens_from_messages(text, tools=search)
    assert count > model.get_num_tokens_from_messages(text)
    with pytest.raises(RouterInputError, match="orq:web_search"):
        ChatOrq(model=GPT, api_key="k").get_num_tokens_from_messages(text, tools=search)


def test_media_in_tool_results_are_counted_if_they_are_sent() -> None:
    chart = content_block(ASSETS / "chart.png", detail="low")
    tool_result = [ToolMessage([chart], tool_call_id="c1")]

    def count(tool_media: str) -> int:
        model = ChatOrq(model=GPT, api_key="k", tool_media=tool_media)
        return model.get_num_tokens_from_messages(tool_result)

    assert count("user") - count("placeholder") >= 85
    assert count("tool") >= 85 > count("placeholder")


def test_conversation_can_be_trimmed_by_tokens(model: ChatOrq) -> None:
    messages = [HumanMessage("word " * 200), HumanMessage("the last one")]
    trimmed = trim_messages(messages, max_tokens=50, token_counter=model, strategy="last")
    assert [message.text for message in trimmed] == ["the last one"]


def test_token_ids_are_not_available(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match="get_num_tokens"):
        model.get_token_ids("text")


# Tracing


def test_langsmith_params_describe_the_model(router: OfflineRouter) -> None:
    model = create_model(router, temperature=0.5, max_tokens=9, stop="END")
    assert model._get_ls_params() == {
        "ls_provider": "orq",
        "ls_model_type": "chat",
        "ls_model_name": GPT,
        "ls_temperature": 0.5,
        "ls_max_tokens": 9,
        "ls_stop": ["END"],
    }
    overridden = model._get_ls_params(model=CLAUDE, stop=["A"])
    assert (overridden["ls_model_name"], overridden["ls_stop"]) == (CLAUDE, ["A"])


class JsonTracer(BaseTracer):
    """Collect traces as JSON."""

    json: str = ""

    def _persist_run(self, run: Run) -> None:
        self.json += run.model_dump_json()


def test_traces_do_not_contain_mcp_credentials(router: OfflineRouter) -> None:
    headers = {"Authorization": "Bearer MCP-SECRET"}
    server = {"type": "mcp", "server_url": "https://tools.example/mcp", "headers": headers}
    tracer = JsonTracer()
    model = create_model(router, api="responses").bind_tools([server])
    model.invoke("Hi", config={"callbacks": [tracer]})
    assert "tools.example" in tracer.json
    assert "MCP-SECRET" not in tracer.json


# Serialization


FIELDS: dict[str, dict[str, Any]] = {
    "chat_completions": {"seed": 1, "temperature": 0.5, "thinking": {"type": "adaptive"}},
    "responses": {"reasoning": {"effort": "high"}},
}


@pytest.mark.parametrize("api", FIELDS)
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_serialized_model_can_be_loaded(monkeypatch: pytest.MonkeyPatch, api: Any) -> None:
    """LangChain's own test cannot load classes outside of LangChain; see test_standard."""
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-SECRET")
    controls: Any = {"fallbacks": [CLAUDE], "retry": {"count": 2}, "cache": {"ttl": 60}}
    model = ChatOrq(model=GPT, api=api, controls=controls, stop=["A"], **FIELDS[api])
    options: Any = {"allowed_objects": [ChatOrq], "valid_namespaces": ["orq_router_integrations"]}
    for loaded in (
        loads(dumps(model), secrets_from_env=True, **options),
        load(dumpd(model), secrets_from_env=True, **options),
        load(dumpd(model), secrets_map={"ORQ_API_KEY": "sk-orq-SECRET"}, **options),
    ):
        assert loaded == model
        assert loaded._get_llm_string() == model._get_llm_string()
    assert "SECRET" not in dumps(model)
