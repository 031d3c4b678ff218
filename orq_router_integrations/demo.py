"""The demo of the ``orq-router`` command: chat with files and a fallback, images and speech."""

import os
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate

from orq_router_integrations.chat_models.chat_orq import ChatOrq
from orq_router_integrations.client import RouterClient
from orq_router_integrations.document_loaders.audio import OrqTranscriptionLoader
from orq_router_integrations.media.content_block import content_block
from orq_router_integrations.settings import API_KEY_ENV
from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.tools.image import OrqImageTool
from orq_router_integrations.tools.speech import OrqSpeechTool
from orq_router_integrations.wire.controls import RouterControls

ASSETS = Path(__file__).parent / "assets"
QUESTION = "What do these files say?"
SENTENCE = "The meeting begins at noon. Zoë brings the figures."


def run_demo(
    model: str,
    fallback: str,
    *,
    image: Path | None = None,
    pdf: Path | None = None,
    audio: Path | None = None,
    output_directory: Path | None = None,
) -> None:
    """Run the demo.

    Without an API key in the environment it uses the offline router, where the primary model
    always fails. With the real router, images and speech are only created if they are saved.
    Files that are not passed default to those in the package.
    """
    if output_directory:
        output_directory.mkdir(parents=True, exist_ok=True)
    offline = None if os.environ.get(API_KEY_ENV) else OfflineRouter(faults={model: [503] * 4})
    if offline:
        client = offline.client()
        print(
            "This is the offline router: no key, no network. Its answers are made up, but it\n"
            f"retries and falls back like the real one, which is used if {API_KEY_ENV} is set.\n"
        )
    else:
        client = RouterClient()
        print(f"Using the router at {client.base_url}. It does not report which models failed.\n")
    controls = RouterControls(retry={"count": 1, "on_codes": [429, 503]}, fallbacks=[fallback])
    paths = [image or ASSETS / "chart.png", pdf or ASSETS / "report.pdf"]
    if audio or offline:  # most real models do not support audio
        paths.append(audio or ASSETS / "question.wav")
    _chat(ChatOrq(model, controls=controls, client=client), paths, offline)
    if output_directory or offline:
        _create_images(client, output_directory)
        _create_speech(client, output_directory)


def _chat(model: ChatOrq, paths: list[Path], offline: OfflineRouter | None) -> None:
    content: list[Any] = [{"type": "text", "text": "{question}"}, *map(content_block, paths)]
    system = ("system", "You answer in one short paragraph.")
    pipeline = ChatPromptTemplate.from_messages([system, ("human", content)]) | model
    names = ", ".join(path.name for path in paths)
    print(f"1. Text and files in one message\n   sent     {QUESTION!r}, {names}")
    message = pipeline.invoke({"question": QUESTION})
    _print_routing(message, offline)
    print(f"   answer   {message.text}\n\n2. The same message, streamed")
    chunks = list(pipeline.stream({"question": QUESTION}))
    streamed = reduce(add, chunks)
    _print_routing(streamed, offline)
    print(f"   answer   ({len(chunks)} chunks) {streamed.text[:60]}...\n")


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
    print(f"\n4. Speech, and a transcript of it\n   speech   {speech!r}")
    if output_directory:
        print(f"            saved as {speech.save(output_directory / 'speech.wav')}")
    loader = OrqTranscriptionLoader(
        speech.read(), model="openai/whisper-1", granularity="segment", client=client
    )
    for document in loader.lazy_load():
        start, end = document.metadata["start"], document.metadata["end"]
        print(f"   heard    {start:.2f} to {end:.2f} s: {document.page_content}")
