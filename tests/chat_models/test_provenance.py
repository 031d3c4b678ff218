"""Who answered: what a message says about the model that made it and the call that brought it."""

from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient, RouterControls
from orq_router_integrations.testing import Answer
from orq_router_integrations.wire.model_candidates import ModelCandidates

GPT = "openai/gpt-4o"
AZURE = "azure/gpt-4o"
MINI = "openai/gpt-4o-mini"
CLAUDE = "anthropic/claude-sonnet-4-5"

NAMES = {
    "the name itself": ([GPT], "gpt-4o", GPT),
    "a dated snapshot": ([GPT], "gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
    "a short date": ([CLAUDE], "claude-sonnet-4-5-20250929", f"{CLAUDE}-20250929"),
    "a date behind an at": ([CLAUDE], "claude-sonnet-4-5@20250929", f"{CLAUDE}@20250929"),
    "the latest": (
        ["mistral/mistral-large"],
        "mistral-large-latest",
        "mistral/mistral-large-latest",
    ),
    "a fallback": ([GPT, CLAUDE], "claude-sonnet-4-5", CLAUDE),
    "a longer name among the candidates": ([GPT, MINI], "gpt-4o-mini", MINI),
    "a snapshot of the longer name": ([GPT, MINI], "gpt-4o-mini-2024-07-18", f"{MINI}-2024-07-18"),
    "two of the same name": ([GPT, AZURE], "gpt-4o", "gpt-4o"),
    "two of the same name, dated": ([GPT, AZURE], "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
    "one candidate twice": ([GPT, GPT], "gpt-4o", GPT),
    "a model of nobody": ([GPT], "llama-3", "llama-3"),
    "another model that begins alike": ([GPT], "gpt-4o-audio-preview", "gpt-4o-audio-preview"),
    "a name with a slash": (["aws/meta/llama-3"], "meta/llama-3", "aws/meta/llama-3"),
}


@pytest.mark.parametrize(("candidates", "named", "wanted"), NAMES.values(), ids=NAMES)
def test_the_provider_is_told_where_exactly_one_candidate_fits(
    candidates: list[str], named: str, wanted: str
) -> None:
    assert ModelCandidates(candidates[0], tuple(candidates)).qualify_name(named) == wanted


CANDIDATES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({}, (GPT,)),
    ({"fallbacks": [CLAUDE, MINI]}, (GPT, CLAUDE, MINI)),
    ({"load_balancer": {"models": [AZURE, CLAUDE]}}, (AZURE, CLAUDE)),
    ({"load_balancer": {"models": [AZURE]}, "fallbacks": [CLAUDE]}, (AZURE, CLAUDE)),
]


@pytest.mark.parametrize(("controls", "candidates"), CANDIDATES)
def test_the_candidates_are_those_the_router_may_ask(
    controls: dict[str, Any], candidates: tuple[str, ...]
) -> None:
    asked = ModelCandidates.from_controls(GPT, RouterControls.model_validate(controls))
    assert (asked.model, asked.candidates) == (GPT, candidates)


WAYS = ["client", "model", "call"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_fallback_is_named_wherever_it_was_set(way: str, stream: bool) -> None:
    router = OfflineRouter(faults={GPT: 503})
    controls = {"fallbacks": [CLAUDE]}
    client = router.client(controls=controls) if way == "client" else router.client()
    model = ChatOrq(model=GPT, client=client, controls=controls if way == "model" else None)
    more = {"controls": controls} if way == "call" else {}
    metadata = model.invoke("Hi", stream=stream, **more).response_metadata
    assert metadata["model_name"] == CLAUDE
    assert metadata["response_model"] == "claude-sonnet-4-5"
    assert metadata["requested_model"] == GPT


def test_a_model_given_per_call_is_the_requested_one(model: ChatOrq) -> None:
    metadata = model.invoke("Hi", model=CLAUDE).response_metadata
    assert (metadata["requested_model"], metadata["model_name"]) == (CLAUDE, CLAUDE)


def test_the_balancers_choice_is_named(model: ChatOrq, router: OfflineRouter) -> None:
    controls = {"load_balancer": {"models": [CLAUDE, "groq/llama-3.3-70b-versatile"]}}
    metadata = model.invoke("Hi", controls=controls).response_metadata
    assert metadata["model_name"] == router.log[-1].model


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_tells_how_its_call_went(model: ChatOrq, stream: bool) -> None:
    metadata = model.invoke("Hi", stream=stream).response_metadata
    assert metadata["model_provider"] == "orq"
    assert metadata["id"].startswith("chatcmpl-")
    assert metadata["created"] > 0
    assert metadata["trace_id"]
    assert metadata["attempts"] == 1
    assert metadata["offline"] is True


@pytest.mark.parametrize("stream", [False, True])
def test_the_platforms_limits_are_told(stream: bool) -> None:
    router = OfflineRouter(requests_per_minute=5)
    limits = ChatOrq(model=GPT, client=router.client()).invoke("Hi", stream=stream)
    assert limits.response_metadata["rate_limits"]["x-ratelimit-limit"] == "5"
    assert limits.response_metadata["rate_limits"]["x-ratelimit-remaining"] == "4"


def test_attempts_count_the_clients_own_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    router = OfflineRouter(faults={GPT: [503, 503]})
    metadata = ChatOrq(model=GPT, client=router.client()).invoke("Hi").response_metadata
    assert metadata["attempts"] == 3


def answered(**members: Any) -> dict[str, Any]:
    body = {"choices": [{"message": {"content": "Hi"}}], **members}
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=body)))
    model = ChatOrq(model=GPT, client=RouterClient(api_key="k", http_client=http))
    return model.invoke("Hi").response_metadata


def test_what_the_reply_does_not_say_is_not_made_up() -> None:
    found = answered()
    assert found.pop("latency") >= 0
    asked = {"requested_model": GPT, "upstream": "openai"}  # the only provider that was asked
    assert found == {"model_provider": "orq", **asked, "attempts": 1}


def test_a_service_tier_and_a_fingerprint_are_told() -> None:
    metadata = answered(service_tier="flex", system_fingerprint="fp_1", model="gpt-4o")
    assert metadata["service_tier"] == "flex"
    assert metadata["system_fingerprint"] == "fp_1"
    assert metadata["model_name"] == GPT


def test_several_answers_do_not_share_one_dict() -> None:
    router = OfflineRouter(answers=lambda _: Answer("Hi"))
    result = ChatOrq(model=GPT, client=router.client()).generate([[HumanMessage("Hi")]], n=2)
    first, second = (item.message.response_metadata for item in result.generations[0])
    first["mine"] = True
    assert "mine" not in second
