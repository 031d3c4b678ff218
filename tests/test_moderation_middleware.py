"""``OrqModerationMiddleware``: input, output and tool results of agents."""

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqModeration,
    OrqModerationMiddleware,
)
from orq_router_integrations.errors import FlaggedContentError, RouterError, RouterInputError
from orq_router_integrations.testing import Answer

MODEL = "openai/gpt-4o"
MODERATION = "openai/omni-moderation-latest"
HARMFUL = "I will hurt you"
REMOVED = "This content was removed by moderation (violence)."
CALL = {"name": "search", "args": {"query": "x"}, "id": "1"}


def search(query: str) -> str:
    """Search the web."""
    return "They attack at dawn"


def run(
    text: str = "Hi", *, router: OfflineRouter | None = None, **settings: Any
) -> list[tuple[str, str]]:
    """Run an agent, and return type and text of its messages."""
    router = router or OfflineRouter(answers={MODEL: "Hello!"})
    middleware = OrqModerationMiddleware(OrqModeration(client=router.client()), **settings)
    agent = create_agent(
        ChatOrq(MODEL, client=router.client(max_retries=0)), [search], middleware=[middleware]
    )
    state = agent.invoke({"messages": [("user", text)]})
    return [(message.type, message.text) for message in state["messages"]]


class TestInput:
    def test_flagged_input_raises_by_default(self) -> None:
        with pytest.raises(FlaggedContentError, match=r"flagged the input \(violence\)") as caught:
            run(HARMFUL)
        assert caught.value.result.flagged_categories == ("violence",)

    def test_flagged_input_ends_the_run(self) -> None:
        router = OfflineRouter()
        assert run(HARMFUL, router=router, on_flagged="end") == [
            ("human", REMOVED),
            ("ai", REMOVED),
        ]
        assert [call.path for call in router.log] == ["/moderations"]

    def test_flagged_input_is_replaced(self) -> None:
        assert run(HARMFUL, on_flagged="replace", replacement="[{categories}]") == [
            ("human", "[violence]"),
            ("ai", "Hello!"),
        ]

    def test_check_can_be_disabled(self) -> None:
        assert run(HARMFUL, check_input=False)[-1] == ("ai", "Hello!")


class TestOutput:
    @pytest.fixture
    def router(self) -> OfflineRouter:
        return OfflineRouter(answers={MODEL: HARMFUL})

    def test_flagged_output_raises_by_default(self, router: OfflineRouter) -> None:
        with pytest.raises(FlaggedContentError, match="flagged the output"):
            run(router=router)

    @pytest.mark.parametrize("on_flagged", ["end", "replace"])
    def test_flagged_output_is_replaced(self, router: OfflineRouter, on_flagged: str) -> None:
        assert run(router=router, on_flagged=on_flagged) == [("human", "Hi"), ("ai", REMOVED)]

    def test_check_can_be_disabled(self, router: OfflineRouter) -> None:
        assert run(router=router, check_output=False)[-1] == ("ai", HARMFUL)

    def test_tool_calls_of_a_flagged_answer_do_not_run(self) -> None:
        answer = Answer(HARMFUL, tool_calls=[CALL])
        router = OfflineRouter(answers={MODEL: [answer, "Done."]})
        messages = run(router=router, on_flagged="end", check_tool_results=True)
        assert messages == [("human", "Hi"), ("ai", REMOVED)]


class TestToolResults:
    @pytest.fixture
    def router(self) -> OfflineRouter:
        return OfflineRouter(answers={MODEL: [Answer(tool_calls=[CALL]), "Done."]})

    def test_tool_results_are_not_checked_by_default(self, router: OfflineRouter) -> None:
        assert ("tool", "They attack at dawn") in run(router=router)

    def test_flagged_tool_result_raises(self, router: OfflineRouter) -> None:
        with pytest.raises(FlaggedContentError, match="flagged the tool result"):
            run(router=router, check_tool_results=True)

    def test_flagged_tool_result_is_replaced(self, router: OfflineRouter) -> None:
        messages = run(router=router, check_tool_results=True, on_flagged="replace")
        assert messages[2:] == [("tool", REMOVED), ("ai", "Done.")]

    def test_flagged_tool_result_ends_the_run(self, router: OfflineRouter) -> None:
        messages = run(router=router, check_tool_results=True, on_flagged="end")
        assert messages[-2:] == [("tool", REMOVED), ("ai", REMOVED)]

    def test_results_of_parallel_calls_are_replaced(self) -> None:
        calls = [CALL, CALL | {"id": "2"}]
        router = OfflineRouter(answers={MODEL: [Answer(tool_calls=calls), "Done."]})
        messages = run(router=router, check_tool_results=True, on_flagged="replace")
        assert messages[2:] == [("tool", REMOVED), ("tool", REMOVED), ("ai", "Done.")]


