"""One text on its way to speech: the calls it takes, and what has come of them so far.

Nothing here waits or sends: the tool's sync and async verbs carry the calls, and share the rest.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from orq_router_integrations.errors import InvalidResponseError, RouterError
from orq_router_integrations.tools.audio_concat import AudioFormatError, AudioJoiner
from orq_router_integrations.tools.audio_format import (
    DetectedFormat,
    create_joiner,
    detect_format,
    get_sample_rate,
)
from orq_router_integrations.tools.speech_result import Speech
from orq_router_integrations.wire.call import Response, StreamCall
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import SPEECH
from orq_router_integrations.wire.model_candidates import ModelCandidates
from orq_router_integrations.wire.speech import SpeechDecoder, SpeechRequest

BLOCK = 64 * 1024


@dataclass(slots=True, kw_only=True)
class SpeechCall:
    """The state of one call of the tool.

    Attributes:
        requests: one for each piece of the text.
        asked: the models that may answer.
        controls: the router's controls.
        extra_body: further members of each body.
        repeatable: whether a piece may be sent again when it is unknown if it was spoken.
        pcm_rate: of raw samples whose rate nothing tells.
        characters: how long the text is.
        heads: of the replies, one for each piece begun.
    """

    requests: tuple[SpeechRequest, ...]
    candidates: ModelCandidates
    controls: RouterControls
    extra_body: Mapping[str, Any]
    repeatable: bool
    pcm_rate: int
    characters: int
    responses: list[Response] = field(default_factory=list)
    _piece: int = 0
    _fresh: bool = True
    _found: DetectedFormat | None = None
    _track: AudioJoiner | None = None
    _rate: int | None = None

    @property
    def requested_format(self) -> str:
        """The format asked for; the router's default is mp3."""
        return self.requests[0].audio_format or "mp3"

    @property
    def size(self) -> int:
        """Bytes of audio so far."""
        return self._track.size if self._track else 0

    def summarize(self) -> str:
        """What has come so far, in words."""
        return f"{self.size} bytes of {self._found.format if self._found else None} audio"

    def iter_calls(self) -> Iterator[StreamCall[bytes]]:
        """The calls, one after another; asked for the next, the one before is complete.

        Raises:
            BadAudioError: what came cannot be joined to one file.
        """
        for params in self.requests:
            if self._track:
                self._track.begin_chunk()
            self._piece, self._fresh = self._piece + 1, True
            yield StreamCall(
                endpoint=SPEECH,
                body={**params.to_wire(), **self.extra_body},
                controls=self.controls,
                create_decoder=self._decoder,
                retry_ambiguous=self.repeatable,
            )
            if self._track:
                self._track.end_chunk()

    def _decoder(self, head: Response) -> SpeechDecoder:
        self.responses[self._piece - 1 :] = [head]
        return SpeechDecoder(head)

    def add_data(self, data: bytes) -> bytes:
        """Bytes of a reply; what of them belongs in the file.

        Raises:
            BadAudioError: they are no audio, or do not fit to what came before.
        """
        if self._fresh:
            self._fresh = False
            self._begin(data)
        assert self._track is not None  # noqa: S101 - the first bytes made it
        return self._track.feed(data)

    def _begin(self, data: bytes) -> None:
        head = self.responses[-1]
        found = detect_format(data, self.requested_format, head)
        rate = get_sample_rate(head)
        if self._track is None:
            self._found, self._rate = found, rate
            joined = len(self.requests) > 1
            self._track = create_joiner(found, rate or self.pcm_rate, joined=joined)
        elif (found, rate) != (self._found, self._rate):
            before = _described(self._found, self._rate)
            raise AudioFormatError(
                f"a piece is {_described(found, rate)}, those before it {before}"
            )

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Errors say how much arrived of the whole, and of which piece they are."""
        try:
            yield
        except AudioFormatError as fault:
            raise self._of_piece(self._mixed(fault)) from None
        except RouterError as error:
            self._of_piece(error)
            raise

    def _mixed(self, fault: AudioFormatError) -> InvalidResponseError:
        head = self.responses[-1]
        return InvalidResponseError(
            f"{fault}; another model may have answered (fallbacks, load balancer)"
            if len(self.requests) > 1
            else str(fault),
            endpoint=SPEECH.path,
            status_code=head.status,
            attempts=head.attempts,
            trace_id=head.trace_id,
        )

    def _of_piece(self, error: RouterError) -> RouterError:
        error.received = max(error.received, self.size)
        if len(self.requests) > 1:
            place = f"piece {self._piece} of {len(self.requests)}"
            error.args = (f"{error.message} ({place})", *error.args[1:])
        return error

    @contextmanager
    def collect_in_memory(self) -> Iterator[BytesIO]:
        """Memory for the whole; an error takes along what is in it."""
        sink = BytesIO()
        try:
            yield sink
        except RouterError as error:
            self._mend(sink)
            error.partial_bytes = sink.getvalue()
            raise

    def _mend(self, sink: BinaryIO) -> None:
        """Put right what stands at the head of a file and was not known when it was written."""
        for place, data in self._track.get_patches() if self._track else ():
            sink.seek(place)
            sink.write(data)

    def build_speech(self, sink: BinaryIO, path: Path | None = None) -> Speech:
        """The speech, once all of it is in ``sink``, whose head is put right."""
        self._mend(sink)
        found, track = self._found or DetectedFormat(None, ""), self._track
        answered = {self.candidates.resolve_model(None, head.headers) for head in self.responses}
        given = self.pcm_rate if found.format == "pcm" and not self._rate else None
        return Speech(
            data=sink.getvalue() if isinstance(sink, BytesIO) else None,
            path=str(path) if path else None,
            format=found.format,
            requested_format=self.requested_format,
            mime_type=found.mime_type,
            size=self.size,
            sha256=_digest(sink),
            seconds=None if track is None or track.seconds is None else round(track.seconds, 3),
            assumed=f"{given} Hz, 16 bit, mono" if given else None,
            rate=self._rate or given,
            model=self.candidates.model,
            answering_model=answered.pop() if len(answered) == 1 else None,
            voice=self.requests[0].voice,
            characters=self.characters,
            pieces=len(self.requests),
            attempts=sum(head.attempts for head in self.responses),
            offline="x-orq-offline" in self.responses[-1].headers,
            trace_ids=tuple(head.trace_id for head in self.responses if head.trace_id),
        )


def _described(found: DetectedFormat | None, rate: int | None) -> str:
    kind = (found and (found.format or found.mime_type)) or "unknown"
    return f"{kind} at {rate} Hz" if rate else kind


def _digest(sink: BinaryIO) -> str:
    digest = hashlib.sha256()
    sink.seek(0)
    while block := sink.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
