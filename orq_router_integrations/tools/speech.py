"""``OrqSpeechTool``: text to speech."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from langchain_core.messages import ToolCall
from langchain_core.runnables import RunnableConfig
from typing_extensions import AsyncGenerator, Generator, Unpack

from orq_router_integrations._http.async_generators import ScopedAsyncGenerator
from orq_router_integrations.media.atomic_write import awrite_chunks, map_write_errors, open_atomic
from orq_router_integrations.tools.audio_format import AUDIO_SUFFIXES
from orq_router_integrations.tools.speech_call import SpeechCall
from orq_router_integrations.tools.speech_result import Speech, warn_if_wrong_suffix
from orq_router_integrations.tools.speech_settings import SpeechOverrides, SpeechSettings
from orq_router_integrations.tools.tracing import atrace_run, trace_run


class OrqSpeechTool(SpeechSettings):
    """Speaks a text through the orq.ai AI Router.

    For an agent it is a tool like any other: the message holds one sentence for the model, its
    artifact the audio (or, with ``directory``, the path of its file) and all that is known of it;
    ``Speech.of(message)`` reads that. A choice of the model that cannot be done it is told, and may
    choose again; invoked without a tool call the tool raises a ``ChoiceError``. Programs call
    ``speak``, ``speak_to`` and ``stream``, or their async twins, and may give ``model``, ``voice``,
    ``format``, ``speed`` and ``controls`` per call.

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

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> client = OfflineRouter().client()
    >>> tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", audio_format="wav", client=client)
    >>> tool.synthesize("Good morning.")
    Speech(1.1 s, 54380 bytes of wav, 'openai/tts-1')
    """

    # For programs

    def synthesize(self, text: str, **choices: Unpack[SpeechOverrides]) -> Speech:
        """Speak a text, and return the whole speech.

        Raises:
            RouterInputError: the text is empty or too long for a format that cannot be joined, or
                a choice is wrong; nothing was sent.
            RouterError: the router refused or failed, or the audio broke off.
        """
        return self._spoken(self._speaking(text, choices))

    async def asynthesize(self, text: str, **choices: Unpack[SpeechOverrides]) -> Speech:
        """Speak a text, and return the whole speech; see ``speak``."""
        return await self._aspoken(self._speaking(text, choices))

    def synthesize_to_file(
        self,
        path: str | os.PathLike[str],
        text: str,
        *,
        overwrite: bool = True,
        **choices: Unpack[SpeechOverrides],
    ) -> Speech:
        """Speak a text to a file, written as the audio arrives and there only when it is whole.

        The file's suffix asks for the format, unless ``format=`` does. What came instead stays in
        the file, with a warning. When the audio breaks off, nothing new remains and an old file
        stays as it was.

        Raises:
            RouterInputError: as for ``speak``, or the path cannot be written to, or comes last.
            RouterError: as for ``speak``; ``received`` says how many bytes had arrived.
        """
        target, speaking = self._speaking_to(path, text, choices, overwrite=overwrite)
        speech = self._written(target, speaking, overwrite=overwrite)
        warn_if_wrong_suffix(target, speech.format)
        return speech

    async def asynthesize_to_file(
        self,
        path: str | os.PathLike[str],
        text: str,
        *,
        overwrite: bool = True,
        **choices: Unpack[SpeechOverrides],
    ) -> Speech:
        """Speak a text to a file; see ``speak_to``."""
        target, speaking = self._speaking_to(path, text, choices, overwrite=overwrite)
        speech = await self._awritten(target, speaking, overwrite=overwrite)
        warn_if_wrong_suffix(target, speech.format)
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
        begins with a head that leaves the size open, as streamed files do. In a chain that is
        streamed, the audio is what streams.

        Raises:
            RouterError: as for ``speak``; ``received`` says how many bytes had arrived.
        """
        if _is_call(input):
            yield from super().stream(input, config, **kwargs)
            return
        speaking = self._given(input, kwargs)
        with (
            trace_run(self, input, config, speaking.summarize),
            closing(self._pieces(speaking)) as audio,
        ):
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
        speaking = self._given(input, kwargs)
        async with (
            atrace_run(self, input, config, speaking.summarize),
            ScopedAsyncGenerator(self._apieces(speaking)) as audio,
        ):
            async for data in audio:
                yield data

    # For agents

    def _run(self, text: str, **choices: Any) -> tuple[str, dict[str, Any]]:
        target, speaking = self._called(text, choices)
        if target is None:
            speech = self._spoken(speaking)
        else:
            speech = _with_suffix(self._written(target, speaking))
        return speech.summary, speech.to_artifact()

    async def _arun(self, text: str, **choices: Any) -> tuple[str, dict[str, Any]]:
        target, speaking = self._called(text, choices)
        if target is None:
            speech = await self._aspoken(speaking)
        else:
            speech = _with_suffix(await self._awritten(target, speaking))
        return speech.summary, speech.to_artifact()

    # From a text to bytes

    def _spoken(self, speaking: SpeechCall) -> Speech:
        with speaking.collect_in_memory() as sink:
            self._pour(speaking, sink)
        return speaking.build_speech(sink)

    async def _aspoken(self, speaking: SpeechCall) -> Speech:
        with speaking.collect_in_memory() as sink:
            async with ScopedAsyncGenerator(self._apieces(speaking)) as audio:
                async for data in audio:
                    sink.write(data)
        return speaking.build_speech(sink)

    def _written(self, target: Path, speaking: SpeechCall, *, overwrite: bool = True) -> Speech:
        with open_atomic(target, overwrite=overwrite) as file:
            self._pour(speaking, file)
            return speaking.build_speech(file, target)

    async def _awritten(
        self, target: Path, speaking: SpeechCall, *, overwrite: bool = True
    ) -> Speech:
        with open_atomic(target, overwrite=overwrite) as file:
            async with ScopedAsyncGenerator(self._apieces(speaking)) as audio:
                await awrite_chunks(file, audio)
            return await asyncio.to_thread(speaking.build_speech, file, target)

    def _pieces(self, speaking: SpeechCall) -> Generator[bytes]:
        with speaking.handle_errors():
            for call in speaking.iter_calls():
                with closing(self.resolved_client.stream(call)) as arriving:
                    yield from filter(None, map(speaking.add_data, arriving))

    async def _apieces(self, speaking: SpeechCall) -> AsyncGenerator[bytes]:
        with speaking.handle_errors():
            for call in speaking.iter_calls():
                async with ScopedAsyncGenerator(self.resolved_client.astream(call)) as arriving:
                    async for data in arriving:
                        if kept := speaking.add_data(data):
                            yield kept

    def _pour(self, speaking: SpeechCall, sink: BinaryIO) -> None:
        with closing(self._pieces(speaking)) as audio:
            sink.writelines(audio)


def _is_call(given: Any) -> bool:
    return isinstance(given, dict) and given.get("type") == "tool_call"


def _with_suffix(speech: Speech) -> Speech:
    """A file of ours under the suffix of what it holds."""
    bare = Path(speech.path or "")
    with map_write_errors(bare):
        named = bare.rename(f"{bare}{AUDIO_SUFFIXES.get(speech.format or '', ('',))[0]}")
    return speech.model_copy(update={"path": str(named)})