class TestConversation:
    @pytest.mark.parametrize("on_flagged", ["end", "replace"])
    def test_flagged_text_never_reaches_the_model(self, on_flagged: Any) -> None:
        router = OfflineRouter(answers={MODEL: "Hello!"})
        agent = create_agent(
            ChatOrq(MODEL, client=router.client()),
            middleware=[
                OrqModerationMiddleware(
                    OrqModeration(client=router.client()), on_flagged=on_flagged
                )
            ],
            checkpointer=InMemorySaver(),
        )
        config: Any = {"configurable": {"thread_id": "1"}}
        for text in (HARMFUL, "Hi"):
            agent.invoke({"messages": [("user", text)]}, config)
        sent_messages = [
            request.body["messages"] for request in router.requests if "messages" in request.body
        ]
        assert HARMFUL not in str(sent_messages)


class Letter(BaseModel):
    """A letter."""

    text: str


class TestStructuredOutput:
    """Flagged structured output is removed with both strategies of LangChain."""

    @pytest.fixture(params=[ProviderStrategy, ToolStrategy])
    def agent(self, request: Any) -> Any:
        call = {"name": "Letter", "args": {"text": HARMFUL}, "id": "1"}
        answers = {
            ProviderStrategy: Answer(json.dumps({"text": HARMFUL})),
            ToolStrategy: Answer(tool_calls=[call]),
        }
        router = OfflineRouter(answers={MODEL: answers[request.param]})

        def create(on_flagged: Any, tools: Any = ()) -> Any:
            return create_agent(
                ChatOrq(MODEL, client=router.client()),
                list(tools),
                response_format=request.param(Letter),
                middleware=[
                    OrqModerationMiddleware(
                        OrqModeration(client=router.client()), on_flagged=on_flagged
                    )
                ],
            )

        return create

    @pytest.mark.parametrize("on_flagged", ["end", "replace"])
    @pytest.mark.parametrize("tools", [(), (search,)], ids=["alone", "with tools"])
    def test_flagged_structured_output_is_removed(
        self, agent: Any, on_flagged: str, tools: Any
    ) -> None:
        state = agent(on_flagged, tools).invoke({"messages": [("user", "Hi")]})
        assert state["structured_response"] is None
        assert [message.text for message in state["messages"]] == ["Hi", REMOVED]
        assert HARMFUL not in str(state)

    def test_flagged_structured_output_raises(self, agent: Any) -> None:
        with pytest.raises(FlaggedContentError, match="flagged the output"):
            agent("error").invoke({"messages": [("user", "Hi")]})


async def test_async_agent_replaces_flagged_output() -> None:
    router = OfflineRouter(answers={MODEL: HARMFUL})
    middleware = OrqModerationMiddleware(
        OrqModeration(client=router.client()), on_flagged="replace"
    )
    agent = create_agent(ChatOrq(MODEL, client=router.client()), middleware=[middleware])
    state = await agent.ainvoke({"messages": [("user", "Hi")]})
    assert state["messages"][-1].text == REMOVED


@pytest.mark.slow
def test_failed_moderation_ends_the_run() -> None:
    with pytest.raises(RouterError):
        run(router=OfflineRouter(faults={MODERATION: 500}, answers={MODEL: "Hello!"}))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"on_flagged": "ignore"}, "Expected 'error', 'end' or 'replace', got 'ignore'"),
        ({"moderation": "openai/omni"}, "Expected an OrqModeration, got str"),
        ({"check_inputs": True}, "Unknown argument 'check_inputs'. Did you mean 'check_input'"),
    ],
)
def test_invalid_arguments_raise(settings: Any, problem: str) -> None:
    with pytest.raises(RouterInputError, match=problem):
        OrqModerationMiddleware(**settings)
