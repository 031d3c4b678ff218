"""Instructions, and conversations that the router compacts."""

import json
from typing import Any

import httpx
import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import ValidationError
from support.agent_tools import create_agent_model, every_way, invoke_runnable
from support.chat_responses import merge_chunks
from support.response_events import DONE, create_event, encode_event

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient
from orq_router_integrations.errors import RouterInputError

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
        done = [
            create_event("output_item.done", output_index=index, item=item)
            for index, item in enumerate([COMPACTION, MESSAGE])
        ]
        events = [*done, create_event("completed", response=RESPONSE)]
        content = b"".join(map(encode_event, events)) + DONE
        return httpx.Response(200, content=content, headers={"content-type": "text/event-stream"})


def ask(model: ChatOrq, messages: list[Any], way: str) -> Any:
    if way == "invoke":
        return model.invoke(messages)
    if way == "stream":
        return merge_chunks(model.stream(messages))
    stream: Any = model.stream_events(messages, version="v3")
    return stream.output


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("version", [None, "v1"], ids=["default", "v1 content"])
@pytest.mark.parametrize("way", ["invoke", "stream", "events"])
def test_compaction_item_is_sent_back(way: str, version: Any) -> None:
    compacting = CompactingModel(output_version=version)
    messages: list[Any] = [HumanMessage("Hi")]
    answer = ask(compacting.model, messages, way)
    assert answer.text == "Hi"
    assert {"type": "non_standard", "value": COMPACTION}.items() <= answer.content_blocks[1].items()
    compacting.model.invoke([*messages, answer, HumanMessage("Bye")])
    first, second = compacting.bodies
    assert first["context_management"] == second["context_management"] == RULES
    assert [item["type"] for item in second["input"]] == [
        *("message", "compaction", "message", "message")
    ]
    assert second["input"][1] == COMPACTION


@every_way
async def test_instructions_are_the_system_prompt(router: OfflineRouter, awaited: bool) -> None:
    model = create_agent_model(router, "responses", instructions="Be brief.")
    await invoke_runnable(model, awaited, [SystemMessage("Be kind."), HumanMessage("Hi")])
    await invoke_runnable(model, awaited, "Hi", instructions="Be long.")
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
def test_chat_completions_does_not_support(router: OfflineRouter, param: dict[str, Any]) -> None:
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
    twin = load(
        dumpd(model), valid_namespaces=namespaces, allowed_objects=[ChatOrq], secrets_from_env=True
    )
    assert (twin.instructions, twin.context_management) == ("Be brief.", RULES)


def test_compaction_item_is_not_sent_to_chat_completions(router: OfflineRouter) -> None:
    answer = AIMessage("Hi", additional_kwargs={"output_items": [COMPACTION]})
    create_agent_model(router, "chat_completions").invoke(
        [HumanMessage("Hi"), answer, ("user", "Bye")]
    )
    assert "SUMMARY" not in json.dumps(router.requests[-1].body)
