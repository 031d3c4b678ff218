"""The demo of the ``orq-router`` command: chat with files and a fallback, images and speech."""

import os
import sys
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from orq_router_integrations.chat_models.chat_orq import ChatOrq
from orq_router_integrations.client import RouterClient
from orq_router_integrations.document_loaders.audio import OrqTranscriptionLoader
from orq_router_integrations.errors import RouterError
from orq_router_integrations.media.content_block import content_block
from orq_router_integrations.settings import API_KEY_ENV
from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.tools.image import OrqImageTool
from orq_router_integrations.tools.speech import OrqSpeechTool
from orq_router_integrations.wire.controls import RouterControls

ASSETS = Path(__file__).parent / "assets"
QUESTION = "What do these files say?"
SENTENCE = "The meeting begins at noon. Zoë brings the figures."

_DEFAULT_FILES = {"image": "chart.png", "file": "report.pdf", "audio": "question.wav"}


Pipeline = Runnable[dict[str, Any], AIMessage]


def run_demo(
    model: str,
    fallback: str,
    *,
    output_directory: Path | None = None,
    files: Mapping[str, Path | None] | None = None,
) -> int:
    """Run the demo and return the exit status.

    Without an API key in the environment it uses the offline router, where the primary model
    always fails. With the real router, images and speech are only created if they are saved.
    ``files`` replace the built-in ones, by type: ``image``, ``file`` (a PDF) and ``audio``.

    Raises:
        ValueError: A model or a file cannot be used.
        OSError: The output directory cannot be created.
    """
    if output_directory:
        output_directory.mkdir(parents=True, exist_ok=True)
    offline = None if os.environ.get(API_KEY_ENV) else OfflineRouter(faults={model: [503] * 4})
    client = offline.client() if offline else RouterClient()
    controls = RouterControls(retry={"count": 1, "on_codes": [429, 503]}, fallbacks=[fallback])
    chosen = {name: path for name, path in (files or {}).items() if path}
    paths = {name: ASSETS / filename for name, filename in _DEFAULT_FILES.items()} | chosen
    if "audio" not in chosen and not offline:  # most real models do not support audio
        del paths["audio"]
    chat_model = ChatOrq(model, controls=controls, client=client)
    if offline:
        print(
            "This is the offline router: no key, no network. Its answers are made up, but it\n"
            f"retries and falls back like the real one. Set {API_KEY_ENV} to use that.\n"
        )
    else:
        print(f"Using the router at {client.base_url}. It does not report which models failed.\n")
    try:
        _chat(_build_prompt(paths.values()) | chat_model, paths.values(), offline)
        if output_directory or offline:
            _create_images(client, output_directory)
            _create_speech(client, output_directory)
    except RouterError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _build_prompt(paths: Iterable[Path]) -> ChatPromptTemplate:
    """Return a prompt with the question and the files in one user message."""
    content: list[Any] = [{"type": "text", "text": "{question}"}, *map(content_block, paths)]
    system = ("system", "You answer in one short paragraph.")
    return ChatPromptTemplate.from_messages([system, ("human", content)])


def _chat(pipeline: Pipeline, paths: Iterable[Path], offline: OfflineRouter | None) -> None:
    print(f"1. Text and files in one message\n   sent     {QUESTION!r}")
    for path in paths:
        print(f"            {path.name} ({path.stat().st_size / 1000:.1f} kB)")
    message = pipeline.invoke({"question": QUESTION})
    _print_routing(message, offline)
    print(f"   answer   {message.text}\n\n2. The same message, streamed")
    chunks = list(pipeline.stream({"question": QUESTION}))
    streamed = reduce(add, chunks)
    _print_routing(streamed, offline)
    print(f"   answer   ({len(chunks)} chunks) {streamed.text[:60]}...")
    if offline:
        result = "the same" if streamed.text == message.text else "different"
        print(f"The streamed answer is {result}.\n")


def _print_routing(message: AIMessage, offline: OfflineRouter | None) -> None:
    if offline:
        for call in offline.log:
            result = "answered" if call.status == 200 else f"failed with {call.status}"
            print(f"   router   asked {call.model}: {result}")
        offline.log.clear()
    metadata = message.response_metadata
    print(f"   model    {metadata['model_name']} answered for {metadata['requested_model']}")
    if usage := message.usage_metadata:
        print(f"   tokens   {usage['input_tokens']} in, {usage['output_tokens']} out")


def _create_images(client: RouterClient, output_directory: Path | None) -> None:
    print("3. An image, and an edit of it")
    tool = OrqImageTool(model="openai/gpt-image-1", size="1024x1024", client=client)
    boat = tool.generate("a red boat")
    for name, result in (("boat", boat), ("bird", tool.edit("add a bird", boat))):
        print(f"   {result.summary}")
        if output_directory:
            print(f"            saved as {result.image.save(output_directory / f'{name}.png')}")


def _create_speech(client: RouterClient, output_directory: Path | None) -> None:
    tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", audio_format="wav", client=client)
    speech = tool.synthesize(SENTENCE)
    print(f"4. Speech, and a transcript of it\n   speech   {speech!r}")
    if output_directory:
        print(f"            saved as {speech.save(output_directory / 'speech.wav')}")
    loader = OrqTranscriptionLoader(
        speech.read(), model="openai/whisper-1", granularity="segment", client=client
    )
    for document in loader.lazy_load():
        start, end = document.metadata["start"], document.metadata["end"]
        print(f"   heard    {start:.2f} to {end:.2f} s: {document.page_content}")
