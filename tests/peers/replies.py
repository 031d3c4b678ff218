"""Rows about what comes back: whole, in pieces, or not at all."""

import asyncio
import base64
from functools import partial, reduce
from operator import add
from typing import Any

import orjson
from langchain_core import exceptions as core
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from orq_router_integrations import OfflineRouter
from orq_router_integrations.testing import Answer, Fault, ToolCall
from peers.findings import Finding, all_of, no, outcome, partly, row, told, within, yes
from peers.packages import Package
from peers.stage import DONE, Events, Scripted, chunk, completion

THOUGHT, SEAL = "Two and two make four.", "c2VhbA=="
CLAUDE = "anthropic/claude-sonnet-4-5"
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
BROKEN = (chunk(role="assistant", content="The answer"), chunk(content=" is"))
END = (chunk(finish="stop"), DONE)
STATUSES = {
    401: core.ModelAuthenticationError,
    403: core.ModelPermissionDeniedError,
    404: core.ModelNotFoundError,
    429: core.ModelRateLimitError,
    503: core.ModelAPIError,
}


def _streamed(model: Any) -> Any:
    return outcome(lambda: reduce(add, list(model.stream("Hi"))))


async def _collected(model: Any) -> Any:
    return [piece async for piece in model.astream("Hi")]


def _both(package: Package, router: Any, **options: Any) -> dict[str, Any]:
    """How a stream ends, and an awaited one."""
    model = package.model(router, **options)
    awaited = outcome(lambda: asyncio.run(_collected(model)))
    return {"stream": outcome(lambda: list(model.stream("Hi"))), "astream": awaited}


@row("Reasoning is kept as a standard block, whole and in streams")
def reasoning(package: Package) -> Finding:
    router = OfflineRouter(answers=lambda _: Answer("4", reasoning=THOUGHT))
    model = package.model(router)
    answers = {"whole": outcome(model.invoke, "Hi"), "streamed": _streamed(model)}
    return all_of({name: _thinks(answer) for name, answer in answers.items()})


def _thinks(message: Any) -> bool:
    blocks = getattr(message, "content_blocks", ())
    return any(THOUGHT in block.get("reasoning", "") for block in blocks)


@row("Signed reasoning goes back to the provider that made it, and to no other")
def seals(package: Package) -> Finding:
    """In a second turn with a tool's answer, to the same model and to another provider's."""
    thought = Answer(
        reasoning=THOUGHT, reasoning_signature=SEAL, tool_calls=(ToolCall("add", {"a": 2}),)
    )
    router = OfflineRouter(answers=lambda _: thought, lenient=True)
    first = package.model(router, model=CLAUDE).invoke("Hi")
    answered = ToolMessage("4", tool_call_id=first.tool_calls[0]["id"])
    to_maker, to_other = (
        _sends(package, model, [HumanMessage("Hi"), first, answered], SEAL)
        for model in (CLAUDE, "openai/gpt-4o")
    )
    if not to_maker:
        return no("it goes back to nobody")
    return partly("it goes to other providers too") if to_other else yes()


def _sends(package: Package, model: str, messages: list[Any], text: str) -> bool:
    router = OfflineRouter(lenient=True)
    outcome(lambda: package.model(router, model=model).invoke(messages))
    return any(text.encode() in orjson.dumps(request.body) for request in router.requests)


@row("Images in an answer are image blocks")
def drawn_images(package: Package) -> Finding:
    """As upstreams that draw put them beside the text: in ``message.images``."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    router = Scripted(body=completion(images=[image]))
    answer = outcome(lambda: package.model(router).invoke("Draw a cat"))
    if isinstance(answer, Exception):
        return no(told(answer))
    if any(block["type"] == "image" for block in answer.content_blocks):
        return yes()
    return partly("in no standard block") if PICTURE in repr(answer) else no("they are dropped")


@row("Streams report their usage by default")
def streamed_usage(package: Package) -> Finding:
    answer = _streamed(package.model(OfflineRouter()))
    if isinstance(answer, Exception):
        return no(told(answer))
    return yes() if answer.usage_metadata else no("none")


@row("A stream that ends too early raises an error")
def truncated(package: Package) -> Finding:
    """Without finish reason and ``[DONE]``, while the connection ends as if all were well.

    With them, the same stream is read by every package.
    """
    healthy = _both(package, Scripted(stream=Events(*BROKEN, *END)))
    assert not any(isinstance(end, Exception) for end in healthy.values()), healthy
    ends = _both(package, Scripted(stream=Events(*BROKEN)))
    return all_of({name: isinstance(end, Exception) for name, end in ends.items()})


@row("An error inside a stream raises LangChain's `ModelError`")
def error_frames(package: Package) -> Finding:
    """Partly: another exception. No: the stream ends as if all were well."""
    router = OfflineRouter(faults={"openai/gpt-4o": Fault(status=500, error_after=2)})
    ends = _both(package, router)
    if all(isinstance(end, core.ModelError) for end in ends.values()):
        return yes()
    if all(isinstance(end, Exception) for end in ends.values()):
        return partly(told(ends["stream"]))
    return no("the text so far passes for the answer")


@row("A stream that only says it is alive ends at a limit of yours")
def idle_streams(package: Package) -> Finding:
    """0.4 seconds without news, while the server sends a comment every 0.05 seconds, for 1.2."""
    beats = Events(*BROKEN, *(b": alive\n\n",) * 24, *END, pause=0.05)
    ends = _both(package, Scripted(stream=beats), **package.idle_limit)
    return all_of({name: isinstance(end, Exception) for name, end in ends.items()})


@row("Errors are LangChain's `ModelError`s, which its middleware tells apart")
def typed_errors(package: Package) -> Finding:
    """401, 403, 404, 429 and 503, told within 5 seconds when retries are off."""
    found = {}
    for status, expected in STATUSES.items():
        router = OfflineRouter(faults={"openai/gpt-4o": status})
        error = within(5, partial(package.ask, router))
        found[f"{status} ({told(error)[:60]})"] = isinstance(error, expected)
    return all_of(found)


@row("One model serves several event loops, with retries off")
def event_loops(package: Package) -> Finding:
    """Six times ``asyncio.run``, as tests, notebooks and workers do."""
    model = package.model(OfflineRouter())
    ends = [outcome(lambda: asyncio.run(model.ainvoke("Hi"))) for _ in range(6)]
    failed = [end for end in ends if not isinstance(end, AIMessage)]
    return no(f"{len(failed)} of 6 fail; {told(failed[0])}") if failed else yes()
