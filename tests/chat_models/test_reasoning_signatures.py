"""Seals of reasoning go back to the provider that made them, and to no other."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.chat_models.provenance import Provenance, create_response_metadata
from orq_router_integrations.chat_models.reasoning_signatures import strip_foreign_signatures
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer, ToolCall
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.model_candidates import ModelCandidates

CLAUDE, GPT = "anthropic/claude-sonnet-4-5", "openai/gpt-4o"
THINKS = Answer(
    reasoning="Hm.", reasoning_signature="SEAL", tool_calls=(ToolCall("look", {}, id="c1"),)
)


def second_turn(first: dict[str, Any], second: dict[str, Any], **router: Any) -> dict[str, Any]:
    """The assistant's message as the second turn sends it back."""
    offline = OfflineRouter(answers={"Look!": THINKS}, **router)
    client = offline.client()
    answer = ChatOrq(client=client, **first).invoke("Look!")
    result = ToolMessage("nothing", tool_call_id="c1")
    ChatOrq(client=client, **second).invoke([("user", "Look!"), answer, result])
    sent: dict[str, Any] = offline.requests[-1].body["messages"][1]
    return sent


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_the_provider_that_thought_gets_its_seal_back(version: str) -> None:
    asked = {"model": CLAUDE, "output_version": version}
    assert second_turn(asked, asked)["content"] == [
        {"type": "reasoning", "reasoning": "Hm.", "signature": "SEAL"}
    ]


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_after_a_fallback_the_primary_gets_no_seal_of_the_other(version: str) -> None:
    asked = {"model": CLAUDE, "controls": {"fallbacks": [GPT]}, "output_version": version}
    sent = second_turn(asked, asked, faults={CLAUDE: [503]})
    assert "SEAL" not in str(sent)
    assert sent["reasoning_content"] == "Hm."


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_another_model_gets_the_thought_without_the_seal(version: str) -> None:
    first = {"model": CLAUDE, "output_version": version}
    sent = second_turn(first, {"model": GPT})
    assert "SEAL" not in str(sent)
    assert sent["reasoning_content"] == "Hm."


def ours(**kept: Any) -> AIMessage:
    metadata = {"model_provider": "orq", "model_name": "google/gemini-3-pro"}
    calls = [{"name": "look", "args": {}, "id": "c1", "type": "tool_call"}]
    return AIMessage("", tool_calls=calls, additional_kwargs=kept, response_metadata=metadata)


