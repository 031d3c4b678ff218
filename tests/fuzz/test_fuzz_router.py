"""Random requests to the offline router are answered, or rejected with an error object."""

import copy
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.endpoints import ENDPOINTS

from orq_router_integrations import OfflineRouter
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.multipart import build_multipart_body

pytestmark = pytest.mark.slow

IMAGE_URL = "https://example.com/boat.png"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
VALID_BODIES: dict[str, dict[str, Any]] = {
    "/chat/completions": {
        "model": "openai/gpt-4o",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "image_url", "image_url": {"url": IMAGE_URL, "detail": "low"}},
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
    "/embeddings": {"model": "openai/text-embedding-3-small", "input": ["Hi"], "dimensions": 8},
    "/rerank": {"model": "cohere/rerank-v3.5", "query": "Hi", "documents": ["a", "b"], "top_n": 1},
    "/moderations": {"model": "openai/omni-moderation-latest", "input": ["Hi"]},
    "/decisions": {
        "model": "openai/gpt-6-luna",
        "state": {"text": "Hi"},
        "questions": {
            "a": {"type": "noul", "instructions": "?"},
            "b": {"type": "choice", "instructions": "?", "criteria": {"x": "X", "y": None}},
            "c": {"type": "score", "instructions": "?", "criteria": ["low", "high"]},
        },
    },
}

numbers = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, -1, 1e308, 2**53])
texts = st.text(max_size=12) | st.sampled_from(["", "openai/gpt-4o", "\ud800", "auto", IMAGE_URL])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def list_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a JSON value."""
    paths = [path] if path else []
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in list(items):
            paths += list_paths(child, (*path, key))
    return paths


@st.composite
def modified_bodies(draw: st.DrawFn) -> tuple[str, Any]:
    """Generate a valid body with up to three values changed, removed or added."""
    path = draw(st.sampled_from(sorted(VALID_BODIES)))
    body = copy.deepcopy(VALID_BODIES[path])
    for _ in range(draw(st.integers(0, 3))):
        target: Any = body
        if not (paths := list_paths(body)):
            break
        *parents, last = draw(st.sampled_from(paths))
        for key in parents:
            target = target[key]
        change = draw(st.sampled_from(["set", "remove", "add"]))
        if change == "remove":
            del target[last]
        elif change == "add" and isinstance(target, dict):
            target[draw(texts)] = draw(json_values)
        else:
            target[last] = draw(json_values)
    return path, body


def post(path: str, content: bytes, **headers: str) -> httpx.Response:
    headers = {"authorization": "Bearer any", "content-type": "application/json", **headers}
    url = f"https://offline.invalid{path}"
    return send(httpx.Request("POST", url, headers=headers, content=content))


def send(request: httpx.Request) -> httpx.Response:
    """Send a request, and check that the response is a success or a well-formed client error."""
    response = OfflineRouter().handle(request)
    body = response.read()
    if response.status_code == 200:
        return response
    assert 400 <= response.status_code < 500, body
    error = json.loads(body)["error"]
    assert error if isinstance(error, str) else error["message"]
    return response


@pytest.mark.parametrize("path", VALID_BODIES)
def test_unmodified_bodies_are_valid(path: str) -> None:
    assert set(VALID_BODIES) == set(ENDPOINTS)
    if not ENDPOINTS[path].multipart:
        assert post(f"/v3/router{path}", json.dumps(VALID_BODIES[path]).encode()).status_code == 200


@given(modified_bodies(), st.sampled_from(list(Dialect)))
def test_modified_bodies_are_answered_or_rejected(
    request: tuple[str, Any], dialect: Dialect
) -> None:
    path, body = request
    post(f"/{dialect.value}{path}", json.dumps(body, allow_nan=True).encode("utf-8", "replace"))


@given(
    st.sampled_from([path for path, endpoint in ENDPOINTS.items() if endpoint.multipart]),
    st.dictionaries(
        texts, texts | st.integers(-(2**60), 2**60) | st.lists(texts, max_size=2), max_size=3
    ),
    st.binary(max_size=300),
    st.booleans(),
)
def test_modified_forms_are_answered_or_rejected(
    path: str, extra: Any, data: bytes, is_valid: bool
) -> None:
    fields = {
        **VALID_BODIES[path],
        **{remove_surrogates(name): remove_surrogates(value) for name, value in extra.items()},
    }
    name = "image" if "images" in path else "file"
    form = build_multipart_body(
        fields, {name if is_valid else "other": create_upload(data or b"x", filename="a.wav")}
    )
    post(f"/v3/router{path}", b"".join(form), **{"content-type": form.content_type})


def remove_surrogates(value: Any) -> Any:
    if isinstance(value, list):
        return [remove_surrogates(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@given(st.sampled_from(sorted(VALID_BODIES)), st.binary(max_size=200), st.text(max_size=60))
def test_random_bytes_are_answered_or_rejected(
    path: str, content: bytes, content_type: str
) -> None:
    content_type = content_type.encode("ascii", "ignore").decode()
    content_type = content_type.translate(dict.fromkeys(range(32))).strip()
    for media_type in ("application/json", "multipart/form-data; boundary=x", content_type):
        post(f"/v3/router{path}", content, **{"content-type": media_type})


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]),
    st.lists(st.text("abc/.%~?#", max_size=8), max_size=4),
    st.dictionaries(
        st.sampled_from(["authorization", "x-a", "accept"]), st.text("ab \t", max_size=9)
    ),
)
def test_random_paths_are_answered_or_rejected(
    method: str, parts: list[str], headers: dict[str, str]
) -> None:
    path = "/".join(["/v3/router", *parts])
    clean = {name: value.strip() for name, value in headers.items()}
    send(httpx.Request(method, f"https://offline.invalid{path}", headers=clean))
