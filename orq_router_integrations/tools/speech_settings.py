"""What an ``OrqSpeechTool`` is, before it speaks: its fields, and the requests that follow."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypedDict

from orq_router_integrations._integration import CONTROL_HINTS, reject_unknown_kwargs
from orq_router_integrations.errors import RouterInputError, to_input_error
from orq_router_integrations.media.atomic_write import validate_directory, validate_output_path
from orq_router_integrations.tools.audio_concat import JOINABLE_FORMATS
from orq_router_integrations.tools.audio_format import format_from_path, has_audio_suffix
from orq_router_integrations.tools.base import OrqTool, raise_tool_input_errors
from orq_router_integrations.tools.speech_call import SpeechCall
from orq_router_integrations.tools.text_splitting import split_text
from orq_router_integrations.wire.controls import RouterControls, RouterControlsDict
from orq_router_integrations.wire.endpoints import SPEECH
from orq_router_integrations.wire.model_candidates import ModelCandidates
from orq_router_integrations.wire.speech import (
    BODY_FIELDS,
    MAX_INPUT_CHARS,
    SpeechFormat,
    SpeechRequest,
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
    audio_format: SpeechFormat | None = Field(default=None, description="The audio format.")
    speed: Speed | None = Field(default=None, description="1 is usual; 0.25 to 4.")


class SpeechOverrides(TypedDict, total=False):
    """What one call may say differently than the tool."""

    model: str
    voice: str | None
    audio_format: SpeechFormat | None
    speed: float | None
    controls: RouterControls | RouterControlsDict | None


OVERRIDES = frozenset(SpeechOverrides.__annotations__)
_HINTS = {
    **CONTROL_HINTS,
    "response_format": "Use 'audio_format', such as 'wav'.",
    "instructions": "Use the extra_body of the tool.",
}


class SpeechSettings(OrqTool):
    """The fields of ``OrqSpeechTool``, which documents them, and what a call makes of them."""

    full_args_schema: ClassVar[type[BaseModel]] = SpeechArgs
    reserved_fields: ClassVar[frozenset[str]] = BODY_FIELDS

    name: str = "speak"
    description: str = "Speaks a text aloud: makes an audio file of it for the user to hear."
    voice: Voice
    audio_format: SpeechFormat | None = None
    speed: Speed | None = None
    max_chars: Annotated[int, Field(strict=True, ge=1)] = MAX_INPUT_CHARS
    pcm_rate: Annotated[int, Field(strict=True, ge=1)] = 24_000
    retry_ambiguous: bool = False

    def _given(self, given: Any, choices: Mapping[str, Any]) -> SpeechCall:
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
    ) -> tuple[Path, SpeechCall]:
        """Where to write, checked before anything is paid for, and what."""
        _check_order(path, text)
        target = validate_output_path(path, overwrite=overwrite)
        named = format_from_path(target)
        return target, self._speaking(
            text, {"audio_format": named, **choices} if named else choices
        )

    def _called(self, text: str, choices: Mapping[str, Any]) -> tuple[Path | None, SpeechCall]:
        """What a model asks for, and where it goes: a new file, whose suffix follows its format.

        Raises:
            RouterInputError: the folder cannot be written to.
            ChoiceError: what was chosen cannot be done.
        """
        target = None
        if folder := validate_directory(self.directory):
            target = validate_output_path(folder / f"speech-{uuid4().hex[:12]}")
        with raise_tool_input_errors():
            return target, self._speaking(text, choices)

    def _speaking(self, text: str, choices: Mapping[str, Any]) -> SpeechCall:
        try:
            return self._prepared(text, choices)
        except ValueError as error:
            raise to_input_error(error, endpoint=SPEECH.path, candidates=OVERRIDES) from None

    def _prepared(self, text: str, choices: Mapping[str, Any]) -> SpeechCall:
        reject_unknown_kwargs(choices, OVERRIDES, _HINTS)
        if not isinstance(text, str):
            raise ValueError(f"text: must be text, not {type(text).__name__}")
        own = {name: getattr(self, name) for name in ("model", "voice", "audio_format", "speed")}
        given = {**own, **{name: value for name, value in choices.items() if value is not None}}
        controls = self.merge_controls(given.pop("controls", None))
        requests = tuple(
            SpeechRequest(text=part, max_chars=self.max_chars, **given)
            for part in self._parts(text, given["audio_format"])
        )
        return SpeechCall(
            requests=requests,
            candidates=ModelCandidates.from_controls(
                requests[0].model, self.resolved_client.controls.merge(controls)
            ),
            controls=controls,
            extra_body=self.extra_body,
            repeatable=self.retry_ambiguous,
            pcm_rate=self.pcm_rate,
            characters=len(text),
        )

    def _parts(self, text: str, wanted: str | None) -> list[str]:
        parts = [text] if len(text) <= self.max_chars else split_text(text, self.max_chars)
        if not text.strip():
            raise ValueError("text: it is empty; give something to speak")
        if len(parts) > 1 and (wanted or "mp3") not in JOINABLE_FORMATS:
            raise ValueError(
                f"text: {len(text)} characters, and one request takes {self.max_chars}; pieces of "
                f"{wanted} cannot be joined without a loss: use format wav, pcm or mp3"
            )
        return parts


def _check_order(path: object, text: object) -> None:
    """Check that what is to be spoken is not the file's name, and the file's name not the text.

    Raises:
        RouterInputError: it looks like that.
    """
    bare = isinstance(text, str) and len(text.split()) == 1 and has_audio_suffix(text.strip())
    named = isinstance(path, str | bytes | os.PathLike) and has_audio_suffix(os.fsdecode(path))
    if bare and not named:
        raise RouterInputError(
            f"path, text: the path comes first, and then the text; {text!r:.200} would be spoken",
            endpoint=SPEECH.path,
        )
