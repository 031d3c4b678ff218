"""Provenance of an answer: the model that answered, and how its call went."""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration
from support.chat_responses import GPT, create_model

from orq_router_integrations import ChatOrq, OfflineRouter, RouterControls
from orq_router_integrations.chat_models.response_metadata import (
    Provenance,
    create_response_metadata,
)
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.model_names import ModelCandidates

AZURE = "azure/gpt-4o"
MINI = "openai/gpt-4o-mini"
CLAUDE = "anthropic/claude-sonnet-4-5"
both_modes = pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])

RESPONSE_MODELS = {
    "same name": ([GPT], "gpt-4o", GPT),
    "dated snapshot": ([GPT], "gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
    "short date": ([CLAUDE], "claude-sonnet-4-5-20250929", f"{CLAUDE}-20250929"),
    "date after @": ([CLAUDE], "claude-sonnet-4-5@20250929", f"{CLAUDE}@20250929"),
    "latest": (
        ["mistral/mistral-large"],
        "mistral-large-latest",
        "mistral/mistral-large-latest",
    ),
    "fallback": ([GPT, CLAUDE], "claude-sonnet-4-5", CLAUDE),
    "longer name": ([GPT, MINI], "gpt-4o-mini", MINI),
    "snapshot of the longer name": ([GPT, MINI], "gpt-4o-mini-2024-07-18", f"{MINI}-2024-07-18"),
    "ambiguous": ([GPT, AZURE], "gpt-4o", "gpt-4o"),
    "ambiguous snapshot": ([GPT, AZURE], "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
    "repeated candidate": ([GPT, GPT], "gpt-4o", GPT),
    "unknown model": ([GPT], "llama-3", "llama-3"),
    "other model with the same prefix": ([GPT], "gpt-4o-audio-preview", "gpt-4o-audio-preview"),
    "name with a slash": (["aws/meta/llama-3"], "meta/llama-3", "aws/meta/llama-3"),
}


@pytest.mark.parametrize(
    ("candidates", "response_model", "model"), RESPONSE_MODELS.values(), ids=RESPONSE_MODELS
)
def test_model_name_has_its_provider_if_one_candidate_matches(
    candidates: list[str], response_model: str, model: str
) -> None:
    metadata = create_response_metadata(
        {"model": response_model},
        Response(200, {}),
        ModelCandidates(candidates[0], tuple(candidates)),
    )
    assert metadata["model_name"] == model


CANDIDATES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "model": ({}, (GPT,)),
    "fallbacks": ({"fallbacks": [CLAUDE, MINI]}, (GPT, CLAUDE, MINI)),
    "load balancer": ({"load_balancer": {"models": [AZURE, CLAUDE]}}, (AZURE, CLAUDE)),
    "both": (
        {"load_balancer": {"models": [AZURE]}, "fallbacks": [CLAUDE]},
        (AZURE, CLAUDE),
    ),
}


@pytest.mark.parametrize(("controls", "models"), CANDIDATES.values(), ids=CANDIDATES)
def test_candidates_are_the_models_that_may_answer(
    controls: dict[str, Any], models: tuple[str, ...]
) -> None:
    candidates = ModelCandidates.from_controls(GPT, RouterControls.model_validate(controls))
    assert (candidates.model, candidates.candidates) == (GPT, models)


@both_modes
@pytest.mark.parametrize("level", ["client", "model", "call"])
def test_fallback_is_named_at_every_level_of_controls(level: str, stream: bool) -> None:
    router = OfflineRouter(faults={GPT: 503})
    controls = {"fallbacks": [CLAUDE]}
    client = router.client(controls=controls) if level == "client" else router.client()
    model = ChatOrq(model=GPT, client=client, controls=controls if level == "model" else None)
    kwargs = {"controls": controls} if level == "call" else {}
    metadata = model.invoke("Hi", stream=stream, **kwargs).response_metadata
    assert metadata["model_name"] == CLAUDE
    assert metadata["response_model"] == "claude-sonnet-4-5"
    assert metadata["requested_model"] == GPT


def test_model_of_a_call_is_the_requested_model(model: ChatOrq) -> None:
    metadata = model.invoke("Hi", model=CLAUDE).response_metadata
    assert (metadata["requested_model"], metadata["model_name"]) == (CLAUDE, CLAUDE)


def test_choice_of_the_load_balancer_is_named(model: ChatOrq, router: OfflineRouter) -> None:
    controls = {"load_balancer": {"models": [CLAUDE, "groq/llama-3.3-70b-versatile"]}}
    metadata = model.invoke("Hi", controls=controls).response_metadata
    assert metadata["model_name"] == router.log[-1].model


@both_modes
def test_metadata_describes_the_call(model: ChatOrq, stream: bool) -> None:
    metadata = model.invoke("Hi", stream=stream).response_metadata
    assert metadata["model_provider"] == "orq"
    assert metadata["id"].startswith("chatcmpl-")
    assert metadata["created"] > 0
    assert metadata["trace_id"]
    assert metadata["attempts"] == 1
    assert metadata["offline"] is True


@both_modes
def test_rate_limits_are_reported(stream: bool) -> None:
    router = OfflineRouter(requests_per_minute=5)
    answer = ChatOrq(model=GPT, client=router.client()).invoke("Hi", stream=stream)
    assert answer.response_metadata["rate_limits"]["x-ratelimit-limit"] == "5"
    assert answer.response_metadata["rate_limits"]["x-ratelimit-remaining"] == "4"


def test_attempts_count_the_retries_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    router = OfflineRouter(faults={GPT: [503, 503]})
    metadata = ChatOrq(model=GPT, client=router.client()).invoke("Hi").response_metadata
    assert metadata["attempts"] == 3


def invoke_with_body(**fields: Any) -> dict[str, Any]:
    """Return the metadata of an answer whose body has these fields."""
    body = {"choices": [{"message": {"content": "Hi"}}], **fields}
    return create_model(orjson.dumps(body)).invoke("Hi").response_metadata


def test_unknown_values_are_left_out() -> None:
    metadata = invoke_with_body()
    assert metadata.pop("latency") >= 0
    assert metadata == {
        "model_provider": "orq",
        "requested_model": GPT,
        "upstream": "openai",  # the only provider that was requested
        "attempts": 1,
    }


def test_service_tier_and_fingerprint_are_reported() -> None:
    metadata = invoke_with_body(service_tier="flex", system_fingerprint="fp_1", model="gpt-4o")
    assert metadata["service_tier"] == "flex"
    assert metadata["system_fingerprint"] == "fp_1"
    assert metadata["model_name"] == GPT


def test_choices_do_not_share_their_metadata() -> None:
    router = OfflineRouter(answers=lambda _: Answer("Hi"))
    result = ChatOrq(model=GPT, client=router.client()).generate([[HumanMessage("Hi")]], n=2)
    first, second = (item.message.response_metadata for item in result.generations[0])
    first["changed"] = True
    assert "changed" not in second


@pytest.mark.parametrize(
    "source",
    ["Hi", None, {"model_name": "m"}, [AIMessage("Hi")], ChatGeneration(message=AIMessage("Hi"))],
    ids=lambda source: type(source).__name__,
)
def test_other_objects_raise(source: Any) -> None:
    with pytest.raises(RouterInputError, match=f"got {type(source).__name__}.*include_raw=True"):
        Provenance.of(source)
