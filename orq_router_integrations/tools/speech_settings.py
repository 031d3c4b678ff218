"""What an ``OrqSpeechTool`` is, before it speaks: its fields, and the requests that follow."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypedDict

from orq_router_integrations._integration import CONTROL_HINTS, check_keywords
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.atomic_write import checked_folder, writable
from orq_router_integrations.tools.audio_concat import JOINED
from orq_router_integrations.tools.audio_format import names_audio, wanted_by
from orq_router_integrations.tools.base import OrqTool, choosing
from orq_router_integrations.tools.speech_call import Speaking
from orq_router_integrations.tools.text_splitting import pieces
from orq_router_integrations.validation import input_error
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
    format: SpeechFormat | None = Field(default=None, description="The audio format.")
    speed: Speed | None = Field(default=None, description="1 is usual; 0.25 to 4.")


class SpeechChoices(TypedDict, total=False):
    """What one call may say differently than the tool."""

    model: str
    voice: str | None
    format: SpeechFormat | None
    speed: float | None
    controls: RouterControls | RouterControlsDict | None


CHOICES = frozenset(SpeechChoices.__annotations__)
_HINTS = {
    **CONTROL_HINTS,
    "response_format": "; here it is format, such as 'wav'",
    "instructions": "; give it in the tool's extra_body",
}


class SpeechSettings(OrqTool):
    """The fields of ``OrqSpeechTool``, which documents them, and what a call makes of them."""

    all_args: ClassVar[type[BaseModel]] = SpeechArgs
    own_members: ClassVar[frozenset[str]] = BODY_FIELDS

    name: str = "speak"
    description: str = "Speaks a text aloud: makes an audio file of it for the user to hear."
    voice: Voice
    format: SpeechFormat | None = None
    speed: Speed | None = None
    max_chars: Annotated[int, Field(strict=True, ge=1)] = MAX_INPUT_CHARS
    pcm_rate: Annotated[int, Field(strict=True, ge=1)] = 24_000
    retry_ambiguous: bool = False

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
        _check_order(path, text)
        target = writable(path, overwrite=overwrite)
        named = wanted_by(target)
        return target, self._speaking(text, {"format": named, **choices} if named else choices)

    def _called(self, text: str, choices: Mapping[str, Any]) -> tuple[Path | None, Speaking]:
        """What a model asks for, and where it goes: a new file, whose suffix follows its format.

        Raises:
            RouterInputError: the folder cannot be written to.
            ChoiceError: what was chosen cannot be done.
        """
        target = None
        if folder := checked_folder(self.directory):
            target = writable(folder / f"speech-{uuid4().hex[:12]}")
        with choosing():
            return target, self._speaking(text, choices)

    def _speaking(self, text: str, choices: Mapping[str, Any]) -> Speaking:
        try:
            return self._prepared(text, choices)
        except ValueError as error:
            raise input_error(error, endpoint=SPEECH.path, known=CHOICES) from None

    def _prepared(self, text: str, choices: Mapping[str, Any]) -> Speaking:
        check_keywords(choices, CHOICES, _HINTS)
        if not isinstance(text, str):
            raise ValueError(f"text: must be text, not {type(text).__name__}")
        own = {name: getattr(self, name) for name in ("model", "voice", "format", "speed")}
        given = {**own, **{name: value for name, value in choices.items() if value is not None}}
        controls = self.merged_controls(given.pop("controls", None))
        requests = tuple(
            SpeechRequest(text=part, max_chars=self.max_chars, **given)
            for part in self._parts(text, given["format"])
        )
        return Speaking(
            requests=requests,
            asked=ModelCandidates.from_controls(
                requests[0].model, self.router.controls.merge(controls)
            ),
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


def _check_order(path: object, text: object) -> None:
    """Check that what is to be spoken is not the file's name, and the file's name not the text.

    Raises:
        RouterInputError: it looks like that.
    """
    bare = isinstance(text, str) and len(text.split()) == 1 and names_audio(text.strip())
    named = isinstance(path, str | bytes | os.PathLike) and names_audio(os.fsdecode(path))
    if bare and not named:
        raise RouterInputError(
            f"path, text: the path comes first, and then the text; {text!r:.200} would be spoken",
            endpoint=SPEECH.path,
        )
