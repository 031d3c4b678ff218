"""Whatever is sent to the offline router: a valid reply or a refusal in the router's shape."""

import copy
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations import OfflineRouter
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.wire.endpoints import ENDPOINTS, Dialect
from orq_router_integrations.wire.multipart import build_multipart_body

PICTURE = "https://example.com/boat.png"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
RIGHT: dict[str, dict[str, Any]] = {
    "/chat/completions": {
        "model": "openai/gpt-4o",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                ],
            },
        ],
        "stream": False,
        "temperature": 0.5,
        "retry": {"count": 2, "on_codes": [429]},
        "fallbacks": [{"model": "mistral/large"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
    },
    "/responses": {
        "model": "openai/gpt-5",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
    },
    "/images/generations": {"model": "openai/gpt-image-1", "prompt": "a boat", "size": "64x64"},
    "/audio/speech": {"model": "openai/tts-1", "input": "Hi", "voice": "alloy"},
    "/audio/transcriptions": {"model": "openai/whisper-1", "response_format": "json"},
    "/audio/translations": {"model": "openai/whisper-1", "temperature": 0.5},
    "/images/edits": {"model": "openai/gpt-image-1", "prompt": "a boat"},
    "/images/variations": {"model": "openai/dall-e-2", "n": 1},
}

numbers = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, -1, 1e308, 2**53])
texts = st.text(max_size=12) | st.sampled_from(["", "openai/gpt-4o", "\ud800", "auto", PICTURE])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be changed in a value."""
    found = [path] if path else []
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in list(items):
            found += places(child, (*path, key))
    return found


@st.composite
def nearly_right(draw: st.DrawFn) -> tuple[str, Any]:
    """A right body, with up to three things changed, removed or added."""
    path = draw(st.sampled_from(sorted(RIGHT)))
    body = copy.deepcopy(RIGHT[path])
    for _ in range(draw(st.integers(0, 3))):
        target: Any = body
        if not (found := places(body)):
            break
        *way, last = draw(st.sampled_from(found))
        for key in way:
            target = target[key]
        change = draw(st.sampled_from(["set", "remove", "add"]))
        if change == "remove":
            del target[last]
        elif change == "add" and isinstance(target, dict):
            target[draw(texts)] = draw(json_values)
        else:
            target[last] = draw(json_values)
    return path, body


def sent(path: str, content: bytes, **headers: str) -> httpx.Response:
    """What the router makes of a request."""
    given_headers = {"authorization": "Bearer any", "content-type": "application/json", **headers}
    url = f"https://offline.invalid{path}"
    return answered(httpx.Request("POST", url, headers=given_headers, content=content))


def answered(request: httpx.Request) -> httpx.Response:
    """The reply, which is right in one of two ways."""
    reply = OfflineRouter().handle(request)
    body = reply.read()
    if reply.status_code == 200:
        return reply
    assert 400 <= reply.status_code < 500, body
    told = json.loads(body)
    assert isinstance(told["error"], (dict, str)), told
    assert told["error"] if isinstance(told["error"], str) else told["error"]["message"]
    return reply


@pytest.mark.parametrize("path", RIGHT)
def test_what_the_others_begin_with_is_right(path: str) -> None:
    assert set(RIGHT) == set(ENDPOINTS)
    if not ENDPOINTS[path].multipart:
        assert sent(f"/v3/router{path}", json.dumps(RIGHT[path]).encode()).status_code == 200


@given(nearly_right(), st.sampled_from(list(Dialect)))
def test_bodies_that_are_nearly_right(request: tuple[str, Any], dialect: Dialect) -> None:
    path, body = request
    sent(f"/{dialect.value}{path}", json.dumps(body, allow_nan=True).encode("utf-8", "replace"))


@given(
    st.sampled_from([path for path, endpoint in ENDPOINTS.items() if endpoint.multipart]),
    st.dictionaries(
        texts, texts | st.integers(-(2**60), 2**60) | st.lists(texts, max_size=2), max_size=3
    ),
    st.binary(max_size=300),
    st.booleans(),
)
def test_forms_that_are_nearly_right(path: str, more: Any, data: bytes, right: bool) -> None:
    fields = {**RIGHT[path], **{_plain(name): _plain(value) for name, value in more.items()}}
    name = "image" if "images" in path else "file"
    form = build_multipart_body(
        fields, {name if right else "other": create_upload(data or b"x", filename="a.wav")}
    )
    sent(f"/v3/router{path}", b"".join(form), **{"content-type": form.content_type})


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@given(st.sampled_from(sorted(RIGHT)), st.binary(max_size=200), st.text(max_size=60))
def test_bodies_that_are_no_bodies(path: str, content: bytes, kind: str) -> None:
    kind = kind.encode("ascii", "ignore").decode().translate(dict.fromkeys(range(32)))
    for media_type in ("application/json", "multipart/form-data; boundary=x", kind.strip()):
        sent(f"/v3/router{path}", content, **{"content-type": media_type})


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]),
    st.lists(st.text("abc/.%~?#", max_size=8), max_size=4),
    st.dictionaries(
        st.sampled_from(["authorization", "x-a", "accept"]), st.text("ab \t", max_size=9)
    ),
)
def test_requests_to_anywhere(method: str, parts: list[str], headers: dict[str, str]) -> None:
    path = "/".join(["/v3/router", *parts])
    clean = {name: value.strip() for name, value in headers.items()}
    answered(httpx.Request(method, f"https://offline.invalid{path}", headers=clean))
