"""``OrqSpeechTool``: text to speech."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.messages import ToolCall
from langchain_core.runnables import RunnableConfig, ensure_config
from pydantic import BaseModel, Field
from typing_extensions import AsyncGenerator, Generator, TypedDict, Unpack

from orq_router_integrations._http.async_generators import ScopedAsyncGenerator
from orq_router_integrations._integration import merge_extra_body
from orq_router_integrations.errors import RouterInputError, raise_input_errors
from orq_router_integrations.media.atomic_write import validate_directory, validate_output_path
from orq_router_integrations.settings import CONTROL_HINTS
from orq_router_integrations.tools.base import OrqTool, raise_tool_input_errors
from orq_router_integrations.tools.speech_call import (
    DEFAULT_FORMAT,
    SpeechCall,
    build_speech_requests,
)
from orq_router_integrations.tools.speech_result import DEFAULT_PCM_RATE, Speech, infer_format
from orq_router_integrations.wire.arguments import reject_unknown_arguments
from orq_router_integrations.wire.call import StreamCall
from orq_router_integrations.wire.controls import RouterControls, RouterControlsDict
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.endpoints import SPEECH
from orq_router_integrations.wire.speech import MAX_INPUT_CHARS, SpeechFormat, SpeechParams, Voice


class SpeechArgs(SpeechParams):
    """Text to speak."""

    text: str = Field(description="The text to speak, word for word.")
    voice: Voice | None = optional("The provider's name of the voice.")


class SpeechOverrides(TypedDict, total=False):
    """Parameters of a single call. They take precedence over those of the tool."""

    model: str
    voice: str | None
    audio_format: SpeechFormat | None
    speed: float | None
    controls: RouterControls | RouterControlsDict | None


OVERRIDES = frozenset(SpeechOverrides.__annotations__)
_HINTS = CONTROL_HINTS | {
    "response_format": "audio_format",
    "instructions": "the tool's extra_body",
}


class OrqSpeechTool(OrqTool, SpeechParams):
    """Convert text to speech through the orq.ai AI Router.

    Agents use it like any other tool. The model sees a one-sentence summary. The artifact of the
    tool message contains the audio, or the path of its file if ``directory`` is set;
    ``Speech.of(message)`` restores it. ``create_agent`` and ``ToolNode`` report invalid arguments
    to the model so that it can retry.

    Programs call ``synthesize``, ``synthesize_to_file`` and ``stream``, or the async versions with
    the prefix ``a``. ``model``, ``voice``, ``audio_format``, ``speed`` and ``controls`` can be
    overridden per call.

    Text longer than ``max_chars`` is split at sentence ends, spoken in several requests, and
    joined without decoding. This is supported for WAV, PCM and MP3; other formats are rejected
    before anything is sent. The router may silently return another format, so results report the
    format found in the data.

    Speech is billed per request. After a timeout or a lost connection, a request that may have
    been processed is only retried with ``retry_ambiguous=True``.

    Raises:
        pydantic.ValidationError: An argument of the constructor or of ``invoke`` is invalid.
        RouterInputError: An argument of a call is invalid. Nothing was sent.
        RouterError: A call failed. ``received`` is the number of bytes that had arrived;
            ``partial_bytes`` contains them if the audio was collected in memory.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> client = OfflineRouter().client()
    >>> tool = OrqSpeechTool(
    ...     model="openai/tts-1", voice="alloy", audio_format="wav", client=client
    ... )
    >>> tool.synthesize("Good morning.")
    Speech(1.1 s, 54380 bytes of wav, 'openai/tts-1')
    """

    full_args_schema: ClassVar[type[BaseModel]] = SpeechArgs

    name: str = "speak"
    description: str = "Speaks text aloud: creates an audio file for the user to hear."
    voice: Voice = Field(description="The provider's name of the voice")
    max_chars: Annotated[int, Field(strict=True, ge=1)] = Field(
        default=MAX_INPUT_CHARS,
        description="Maximum number of characters per request. Longer texts are split",
    )
    pcm_rate: Annotated[int, Field(strict=True, ge=1)] = Field(
        default=DEFAULT_PCM_RATE,
        description="Sample rate of PCM in Hz, used if the response does not contain it",
    )

    def synthesize(self, text: str, **overrides: Unpack[SpeechOverrides]) -> Speech:
        """Convert text to speech, and return the complete audio.

        Args:
            text: The text to speak.
            overrides: Parameters of this call.
        """
        return self._synthesize(self._prepare(text, overrides))

    async def asynthesize(self, text: str, **overrides: Unpack[SpeechOverrides]) -> Speech:
        """Convert text to speech, and return the complete audio; see ``synthesize``."""
        return await self._asynthesize(self._prepare(text, overrides))

    def synthesize_to_file(
        self,
        text: str,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = True,
        **overrides: Unpack[SpeechOverrides],
    ) -> Speech:
        """Convert text to speech, and write the audio to a file as it arrives.

        The file appears only once it is complete. If the call fails, an existing file is left
        unchanged. A warning is issued if the router returns another format than the suffix of the
        path suggests.

        Args:
            text: The text to speak.
            path: Path of the new file. Its suffix selects the format, unless ``audio_format`` is
                passed.
            overwrite: Whether an existing file may be replaced.
            overrides: Parameters of this call.
        """
        target = validate_output_path(path, overwrite=overwrite)
        call = self._prepare(text, {"audio_format": infer_format(target), **overrides}, target)
        speech = self._synthesize(call)
        speech.warn_if_wrong_suffix(target)
        return speech

    async def asynthesize_to_file(
        self,
        text: str,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = True,
        **overrides: Unpack[SpeechOverrides],
    ) -> Speech:
        """Convert text to speech, and write the audio to a file; see ``synthesize_to_file``."""
        target = validate_output_path(path, overwrite=overwrite)
        call = self._prepare(text, {"audio_format": infer_format(target), **overrides}, target)
        speech = await self._asynthesize(call)
        speech.warn_if_wrong_suffix(target)
        return speech

    def stream(
        self,
        input: str | dict[str, Any] | ToolCall,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Convert text to speech, and yield the audio as it arrives.

        The header of a joined WAV does not contain its sizes, as is usual for streams.

        Args:
            input: The text, or a dict of arguments. A ``ToolCall`` is invoked as usual and yields
                one ``ToolMessage``.
            config: LangChain configuration, such as callbacks.
            kwargs: Parameters of this call, as for ``synthesize``.
        """
        if isinstance(input, dict) and input.get("type") == "tool_call":
            yield from super().stream(input, config, **kwargs)
            return
        call = self._prepare_stream(input, kwargs)
        run = self._start_run(CallbackManager, input, config)
        try:
            with closing(self._iter_audio(call)) as audio:
                yield from audio
        except GeneratorExit:
            pass  # a stream that is closed early counts as ended, not as failed
        except BaseException as error:
            run.on_tool_error(error)
            raise
        run.on_tool_end(call.summary, name=self.name)

    async def astream(
        self,
        input: str | dict[str, Any] | ToolCall,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Convert text to speech, and yield the audio as it arrives; see ``stream``."""
        if isinstance(input, dict) and input.get("type") == "tool_call":
            async for message in super().astream(input, config, **kwargs):
                yield message
            return
        call = self._prepare_stream(input, kwargs)
        run = await self._start_run(AsyncCallbackManager, input, config)
        try:
            async with ScopedAsyncGenerator(self._aiter_audio(call)) as audio:
                async for data in audio:
                    yield data
        except GeneratorExit:
            pass
        except BaseException as error:
            await run.on_tool_error(error)
            raise
        await run.on_tool_end(call.summary, name=self.name)

    def _start_run(self, manager_class: Any, input_: Any, config: RunnableConfig | None) -> Any:
        """Report a streamed run to callbacks, which LangChain only does in ``invoke``.

        Returns the run manager, or with an ``AsyncCallbackManager`` an awaitable of it.
        """
        config = ensure_config(config)
        manager = manager_class.configure(
            config.get("callbacks"),
            self.callbacks,
            self.verbose,
            config.get("tags"),
            self.tags,
            config.get("metadata"),
            self.metadata,
        )
        names = {"name": config.get("run_name"), "run_id": config.get("run_id")}
        inputs = input_ if isinstance(input_, dict) else None
        return manager.on_tool_start({"name": self.name}, str(input_), inputs=inputs, **names)

    def _run(self, text: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        speech = self._synthesize(self._prepare_tool_call(text, kwargs))
        return speech.summary, speech.to_artifact()

    async def _arun(self, text: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        speech = await self._asynthesize(self._prepare_tool_call(text, kwargs))
        return speech.summary, speech.to_artifact()

    def _prepare_tool_call(self, text: str, kwargs: Mapping[str, Any]) -> SpeechCall:
        directory = validate_directory(self.directory)
        with raise_tool_input_errors():
            return self._prepare(text, kwargs, directory)

    def _prepare_stream(self, input_: Any, kwargs: Mapping[str, Any]) -> SpeechCall:
        args = {"text": input_} if isinstance(input_, str) else input_
        if not isinstance(args, Mapping) or "text" not in args:
            raise RouterInputError(
                "text: Expected a str, or a dict with the key 'text'.", endpoint=SPEECH.path
            )
        overrides = {**args, **kwargs}
        return self._prepare(overrides.pop("text"), overrides, is_streamed=True)

    @raise_input_errors(SPEECH.path)
    def _prepare(
        self,
        text: str,
        overrides: Mapping[str, Any],
        target: Path | None = None,
        *,
        is_streamed: bool = False,
    ) -> SpeechCall:
        reject_unknown_arguments(overrides, OVERRIDES, _HINTS)
        if not isinstance(text, str):
            raise ValueError(f"text: Expected a str, got {type(text).__name__}.")
        params = {name: getattr(self, name) for name in ("model", "voice", "audio_format", "speed")}
        params |= {name: value for name, value in overrides.items() if value is not None}
        controls = self.merge_controls(params.pop("controls", None))
        requests = build_speech_requests(text, params, self.max_chars)
        call = SpeechCall(
            candidates=self.collect_candidates(requests[0].model, controls),
            requested_format=requests[0].audio_format or DEFAULT_FORMAT,
            voice=requests[0].voice,
            characters=len(text),
            pcm_rate=self.pcm_rate,
            target=target,
        )
        call.requests += [
            StreamCall(
                endpoint=SPEECH,
                body=merge_extra_body(request.to_wire(), self.extra_body),
                controls=controls,
                create_decoder=call.create_decoder,
                retry_ambiguous=self.retry_ambiguous,
                deadline_covers_stream=not is_streamed,
            )
            for request in requests
        ]
        return call

    def _synthesize(self, call: SpeechCall) -> Speech:
        with call.open_output() as output:
            with closing(self._iter_audio(call)) as audio:
                output.file.writelines(audio)
            return call.build_speech(output)

    async def _asynthesize(self, call: SpeechCall) -> Speech:
        with call.open_output() as output:
            async with ScopedAsyncGenerator(self._aiter_audio(call)) as audio:
                async for data in audio:
                    if call.target:  # a slow disk must not block the event loop
                        await asyncio.to_thread(output.file.write, data)
                    else:
                        output.file.write(data)
            return await asyncio.to_thread(call.build_speech, output)

    def _iter_audio(self, call: SpeechCall) -> Generator[bytes]:
        with call.handle_errors():
            for request in call.iter_requests():
                with closing(self.resolved_client.stream(request)) as chunks:
                    yield from chunks

    async def _aiter_audio(self, call: SpeechCall) -> AsyncGenerator[bytes]:
        with call.handle_errors():
            for request in call.iter_requests():
                async with ScopedAsyncGenerator(self.resolved_client.astream(request)) as chunks:
                    async for chunk in chunks:
                        yield chunk
