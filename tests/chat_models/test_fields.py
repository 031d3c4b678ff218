"""How a model stands in LangChain: its profile, and its token counts."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage, trim_messages
from pydantic import BaseModel, ValidationError

from orq_router_integrations import ChatOrq, OfflineRouter, content_block
from orq_router_integrations.demo import ASSETS
from orq_router_integrations.errors import RouterInputError


class City(BaseModel):
    """A city."""

    name: str


@pytest.mark.parametrize(
    "model", ["openai/gpt-4o", "azure/gpt-4.1-mini", "google/gemini-2.5-flash"]
)
def test_an_agent_uses_native_structured_output_where_the_profile_says_so(model: str) -> None:
    router = OfflineRouter()
    agent = create_agent(ChatOrq(model=model, client=router.client()), [], response_format=City)
    result = agent.invoke({"messages": [("user", "Tell me of 'Utrecht'.")]})
    assert result["structured_response"] == City(name="Utrecht")
    assert router.requests[0].body["response_format"]["type"] == "json_schema"


def test_a_model_that_is_not_known_has_no_profile_and_ones_own_wins() -> None:
    assert ChatOrq(model="groq/of-mine", api_key="k").profile is None
    own = ChatOrq(model="openai/gpt-4o", api_key="k", profile={"max_input_tokens": 5})
    assert own.profile == {"max_input_tokens": 5}


def test_tokens_are_counted_without_a_tokenizer(model: ChatOrq) -> None:
    chart = content_block(ASSETS / "chart.png", detail="low")
    text = [HumanMessage("What does this chart say?")]
    with_image = [HumanMessage([chart, "What does this chart say?"])]
    counted = model.get_num_tokens_from_messages(text)
    assert 8 <= counted <= 16
    assert model.get_num_tokens_from_messages(with_image) - counted == 85
    assert model.get_num_tokens_from_messages(text, tools=[City]) > counted


def test_tools_that_the_router_runs_are_counted_where_there_are_some() -> None:
    text, search = [HumanMessage("Hi")], [{"type": "orq:web_search"}]
    there = ChatOrq(model="openai/gpt-4o", api="responses", api_key="k")
    counted = there.get_num_tokens_from_messages(text, tools=search)
    assert counted > there.get_num_tokens_from_messages(text)
    with pytest.raises(RouterInputError, match="orq:web_search"):
        ChatOrq(model="openai/gpt-4o", api_key="k").get_num_tokens_from_messages(text, tools=search)


def test_media_of_tools_count_where_they_are_sent() -> None:
    chart = content_block(ASSETS / "chart.png", detail="low")
    answer = [ToolMessage([chart], tool_call_id="c1")]

    def counted(tool_media: str) -> int:
        model = ChatOrq(model="openai/gpt-4o", api_key="k", tool_media=tool_media)
        return model.get_num_tokens_from_messages(answer)

    assert counted("user") - counted("placeholder") >= 85
    assert counted("tool") >= 85 > counted("placeholder")


def test_conversations_can_be_trimmed_by_tokens(model: ChatOrq) -> None:
    long = [HumanMessage("word " * 200), HumanMessage("the last one")]
    kept = trim_messages(long, max_tokens=50, token_counter=model, strategy="last")
    assert [message.text for message in kept] == ["the last one"]


def test_there_are_no_token_ids(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match="get_num_tokens"):
        model.get_token_ids("text")


def test_the_router_in_the_place_of_its_client_is_told_apart(router: OfflineRouter) -> None:
    with pytest.raises(ValidationError, match=r"give \.client\(\) of the OfflineRouter"):
        ChatOrq(model="openai/gpt-4o", client=router)


def test_a_conversation_in_short_is_counted_too(model: ChatOrq) -> None:
    short, long = [("user", "Hi")], [HumanMessage("Hi")]
    assert model.get_num_tokens_from_messages(short) == model.get_num_tokens_from_messages(long)
