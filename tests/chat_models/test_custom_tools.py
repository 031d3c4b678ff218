"""Custom tools of the Responses API, whose input is plain text."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import Tool
from support.chat import create_model

from orq_router_integrations import OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer

CUSTOM = {"type": "custom", "name": "shell", "description": "Run a shell command."}
SHELL = Tool(name="shell", description="Run a shell command.", func=lambda line: f"ran {line}")


@pytest.fixture
def router() -> OfflineRouter:
    return OfflineRouter(
        answers={"List it": Answer(tool_calls=[{"name": "shell", "args": "ls -l"}])}
    )


@pytest.mark.parametrize("streaming", [False, True])
def test_custom_tool_round_trip(router: OfflineRouter, streaming: bool) -> None:
    model = create_model(router, api="responses", streaming=streaming).bind_tools([CUSTOM])
    question = HumanMessage("List it")
    answer = model.invoke([question])
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("shell", {"__arg1": "ls -l"})
    output = SHELL.invoke(call)
    assert isinstance(output, ToolMessage)
    model.invoke([question, answer, output])
    _, sent_call, sent_output = router.requests[-1].body["input"]
    assert sent_call["type"] == "custom_tool_call"
    assert sent_call["input"] == "ls -l"
    assert sent_output["type"] == "custom_tool_call_output"
    assert sent_output["output"] == "ran ls -l"


def test_call_from_another_provider_keeps_its_arguments(router: OfflineRouter) -> None:
    model = create_model(router, api="responses")
    call = {"name": "shell", "args": {"line": "ls"}, "id": "c1"}
    turn = [AIMessage("", tool_calls=[call]), ToolMessage("done", tool_call_id="c1")]
    model.bind_tools([CUSTOM]).invoke([HumanMessage("Go"), *turn])
    assert router.requests[-1].body["input"][1]["input"] == '{"line":"ls"}'


def test_agent_runs_custom_tool() -> None:
    shell = Tool(**{**vars(SHELL), "metadata": {"type": "custom_tool"}})
    call = Answer(tool_calls=[{"name": "shell", "args": "ls -l"}])
    router = OfflineRouter(answers={"List it": [call, Answer("Done.")]})
    model = create_model(router, api="responses")
    *_, output, last = create_agent(model, [shell]).invoke({"messages": ["List it"]})["messages"]
    assert (output.text, last.text) == ("ran ls -l", "Done.")
    assert router.requests[0].body["tools"][0]["type"] == "custom"
    assert router.requests[1].body["input"][-1]["type"] == "custom_tool_call_output"


def test_custom_tool_cannot_be_forced(router: OfflineRouter) -> None:
    model = create_model(router, api="responses")
    with pytest.raises(RouterInputError, match=r"Invalid tool_choice 'shell'\. Use 'auto'"):
        model.bind_tools([CUSTOM], tool_choice="shell")


@pytest.mark.parametrize("tool", [CUSTOM, {"type": "orq:web_search"}], ids=["custom", "search"])
def test_tool_of_the_other_api_raises(router: OfflineRouter, tool: object) -> None:
    with pytest.raises(RouterInputError, match="Use api='responses'"):
        create_model(router).bind_tools([tool])
