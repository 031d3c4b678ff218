"""Hostile requests: the offline router answers or rejects them in limited time."""

import time
import zlib

import orjson
import pytest

from orq_router_integrations.testing.retrieval import read_pdf_pages

CLAUDE = "anthropic/claude-sonnet-4-5"
MAX_CPU_SECONDS = 120.0
"""Far more than any test here needs, and far less than a hostile input can cost."""


@pytest.fixture(autouse=True)
def _limit_cpu_time():
    start = time.process_time()
    yield
    assert time.process_time() - start < MAX_CPU_SECONDS


def test_number_of_values_is_limited(create_chat):
    rows = {"type": "integer"}
    for _ in range(3):
        rows = {"type": "array", "minItems": 9999, "items": rows}
    schema = {"type": "object", "properties": {"rows": rows}, "required": ["rows"]}
    response_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    error = create_chat().get_error(400, response_format=response_format)
    assert error["param"] == "response_format"
    assert "Script the answer" in error["message"]


def test_n_is_limited(create_chat):
    assert create_chat().get_error(400, n=3_000_000)["param"] == "n"
    assert len(create_chat().complete(n=128)["choices"]) == 128


def test_huge_numbers_are_answered(create_chat):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1e300}, "b": {"type": "number"}},
        "required": ["a", "b"],
    }
    response_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for text in ("hi", "9" * 400, "99999999999999999999999"):
        content = create_chat().get_message(text=text, response_format=response_format)["content"]
        assert orjson.loads(content)["a"] >= 1e300


def build_pdf(content: bytes, header: bytes = b"") -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj << /Type /Page >> 2 0 obj <<"
        + header
        + b">>\nstream\n"
        + content
        + b"\nendstream endobj"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "text"),
    [
        (rb"BT (Caf\351 \(x\)) Tj (open \) Tj ET", "Café (x)"),
        (b"BT " + b"[" * 50_000 + b"(x) Tj", "x"),
        (b"BT " + b"(" * 900_000, ""),
        (b"BT " + b"[(" * 300_000 + b") Tj", ""),
        (b"BT " + b"\\" * 900_000, ""),
        (b"BT " + b"9" * 900_000, ""),
        (b"BT " + b"(a)" * 300_000 + b" Tj", "a"),
        (b"BT (a) Tj" * 200_000, None),
    ],
)
def test_hostile_pdf_content_is_read_quickly(content, text):
    for data in (build_pdf(content), build_pdf(zlib.compress(content), b"/FlateDecode")):
        assert text is None or read_pdf_pages(data) == [text]


@pytest.mark.slow
def test_hostile_pdf_streams_are_read_quickly():
    bomb = build_pdf(zlib.compress(bytes(2**24)), b"/FlateDecode")
    for data in (b"%PDF-" + b"stream\n" * 500_000, bomb * 300, build_pdf(b"BT (a) Tj")[:-20]):
        read_pdf_pages(data)


@pytest.mark.parametrize("depth", [90, 101, 500, 1000, 100_000])
@pytest.mark.parametrize("lenient", [False, True])
def test_deeply_nested_body_returns_400(create_chat, depth, lenient):
    body = b'{"model": "openai/gpt-4o", "messages": ' + b"[" * depth + b"]" * depth + b"}"
    chat = create_chat(lenient=lenient)
    headers = {"authorization": "Bearer k"}
    response = chat.http.post("/v3/router/chat/completions", content=body, headers=headers)
    assert response.status_code == 400


def test_deeply_nested_schema_is_answered_or_rejected(create_chat):
    for keyword in ("items", "allOf", "anyOf", "not"):
        schema: object = {"type": "string"}
        for _ in range(40):
            schema = {keyword: [schema] if keyword.endswith("Of") else schema}
        response_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        assert create_chat().post(response_format=response_format).status_code in {200, 400}


def test_exception_of_answer_function_propagates(create_chat):
    def answers(_):
        raise KeyError("raised by the function")

    with pytest.raises(KeyError, match="raised by the function"):
        create_chat(answers=answers).post()


MODEL = {"model": CLAUDE, "weight": 1}


@pytest.mark.parametrize(
    ("controls", "param"),
    [
        ({"load_balancer": {"type": "weight_based", "models": [CLAUDE]}}, "models[0]"),
        ({"load_balancer": {"type": "weight_based", "models": [MODEL, CLAUDE]}}, "models[1]"),
        ({"load_balancer": {"models": [MODEL]}}, "type"),
        ({"cache": {}}, "type"),
        ({"cache": {"ttl": 60}}, "type"),
    ],
)
def test_client_shorthands_return_400(create_chat, controls, param):
    (name,) = controls
    assert create_chat().get_error(400, **controls)["param"] == f"{name}.{param}"
    error = create_chat().get_error(400, prefix="v2/router", orq=controls)
    assert error["param"] == f"{name}.{param}"
