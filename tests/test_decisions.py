"""``OrqDecisionModel``: requests, answers, refusals and LangChain's middleware."""

import base64
import json
import pickle
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    ToolMessage,
)
from pydantic import ValidationError

pytest.importorskip("langchain_core.decisions", reason="requires langchain-core 1.8")

from langchain_core.decisions import Box, Choice, Noul, Score

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqDecisionModel,
    OrqImageTool,
)
from orq_router_integrations.errors import (
    RefusalError,
    RequestTimeoutError,
    RouterError,
    RouterInputError,
)
from orq_router_integrations.testing import Answer, Fault

LUNA = "openai/gpt-6-luna"
JEV = "typesafe/jev-preview"
URGENT = Noul(instructions="Is this urgent?")
TEAM = Choice(instructions="Which team?", criteria={"sales": "Prices.", "tech": None})
MOOD = Score(instructions="How upset?", criteria=["calm", "upset", "angry"])


def create_image_block(size: str = "256x256") -> dict[str, Any]:
    tool = OrqImageTool(model="openai/gpt-image-1", client=OfflineRouter().client())
    data = tool.generate("a boat", size=size).image.data
    return {"type": "image", "base64": base64.b64encode(data).decode(), "mime_type": "image/png"}


@pytest.fixture(scope="module")
def image() -> dict[str, Any]:
    return create_image_block()


class Model:
    """A decision model, and the offline router that answers it."""

    def __init__(self, model: str = LUNA, *, controls: Any = None, **router: Any) -> None:
        self.router = OfflineRouter(**router)
        client = self.router.client(max_retries=0)
        self.model = OrqDecisionModel(model, controls=controls, client=client)

    def ask(self, state: Any = "Production is down!", **questions: Any) -> Any:
        return self.model.invoke({"state": state, "questions": questions or {"urgent": URGENT}})

    def get_body(self, state: Any, **questions: Any) -> Any:
        self.ask(state, **questions)
        return self.router.requests[-1].body


class TestAnswers:
    def test_answers_to_all_types_of_questions(self) -> None:
        answers = {"urgent": 0.9, "team": "tech", "mood": 1.4}
        model = Model(answers={LUNA: answers})
        response = model.ask(urgent=URGENT, team=TEAM, mood=MOOD)
        assert response.nouls["urgent"].noul == 0.9
        assert response.choices["team"].choice == "tech"
        assert response.choices["team"].confidence == 0.8
        assert response.scores["mood"].score == 1.4
        assert response.scores["mood"].legend == {0: "calm", 1: "upset", 2: "angry"}

    def test_response_has_model_cost_and_usage(self) -> None:
        model = Model(
            controls={"fallbacks": ["openai/gpt-6-luna-mini"], "retry": {"count": 0}},
            faults={LUNA: 503},
        )
        response = model.ask()
        assert (response.requested_model, response.model) == (LUNA, "openai/gpt-6-luna-mini")
        assert response.offline
        assert response.cost is not None
        assert response.request_id
        assert response.usage["total_tokens"] > 0

    async def test_sync_and_async_answers_are_equal(self) -> None:
        request = {"state": "Hi", "questions": {"urgent": URGENT, "team": TEAM}}
        model = Model().model
        response = await model.ainvoke(request)
        assert response.answers == model.invoke(request).answers

    def test_refusal_raises_with_the_other_answers(self) -> None:
        model = Model(answers={LUNA: {"urgent": 0.2, "team": "refusal"}})
        with pytest.raises(RefusalError, match="refused to answer 'team'") as caught:
            model.ask(urgent=URGENT, team=TEAM)
        assert caught.value.answers.nouls["urgent"].noul == 0.2

    @pytest.mark.parametrize("answer", [["a"], {"team": {"sales": 1}}, {"mood": "calm"}], ids=str)
    def test_answer_that_does_not_fit_raises(self, answer: Any) -> None:
        model = Model(answers={"Production is down!": json.dumps(answer)})
        with pytest.raises(RouterError, match="decision does not fit its questions"):
            model.ask(team=TEAM, mood=MOOD)

    async def test_async_refusal_has_cost_and_request_id(self) -> None:
        model = Model(answers={LUNA: {"urgent": 0.2, "team": "refusal"}}).model
        with pytest.raises(RefusalError) as caught:
            await model.ainvoke({"state": "x", "questions": {"urgent": URGENT, "team": TEAM}})
        assert caught.value.answers.cost is not None
        assert caught.value.request_id == caught.value.answers.request_id

    @pytest.mark.slow
    def test_call_timeout_raises(self) -> None:
        fault = Fault(status=200, seconds=60)
        model = Model(controls={"timeout": {"call_timeout": 5_000}}, faults={LUNA: fault})
        with pytest.raises(RequestTimeoutError):
            model.ask()


