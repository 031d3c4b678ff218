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
from orq_router_integrations.tools.audio_concat import BadAudioError, Track
from orq_router_integrations.tools.audio_format import Found, declared_rate, found_in, track_for
from orq_router_integrations.tools.speech_result import Speech
from orq_router_integrations.wire.call import Response, StreamCall
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import SPEECH
from orq_router_integrations.wire.model_candidates import ModelCandidates
from orq_router_integrations.wire.speech import SpeechDecoder, SpeechRequest

BLOCK = 64 * 1024


@dataclass(slots=True, kw_only=True)
class Speaking:
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
    asked: ModelCandidates
    controls: RouterControls
    extra_body: Mapping[str, Any]
    repeatable: bool
    pcm_rate: int
    characters: int
    heads: list[Response] = field(default_factory=list)
    _piece: int = 0
    _fresh: bool = True
    _found: Found | None = None
    _track: Track | None = None
    _rate: int | None = None

    @property
    def wanted(self) -> str:
        """The format asked for; the router's default is mp3."""
        return self.requests[0].audio_format or "mp3"

    @property
    def size(self) -> int:
        """Bytes of audio so far."""
        return self._track.size if self._track else 0

    def summary(self) -> str:
        """What has come so far, in words."""
        return f"{self.size} bytes of {self._found.format if self._found else None} audio"

    def calls(self) -> Iterator[StreamCall[bytes]]:
        """The calls, one after another; asked for the next, the one before is complete.

        Raises:
            BadAudioError: what came cannot be joined to one file.
        """
        for params in self.requests:
            if self._track:
                self._track.begin()
            self._piece, self._fresh = self._piece + 1, True
            yield StreamCall(
                endpoint=SPEECH,
                body={**params.to_wire(), **self.extra_body},
                controls=self.controls,
                create_decoder=self._decoder,
                retry_ambiguous=self.repeatable,
            )
            if self._track:
                self._track.end()

    def _decoder(self, head: Response) -> SpeechDecoder:
        self.heads[self._piece - 1 :] = [head]
        return SpeechDecoder(head)

    def take(self, data: bytes) -> bytes:
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
        head = self.heads[-1]
        found = found_in(data, self.wanted, head)
        rate = declared_rate(head)
        if self._track is None:
            self._found, self._rate = found, rate
            joined = len(self.requests) > 1
            self._track = track_for(found, rate or self.pcm_rate, joined=joined)
        elif (found, rate) != (self._found, self._rate):
            before = _described(self._found, self._rate)
            raise BadAudioError(f"a piece is {_described(found, rate)}, those before it {before}")

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors say how much arrived of the whole, and of which piece they are."""
        try:
            yield
        except BadAudioError as fault:
            raise self._of_piece(self._mixed(fault)) from None
        except RouterError as error:
            self._of_piece(error)
            raise

    def _mixed(self, fault: BadAudioError) -> InvalidResponseError:
        head = self.heads[-1]
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
    def held(self) -> Iterator[BytesIO]:
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
        for place, data in self._track.patches() if self._track else ():
            sink.seek(place)
            sink.write(data)

    def finished(self, sink: BinaryIO, path: Path | None = None) -> Speech:
        """The speech, once all of it is in ``sink``, whose head is put right."""
        self._mend(sink)
        found, track = self._found or Found(None, ""), self._track
        answered = {self.asked.resolve_model(None, head.headers) for head in self.heads}
        given = self.pcm_rate if found.format == "pcm" and not self._rate else None
        return Speech(
            data=sink.getvalue() if isinstance(sink, BytesIO) else None,
            path=str(path) if path else None,
            format=found.format,
            asked_format=self.wanted,
            mime_type=found.mime_type,
            size=self.size,
            sha256=_digest(sink),
            seconds=None if track is None or track.seconds is None else round(track.seconds, 3),
            assumed=f"{given} Hz, 16 bit, mono" if given else None,
            rate=self._rate or given,
            model=self.asked.model,
            answering_model=answered.pop() if len(answered) == 1 else None,
            voice=self.requests[0].voice,
            characters=self.characters,
            pieces=len(self.requests),
            attempts=sum(head.attempts for head in self.heads),
            offline="x-orq-offline" in self.heads[-1].headers,
            trace_ids=tuple(head.trace_id for head in self.heads if head.trace_id),
        )


def _described(found: Found | None, rate: int | None) -> str:
    kind = (found and (found.format or found.mime_type)) or "unknown"
    return f"{kind} at {rate} Hz" if rate else kind


def _digest(sink: BinaryIO) -> str:
    digest = hashlib.sha256()
    sink.seek(0)
    while block := sink.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
