"""Rows about what the router does beside answering."""

from typing import Any

from langchain_core.messages import AIMessage
from pydantic import BaseModel

from orq_router_integrations import OfflineRouter
from peers.findings import Finding, all_of, no, outcome, partly, row, told, yes
from peers.packages import Package
from peers.stage import Scripted, completion

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
WRONG: tuple[dict[str, Any], ...] = (
    {"fallback": [FALLBACK]},
    {"retry": {"count": 99}},
    {"cache": {"ttl": -1}},
    {"load_balancer": {"models": [{"model": "openai/gpt-4o", "weight": 7}]}},
)
PREFIXES = ("v3/router", "v2/router", "v2/gateway", "v2/proxy")


@row("Fallbacks, retries, cache, load balancer: checked before a request is sent")
def controls_are_checked(package: Package) -> Finding:
    """Yes: they arrive, and a misspelt name or a wrong value never leaves. Partly: they arrive."""
    router = OfflineRouter(lenient=True)
    answer = package.ask(router, controls=CONTROLS)
    if not router.requests or not CONTROLS.keys() <= router.requests[0].body.keys():
        return no(f"cannot be sent; {told(answer)}")
    sent = [wrong for wrong in WRONG if _leaves(package, wrong)]
    return partly(f"sent as they are: {sent}") if sent else yes()


def _leaves(package: Package, controls: dict[str, Any]) -> bool:
    router = OfflineRouter(lenient=True)
    package.ask(router, controls=controls)
    return bool(router.requests)


@row("The same controls work under every base URL of the router")
def controls_find_their_place(package: Package) -> Finding:
    """Where the primary model is down, the fallback answers, whatever the prefix."""
    found = {}
    for prefix in PREFIXES:
        router = OfflineRouter(faults={"openai/gpt-4o": 503}, lenient=True)
        package.ask(router, prefix=prefix, controls=FALLBACKS)
        found[prefix] = bool(router.log) and router.log[-1].model == FALLBACK
    return all_of(found)


@row("The message tells which model answered")
def answering_model(package: Package) -> Finding:
    """Yes: with its provider, after a fallback too. Partly: the bare name on the wire."""
    router = OfflineRouter(faults={"openai/gpt-4o": 503})
    answer = package.ask(router, controls=FALLBACKS)
    if isinstance(answer, Exception):
        return no(f"no fallback can be asked for; {told(answer)}")
    said = repr(answer.response_metadata)
    if FALLBACK in said:
        return yes()
    bare = FALLBACK.partition("/")[2]
    return partly(f"only {bare}") if bare in said else no(told(said))


@row("The message tells the cost")
def cost(package: Package) -> Finding:
    """By each of the router's chat APIs: the router's own figure, or one from a price list."""
    found = {"chat completions": _priced(package.ask(OfflineRouter()))}
    if package.responses is not None:
        found["responses"] = _priced(package.ask(OfflineRouter(), **package.responses))
    return all_of(found)


@row("The Responses API: stored conversations, the router's own tools")
def responses_api(package: Package) -> Finding:
    """An answer, a second turn that builds on the first by its id, and ``orq:web_search``."""
    if package.responses is None:
        return no("it speaks chat completions only", read=True)
    router = OfflineRouter()
    model = package.model(router, **package.responses)
    first = outcome(model.invoke, "Hi")
    stored = getattr(first, "response_metadata", {}).get("id")
    outcome(lambda: model.invoke("And?", previous_response_id=stored))
    continued = stored and router.requests[-1].body.get("previous_response_id") == stored
    outcome(lambda: model.bind_tools([{"type": "orq:web_search"}]).invoke("Hi"))
    return all_of(
        {
            "answers": isinstance(first, AIMessage),
            "stored conversations": bool(continued),
            "orq:web_search": "tools" in router.requests[-1].body,
        }
    )


def _priced(answer: Any) -> bool:
    if not isinstance(answer, AIMessage):
        return False
    kept = [answer.response_metadata, answer.additional_kwargs, answer.usage_metadata or {}]
    return any(_has_cost(value) for value in kept)


def _has_cost(value: Any) -> bool:
    """Whether a member named ``cost``, ``total_cost`` and the like holds a number above 0."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if not isinstance(value, dict):
        return False
    return any(
        (str(name).endswith("cost") and isinstance(part, (int, float)) and part > 0)
        or _has_cost(part)
        for name, part in value.items()
    )


@row("Any other server that speaks OpenAI's wire")
def other_servers(package: Package) -> Finding:
    """A base URL that ends in ``/v1``, as that of a model served at home."""
    answer = package.ask(Scripted(body=completion()), prefix="v1")
    return yes() if isinstance(answer, AIMessage) else no(told(answer))
