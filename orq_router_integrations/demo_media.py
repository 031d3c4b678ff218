"""The second half of the demo: a picture drawn and edited, a sentence spoken and written down."""

from collections.abc import Callable
from pathlib import Path

from orq_router_integrations.client import RouterClient
from orq_router_integrations.document_loaders.loaders import OrqTranscriptionLoader
from orq_router_integrations.tools.image import OrqImageTool
from orq_router_integrations.tools.speech import OrqSpeechTool

Say = Callable[[str], None]

SENTENCE = "The meeting begins at noon. Zoë brings the figures."


def run(client: RouterClient, keep: Path | None, say: Say) -> None:
    """Draw, edit, speak and transcribe, and tell of it; the results go to ``keep``, if given."""
    draw(client, keep, say)
    speak(client, keep, say)


def draw(client: RouterClient, keep: Path | None, say: Say) -> None:
    """Draw a picture, and edit it."""
    say("3. A picture, and an edit of it")
    tool = OrqImageTool(model="openai/gpt-image-1", size="1024x1024", client=client)
    boat = tool.generate("a red boat")
    for name, result in (("boat", boat), ("bird", tool.edit("add a bird", boat))):
        say(f"   {result.summary}")
        if keep:
            say(f"            saved as {result.image.save(keep / f'{name}.png')}")


def speak(client: RouterClient, keep: Path | None, say: Say) -> None:
    """Speak a sentence, and write down what was heard."""
    say("4. A sentence spoken, and written down again")
    tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", audio_format="wav", client=client)
    speech = tool.synthesize(SENTENCE)
    say(f"   speak    {speech!r}")
    if keep:
        say(f"            saved as {speech.save(keep / 'speech.wav')}")
    loader = OrqTranscriptionLoader(
        source=speech.read(), model="openai/whisper-1", granularity="segment", client=client
    )
    for document in loader.lazy_load():
        start, end = document.metadata["start"], document.metadata["end"]
        say(f"   heard    {start:.2f} to {end:.2f} s: {document.page_content}")