class TestState:
    def test_messages_become_json(self) -> None:
        history = [
            SystemMessage("Be kind."),
            HumanMessage("Delete it"),
            AIMessage("", tool_calls=[{"name": "delete", "args": {"id": 7}, "id": "1"}]),
            ToolMessage("done", tool_call_id="1"),
        ]
        assert Model().get_body({"messages": history, "tool": "delete"})["state"] == {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Delete it"},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"name": "delete", "args": {"id": 7}, "id": "1"}],
                },
                {"role": "tool", "tool_call_id": "1", "content": "done"},
            ],
            "tool": "delete",
        }

    def test_list_of_messages_is_wrapped(self) -> None:
        """Some models accept a bare list only if it contains user messages."""
        state = Model().get_body([HumanMessage("a"), AIMessage("b")])["state"]
        assert [message["role"] for message in state["messages"]] == ["user", "assistant"]

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            (AIMessageChunk("a"), {"role": "assistant", "content": "a"}),
            (HumanMessageChunk("a"), {"role": "user", "content": "a"}),
            (ChatMessage("a", role="critic"), {"role": "critic", "content": "a"}),
            (HumanMessage("a", name="Ann"), {"role": "user", "name": "Ann", "content": "a"}),
            (
                HumanMessage([{"type": "text-plain", "text": "a", "mime_type": "text/plain"}]),
                {"role": "user", "content": "a"},
            ),
            (
                ToolMessage([{"rows": [1, 2]}], tool_call_id="1", status="error"),
                {
                    "role": "tool",
                    "tool_call_id": "1",
                    "status": "error",
                    "content": [{"rows": [1, 2]}],
                },
            ),
            (
                AIMessage([{"type": "refusal", "refusal": "No."}]),
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            ),
            (
                AIMessage([{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "a"}]),
                {"role": "assistant", "content": "a"},
            ),
            (
                AIMessage(
                    "",
                    invalid_tool_calls=[{"name": "f", "args": "{", "id": "1", "error": "cut"}],
                ),
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"name": "f", "args": "{", "id": "1"}],
                },
            ),
        ],
        ids=[
            "chunk",
            "user chunk",
            "role",
            "name",
            "text file",
            "tool data",
            "refusal",
            "reasoning",
            "invalid call",
        ],
    )
    def test_message_becomes_json(self, message: BaseMessage, expected: Any) -> None:
        assert Model().get_body({"m": message})["state"] == {"m": expected}

    def test_tool_call_arguments_are_not_read_as_images(self) -> None:
        args = {"type": "image", "url": "https://example.com/a.png"}
        message = AIMessage("", tool_calls=[{"name": "show", "args": args, "id": "1"}])
        state = Model().get_body([message])["state"]
        assert state["messages"][0]["tool_calls"][0]["args"] == args

    def test_wrong_mime_type_is_corrected(self, image: Any) -> None:
        message = ToolMessage([image | {"mime_type": "image/jpeg"}], tool_call_id="1")
        (sent_message,) = Model().get_body([message])["state"]
        assert sent_message["content"][-1]["image_url"] == to_data_url(image)

    def test_dicts_with_other_roles_are_wrapped(self) -> None:
        messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        assert Model().get_body(messages)["state"] == {"messages": messages}

    @pytest.mark.parametrize("state", ["text", {"a": [1, 2.5, None, True]}, ["a", {"b": "c"}]])
    def test_json_is_sent_unchanged(self, state: Any) -> None:
        assert Model().get_body(state)["state"] == state

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda image: HumanMessage(["Look:", image]),
            lambda image: {"photo": image},
            lambda image: [{"type": "image_url", "image_url": {"url": to_data_url(image)}}],
            lambda image: {"type": "image", "url": to_data_url(image)},
            lambda image: {
                "type": "image",
                "source": {"type": "base64", "data": image["base64"], "media_type": "image/png"},
            },
        ],
    )
    def test_image_is_sent_in_a_user_message(self, image: Any, wrap: Any) -> None:
        (message,) = Model().get_body(wrap(image))["state"]
        text, label, part = message["content"]
        assert message["role"] == "user"
        assert '{"image":"image_1"}' in text["text"]
        assert label["text"] == "image_1:"
        assert part == {"type": "input_image", "image_url": to_data_url(image)}

    def test_image_is_an_asset_for_typesafe(self, image: Any) -> None:
        body = Model(JEV).get_body({"photo": image}, boat=Box(instructions="The boat"))
        assert body["state"] == {"photo": {"image": "image_1"}}
        assert body["assets"] == {
            "image_1": {"type": "image", "format": "png", "data_base64": image["base64"]}
        }

    def test_image_in_a_question_is_replaced_by_its_id(self, image: Any) -> None:
        question = Choice(instructions="Which?", criteria={"this": image, "none": None})
        body = Model().get_body("A boat", q=question)
        assert body["questions"]["q"]["criteria"] == {"this": {"image": "image_1"}, "none": None}