def test_geminis_signature_of_a_call_goes_back_where_it_came_from() -> None:
    router = OfflineRouter()
    history = [
        ("user", "Look!"),
        ours(thought_signatures={"c1": "T"}),
        ToolMessage("x", tool_call_id="c1"),
    ]
    ChatOrq(model="google/gemini-3-pro", client=router.client()).invoke(history)
    (call,) = router.requests[-1].body["messages"][1]["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "T"}}
    ChatOrq(model=GPT, client=router.client()).invoke(history)
    assert "extra_content" not in router.requests[-1].body["messages"][1]["tool_calls"][0]


def test_messages_that_do_not_say_who_made_them_are_taken_at_their_word() -> None:
    theirs = AIMessage([{"type": "thinking", "thinking": "Hm.", "signature": "S"}])
    assert strip_foreign_signatures(theirs, "openai") is theirs


THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "SEAL"}
REDACTED = {"type": "redacted_thinking", "data": "SEAL"}
REASONING = {"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "SEAL"}}
SEALED = {
    "thinking": THINKING,
    "hidden thinking": REDACTED,
    "hidden thinking in a standard block": {"type": "non_standard", "value": REDACTED},
    "a standard block": REASONING,
}


def made_by(maker: str | None, *blocks: Any) -> AIMessage:
    """An answer of another model of LangChain's, which says who made it, or does not."""
    calls = [{"name": "look", "args": {}, "id": "c1", "type": "tool_call"}]
    metadata = {"model_provider": maker} if maker else {}
    return AIMessage([*blocks], tool_calls=calls, response_metadata=metadata)


def sent(message: AIMessage, upstream: str, api: str = "chat_completions") -> dict[str, Any]:
    return convert_messages([message], provider=upstream, api=api)[0]


@pytest.mark.parametrize("block", SEALED.values(), ids=SEALED)
def test_another_models_seal_goes_to_the_provider_that_made_it_alone(block: Any) -> None:
    message = made_by("anthropic", block)
    assert "SEAL" in str(sent(message, "anthropic"))
    for upstream in ("openai", "azure", "google", ""):
        assert "SEAL" not in str(sent(message, upstream))


@pytest.mark.parametrize("block", [THINKING, REASONING], ids=["thinking", "a standard block"])
def test_what_another_model_thought_stays_without_its_seal(block: Any) -> None:
    wire = sent(made_by("anthropic", block, REDACTED), "openai")
    assert wire["reasoning_content"] == "Hm."
    assert wire["content"] is None


@pytest.mark.parametrize(
    ("maker", "upstream"),
    [
        ("anthropic", "anthropic"),
        ("azure_ai", "azure"),
        ("bedrock", "aws"),
        ("bedrock_converse", "aws"),
        ("google_genai", "google-ai"),
        ("google_genai", "google"),
        ("google_vertexai", "google"),
        ("mistralai", "mistral"),
    ],
)
def test_providers_are_known_by_the_names_that_langchain_gives_them(
    maker: str, upstream: str
) -> None:
    assert "SEAL" in str(sent(made_by(maker, THINKING), upstream))
    assert "SEAL" not in str(sent(made_by(maker, THINKING), "openai"))


@pytest.mark.parametrize("maker", ["bedrock_converse", None])
def test_a_thought_in_bedrocks_own_block_keeps_its_seal_for_bedrock(maker: str | None) -> None:
    inner = {"text": "Hm.", "signature": "SEAL"}
    message = made_by(maker, {"type": "reasoning_content", "reasoning_content": inner})
    seal = {"type": "reasoning", "reasoning": "Hm.", "signature": "SEAL"}
    assert sent(message, "aws")["content"] == [seal]
    assert sent(message, "openai")["reasoning_content"] == "Hm."
    assert "SEAL" not in str(sent(message, "openai"))


@pytest.mark.parametrize("block", SEALED.values(), ids=SEALED)
def test_another_models_seal_is_no_encrypted_content_of_the_responses_api(block: Any) -> None:
    router = OfflineRouter()
    model = ChatOrq(model=CLAUDE, client=router.client(), api="responses")
    result = ToolMessage("nothing", tool_call_id="c1")
    model.invoke([("user", "Look!"), made_by("anthropic", block), result])
    assert "SEAL" not in str(router.requests[-1].body)


def test_a_block_may_tell_who_sealed_it_where_the_message_does_not() -> None:
    hidden = [{"type": "redacted_reasoning", "data": "SEAL"}]
    assert sent(made_by(None, REDACTED), "anthropic")["content"] == hidden
    assert sent(made_by(None, REDACTED), "openai")["content"] is None
    assert "SEAL" not in str(sent(made_by(None, THINKING), "openai", "responses"))
    assert "SEAL" not in str(sent(made_by(None, {"type": "non_standard", "value": REDACTED}), ""))


def test_a_seal_without_data_is_refused() -> None:
    with pytest.raises(RouterInputError, match=r"messages\[0\]\.content\[0\]"):
        ChatOrq(model=CLAUDE, client=OfflineRouter().client()).invoke(
            [made_by(None, {"type": "redacted_thinking"}), ToolMessage("x", tool_call_id="c1")]
        )


def test_an_upstream_that_is_not_known_gets_no_seal() -> None:
    message = ours(reasoning_signature="S")
    message.response_metadata["model_name"] = "gemini-3-pro"
    assert strip_foreign_signatures(message, "google").additional_kwargs == {}


DATED = {
    "a name that moves": ("anthropic/claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219"),
    "a cloud's own id": ("aws/anthropic.claude-sonnet-4-5-v1:0", "claude-sonnet-4-5-20250929"),
    "a deployment": ("azure/my-deployment", "gpt-4o-2024-08-06"),
    "no name": ("anthropic/claude-sonnet-4-5", None),
}


@pytest.mark.parametrize(("asked", "named"), DATED.values(), ids=DATED)
def test_where_one_provider_was_asked_it_is_the_one_that_sealed(asked: str, named: Any) -> None:
    message = ours(reasoning_signature="S")
    message.response_metadata = create_response_metadata(
        {"model": named}, Response(200, {}), ModelCandidates(asked, (asked,))
    )
    provider = asked.partition("/")[0]
    assert strip_foreign_signatures(message, provider) is message
    assert Provenance.of(message).fell_back is False
    assert strip_foreign_signatures(message, "another").additional_kwargs == {}


def balanced(*models: str) -> dict[str, Any]:
    return {"load_balancer": {"models": [{"model": model, "weight": 0.5} for model in models]}}


def test_a_balancer_that_asks_another_provider_gets_no_seal() -> None:
    first = {"model": CLAUDE}
    for others in ((GPT,), (GPT, CLAUDE)):
        assert "SEAL" not in str(second_turn(first, {**first, "controls": balanced(*others)}))


def test_a_balancer_within_the_provider_gets_the_seal_back() -> None:
    haiku = "anthropic/claude-haiku-4-5"
    sent = second_turn({"model": CLAUDE}, {"model": GPT, "controls": balanced(CLAUDE, haiku)})
    assert "SEAL" in str(sent)
