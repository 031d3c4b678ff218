"""Reasoning signatures are sent only to the provider and the API that created them."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from support.chat_responses import create_call

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.chat_models.response_metadata import (
    Provenance,
    create_response_metadata,
)
from orq_router_integrations.testing import Answer
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.model_names import ModelCandidates
from orq_router_integrations.wire.reasoning import (
    ITEM_KWARGS,
    REASONING_BLOCK_TYPES,
    SIGNATURE_KWARGS,
)

CLAUDE, GPT = "anthropic/claude-sonnet-4-5", "openai/gpt-4o"
SIGNED_ANSWER = Answer(
    "Ok.",
    reasoning="Hm.",
    reasoning_signature="SIGNATURE",
    tool_calls=(create_call("look", {}, call_id="c1"),),
)
both_versions = pytest.mark.parametrize("version", ["v0", "v1"])


def replay_answer(
    first: dict[str, Any], second: dict[str, Any], **router_options: Any
) -> dict[str, Any]:
    """Return the assistant message that the second model sends for the answer of the first."""
    router = OfflineRouter(answers=lambda _: SIGNED_ANSWER, **router_options)
    client = router.client()
    answer = ChatOrq(client=client, **first).invoke("Look!")
    result = ToolMessage("nothing", tool_call_id="c1")
    ChatOrq(client=client, **second).invoke([("user", "Look!"), answer, result])
    message: dict[str, Any] = router.requests[-1].body["messages"][1]
    return message


@both_versions
def test_provider_receives_its_own_signature(version: str) -> None:
    model = {"model": CLAUDE, "output_version": version}
    assert replay_answer(model, model)["content"] == [
        {"type": "reasoning", "reasoning": "Hm.", "signature": "SIGNATURE"},
        {"type": "text", "text": "Ok."},
    ]


@both_versions
def test_primary_does_not_receive_a_signature_of_its_fallback(version: str) -> None:
    model = {"model": CLAUDE, "controls": {"fallbacks": [GPT]}, "output_version": version}
    message = replay_answer(model, model, faults={CLAUDE: [503]})
    assert "SIGNATURE" not in str(message)
    assert message["reasoning_content"] == "Hm."


@both_versions
def test_another_provider_receives_reasoning_without_signature(version: str) -> None:
    message = replay_answer({"model": CLAUDE, "output_version": version}, {"model": GPT})
    assert "SIGNATURE" not in str(message)
    assert message["reasoning_content"] == "Hm."


def create_answer(**kwargs: Any) -> AIMessage:
    """Create an answer of Gemini, as this package returns it."""
    metadata = {"model_provider": "orq", "model_name": "google/gemini-3-pro"}
    calls = [{"name": "look", "args": {}, "id": "c1", "type": "tool_call"}]
    return AIMessage("", tool_calls=calls, additional_kwargs=kwargs, response_metadata=metadata)


def test_thought_signature_is_sent_with_its_call() -> None:
    router = OfflineRouter()
    history = [
        ("user", "Look!"),
        create_answer(thought_signatures={"c1": "T"}),
        ToolMessage("x", tool_call_id="c1"),
    ]
    ChatOrq(model="google/gemini-3-pro", client=router.client()).invoke(history)
    (call,) = router.requests[-1].body["messages"][1]["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "T"}}
    ChatOrq(model=GPT, client=router.client()).invoke(history)
    assert "extra_content" not in router.requests[-1].body["messages"][1]["tool_calls"][0]


def test_message_of_unknown_origin_keeps_its_signature() -> None:
    message = AIMessage([{"type": "thinking", "thinking": "Hm.", "signature": "SIGNATURE"}])
    assert "SIGNATURE" in str(convert_answer(message, "openai"))


THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "SIGNATURE"}
REDACTED = {"type": "redacted_thinking", "data": "SIGNATURE"}
REASONING = {"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "SIGNATURE"}}
SIGNED_BLOCKS = {
    "thinking": THINKING,
    "redacted_thinking": REDACTED,
    "non_standard": {"type": "non_standard", "value": REDACTED},
    "reasoning": REASONING,
}


def create_foreign_answer(provider: str | None, *blocks: Any) -> AIMessage:
    """Create an answer of another LangChain model, with or without its ``model_provider``."""
    calls = [{"name": "look", "args": {}, "id": "c1", "type": "tool_call"}]
    metadata = {"model_provider": provider} if provider else {}
    return AIMessage([*blocks], tool_calls=calls, response_metadata=metadata)


def convert_answer(
    message: AIMessage, provider: str, api: str = "chat_completions"
) -> dict[str, Any]:
    return convert_messages([message], provider=provider, api=api)[0]


@pytest.mark.parametrize("block", SIGNED_BLOCKS.values(), ids=SIGNED_BLOCKS)
def test_signature_of_another_model_is_only_sent_to_its_provider(block: Any) -> None:
    message = create_foreign_answer("anthropic", block)
    assert "SIGNATURE" in str(convert_answer(message, "anthropic"))
    for provider in ("openai", "azure", "google", ""):
        assert "SIGNATURE" not in str(convert_answer(message, provider))


@pytest.mark.parametrize("block", [THINKING, REASONING], ids=["thinking", "reasoning"])
def test_reasoning_of_another_model_is_kept_without_signature(block: Any) -> None:
    payload = convert_answer(create_foreign_answer("anthropic", block, REDACTED), "openai")
    assert payload["reasoning_content"] == "Hm."
    assert payload["content"] is None


@pytest.mark.parametrize(
    ("model_provider", "provider"),
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
def test_langchain_provider_names_are_mapped(model_provider: str, provider: str) -> None:
    message = create_foreign_answer(model_provider, THINKING)
    assert "SIGNATURE" in str(convert_answer(message, provider))
    assert "SIGNATURE" not in str(convert_answer(message, "openai"))


@pytest.mark.parametrize("model_provider", ["bedrock_converse", None])
def test_bedrock_block_keeps_its_signature_for_bedrock(model_provider: str | None) -> None:
    reasoning = {"text": "Hm.", "signature": "SIGNATURE"}
    block = {"type": "reasoning_content", "reasoning_content": reasoning}
    message = create_foreign_answer(model_provider, block)
    part = {"type": "reasoning", "reasoning": "Hm.", "signature": "SIGNATURE"}
    assert convert_answer(message, "aws")["content"] == [part]
    assert convert_answer(message, "openai")["reasoning_content"] == "Hm."
    assert "SIGNATURE" not in str(convert_answer(message, "openai"))


@pytest.mark.parametrize("block", SIGNED_BLOCKS.values(), ids=SIGNED_BLOCKS)
def test_signature_of_another_model_is_not_sent_to_the_responses_api(block: Any) -> None:
    router = OfflineRouter()
    model = ChatOrq(model=CLAUDE, client=router.client(), api="responses")
    result = ToolMessage("nothing", tool_call_id="c1")
    model.invoke([("user", "Look!"), create_foreign_answer("anthropic", block), result])
    assert "SIGNATURE" not in str(router.requests[-1].body)


def test_block_type_identifies_the_provider_of_a_message_of_unknown_origin() -> None:
    message = create_foreign_answer(None, REDACTED)
    part = {"type": "redacted_reasoning", "data": "SIGNATURE"}
    assert convert_answer(message, "anthropic")["content"] == [part]
    assert convert_answer(message, "openai")["content"] is None
    thinking = create_foreign_answer(None, THINKING)
    assert "SIGNATURE" not in str(convert_answer(thinking, "openai", "responses"))
    wrapped = create_foreign_answer(None, {"type": "non_standard", "value": REDACTED})
    assert "SIGNATURE" not in str(convert_answer(wrapped, ""))


def test_signature_is_removed_if_the_model_name_has_no_provider() -> None:
    message = create_answer(reasoning_signature="SIGNATURE")
    message.response_metadata["model_name"] = "gemini-3-pro"
    assert "SIGNATURE" not in str(convert_answer(message, "google"))


RESPONSE_MODELS = {
    "latest": ("anthropic/claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219"),
    "cloud model id": ("aws/anthropic.claude-sonnet-4-5-v1:0", "claude-sonnet-4-5-20250929"),
    "deployment": ("azure/my-deployment", "gpt-4o-2024-08-06"),
    "none": ("anthropic/claude-sonnet-4-5", None),
}


@pytest.mark.parametrize(("model", "response_model"), RESPONSE_MODELS.values(), ids=RESPONSE_MODELS)
def test_only_requested_provider_is_the_owner_of_the_signature(
    model: str, response_model: str | None
) -> None:
    """The name in the response may not identify the provider, but the request does."""
    message = create_answer(reasoning_signature="SIGNATURE")
    message.response_metadata = create_response_metadata(
        {"model": response_model}, Response(200, {}), ModelCandidates(model, (model,))
    )
    provider = model.partition("/")[0]
    assert "SIGNATURE" in str(convert_answer(message, provider))
    assert Provenance.of(message).fell_back is False
    assert "SIGNATURE" not in str(convert_answer(message, "another"))


def create_load_balancer(*models: str) -> dict[str, Any]:
    return {"load_balancer": {"models": [{"model": model, "weight": 0.5} for model in models]}}


def test_load_balancer_over_other_providers_receives_no_signature() -> None:
    first = {"model": CLAUDE}
    for models in ((GPT,), (GPT, CLAUDE)):
        second = {**first, "controls": create_load_balancer(*models)}
        assert "SIGNATURE" not in str(replay_answer(first, second))


def test_load_balancer_within_the_provider_receives_the_signature() -> None:
    controls = create_load_balancer(CLAUDE, "anthropic/claude-haiku-4-5")
    message = replay_answer({"model": CLAUDE}, {"model": GPT, "controls": controls})
    assert "SIGNATURE" in str(message)


@pytest.mark.parametrize("kwarg", sorted(SIGNATURE_KWARGS.difference(ITEM_KWARGS)))
def test_stored_signature_is_sent_to_its_provider_only(kwarg: str) -> None:
    """Every signature in the table of reasoning fields is sent back, and removed for others."""
    values: dict[str, Any] = {
        "reasoning_items": [{"reasoning": "Hm.", "signature": "SIGNATURE"}],
        "thought_signatures": {"c1": "SIGNATURE"},
    }
    message = create_answer(**{kwarg: values.get(kwarg, "SIGNATURE")})
    assert "SIGNATURE" in str(convert_answer(message, "google"))
    assert "SIGNATURE" not in str(convert_answer(message, "openai"))


@pytest.mark.parametrize("block_type", sorted(REASONING_BLOCK_TYPES))
def test_reasoning_block_is_never_sent_as_text(block_type: str) -> None:
    """Every block type in the table of reasoning blocks is recognized in an answer."""
    block = {"type": block_type, "thinking": "Hm.", "reasoning": "Hm.", "data": "x"}
    content = convert_answer(create_foreign_answer(None, block), "anthropic")["content"]
    assert "Hm." not in str(content)
