"""Checks of responses: complete ones, streams and errors."""

import asyncio
import base64
from functools import partial, reduce
from operator import add
from typing import Any

import orjson
from langchain_core import exceptions as core
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from orq_router_integrations import OfflineRouter
from orq_router_integrations.testing import Answer, Fault
from peers.findings import (
    Finding,
    combine,
    describe_outcome,
    get_outcome,
    get_outcome_within,
    no,
    partly,
    row,
    yes,
)
from peers.packages import Package
from peers.server import DONE, FixedRouter, PacedEvents, create_chunk, create_completion

THOUGHT, SIGNATURE = "Two and two make four.", "c2VhbA=="
CLAUDE = "anthropic/claude-sonnet-4-5"
IMAGE_DATA = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
FIRST_CHUNKS = (create_chunk(role="assistant", content="The answer"), create_chunk(content=" is"))
LAST_EVENTS = (create_chunk(finish="stop"), DONE)
STATUSES = {
    401: core.ModelAuthenticationError,
    403: core.ModelPermissionDeniedError,
    404: core.ModelNotFoundError,
    429: core.ModelRateLimitError,
    503: core.ModelAPIError,
}


def _merge_stream(model: Any) -> Any:
    return get_outcome(lambda: reduce(add, list(model.stream("Hi"))))


async def _collect_stream(model: Any) -> Any:
    return [chunk async for chunk in model.astream("Hi")]


def _stream_both_ways(package: Package, router: Any, **options: Any) -> dict[str, Any]:
    """Return the outcome of ``stream`` and of ``astream``."""
    model = package.create_model(router, **options)
    awaited = get_outcome(lambda: asyncio.run(_collect_stream(model)))
    return {"stream": get_outcome(lambda: list(model.stream("Hi"))), "astream": awaited}


@row("Reasoning is a standard content block, complete and streamed")
def check_reasoning(package: Package) -> Finding:
    router = OfflineRouter(answers=lambda _: Answer("4", reasoning=THOUGHT))
    model = package.create_model(router)
    answers = {"complete": get_outcome(model.invoke, "Hi"), "streamed": _merge_stream(model)}
    return combine({name: _has_reasoning(answer) for name, answer in answers.items()})


def _has_reasoning(message: Any) -> bool:
    blocks = getattr(message, "content_blocks", ())
    return any(THOUGHT in block.get("reasoning", "") for block in blocks)


@row("Signed reasoning is only sent back to the provider that signed it")
def check_signed_reasoning(package: Package) -> Finding:
    """The second turn goes to the same model, and to a model of another provider."""
    answer = Answer(
        reasoning=THOUGHT,
        reasoning_signature=SIGNATURE,
        tool_calls=[{"name": "add", "args": {"a": 2}, "id": "c1"}],
    )
    router = OfflineRouter(answers=lambda _: answer, lenient=True)
    first = package.create_model(router, model=CLAUDE).invoke("Hi")
    tool_result = ToolMessage("4", tool_call_id=first.tool_calls[0]["id"])
    is_sent_back, is_sent_to_other = (
        _is_sent(package, model, [HumanMessage("Hi"), first, tool_result], SIGNATURE)
        for model in (CLAUDE, "openai/gpt-4o")
    )
    if not is_sent_back:
        return no("it is not sent back")
    return partly("it is also sent to other providers") if is_sent_to_other else yes()


def _is_sent(package: Package, model: str, messages: list[Any], text: str) -> bool:
    router = OfflineRouter(lenient=True)
    get_outcome(lambda: package.create_model(router, model=model).invoke(messages))
    return any(text.encode() in orjson.dumps(request.body) for request in router.requests)


@row("Images in an answer are image blocks")
def check_images_in_answers(package: Package) -> Finding:
    """Providers that generate images return them in ``message.images``."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE_DATA}"}}
    router = FixedRouter(body=create_completion(images=[image]))
    answer = get_outcome(lambda: package.create_model(router).invoke("Draw a cat"))
    if isinstance(answer, Exception):
        return no(describe_outcome(answer))
    if any(block["type"] == "image" for block in answer.content_blocks):
        return yes()
    return partly("not as a standard block") if IMAGE_DATA in repr(answer) else no("dropped")


@row("Streams report usage by default")
def check_streamed_usage(package: Package) -> Finding:
    answer = _merge_stream(package.create_model(OfflineRouter()))
    if isinstance(answer, Exception):
        return no(describe_outcome(answer))
    return yes() if answer.usage_metadata else no("none")


@row("A truncated stream raises an error")
def check_truncated_stream(package: Package) -> Finding:
    """The stream lacks the finish reason and ``[DONE]``, and the connection closes normally.

    With them, every package can read the stream.
    """
    complete = _stream_both_ways(
        package, FixedRouter(stream=PacedEvents(*FIRST_CHUNKS, *LAST_EVENTS))
    )
    assert not any(isinstance(outcome, Exception) for outcome in complete.values()), complete
    outcomes = _stream_both_ways(package, FixedRouter(stream=PacedEvents(*FIRST_CHUNKS)))
    return combine({name: isinstance(outcome, Exception) for name, outcome in outcomes.items()})


@row("An error within a stream raises LangChain's `ModelError`")
def check_error_in_stream(package: Package) -> Finding:
    """Partly: another exception. No: the stream ends normally."""
    router = OfflineRouter(faults={"openai/gpt-4o": Fault(status=500, error_after=2)})
    outcomes = _stream_both_ways(package, router)
    if all(isinstance(outcome, core.ModelError) for outcome in outcomes.values()):
        return yes()
    if all(isinstance(outcome, Exception) for outcome in outcomes.values()):
        return partly(describe_outcome(outcomes["stream"]))
    return no("the partial text is returned as the answer")


@row("A stream of keep-alives ends after a configurable time")
def check_idle_stream(package: Package) -> Finding:
    """The limit is 0.4 s; the server sends only comments for 1.2 s, one every 0.05 s."""
    events = PacedEvents(*FIRST_CHUNKS, *(b": alive\n\n",) * 24, *LAST_EVENTS, pause=0.05)
    outcomes = _stream_both_ways(package, FixedRouter(stream=events), **package.idle_limit)
    return combine({name: isinstance(outcome, Exception) for name, outcome in outcomes.items()})


@row("Errors are LangChain's `ModelError`s, so its middleware can handle them")
def check_typed_errors(package: Package) -> Finding:
    """401, 403, 404, 429 and 503 raise within 5 seconds if retries are off."""
    results = {}
    for status, expected in STATUSES.items():
        router = OfflineRouter(faults={"openai/gpt-4o": status})
        error = get_outcome_within(5, partial(package.ask, router))
        results[f"{status} ({describe_outcome(error)[:60]})"] = isinstance(error, expected)
    return combine(results)


@row("One model works in several event loops (retries off)")
def check_event_loops(package: Package) -> Finding:
    """Call ``asyncio.run`` six times, as tests, notebooks and workers do."""
    model = package.create_model(OfflineRouter())
    outcomes = [get_outcome(lambda: asyncio.run(model.ainvoke("Hi"))) for _ in range(6)]
    failures = [outcome for outcome in outcomes if not isinstance(outcome, AIMessage)]
    return no(f"{len(failures)} of 6 fail; {describe_outcome(failures[0])}") if failures else yes()
