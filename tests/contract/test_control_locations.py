"""Requests with every supported control, compared with the table."""

import io
import json

import pytest
from controls_table import (
    ARGUMENTS,
    CALLS,
    DIALECTS,
    FORM_PATHS,
    NO,
    PATHS,
    ROWS,
    SERIALIZED,
    TABLE,
    get_expected,
    get_supported_controls,
)
from form_readers import (
    FormPart,
    both_parsers,
    build_control_parts,
    normalize_parts,
    parse_by_splitting,
)
from support.endpoints import ENDPOINTS

from orq_router_integrations.wire.call import Request, Upload
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.request_encoding import EncodedRequest, encode_request

BODY = {"model": "openai/some-model"}
AUDIO = b"\x00\xffRIFF\r\n--\r"
FILE = Upload("a.wav", "audio/wav", len(AUDIO), lambda: io.BytesIO(AUDIO))

JSON_CALLS = [call for call in CALLS if call[0] not in FORM_PATHS]
FORM_CALLS = [call for call in CALLS if call[0] in FORM_PATHS]


def encode(path: str, dialect: str, *controls: str) -> EncodedRequest:
    arguments = {name: ARGUMENTS[name] for name in controls}
    request = Request(
        endpoint=ENDPOINTS[path],
        body=BODY,
        files={"file": FILE} if path in FORM_PATHS else {},
        controls=RouterControls(**arguments),
    )
    return encode_request(request, Dialect(dialect))


@pytest.mark.parametrize(("path", "dialect"), JSON_CALLS)
def test_controls_in_json_request(path, dialect):
    encoded = encode(path, dialect, *get_supported_controls(path, dialect))
    fields, headers = get_expected(path, dialect)
    assert json.loads(encoded.body) == BODY | fields
    assert encoded.headers == headers | {"Content-Type": "application/json"}


@both_parsers
@pytest.mark.parametrize(("path", "dialect"), FORM_CALLS)
def test_controls_in_form(path, dialect, parse_form):
    encoded = encode(path, dialect, *get_supported_controls(path, dialect))
    fields, _ = get_expected(path, dialect)
    expected = [
        FormPart("model", b"openai/some-model"),
        FormPart("file", AUDIO, "audio/wav", "a.wav"),
        *build_control_parts(fields),
    ]
    parts = parse_form(encoded.headers["Content-Type"], b"".join(encoded.body))
    assert normalize_parts(parts) == normalize_parts(expected)


@pytest.mark.parametrize(("path", "dialect"), FORM_CALLS)
def test_controls_in_headers_of_form(path, dialect):
    encoded = encode(path, dialect, *get_supported_controls(path, dialect))
    _, headers = get_expected(path, dialect)
    assert encoded.headers == headers | {
        "Content-Type": encoded.body.content_type,
        "Content-Length": str(len(b"".join(encoded.body))),
    }


@pytest.mark.parametrize(("path", "dialect"), CALLS)
def test_request_without_controls(path, dialect):
    encoded = encode(path, dialect)
    if path in FORM_PATHS:
        parts = parse_by_splitting(encoded.body.content_type, b"".join(encoded.body))
        assert [part.name for part in parts] == ["model", "file"]
    else:
        assert json.loads(encoded.body) == BODY


@pytest.mark.parametrize(
    ("path", "dialect", "control"), [key for key, location in TABLE.items() if location == NO]
)
def test_unsupported_control_raises(path, dialect, control):
    with pytest.raises(ValueError, match=rf"^controls\.{control}: .*{path} under {dialect}"):
        encode(path, dialect, control)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [(path, dialect) for path in PATHS for dialect in DIALECTS if (path, dialect) not in CALLS],
)
def test_unavailable_endpoint_raises(path, dialect):
    with pytest.raises(ValueError, match=rf"^base_url: {path} .*{dialect}"):
        encode(path, dialect)


def test_table_is_complete():
    controls = set(RouterControls.model_fields)
    assert TABLE.keys() == {(*call, control) for call in CALLS for control in controls}
    assert ARGUMENTS.keys() == SERIALIZED.keys() == controls
    assert len({(control, path) for control, paths, *_ in ROWS for path in paths}) == sum(
        len(paths) for _, paths, *_ in ROWS
    )


def test_table_has_every_endpoint_and_dialect_of_the_package():
    assert set(PATHS) == set(ENDPOINTS)
    assert set(DIALECTS) == {dialect.value for dialect in Dialect}
    assert {path for path, endpoint in ENDPOINTS.items() if endpoint.multipart} == set(FORM_PATHS)
