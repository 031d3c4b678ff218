"""Checks of the router's features: controls, routing metadata, cost and the Responses API."""

from typing import Any

from langchain_core.messages import AIMessage
from pydantic import BaseModel

from orq_router_integrations import OfflineRouter
from peers.findings import Finding, combine, describe_outcome, get_outcome, no, partly, row, yes
from peers.packages import Package
from peers.server import FixedRouter, create_completion

FALLBACK = "anthropic/claude-sonnet-4-5"
FALLBACKS = {"fallbacks": [{"model": FALLBACK}]}
CONTROLS: dict[str, Any] = {
    **FALLBACKS,
    "retry": {"count": 1, "on_codes": [429]},
    "cache": {"type": "exact_match", "ttl": 60},
    "load_balancer": {
        "type": "weight_based",
        "models": [{"model": "openai/gpt-4o", "weight": 0.7}, {"model": FALLBACK, "weight": 0.3}],
    },
}
INVALID_CONTROLS: tuple[dict[str, Any], ...] = (
    {"fallback": [FALLBACK]},
    {"retry": {"count": 99}},
    {"cache": {"ttl": -1}},
    {"load_balancer": {"models": [{"model": "openai/gpt-4o", "weight": 7}]}},
)
PREFIXES = ("v3/router", "v2/router", "v2/gateway", "v2/proxy")


@row("Fallbacks, retries, cache and load balancer are validated before sending")
def check_controls(package: Package) -> Finding:
    """Yes: they are sent, and invalid ones raise before sending. Partly: they are sent."""
    router = OfflineRouter(lenient=True)
    answer = package.ask(router, controls=CONTROLS)
    if not router.requests or not CONTROLS.keys() <= router.requests[0].body.keys():
        return no(f"cannot be sent; {describe_outcome(answer)}")
    sent_controls = [controls for controls in INVALID_CONTROLS if _is_sent(package, controls)]
    return partly(f"invalid controls are sent: {sent_controls}") if sent_controls else yes()


def _is_sent(package: Package, controls: dict[str, Any]) -> bool:
    router = OfflineRouter(lenient=True)
    package.ask(router, controls=controls)
    return bool(router.requests)


@row("The same controls work under every base URL of the router")
def check_base_urls(package: Package) -> Finding:
    """If the primary model is down, the fallback answers, for every prefix."""
    results = {}
    for prefix in PREFIXES:
        router = OfflineRouter(faults={"openai/gpt-4o": 503}, lenient=True)
        package.ask(router, prefix=prefix, controls=FALLBACKS)
        results[prefix] = bool(router.log) and router.log[-1].model == FALLBACK
    return combine(results)


@row("The message names the model that answered")
def check_answering_model(package: Package) -> Finding:
    """Yes: with its provider, also after a fallback. Partly: the name without the provider."""
    router = OfflineRouter(faults={"openai/gpt-4o": 503})
    answer = package.ask(router, controls=FALLBACKS)
    if isinstance(answer, Exception):
        return no(f"fallbacks are not supported; {describe_outcome(answer)}")
    metadata = repr(answer.response_metadata)
    if FALLBACK in metadata:
        return yes()
    bare_name = FALLBACK.partition("/")[2]
    return partly(f"only {bare_name}") if bare_name in metadata else no(describe_outcome(metadata))


@row("The message reports the cost")
def check_cost(package: Package) -> Finding:
    """In each chat API: the cost that the router reports, or one from a price list."""
    results = {"chat completions": _has_any_cost(package.ask(OfflineRouter()))}
    if package.responses is not None:
        results["responses"] = _has_any_cost(package.ask(OfflineRouter(), **package.responses))
    return combine(results)


@row("Responses API with stored conversations and the router's own tools")
def check_responses_api(package: Package) -> Finding:
    """An answer, a second turn that refers to the first by id, and ``orq:web_search``."""
    if package.responses is None:
        return no("supports Chat Completions only", read=True)
    router = OfflineRouter()
    model = package.create_model(router, **package.responses)
    first = get_outcome(model.invoke, "Hi")
    response_id = getattr(first, "response_metadata", {}).get("id")
    get_outcome(lambda: model.invoke("And?", previous_response_id=response_id))
    is_continued = response_id and (
        router.requests[-1].body.get("previous_response_id") == response_id
    )
    get_outcome(lambda: model.bind_tools([{"type": "orq:web_search"}]).invoke("Hi"))
    return combine(
        {
            "answers": isinstance(first, AIMessage),
            "stored conversations": bool(is_continued),
            "orq:web_search": "tools" in router.requests[-1].body,
        }
    )


def _has_any_cost(answer: Any) -> bool:
    if not isinstance(answer, AIMessage):
        return False
    metadata = [answer.response_metadata, answer.additional_kwargs, answer.usage_metadata or {}]
    return any(_has_cost(value) for value in metadata)


def _has_cost(value: Any) -> bool:
    """Return whether a field whose name ends in ``cost`` is a number above 0."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if not isinstance(value, dict):
        return False
    return any(
        (str(name).endswith("cost") and isinstance(part, (int, float)) and part > 0)
        or _has_cost(part)
        for name, part in value.items()
    )


@row("Works with any OpenAI-compatible server")
def check_other_servers(package: Package) -> Finding:
    """The base URL ends in ``/v1``, like that of a local model server."""
    answer = package.ask(FixedRouter(body=create_completion()), prefix="v1")
    return yes() if isinstance(answer, AIMessage) else no(describe_outcome(answer))
