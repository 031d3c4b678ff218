"""``OrqSpeechTool``: text to speech."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, closing
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar
from uuid import uuid4

from langchain_core.messages import ToolCall
from langchain_core.runnables import RunnableConfig
from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import AsyncGenerator, Generator, TypedDict, Unpack

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.faces import CONTROL_HINTS
from orq_router_integrations.saving import atomic_file, writable
from orq_router_integrations.tools.base import OrqTool
from orq_router_integrations.tools.sentences import pieces
from orq_router_integrations.tools.sounds import SUFFIXES, wanted_by
from orq_router_integrations.tools.speaking import Speaking
from orq_router_integrations.tools.spoken import Speech, warn_if_misnamed
from orq_router_integrations.tools.tracks import JOINED
from orq_router_integrations.validation import input_error
from orq_router_integrations.wire.asked import Asked
from orq_router_integrations.wire.controls import ControlValues, RouterControls
from orq_router_integrations.wire.endpoints import SPEECH
from orq_router_integrations.wire.names import nearest
from orq_router_integrations.wire.speech import (
    MAX_INPUT,
    MEMBERS,
    SpeechFormat,
    SpeechParams,
    Speed,
    Voice,
)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty; give something to speak")
    return text


class SpeechArgs(BaseModel):
    """What to say, and how."""

    text: Annotated[str, AfterValidator(_not_blank)] = Field(
        description="The text to speak, word for word."
    )
    voice: Voice | None = Field(default=None, description="The provider's name of a voice.")
    format: SpeechFormat | None = Field(default=None, description="The audio format.")
    speed: Speed | None = Field(default=None, description="1 is usual; 0.25 to 4.")


class SpeechChoices(TypedDict, total=False):
    """What one call may say differently than the tool."""

    model: str
    voice: str | None
    format: SpeechFormat | None
    speed: float | None
    controls: RouterControls | ControlValues | None


class OrqSpeechTool(OrqTool):
    """Speaks a text through the orq.ai AI Router.

    For an agent it is a tool like any other: the message holds one sentence for the model, its
    artifact the audio (or, with ``directory``, the path of its file) and all that is known of it;
    ``Speech.of(message)`` reads that. Programs call ``speak``, ``speak_to`` and ``stream``, or
    their async twins, and may give ``model``, ``voice``, ``format``, ``speed`` and ``controls``
    per call.

    A text longer than ``max_chars`` is cut at sentence ends, spoken in several requests and
    joined to one file. That goes without a loss for WAV, raw samples and MP3; asking for another
    format is refused before anything is sent. What the router sends is told by its bytes, for it
    replaces formats without a word.

    Speech is billed by the piece: a request that may have been worked on is not sent again.

    Attributes:
        model: the provider, a slash, the provider's model: ``openai/tts-1``.
        voice: the provider's name of a voice: ``alloy``.
        format: ``mp3``, ``opus``, ``aac``, ``flac``, ``wav`` or ``pcm``; the router's default,
            mp3, if not given.
        speed: 0.25 to 4.
        open_args: of ``voice``, ``format``, ``speed``: what the model may choose beside the text.
        max_chars: characters in one request.
        directory: an existing folder for the files of tool calls; by default the audio is in the
            artifact, as base64.
        pcm_rate: samples per second of raw samples, where the router does not tell it.
        retry_ambiguous: send again also what the router may have worked on, and billed.
        controls: the router's controls; those given per call go on top, field by field.
        extra_body: further members of the request body, such as ``instructions``, which no source
            of the router knows.
        client: a ``RouterClient`` to use; it then decides all settings.

    Raises:
        pydantic.ValidationError: at construction, when an argument is wrong.
        RouterError: at a call; ``received`` says how many bytes arrived of what broke off, and
            ``partial_bytes`` has them if the whole was asked for.

    >>> from orq_router_integrations.offline import OfflineRouter
    >>> client = OfflineRouter().client()
    >>> tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", format="wav", client=client)
    >>> tool.speak("Good morning.")
    Speech(1.1 s, 54380 bytes of wav, 'openai/tts-1')
    """

    all_args: ClassVar[type[BaseModel]] = SpeechArgs
    own_members: ClassVar[frozenset[str]] = MEMBERS

    name: str = "speak"
    description: str = "Speaks a text aloud: makes an audio file of it for the user to hear."
    voice: Voice
    format: SpeechFormat | None = None
    speed: Speed | None = None
    max_chars: Annotated[int, Field(strict=True, ge=1)] = MAX_INPUT
    directory: Path | None = None
    pcm_rate: Annotated[int, Field(strict=True, ge=1)] = 24_000
    retry_ambiguous: bool = False

    # For programs

    def speak(self, text: str, **choices: Unpack[SpeechChoices]) -> Speech:
        """Speak a text, and return the whole speech.

        Raises:
            RouterInputError: the text is empty or too long for a format that cannot be joined, or
                a choice is wrong; nothing was sent.
            RouterError: the router refused or failed, or the audio broke off.
        """
        speaking = self._speaking(text, choices)
        with speaking.held() as sink:
            self._pour(speaking, sink)
        return speaking.finished(sink)

    async def aspeak(self, text: str, **choices: Unpack[SpeechChoices]) -> Speech:
        """Speak a text, and return the whole speech; see ``speak``."""
        speaking = self._speaking(text, choices)
        with speaking.held() as sink:
            await self._apour(speaking, sink)
        return speaking.finished(sink)

    def speak_to(
        self,
        path: str | os.PathLike[str],
        text: str,
        *,
        overwrite: bool = True,
        **choices: Unpack[SpeechChoices],
    ) -> Speech:
        """Speak a text to a file, written as the audio arrives and there only when it is whole.

        The file's suffix asks for the format, unless ``format=`` does. What came instead stays in
        the file, with a warning. When the audio breaks off, nothing new remains and an old file
        stays as it was.

        Raises:
            RouterInputError: as for ``speak``, or the path cannot be written to.
            RouterError: as for ``speak``; ``received`` says how many bytes had arrived.
        """
        target, speaking = self._speaking_to(path, text, choices, overwrite=overwrite)
        with atomic_file(target, overwrite=overwrite) as file:
            self._pour(speaking, file)
            speech = speaking.finished(file, target)
        warn_if_misnamed(target, speech.format)
        return speech

    async def aspeak_to(
        self,
        path: str | os.PathLike[str],
        text: str,
        *,
        overwrite: bool = True,
        **choices: Unpack[SpeechChoices],
    ) -> Speech:
        """Speak a text to a file; see ``speak_to``."""
        target, speaking = self._speaking_to(path, text, choices, overwrite=overwrite)
        with atomic_file(target, overwrite=overwrite) as file:
            await self._apour(speaking, file)
            speech = speaking.finished(file, target)
        warn_if_misnamed(target, speech.format)
        return speech

    def stream(
        self,
        input: str | dict[str, Any] | ToolCall,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Speak a text, and yield the bytes of the audio as they arrive.

        ``input`` is the text, or a dict of arguments; ``kwargs`` are as for ``speak``. A
        ``ToolCall`` is run as every tool runs one, and yields one ``ToolMessage``. A joined WAV
        begins with a head that leaves the size open, as streamed files do.

        Raises:
            RouterError: as for ``speak``; ``received`` says how many bytes had arrived.
        """
        if _is_call(input):
            yield from super().stream(input, config, **kwargs)
            return
        with closing(self._pieces(self._given(input, kwargs))) as audio:
            yield from audio

    async def astream(
        self,
        input: str | dict[str, Any] | ToolCall,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Speak a text, and yield the bytes of the audio as they arrive; see ``stream``."""
        if _is_call(input):
            async for message in super().astream(input, config, **kwargs):
                yield message
            return
        async with aclosing(self._apieces(self._given(input, kwargs))) as audio:
            async for data in audio:
                yield data

    # For agents

    def _run(self, text: str, **choices: Any) -> tuple[str, dict[str, Any]]:
        if self.directory is None:
            speech = self.speak(text, **choices)
        else:
            speech = _with_suffix(self.speak_to(self._new_file(), text, **choices))
        return speech.told, speech.artifact()

    async def _arun(self, text: str, **choices: Any) -> tuple[str, dict[str, Any]]:
        if self.directory is None:
            speech = await self.aspeak(text, **choices)
        else:
            speech = _with_suffix(await self.aspeak_to(self._new_file(), text, **choices))
        return speech.told, speech.artifact()

    def _new_file(self) -> Path:
        """A new file in the folder; its suffix follows once it is known what it holds."""
        assert self.directory is not None  # noqa: S101 - asked for only where there is one
        return self.directory / f"speech-{uuid4().hex[:12]}"

    # From a text to bytes

    def _pieces(self, speaking: Speaking) -> Generator[bytes]:
        with speaking.told():
            for call in speaking.calls():
                with closing(self.router.stream(call)) as arriving:
                    for data in arriving:
                        yield speaking.take(data)

    async def _apieces(self, speaking: Speaking) -> AsyncGenerator[bytes]:
        with speaking.told():
            for call in speaking.calls():
                async with aclosing(self.router.astream(call)) as arriving:
                    async for data in arriving:
                        yield speaking.take(data)

    def _pour(self, speaking: Speaking, sink: BinaryIO) -> None:
        with closing(self._pieces(speaking)) as audio:
            sink.writelines(audio)

    async def _apour(self, speaking: Speaking, sink: BinaryIO) -> None:
        async with aclosing(self._apieces(speaking)) as audio:
            async for data in audio:
                sink.write(data)

    # From arguments to requests

    def _given(self, given: Any, choices: Mapping[str, Any]) -> Speaking:
        """What ``stream`` was given, be it a text or a dict."""
        whole = {"text": given} if isinstance(given, str) else given
        if not isinstance(whole, Mapping) or "text" not in whole:
            raise RouterInputError(
                "text: give a text, or a dict that has one", endpoint=SPEECH.path
            )
        rest = {**whole, **choices}
        return self._speaking(rest.pop("text"), rest)

    def _speaking_to(
        self,
        path: str | os.PathLike[str],
        text: str,
        choices: Mapping[str, Any],
        *,
        overwrite: bool,
    ) -> tuple[Path, Speaking]:
        """Where to write, checked before anything is paid for, and what."""
        target = writable(path, overwrite=overwrite)
        named = wanted_by(target)
        return target, self._speaking(text, {"format": named, **choices} if named else choices)

    def _speaking(self, text: str, choices: Mapping[str, Any]) -> Speaking:
        try:
            return self._prepared(text, choices)
        except ValueError as error:
            raise input_error(error, endpoint=SPEECH.path, known=CHOICES) from None

    def _prepared(self, text: str, choices: Mapping[str, Any]) -> Speaking:
        for name in choices.keys() - CHOICES:
            raise ValueError(f"{name}: unknown{CONTROL_HINTS.get(name) or nearest(name, CHOICES)}")
        if not isinstance(text, str):
            raise ValueError(f"text: must be text, not {type(text).__name__}")
        own = {name: getattr(self, name) for name in ("model", "voice", "format", "speed")}
        given = {**own, **{name: value for name, value in choices.items() if value is not None}}
        controls = self.merged_controls(given.pop("controls", None))
        requests = tuple(
            SpeechParams(text=part, limit=self.max_chars, **given)
            for part in self._parts(text, given["format"])
        )
        return Speaking(
            requests=requests,
            asked=Asked.by(requests[0].model, self.router.controls.merged(controls)),
            controls=controls,
            extra_body=self.extra_body,
            repeatable=self.retry_ambiguous,
            pcm_rate=self.pcm_rate,
            characters=len(text),
        )

    def _parts(self, text: str, wanted: str | None) -> list[str]:
        parts = [text] if len(text) <= self.max_chars else pieces(text, self.max_chars)
        if not text.strip():
            raise ValueError("text: it is empty; give something to speak")
        if len(parts) > 1 and (wanted or "mp3") not in JOINED:
            raise ValueError(
                f"text: {len(text)} characters, and one request takes {self.max_chars}; pieces of "
                f"{wanted} cannot be joined without a loss: use format wav, pcm or mp3"
            )
        return parts


CHOICES = frozenset(SpeechChoices.__annotations__)


def _is_call(given: Any) -> bool:
    return isinstance(given, dict) and given.get("type") == "tool_call"


def _with_suffix(speech: Speech) -> Speech:
    """A file of ours under the suffix of what it holds."""
    bare = Path(speech.path or "")
    named = bare.rename(f"{bare}{SUFFIXES.get(speech.format or '', ('',))[0]}")
    return speech.model_copy(update={"path": str(named)})
