"""Instructions, and conversations that the router compacts."""

import json
from typing import Any

import httpx
import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import ValidationError
from support.agent_tools import create_agent_model, invoke_runnable
from support.chat_responses import merge_chunks
from support.marks import sync_and_async
from support.response_events import DONE, create_event, encode_event

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient
from orq_router_integrations.errors import (
    InvalidResponseError,
    NotFoundError,
    RouterInputError,
)

RULES = [{"type": "compaction", "compact_threshold": 1000}]
COMPACTION = {"type": "compaction", "id": "cmp_1", "encrypted_content": "SUMMARY"}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
}
RESPONSE = {
    "id": "r",
    "model": "gpt-4o",
    "status": "completed",
    "usage": None,
    "output": [COMPACTION, MESSAGE],
}


class CompactingModel:
    """A model whose answers start with a compaction item, and the bodies it has sent."""

    def __init__(self, **kwargs: Any) -> None:
        self.bodies: list[dict[str, Any]] = []
        client = RouterClient(
            api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(self._handle))
        )
        self.model = ChatOrq(
            "openai/gpt-4o", api="responses", client=client, context_management=RULES, **kwargs
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        if not self.bodies[-1].get("stream"):
            return httpx.Response(200, json=RESPONSE)
        item_events = [
            create_event("output_item.done", output_index=index, item=item)
            for index, item in enumerate([COMPACTION, MESSAGE])
        ]
        events = [*item_events, create_event("completed", response=RESPONSE)]
        content = b"".join(map(encode_event, events)) + DONE
        return httpx.Response(200, content=content, headers={"content-type": "text/event-stream"})


def ask(model: ChatOrq, messages: list[Any], method: str) -> Any:
    if method == "invoke":
        return model.invoke(messages)
    if method == "stream":
        return merge_chunks(model.stream(messages))
    stream: Any = model.stream_events(messages, version="v3")
    return stream.output


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("version", [None, "v1"], ids=["default", "v1 content"])
@pytest.mark.parametrize("method", ["invoke", "stream", "events"])
def test_compaction_item_is_sent_back(method: str, version: Any) -> None:
    compacting = CompactingModel(output_version=version)
    messages: list[Any] = [HumanMessage("Hi")]
    answer = ask(compacting.model, messages, method)
    assert answer.text == "Hi"
    assert {"type": "non_standard", "value": COMPACTION}.items() <= answer.content_blocks[1].items()
    compacting.model.invoke([*messages, answer, HumanMessage("Bye")])
    first, second = compacting.bodies
    assert first["context_management"] == second["context_management"] == RULES
    assert [item["type"] for item in second["input"]] == [
        *("message", "compaction", "message", "message")
    ]
    assert second["input"][1] == COMPACTION


@sync_and_async
async def test_instructions_are_the_system_prompt(router: OfflineRouter, is_async: bool) -> None:
    model = create_agent_model(router, "responses", instructions="Be brief.")
    await invoke_runnable(model, is_async, [SystemMessage("Be kind."), HumanMessage("Hi")])
    await invoke_runnable(model, is_async, "Hi", instructions="Be long.")
    first, second = (request.body for request in router.requests)
    assert first["instructions"] == "Be brief."
    assert first["input"][0] == {"type": "message", "role": "system", "content": "Be kind."}
    assert second["instructions"] == "Be long."


def test_instructions_apply_to_one_response(router: OfflineRouter) -> None:
    model = create_agent_model(router, "responses")
    answer = model.invoke("Hi", instructions="Be brief.")
    model.invoke("More", previous_response_id=answer.response_metadata["id"])
    assert "instructions" not in router.requests[-1].body


@pytest.mark.parametrize("param", [{"instructions": "x"}, {"context_management": RULES}], ids=str)
def test_chat_completions_rejects_params_of_the_responses_api(
    router: OfflineRouter, param: dict[str, Any]
) -> None:
    with pytest.raises(RouterInputError, match="Use api='responses'"):
        create_agent_model(router, "chat_completions", **param).invoke("Hi")


@pytest.mark.parametrize(
    "rules",
    [
        [],
        {"type": "compaction"},
        [{"compact_threshold": 5}],
        [{"type": "other"}],
        [{"type": "compaction", "compact_threshold": 0}],
        [{"type": "compaction", "compact_threshold": "5"}],
        [{"type": "compaction", "threshold": 5}],
        "compaction",
    ],
    ids=str,
)
def test_invalid_context_management_raises(router: OfflineRouter, rules: Any) -> None:
    with pytest.raises(ValidationError, match="context_management"):
        create_agent_model(router, "responses", context_management=rules)
    with pytest.raises(RouterInputError, match="context_management"):
        create_agent_model(router, "responses").invoke("Hi", context_management=rules)
    assert not router.requests


def test_params_survive_serialization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORQ_API_KEY", "k")
    model = ChatOrq(
        "openai/gpt-4o", api="responses", instructions="Be brief.", context_management=RULES
    )
    namespaces = ["orq_router_integrations"]
    loaded = load(
        dumpd(model), valid_namespaces=namespaces, allowed_objects=[ChatOrq], secrets_from_env=True
    )
    assert (loaded.instructions, loaded.context_management) == ("Be brief.", RULES)


def test_compaction_item_is_not_sent_to_chat_completions(router: OfflineRouter) -> None:
    answer = AIMessage("Hi", additional_kwargs={"output_items": [COMPACTION]})
    create_agent_model(router, "chat_completions").invoke(
        [HumanMessage("Hi"), answer, ("user", "Bye")]
    )
    assert "SUMMARY" not in json.dumps(router.requests[-1].body)


CONVERSATION = [
    SystemMessage("Be brief."),
    HumanMessage("Hi"),
    AIMessage("Hello!"),
    HumanMessage("What is a router?"),
]
LATEST_ITEMS = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "get", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "12 degrees"},
    MESSAGE,
]