def to_data_url(image: dict[str, Any]) -> str:
    return f"data:image/png;base64,{image['base64']}"


class TestInvalidInput:
    @pytest.mark.parametrize(
        ("state", "questions", "problem"),
        [
            ("x", {}, "at least one question"),
            ("x", None, "at least one question"),
            ("x", {"q": {"type": "noul"}}, "questions.q.instructions: Field required"),
            ("x", {"q": Noul(instructions="")}, "Write the question here"),
            (
                "x",
                {"q": {"type": "choice", "instructions": "?", "criteria": {}}},
                "questions.q.criteria",
            ),
            ("x", {"q": {"type": "rank", "instructions": "?"}}, "questions.q"),
            (7, {"q": URGENT}, "state: Expected text"),
            (None, {"q": URGENT}, "state: Expected text"),
            ({"a": object()}, {"q": URGENT}, "state.a: Expected text"),
            ({"a": b"x"}, {"q": URGENT}, "got bytes"),
            ({"type": "image", "url": "https://x/a.png"}, {"q": URGENT}, "Download the image"),
            ({"type": "image", "file_id": "f"}, {"q": URGENT}, "no base64 data"),
            ({"type": "audio", "base64": "AAAA"}, {"q": URGENT}, "audio is not supported"),
            ([{"type": "image", "base64": "!"}], {"q": URGENT}, r"state\[0\]: The data is not"),
            ("x", {"q": Noul(instructions=" ")}, "Write the question here"),
            ("x", {"q": "Is it?"}, "questions.q: Input should be a valid dictionary"),
            ("x", {"q": Box(instructions="cat")}, "Box questions need an image"),
            ({1: "a"}, {"q": URGENT}, "The key 1 must be a str"),
        ],
    )
    def test_invalid_request_raises_before_sending(
        self, state: Any, questions: Any, problem: str
    ) -> None:
        model = Model()
        with pytest.raises(RouterInputError, match=problem):
            model.model.invoke({"state": state, "questions": questions})
        assert model.router.requests == []

    @pytest.mark.parametrize("request_", ["text", {"state": "x"}, {"questions": {"q": URGENT}}])
    def test_request_without_state_or_questions_raises(self, request_: Any) -> None:
        with pytest.raises(RouterInputError, match="'state' and 'questions'"):
            Model().model.invoke(request_)

    def test_argument_of_a_call_raises(self) -> None:
        request = {"state": "x", "questions": {"q": URGENT}}
        with pytest.raises(RouterInputError, match="Unknown argument 'controls'"):
            Model().model.invoke(request, controls={"name": "x"})

    def test_box_question_for_another_provider_raises(self, image: Any) -> None:
        with pytest.raises(RouterInputError, match="does not support box questions"):
            Model().ask({"photo": image}, cat=Box(instructions="cat"))

    def test_state_that_contains_itself_raises(self) -> None:
        state: dict[str, Any] = {}
        state["again"] = state
        with pytest.raises(RouterInputError, match="contains itself"):
            Model().ask(state)

    def test_limit_of_models_includes_fallbacks_of_the_client(self) -> None:
        client = OfflineRouter().client(controls={"fallbacks": [f"a/{i}" for i in range(11)]})
        with pytest.raises(ValidationError, match="at most 10 models"):
            OrqDecisionModel(LUNA, client=client)

    def test_too_many_images_raise(self, image: Any) -> None:
        with pytest.raises(RouterInputError, match="at most 128 images"):
            Model().ask([image] * 129)

    @pytest.mark.parametrize("size", ["16x256", "256x2000"])
    def test_image_of_unsupported_size_raises(self, size: str) -> None:
        block = create_image_block(size)
        with pytest.raises(RouterInputError, match="pixels"):
            Model(JEV).ask({"photo": block})

    def test_fallback_with_another_image_format_raises(self, image: Any) -> None:
        model = Model(JEV, controls={"fallbacks": [LUNA]})
        with pytest.raises(RouterInputError, match="openai/gpt-6-luna does not accept images"):
            model.ask({"photo": image})

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"base_url": "https://my.orq.ai/v2/router"}, "not available under v2/router"),
            ({"controls": {"fallbacks": ["a/b"] * 11}}, "at most 10 models"),
            ({"controls": {"thread": {"id": "t"}}}, "controls.thread: Not supported"),
            ({"model": "luna"}, "Expected 'provider/model'"),
        ],
    )
    def test_invalid_settings_raise(self, settings: Any, problem: str) -> None:
        with pytest.raises(ValidationError, match=problem):
            OrqDecisionModel(**{"model": LUNA, "api_key": "sk-orq-example"} | settings)


