"""Custom tools of the Responses API: they take any text, and agents run them as other tools."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import Tool

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer, ToolCall

CUSTOM = {"type": "custom", "name": "shell", "description": "Runs a line of shell."}
SHELL = Tool(name="shell", description="Runs a line of shell.", func=lambda line: f"ran {line}")


@pytest.fixture
def router() -> OfflineRouter:
    return OfflineRouter(answers={"List it": Answer(tool_calls=(ToolCall("shell", "ls -l"),))})


@pytest.mark.parametrize("streaming", [False, True])
def test_custom_tool_round_trip(router: OfflineRouter, streaming: bool) -> None:
    bare = ChatOrq(
        model="openai/gpt-5", api="responses", streaming=streaming, client=router.client()
    )
    model = bare.bind_tools([CUSTOM])
    question = HumanMessage("List it")
    answer = model.invoke([question])
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("shell", {"__arg1": "ls -l"})
    output = SHELL.invoke(call)
    assert isinstance(output, ToolMessage)
    model.invoke([question, answer, output])
    _, called, given = router.requests[-1].body["input"]
    assert called["type"] == "custom_tool_call"
    assert called["input"] == "ls -l"
    assert given["type"] == "custom_tool_call_output"
    assert given["output"] == "ran ls -l"


def test_call_from_another_provider_keeps_its_arguments(router: OfflineRouter) -> None:
    model = ChatOrq(model="openai/gpt-5", api="responses", client=router.client())
    call = {"name": "shell", "args": {"line": "ls"}, "id": "c1"}
    told = [AIMessage("", tool_calls=[call]), ToolMessage("done", tool_call_id="c1")]
    model.bind_tools([CUSTOM]).invoke([HumanMessage("Go"), *told])
    assert router.requests[-1].body["input"][1]["input"] == '{"line":"ls"}'


def test_agent_runs_custom_tool() -> None:
    shell = Tool(**{**vars(SHELL), "metadata": {"type": "custom_tool"}})
    called = Answer(tool_calls=(ToolCall("shell", "ls -l"),))
    router = OfflineRouter(answers={"List it": [called, Answer("Done.")]})
    model = ChatOrq(model="openai/gpt-5", api="responses", client=router.client())
    *_, output, last = create_agent(model, [shell]).invoke({"messages": ["List it"]})["messages"]
    assert (output.text, last.text) == ("ran ls -l", "Done.")
    assert router.requests[0].body["tools"][0]["type"] == "custom"
    assert router.requests[1].body["input"][-1]["type"] == "custom_tool_call_output"


def test_custom_tool_cannot_be_forced(router: OfflineRouter) -> None:
    model = ChatOrq(model="openai/gpt-5", api="responses", client=router.client())
    with pytest.raises(RouterInputError, match=r"custom tool 'shell'\. Only functions"):
        model.bind_tools([CUSTOM], tool_choice="shell")


@pytest.mark.parametrize("tool", [CUSTOM, {"type": "orq:web_search"}], ids=["custom", "search"])
def test_tool_of_the_other_api_raises(router: OfflineRouter, tool: object) -> None:
    with pytest.raises(RouterInputError, match="Use api='responses'"):
        ChatOrq(model="openai/gpt-5", client=router.client()).bind_tools([tool])