class TestCompact:
    """Compaction on request."""

    def respond(self, output: Any) -> tuple[ChatOrq, list[httpx.Request]]:
        requests: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            usage = {"input_tokens": 90, "output_tokens": 9, "total_cost": 0.5}
            return httpx.Response(200, json={"id": "r1", "output": output, "usage": usage})

        client = RouterClient(
            api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(handle))
        )
        return ChatOrq("openai/gpt-4o", api="responses", client=client), requests

    @sync_and_async
    async def test_conversation_continues(self, router: OfflineRouter, is_async: bool) -> None:
        model = create_agent_model(router, "responses")
        compact = model.acompact(CONVERSATION) if is_async else model.compact(CONVERSATION)
        messages = await compact if is_async else compact
        model.invoke([*messages, HumanMessage("And a switch?")])
        assert [message.text for message in messages] == ["", "What is a router?"]
        items = router.requests[-1].body["input"]
        assert [item["type"] for item in items] == ["compaction", "message", "message"]

    def test_path_is_outside_of_the_router(self) -> None:
        model, requests = self.respond([COMPACTION])
        model.compact("Hi")
        assert requests[0].url.path == "/v1/responses/compact"
        assert json.loads(requests[0].content) == {
            "model": "openai/gpt-4o",
            "input": [{"type": "message", "role": "user", "content": "Hi"}],
        }

    def test_items_become_messages_and_are_sent_back(self) -> None:
        model, requests = self.respond([COMPACTION, *LATEST_ITEMS])
        messages = model.compact(CONVERSATION)
        assert [message.type for message in messages] == ["ai", "human", "ai", "tool", "ai"]
        assert messages[1].content == "Weather?"
        assert messages[3].content == "12 degrees"
        model.compact([*messages, HumanMessage("Bye")])
        items = json.loads(requests[1].content)["input"]
        assert items[0] == COMPACTION
        assert [item["type"] for item in items] == [
            *("compaction", "message", "function_call", "function_call_output"),
            *("message", "message"),
        ]

    def test_first_message_has_the_usage(self) -> None:
        model, _ = self.respond([COMPACTION, *LATEST_ITEMS])
        first, *later_messages = model.compact("Hi")
        assert isinstance(first, AIMessage)
        assert first.usage_metadata
        assert first.usage_metadata["input_tokens"] == 90
        assert first.response_metadata["cost"] == 0.5
        assert all(getattr(message, "usage_metadata", None) is None for message in later_messages)

    def test_stored_response_can_be_compacted(self, router: OfflineRouter) -> None:
        model = create_agent_model(router, "responses", instructions="Be brief.")
        answer = model.invoke("Hi")
        model.compact("Bye", previous_response_id=answer.response_metadata["id"])
        assert router.requests[-1].body["previous_response_id"] == answer.response_metadata["id"]
        assert router.requests[-1].body["instructions"] == "Be brief."

    def test_unsupported_controls_are_not_sent(self) -> None:
        model, requests = self.respond([COMPACTION])
        model.controls = {"identity": {"id": "u1"}, "fallbacks": ["a/b"]}
        model.compact("Hi")
        assert requests[0].headers["x-orq-identity-id"] == "u1"
        assert "fallbacks" not in json.loads(requests[0].content)

    def test_unsupported_guardrails_raise(self) -> None:
        model, requests = self.respond([COMPACTION])
        model.controls = {"guardrails": [{"id": "g", "execute_on": "input"}]}
        with pytest.raises(RouterInputError, match="guardrails"):
            model.compact("Hi")
        assert not requests

    @pytest.mark.parametrize("output", [None, [], [MESSAGE], "x"], ids=str)
    def test_response_without_a_compaction_item_raises(self, output: Any) -> None:
        with pytest.raises(InvalidResponseError, match="no compaction item"):
            self.respond(output)[0].compact("Hi")

    def test_other_api_and_arguments_are_rejected(self, router: OfflineRouter) -> None:
        with pytest.raises(RouterInputError, match="api='responses'"):
            create_agent_model(router, "chat_completions").compact("Hi")
        with pytest.raises(RouterInputError, match="'temperature'"):
            create_agent_model(router, "responses").compact("Hi", temperature=1)
        assert not router.requests

    def test_unknown_model_raises(self) -> None:
        router = OfflineRouter(models=["a/b"])
        with pytest.raises(NotFoundError):
            create_agent_model(router, "responses").compact("Hi")
