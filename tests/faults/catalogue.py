"""The faults, and what a call of each kind makes of them."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from faults import steps
from faults.server import Step, chunked, well
from faults.steps import MB, changed, drips, early, half, says, sends
from orq_router_integrations import errors as e

Outcome = tuple[Any, Any]
"""The classes that the error may have (``None``: a good answer), and how many requests."""

LOST = (e.RouterConnectionError, 3)
LATE = (e.RouterTimeoutError, 3)
OVER = (e.RouterTimeoutError, 1)
BROKEN = (e.StreamInterruptedError, 1)
UNREADABLE = (e.InvalidResponseError, 1)
FINE = (None, 1)
NOT_THERE = (None, None)


@dataclass(frozen=True)
class Fault:
    """What a server does, and what shall become of a call.

    Attributes:
        steps: what happens to the first request, the second, ...
        outcome: for all kinds of calls but those in ``unlike``.
        unlike: outcomes by kind: ``stream``, ``once`` (what is not repeated: images, speech),
            ``image``, ``speech`` (whose body is no JSON), ``upload``. ``NOT_THERE`` leaves one out.
        where: ``refused``, ``blackhole`` and ``tls`` stand for a server that is not reached.
        big: whether the request has a long body.
        slow: whether the client is to lose patience: with ``silence``, or when bytes ``drip``.
        deaf: whether the server cannot notice that the client has gone.
    """

    name: str
    steps: tuple[Step, ...]
    outcome: Outcome
    unlike: dict[str, Outcome] = field(default_factory=dict)
    where: str = ""
    big: bool = False
    slow: str = ""
    deaf: bool = False

    def expected(self, *kinds: str) -> Outcome:
        """The outcome for a call of these kinds, the most particular first."""
        return next((self.unlike[kind] for kind in kinds if kind in self.unlike), self.outcome)


STATUSES = {
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
TRANSIENT = {
    408: e.RequestTimeoutError,
    429: e.RateLimitError,
    **dict.fromkeys((500, 502, 503, 504, 529), e.ServerError),
}
SHAPES: dict[str, Any] = {
    "object": {"error": {"message": "m", "type": "t", "code": "c", "param": None}},
    "object with a page": {"error": {"code": "c", "message": "m", "doc_url": "https://x"}},
    "text": {"code": 400, "error": "m"},
    "text of the system": {"id": "1", "code": 400, "error": "m", "source": "system"},
    "flat": {"code": 16, "message": "m"},
    "flat with a category": {"code": "c", "message": "m", "category": "x"},
}
ODD = {
    "HTML": b"<!doctype html><html><body>Sign in</body></html>",
    "nothing": b"",
    "null": b"null",
    "an array": b"[1, 2]",
    "a text": b'"hello"',
    "a number": b"42",
    "half of JSON": b'{"id": "x", "choi',
    "deep": b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a huge number": b'{"choices": ' + b"9" * 100_000 + b"}",
    "an empty object": b"{}",
    "no essentials": b'{"id": "x", "choices": [], "output": null, "data": []}',
    "wrong types": b'{"id": 1, "choices": [null, 3], "output": "no", "data": "no", "text": 7}',
    "not UTF-8": b"\xff\xfe\x00\x01",
}


def statuses() -> Iterator[Fault]:
    for status, error in STATUSES.items():
        yield Fault(f"{status}", (says(status, SHAPES["object"]),), (error, 1))
    for status, error in TRANSIENT.items():
        yield Fault(f"{status}", (says(status, SHAPES["object"]),), (error, 3))
    for name, body in SHAPES.items():
        yield Fault(f"400 as {name}", (says(400, body),), (e.BadRequestError, 1))
        yield Fault(f"200 with an error as {name}", (says(200, body),), (e.RouterStatusError, 1))
    for status in (301, 302, 303, 307, 308):
        away = says(status, b"", "Location: http://127.0.0.1:9/elsewhere")
        yield Fault(f"{status} to another origin", (away,), (e.RedirectError, 1))
    cookie = says(503, {}, "Set-Cookie: session=1; Path=/; Max-Age=3600")
    yield Fault("a cookie", (cookie, steps.well_without_cookies), (None, 2))
    yield Fault(
        "503 as a web page", (says(503, ODD["HTML"], kind="text/html"),), (e.ServerError, 3)
    )


def recoveries() -> Iterator[Fault]:
    for times in (1, 2):
        failing = (says(503, {}),) * times
        yield Fault(f"503, {times} times", (*failing, steps.well_with_same_key), (None, times + 1))
    for how in ("reset", "close"):
        lost = sends(then=how)
        once = {"once": (e.RouterConnectionError, 1)}
        yield Fault(f"{how} before the head, once", (lost, well), (None, 2), once)


def waits() -> Iterator[Fault]:
    ready = {"retry-after-ms: 5": 3, "Retry-After: 0.005": 3, "retry-after-ms: nan": 3}
    useless = {f"Retry-After: {text}": 3 for text in ("-1", "soon", "inf", "9" * 400)}
    later = {"Retry-After: 61": 1, "Retry-After: 30": 1, "X-RateLimit-Reset: 2h": 1}
    for line, attempts in {**ready, **useless, **later}.items():
        yield Fault(line[:40], (says(429, {}, line),), (e.RateLimitError, attempts))
    date = "Date: Sun, 06 Nov 2022 08:49:37 GMT"
    after = "Retry-After: Sun, 06 Nov 2022 09:49:37 GMT"
    yield Fault("Retry-After as a date", (says(429, {}, date, after),), (e.RateLimitError, 1))
    never = says(503, {}, "x-should-retry: false")
    yield Fault("x-should-retry: false", (never,), (e.ServerError, 1))


def connections() -> Iterator[Fault]:
    once = {"once": (e.RouterConnectionError, 1)}
    yield Fault("refused", (), LOST, where="refused")
    yield Fault("a black hole", (), LATE, where="blackhole", slow="silence")
    yield Fault("a bad certificate", (well,), (e.RouterConnectionError, 1), where="tls")
    yield Fault("reset before the head", (sends(then="reset"),), LOST, once)
    yield Fault("close before the head", (sends(),), LOST, once)
    yield Fault("silence", (sends(then="hang"),), LATE, {"once": OVER}, slow="silence")
    # what is not repeated may meet a connection that was closed a moment ago, and says so
    yield Fault("closed as it is reused", (steps.closes_behind,), FINE, {"once": NOT_THERE})


def framings() -> Iterator[Fault]:
    once = {"once": (e.RouterConnectionError, 1)}
    bad = {
        "a broken status line": b"HTTP/1.1 abc OK\r\n\r\n",
        "no HTTP": b"\x00\x01\x02 220 mail.example ESMTP\r\n\r\n",
        "a broken header": b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        "a head without an end": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200_000,
        "half a head": b"HTTP/1.1 200 OK\r\nContent-Ty",
        "a broken chunk": chunked(b"", end=False) + b"zz\r\n{}\r\n",
    }
    for name, data in bad.items():
        lost = {"stream": (e.RouterConnectionError, 3)} if "chunk" in name else {}
        yield Fault(name, (sends(data),), LOST, once | lost)
    for how in ("close", "reset"):
        yield Fault(f"half a reply, {how}", (half(then=how),), LOST, once | {"stream": BROKEN})
        yield Fault(
            f"half in chunks, {how}",
            (half(then=how, chunks=True),),
            LOST,
            once | {"stream": BROKEN},
        )
    yield Fault("a reply without a length", (steps.without_length,), FINE)
    yield Fault("informational replies first", (steps.after_continue,), FINE)
    yield Fault("a packed reply", (steps.packed,), FINE)
    broken = says(200, gzip.compress(b"{}" * 99)[:-9], "Content-Encoding: gzip")
    yield Fault("half a packed reply", (broken,), UNREADABLE)
    brotli = says(200, b"{}", "Content-Encoding: br")
    yield Fault("packed in another way", (brotli,), UNREADABLE)
    large = says(200, steps.bomb(80 * MB), "Content-Encoding: gzip")
    endless = {"speech": NOT_THERE}  # much sound is no bomb: it streams
    yield Fault("a gzip bomb", (large,), UNREADABLE, endless)
    small = says(400, steps.bomb(65 * MB), "Content-Encoding: gzip")
    yield Fault("a gzip bomb as an error", (small,), (e.BadRequestError, 1))


def slowness() -> Iterator[Fault]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    body = head + b"Transfer-Encoding: chunked\r\n\r\n"
    dripping = {
        "a dripping head": drips(head + b"X-A: ", b"a"),
        "a dripping body": drips(head + b"Content-Length: 9999\r\n\r\n", b" "),
        "a dripping chunk head": drips(body + b"5;x=", b"a"),
        "keep-alives only": drips(body, b"6\r\n: hi\n\n\r\n"),
    }
    for name, step in dripping.items():
        yield Fault(name, (step,), OVER, slow="drip")
    for name, drop in (("keep-alives", b": hi\n\n"), ("drops", b"d")):
        step, over = steps.drops_of_half(drop), {"stream": OVER}
        yield Fault(f"half a stream, then {name}", (step,), NOT_THERE, over, slow="drip")
    silent = partial(Fault, slow="silence")
    once = {"once": OVER}
    yield silent("a head, then silence", (sends(body, then="hang"),), LATE, once)
    yield silent("half a reply, then silence", (half(then="hang"),), LATE, once | {"stream": OVER})


def oddities() -> Iterator[Fault]:
    unlike = {
        "a text": {"upload": NOT_THERE},  # a transcript may be no more than that
        "half of JSON": {"image": BROKEN},
        "not UTF-8": {"speech": NOT_THERE},  # four bytes of sound
    }
    for name, body in ODD.items():
        yield Fault(f"200 with {name}", (says(200, body),), UNREADABLE, unlike.get(name, {}))
    page = says(200, ODD["HTML"], kind="text/html")
    yield Fault("200 with a web page", (page,), UNREADABLE)


def uploads() -> Iterator[Fault]:
    for status in (413, 401):
        answer = says(status, SHAPES["object"], "Connection: close")
        kind = STATUSES[status]
        name = f"{status} while the request is sent"
        yield Fault(name, (steps.lingering(answer),), (kind, 1), big=True)
        either = ((kind, e.RouterConnectionError), (1, 2, 3))
        yield Fault(f"{name}, then a reset", (steps.abrupt(answer),), either, big=True)
    yield Fault(
        "a request that is never read",
        (early(sends(then="hang")),),
        LATE,
        {"once": OVER},
        big=True,
        slow="silence",
        deaf=True,
    )


def in_stream(name: str, outcome: Outcome, change: Any, *, then: str = "stay") -> Fault:
    """A fault that only streams can have."""
    return Fault(name, (changed(change, then=then),), NOT_THERE, {"stream": outcome})


def streams() -> Iterator[Fault]:
    same: dict[str, Any] = {
        "CRLF": lambda data: [data.replace(b"\n", b"\r\n")],
        "CR": lambda data: [data.replace(b"\n", b"\r")],
        "a mark of byte order": lambda data: [b"\xef\xbb\xbf" + data],
        "comments": lambda data: [data.replace(b"\n\n", b"\n\n: hi\n\n:\n\n")],
        "ids and retries": lambda data: [
            b"retry: 10\n\n" + data.replace(b"data:", b"id: 7\ndata:")
        ],
        "unknown fields": lambda data: [data.replace(b"data:", b"other: x\nnone\ndata:")],
        "no blank behind the colon": lambda data: [data.replace(b"data: ", b"data:")],
        "data over several lines": lambda data: [data.replace(b'{"', b'{\ndata: "')],
        "single bytes": lambda data: [data[i : i + 1] for i in range(len(data))],
        "the mark of the end only": lambda data: [data, b"garbage behind the end"],
    }
    for name, change in same.items():
        yield in_stream(f"stream with {name}", FINE, change)
    yield in_stream("stream that ends, on an open socket", FINE, lambda data: [data], then="hang")
    bad = {
        "an error event": (b'event: error\ndata: {"message": "m"}\n\n', (e.RouterStatusError, 1)),
        "an error object": (b'data: {"error": {"message": "m"}}\n\n', (e.RouterStatusError, 1)),
        "no JSON": (b"data: oops\n\n", UNREADABLE),
        "null": (b"data: null\n\n", UNREADABLE),
        "an array": (b"data: [1]\n\n", UNREADABLE),
        "depth": (b"data: " + b"[" * 50_000 + b"\n\n", UNREADABLE),
    }
    for name, (event, outcome) in bad.items():
        yield in_stream(f"stream that begins with {name}", outcome, partial(_before, event))
        yield in_stream(f"stream with {name}", outcome, partial(_amid, event))
    yield in_stream("stream cut between events", BROKEN, partial(_amid, None))
    yield in_stream("stream cut in an event", BROKEN, lambda data: [data[: len(data) // 2]])


def _before(event: bytes, data: bytes) -> list[bytes]:
    return [event, data]


def _amid(event: bytes | None, data: bytes) -> list[bytes]:
    """An event in the middle of a stream; without one, the stream ends there."""
    cut = data.index(b"\n\n", len(data) // 2) + 2
    return [data[:cut]] if event is None else [data[:cut], event, data[cut:]]


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for group in (
        statuses,
        recoveries,
        waits,
        connections,
        framings,
        slowness,
        oddities,
        uploads,
        streams,
    )
    for fault in group()
}
