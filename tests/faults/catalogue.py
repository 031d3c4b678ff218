"""The faults, and the expected outcome of each kind of call."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from faults import steps
from faults.server import Step, build_chunked_response, respond_normally
from faults.steps import (
    MB,
    drip,
    respond_half,
    respond_modified,
    respond_with,
    send_raw,
    without_reading,
)
from orq_router_integrations import errors as e

Outcome = tuple[Any, Any]
"""The possible classes of the error (``None``: success), and the numbers of requests."""

CONNECTION_LOST = (e.RouterConnectionError, 3)
TIMED_OUT = (e.RouterTimeoutError, 3)
TIMED_OUT_ONCE = (e.RouterTimeoutError, 1)
INTERRUPTED = (e.StreamInterruptedError, 1)
INVALID = (e.InvalidResponseError, 1)
SUCCESS = (None, 1)
NOT_APPLICABLE = (None, None)


@dataclass(frozen=True)
class Fault:
    """What a server does, and the expected outcome of a call.

    Attributes:
        steps: what the server does with the first request, the second, and so on.
        outcome: expected for all kinds of calls that are not in ``exceptions``.
        exceptions: outcomes by kind: ``stream``, ``once`` (not repeated after an ambiguous
            failure: images, speech), ``image``, ``speech`` (whose body is not JSON), ``upload``.
            ``NOT_APPLICABLE`` skips a kind.
        location: ``refused``, ``blackhole`` or ``tls`` for a server that cannot be reached.
        has_large_request: whether the request has a large body.
        delay: makes the client impatient: ``silence`` for waits, ``drip`` for slow bytes.
        ignores_disconnect: whether the server cannot notice that the client disconnects.
    """

    name: str
    steps: tuple[Step, ...]
    outcome: Outcome
    exceptions: dict[str, Outcome] = field(default_factory=dict)
    location: str = ""
    has_large_request: bool = False
    delay: str = ""
    ignores_disconnect: bool = False

    def get_outcome(self, *kinds: str) -> Outcome:
        """Return the outcome for a call of these kinds, the most specific first."""
        return next(
            (self.exceptions[kind] for kind in kinds if kind in self.exceptions), self.outcome
        )


PERMANENT_STATUSES = {
    400: e.BadRequestError,
    401: e.AuthenticationError,
    402: e.QuotaExceededError,
    403: e.PermissionDeniedError,
    404: e.NotFoundError,
    409: e.BadRequestError,
    413: e.BadRequestError,
    415: e.BadRequestError,
    422: e.BadRequestError,
    501: e.ServerError,
}
TRANSIENT_STATUSES = {
    408: e.RequestTimeoutError,
    429: e.RateLimitError,
    **dict.fromkeys((500, 502, 503, 504, 529), e.ServerError),
}
ERROR_BODIES: dict[str, Any] = {
    "object": {"error": {"message": "m", "type": "t", "code": "c", "param": None}},
    "object with a URL": {"error": {"code": "c", "message": "m", "doc_url": "https://x"}},
    "string": {"code": 400, "error": "m"},
    "string with a source": {"id": "1", "code": 400, "error": "m", "source": "system"},
    "flat": {"code": 16, "message": "m"},
    "flat with a category": {"code": "c", "message": "m", "category": "x"},
}
UNEXPECTED_BODIES = {
    "HTML": b"<!doctype html><html><body>Sign in</body></html>",
    "an empty body": b"",
    "null": b"null",
    "an array": b"[1, 2]",
    "a string": b'"hello"',
    "a number": b"42",
    "half of a JSON object": b'{"id": "x", "choi',
    "deep nesting": b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a huge number": b'{"choices": ' + b"9" * 100_000 + b"}",
    "an empty object": b"{}",
    "no required fields": b'{"id": "x", "choices": [], "output": null, "data": []}',
    "wrong types": b'{"id": 1, "choices": [null, 3], "output": "no", "data": "no", "text": 7}',
    "not UTF-8": b"\xff\xfe\x00\x01",
}


def create_status_faults() -> Iterator[Fault]:
    for status, error in PERMANENT_STATUSES.items():
        yield Fault(f"{status}", (respond_with(status, ERROR_BODIES["object"]),), (error, 1))
    for status, error in TRANSIENT_STATUSES.items():
        yield Fault(f"{status}", (respond_with(status, ERROR_BODIES["object"]),), (error, 3))
    for name, body in ERROR_BODIES.items():
        yield Fault(f"400 as {name}", (respond_with(400, body),), (e.BadRequestError, 1))
        yield Fault(
            f"200 with an error as {name}", (respond_with(200, body),), (e.RouterStatusError, 1)
        )
    for status in (301, 302, 303, 307, 308):
        redirect = respond_with(status, b"", "Location: http://127.0.0.1:9/elsewhere")
        yield Fault(f"{status} to another origin", (redirect,), (e.RedirectError, 1))
    cookie = respond_with(503, {}, "Set-Cookie: session=1; Path=/; Max-Age=3600")
    yield Fault("a cookie", (cookie, steps.refuse_cookies), (None, 2))
    yield Fault(
        "503 as a web page",
        (respond_with(503, UNEXPECTED_BODIES["HTML"], content_type="text/html"),),
        (e.ServerError, 3),
    )


def create_recovery_faults() -> Iterator[Fault]:
    for times in (1, 2):
        failing = (respond_with(503, {}),) * times
        yield Fault(f"503, {times} times", (*failing, steps.require_retry_count), (None, times + 1))
    for ending in ("reset", "close"):
        lost = send_raw(ending=ending)
        once = {"once": (e.RouterConnectionError, 1)}
        yield Fault(f"{ending} before the head, once", (lost, respond_normally), (None, 2), once)


def create_retry_after_faults() -> Iterator[Fault]:
    short = {"retry-after-ms: 5": 11, "Retry-After: 0.005": 11, "retry-after-ms: nan": 3}
    invalid = {f"Retry-After: {text}": 3 for text in ("-1", "soon", "inf", "9" * 400)}
    long = {"Retry-After: 61": 1, "Retry-After: 30": 1, "X-RateLimit-Reset: 2h": 1}
    for line, attempts in {**short, **invalid, **long}.items():
        yield Fault(line[:40], (respond_with(429, {}, line),), (e.RateLimitError, attempts))
    date = "Date: Sun, 06 Nov 2022 08:49:37 GMT"
    after = "Retry-After: Sun, 06 Nov 2022 09:49:37 GMT"
    yield Fault(
        "Retry-After as a date", (respond_with(429, {}, date, after),), (e.RateLimitError, 1)
    )
    final = respond_with(503, {}, "x-should-retry: false")
    yield Fault("x-should-retry: false", (final,), (e.ServerError, 1))


def create_connection_faults() -> Iterator[Fault]:
    once = {"once": (e.RouterConnectionError, 1)}
    yield Fault("refused", (), CONNECTION_LOST, location="refused")
    yield Fault("a black hole", (), TIMED_OUT, location="blackhole", delay="silence")
    yield Fault(
        "a bad certificate", (respond_normally,), (e.RouterConnectionError, 1), location="tls"
    )
    yield Fault("reset before the head", (send_raw(ending="reset"),), CONNECTION_LOST, once)
    yield Fault("close before the head", (send_raw(),), CONNECTION_LOST, once)
    yield Fault(
        "silence", (send_raw(ending="hang"),), TIMED_OUT, {"once": TIMED_OUT_ONCE}, delay="silence"
    )
    # A call that is not repeated may fail if its connection was closed a moment ago.
    yield Fault(
        "closed as it is reused", (steps.respond_and_close,), SUCCESS, {"once": NOT_APPLICABLE}
    )


def create_framing_faults() -> Iterator[Fault]:
    once = {"once": (e.RouterConnectionError, 1)}
    invalid = {
        "a broken status line": b"HTTP/1.1 abc OK\r\n\r\n",
        "no HTTP": b"\x00\x01\x02 220 mail.example ESMTP\r\n\r\n",
        "a broken header": b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        "a head without an end": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200_000,
        "half a head": b"HTTP/1.1 200 OK\r\nContent-Ty",
        "a broken chunk": build_chunked_response(b"", is_complete=False) + b"zz\r\n{}\r\n",
    }
    for name, data in invalid.items():
        lost = {"stream": (e.RouterConnectionError, 3)} if "chunk" in name else {}
        yield Fault(name, (send_raw(data),), CONNECTION_LOST, once | lost)
    for ending in ("close", "reset"):
        yield Fault(
            f"half a response, {ending}",
            (respond_half(ending=ending),),
            CONNECTION_LOST,
            once | {"stream": INTERRUPTED},
        )
        yield Fault(
            f"half in chunks, {ending}",
            (respond_half(ending=ending, is_chunked=True),),
            CONNECTION_LOST,
            once | {"stream": INTERRUPTED},
        )
    yield Fault("a response without a length", (steps.respond_without_length,), SUCCESS)
    yield Fault("informational responses first", (steps.respond_after_continue,), SUCCESS)
    yield Fault("a compressed response", (steps.respond_compressed,), SUCCESS)
    broken = respond_with(200, gzip.compress(b"{}" * 99)[:-9], "Content-Encoding: gzip")
    yield Fault("half a compressed response", (broken,), INVALID)
    brotli = respond_with(200, b"{}", "Content-Encoding: br")
    yield Fault("an unknown compression", (brotli,), INVALID)
    large = respond_with(200, steps.create_gzip_bomb(80 * MB), "Content-Encoding: gzip")
    endless = {"speech": NOT_APPLICABLE}  # speech is streamed, so its size is not limited
    yield Fault("a gzip bomb", (large,), INVALID, endless)
    small = respond_with(400, steps.create_gzip_bomb(65 * MB), "Content-Encoding: gzip")
    yield Fault("a gzip bomb as an error", (small,), (e.BadRequestError, 1))


def create_delay_faults() -> Iterator[Fault]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    body = head + b"Transfer-Encoding: chunked\r\n\r\n"
    slow = {
        "a slow head": drip(head + b"X-A: ", b"a"),
        "a slow body": drip(head + b"Content-Length: 9999\r\n\r\n", b" "),
        "a slow chunk size": drip(body + b"5;x=", b"a"),
        "keep-alives only": drip(body, b"6\r\n: hi\n\n\r\n"),
    }
    for name, step in slow.items():
        yield Fault(name, (step,), TIMED_OUT_ONCE, delay="drip")
    for name, data in (("keep-alives", b": hi\n\n"), ("slow bytes", b"d")):
        step, outcomes = steps.stall_after_half(data), {"stream": TIMED_OUT_ONCE}
        yield Fault(f"half a stream, then {name}", (step,), NOT_APPLICABLE, outcomes, delay="drip")
    silent = partial(Fault, delay="silence")
    once = {"once": TIMED_OUT_ONCE}
    yield silent("a head, then silence", (send_raw(body, ending="hang"),), TIMED_OUT, once)
    yield silent(
        "half a response, then silence",
        (respond_half(ending="hang"),),
        TIMED_OUT,
        once | {"stream": TIMED_OUT_ONCE},
    )


def create_body_faults() -> Iterator[Fault]:
    exceptions = {
        "a string": {"upload": NOT_APPLICABLE},  # a valid transcript
        "half of a JSON object": {"image": INTERRUPTED},
        "not UTF-8": {"speech": NOT_APPLICABLE},  # valid audio data
    }
    for name, body in UNEXPECTED_BODIES.items():
        yield Fault(
            f"200 with {name}", (respond_with(200, body),), INVALID, exceptions.get(name, {})
        )
    page = respond_with(200, UNEXPECTED_BODIES["HTML"], content_type="text/html")
    yield Fault("200 with a web page", (page,), INVALID)


def create_upload_faults() -> Iterator[Fault]:
    for status in (413, 401):
        step = respond_with(status, ERROR_BODIES["object"], "Connection: close")
        error_class = PERMANENT_STATUSES[status]
        name = f"{status} while the request is sent"
        yield Fault(
            name, (steps.respond_then_read(step),), (error_class, 1), has_large_request=True
        )
        outcome = ((error_class, e.RouterConnectionError), (1, 2, 3))
        yield Fault(
            f"{name}, then a reset",
            (steps.respond_then_reset(step),),
            outcome,
            has_large_request=True,
        )
    yield Fault(
        "a request that is never read",
        (without_reading(send_raw(ending="hang")),),
        TIMED_OUT,
        {"once": TIMED_OUT_ONCE},
        has_large_request=True,
        delay="silence",
        ignores_disconnect=True,
    )


def create_stream_fault(name: str, outcome: Outcome, modify: Any, *, ending: str = "stay") -> Fault:
    """Create a fault that only streams can have."""
    return Fault(
        name, (respond_modified(modify, ending=ending),), NOT_APPLICABLE, {"stream": outcome}
    )


def create_stream_faults() -> Iterator[Fault]:
    valid: dict[str, Any] = {
        "CRLF": lambda data: [data.replace(b"\n", b"\r\n")],
        "CR": lambda data: [data.replace(b"\n", b"\r")],
        "a byte order mark": lambda data: [b"\xef\xbb\xbf" + data],
        "comments": lambda data: [data.replace(b"\n\n", b"\n\n: hi\n\n:\n\n")],
        "ids and retries": lambda data: [
            b"retry: 10\n\n" + data.replace(b"data:", b"id: 7\ndata:")
        ],
        "unknown fields": lambda data: [data.replace(b"data:", b"other: x\nnone\ndata:")],
        "no space after the colon": lambda data: [data.replace(b"data: ", b"data:")],
        "data over several lines": lambda data: [data.replace(b'{"', b'{\ndata: "')],
        "single bytes": lambda data: [data[i : i + 1] for i in range(len(data))],
        "bytes after the done event": lambda data: [data, b"garbage"],
    }
    for name, modify in valid.items():
        yield create_stream_fault(f"stream with {name}", SUCCESS, modify)
    yield create_stream_fault(
        "complete stream on an open socket", SUCCESS, lambda data: [data], ending="hang"
    )
    invalid = {
        "an error event": (b'event: error\ndata: {"message": "m"}\n\n', (e.RouterStatusError, 1)),
        "an error object": (b'data: {"error": {"message": "m"}}\n\n', (e.RouterStatusError, 1)),
        "invalid JSON": (b"data: oops\n\n", INVALID),
        "null": (b"data: null\n\n", INVALID),
        "an array": (b"data: [1]\n\n", INVALID),
        "deep nesting": (b"data: " + b"[" * 50_000 + b"\n\n", INVALID),
    }
    for name, (event, outcome) in invalid.items():
        yield create_stream_fault(
            f"stream that begins with {name}", outcome, partial(_insert_at_start, event)
        )
        yield create_stream_fault(f"stream with {name}", outcome, partial(_insert_in_middle, event))
    yield create_stream_fault(
        "stream ended between events", INTERRUPTED, partial(_insert_in_middle, None)
    )
    yield create_stream_fault(
        "stream ended in an event", INTERRUPTED, lambda data: [data[: len(data) // 2]]
    )


def _insert_at_start(event: bytes, data: bytes) -> list[bytes]:
    return [event, data]


def _insert_in_middle(event: bytes | None, data: bytes) -> list[bytes]:
    """Insert an event in the middle of a stream; without one, end the stream there."""
    middle = data.index(b"\n\n", len(data) // 2) + 2
    return [data[:middle]] if event is None else [data[:middle], event, data[middle:]]


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for group in (
        create_status_faults,
        create_recovery_faults,
        create_retry_after_faults,
        create_connection_faults,
        create_framing_faults,
        create_delay_faults,
        create_body_faults,
        create_upload_faults,
        create_stream_faults,
    )
    for fault in group()
}
