"""The demo: a pipeline with every kind of input, a fallback that saves it, and the other faces."""

import os
import sys
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from orq_router_integrations import demo_media
from orq_router_integrations.chat_models.chat_orq import ChatOrq
from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import RouterError
from orq_router_integrations.media.content_block import content_block
from orq_router_integrations.settings import API_KEY_ENV
from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.wire.controls import RouterControls

ASSETS = Path(__file__).parent / "assets"
_FILES = {"image": "chart.png", "file": "report.pdf", "audio": "question.wav"}
QUESTION = "What do these files say?"


def run_demo(
    *,
    model: str,
    fallback: str,
    output_directory: Path | None = None,
    **given: Path | None,
) -> int:
    """Run the demo and print what happens; the exit status.

    Against the offline router, whose primary model is scripted to fail, unless the environment
    has a key for the real one; that one draws and speaks only where ``keep`` says what for.

    Args:
        model: the primary.
        fallback: the model behind it.
        output_directory: a folder for what is drawn and spoken.
        given: files of the caller's own: ``image``, ``file`` (a PDF), ``audio``.

    Raises:
        ValueError: a file or a model is of no use.
    """
    _check(model, fallback, output_directory)
    offline = None if os.environ.get(API_KEY_ENV) else OfflineRouter(faults={model: [503] * 4})
    client = offline.client() if offline else RouterClient()
    controls = RouterControls(retry={"count": 1, "on_codes": [429, 503]}, fallbacks=[fallback])
    files = {kind: given.get(kind) or ASSETS / name for kind, name in _FILES.items()}
    if not (given.get("audio") or offline):  # few real models listen: not unless told
        del files["audio"]
    pipeline = pipeline_of(ChatOrq(model=model, controls=controls, client=client), files)
    _introduce(client, controls, model, offline)
    try:
        _both(pipeline, list(files.values()), offline)
        if output_directory or offline:
            demo_media.run(client, output_directory, _say)
    except RouterError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _check(model: str, fallback: str, keep: Path | None) -> None:
    if "/" not in model:
        raise ValueError(f"--model: models are named provider/model, not {model!r}")
    if fallback == model:
        raise ValueError(f"--fallback: {model} is the primary model already; name another")
    try:
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--keep: {keep} is no folder, and cannot become one: {error}") from None


def _both(
    pipeline: Runnable[dict[str, Any], AIMessage],
    files: list[Path],
    offline: OfflineRouter | None,
) -> None:
    whole = _whole(pipeline, files, offline)
    streamed = _streamed(pipeline, offline)
    if offline:
        same = "is" if streamed == whole else "is not"
        _say(f"The streamed answer {same} the same, word for word.\n")


def pipeline_of(model: ChatOrq, files: dict[str, Path]) -> Runnable[dict[str, Any], AIMessage]:
    """A prompt whose one user message holds the question and the files, then the model.

    Raises:
        ValueError: a file is not of the kind that it was given as.
    """
    content: list[Any] = [{"type": "text", "text": "{question}"}]
    for kind, path in files.items():
        block = content_block(path)
        if block["type"] != kind:
            raise ValueError(f"{path} is not {_KINDS[kind]}")
        content.append(block)
    system = ("system", "You answer in one short paragraph.")
    prompt = ChatPromptTemplate.from_messages([system, ("human", content)])
    return prompt | model


_KINDS = {"image": "an image", "file": "a PDF", "audio": "a WAV or MP3"}


def _introduce(
    client: RouterClient, controls: RouterControls, model: str, offline: OfflineRouter | None
) -> None:
    if offline:
        _say("The offline router: no key, no network. Its answers are made up, its routing is not;")
        _say(f"set {API_KEY_ENV} to ask the real one.\n")
    else:
        _say(f"The real router at {client.base_url}. It does not say which models failed.\n")
    fallbacks = ", ".join(item.model for item in controls.fallbacks or ())
    retries = controls.retry.count if controls.retry else 0
    _say("pipeline   prompt | ChatOrq")
    _say(f"model      {model}, {retries} router retry, then {fallbacks}\n")


def _whole(
    pipeline: Runnable[dict[str, Any], AIMessage],
    files: list[Path],
    offline: OfflineRouter | None,
) -> str:
    _say("1. Text and files in one message")
    _say(f"   sent     {QUESTION!r}")
    for path in files:
        _say(f"            {path.name} ({path.stat().st_size / 1000:.1f} kB)")
    message = pipeline.invoke({"question": QUESTION})
    _routed(message, offline)
    _say(f"   answer   {message.text}")
    _counted(message)
    return message.text


def _streamed(pipeline: Runnable[dict[str, Any], AIMessage], offline: OfflineRouter | None) -> str:
    _say("2. The same, streamed")
    chunks = list(pipeline.stream({"question": QUESTION}))
    message = reduce(add, chunks)
    _routed(message, offline)
    pieces = sum(bool(chunk.text) for chunk in chunks)
    _say(f"   answer   ({pieces} pieces) {message.text[:60]}...")
    _counted(message)
    return message.text


def _routed(message: AIMessage, offline: OfflineRouter | None) -> None:
    for asked in offline.log if offline else ():
        failed = f"failed with {asked.status}" if asked.status != 200 else "answered"
        _say(f"   router   asked {asked.model}: {failed}")
    if offline:
        offline.log.clear()
    found = message.response_metadata
    _say(f"   model    {found['model_name']} answered for {found['requested_model']}")


def _counted(message: AIMessage) -> None:
    usage = message.usage_metadata
    if usage:
        audio = (usage.get("input_token_details") or {}).get("audio", 0)
        _say(
            f"   tokens   {usage['input_tokens']} in ({audio} of them audio), "
            f"{usage['output_tokens']} out\n"
        )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