def test_pickle_keeps_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-example")
    copy = pickle.loads(pickle.dumps(OrqDecisionModel(LUNA, controls={"name": "x"})))
    assert (copy.model, copy.controls.name) == (LUNA, "x")


class TestMiddleware:
    """LangChain's own middleware, driven by this model."""

    @pytest.fixture
    def middleware(self) -> Any:
        return pytest.importorskip(
            "langchain.agents.middleware.auto_mode", reason="requires langchain 1.5"
        )

    def test_model_router_selects_the_model(self, middleware: Any) -> None:
        from langchain.agents import create_agent
        from langchain.agents.middleware import ModelChoice, ModelRouterMiddleware

        router = OfflineRouter(answers={LUNA: {"model_route": "hard"}})
        easy = ChatOrq("openai/gpt-4o-mini", client=router.client())
        hard = ChatOrq("openai/gpt-4o", client=router.client())
        routing = ModelRouterMiddleware(
            choices={
                "easy": ModelChoice(model=easy, criteria="Small talk."),
                "hard": ModelChoice(model=hard, criteria="Proofs."),
            },
            instructions="Choose the least costly model suited to the task.",
            classifier=OrqDecisionModel(LUNA, client=router.client()),
        )
        agent = create_agent(easy, middleware=[routing])
        state = agent.invoke({"messages": [("user", "Prove it.")]})
        assert state["model_route"].choice == "hard"
        assert [call.model for call in router.log] == [LUNA, "openai/gpt-4o"]

    @pytest.mark.parametrize(("risk", "status"), [(0.9, "error"), (0.1, "success")])
    def test_auto_mode_blocks_risky_calls(self, middleware: Any, risk: float, status: str) -> None:
        from langchain.agents import create_agent

        def delete_file(path: str) -> str:
            """Delete a file."""
            return f"deleted {path}"

        call = {"name": "delete_file", "args": {"path": "a.txt"}, "id": "1"}
        router = OfflineRouter(
            answers={
                LUNA: {"is_risky": risk},
                "openai/gpt-4o": [Answer(tool_calls=[call]), Answer("Done.")],
            }
        )
        agent = create_agent(
            ChatOrq("openai/gpt-4o", client=router.client()),
            tools=[delete_file],
            middleware=[
                middleware.AutoModeMiddleware(
                    tools=["delete_file"],
                    classifier=OrqDecisionModel(LUNA, client=router.client()),
                )
            ],
        )
        state = agent.invoke({"messages": [("user", "Delete a.txt")]})
        assert next(m.status for m in state["messages"] if m.type == "tool") == status
