"""One call per endpoint and dialect, with every control it takes: its bytes against the table."""

import io
import json

import pytest
from controls_samples import AS_HEADERS, AS_LIST, GIVEN, ON_THE_WIRE
from controls_table import BLOCKS, CELLS, DIALECTS, FORM_SHAPES, FORMS, TABLE, rows
from form_readers import FormPart, read_by_hand, read_with_email

from orq_router_integrations.wire.call import Request, Upload
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import ENDPOINTS, Dialect
from orq_router_integrations.wire.request_encoding import EncodedRequest, encode_request

BODY = {"model": "openai/some-model"}
SOUND = b"\x00\xffRIFF\r\n--\r"
FILE = Upload("a.wav", "audio/wav", len(SOUND), lambda: io.BytesIO(SOUND))

CALLS = [
    (path, dialect)
    for path in BLOCKS
    for dialect in DIALECTS
    if TABLE[path, "retry", dialect] != "absent"
]


def cells_that(cell: str) -> list[tuple[str, str, str]]:
    return [key for key, value in TABLE.items() if value == cell]


def sent(path: str, dialect: str, *controls: str) -> EncodedRequest:
    given = RouterControls(**{name: GIVEN[name] for name in controls})
    files = {"file": FILE} if path in FORMS else {}
    request = Request(endpoint=ENDPOINTS[path], body=BODY, files=files, controls=given)
    return encode_request(request, Dialect(dialect))


def sent_in_full(path: str, dialect: str) -> EncodedRequest:
    taken = (name for name in GIVEN if TABLE[path, name, dialect] != "refused")
    return sent(path, dialect, *taken)


def expected(path: str, dialect: str) -> tuple[dict, dict]:
    """The body's members and the headers that the table asks for."""
    top, nested, headers = {}, {}, {}
    for control, value in ON_THE_WIRE.items():
        match TABLE[path, control, dialect]:
            case "top":
                top[control] = value
            case "orq":
                nested[control] = value
            case "orq as contact":
                nested["contact"] = value
            case "orq as inputs":
                nested["inputs"] = value
            case "orq as a list":
                nested[control] = AS_LIST
            case "header":
                headers |= AS_HEADERS[control]
    return top | ({"orq": nested} if nested else {}), headers


def as_parts(name: str, value: object) -> list[FormPart]:
    match FORM_SHAPES[name]:
        case "one JSON part":
            return [FormPart(name, value, "application/json")]
        case "repeated name[] parts":
            return [FormPart(f"{name}[]", str(item).encode()) for item in value]
        case "one plain part":
            return [FormPart(name, value.encode())]
    pytest.fail(f"{name} has no shape in a form")


def parsed(part: FormPart) -> FormPart:
    is_json = part.content_type == "application/json"
    return part._replace(content=json.loads(part.content)) if is_json else part


def in_order(parts: list[FormPart]) -> list[FormPart]:
    return sorted(parts, key=repr)


@pytest.mark.parametrize(("path", "dialect"), [c for c in CALLS if c[0] not in FORMS])
def test_json_holds_each_control_in_its_place_and_nowhere_else(path, dialect):
    encoded = sent_in_full(path, dialect)
    members, headers = expected(path, dialect)
    assert json.loads(encoded.body) == BODY | members
    assert encoded.headers == headers | {"Content-Type": "application/json"}


@pytest.mark.parametrize("read_form", [read_with_email, read_by_hand])
@pytest.mark.parametrize(("path", "dialect"), [c for c in CALLS if c[0] in FORMS])
def test_a_form_holds_each_control_in_its_place_and_nowhere_else(path, dialect, read_form):
    encoded = sent_in_full(path, dialect)
    members, _ = expected(path, dialect)
    parts = [FormPart("model", b"openai/some-model"), FormPart("file", SOUND, "audio/wav", "a.wav")]
    parts += [part for name, value in members.items() for part in as_parts(name, value)]
    found = read_form(encoded.headers["Content-Type"], b"".join(encoded.body))
    assert in_order(map(parsed, found)) == in_order(parts)


@pytest.mark.parametrize(("path", "dialect"), [c for c in CALLS if c[0] in FORMS])
def test_a_form_has_these_headers_and_no_others(path, dialect):
    encoded = sent_in_full(path, dialect)
    own = {"Content-Type", "Content-Length"}
    assert {k: v for k, v in encoded.headers.items() if k not in own} == expected(path, dialect)[1]
    assert encoded.headers["Content-Length"] == str(len(b"".join(encoded.body)))


@pytest.mark.parametrize(("path", "dialect"), CALLS)
def test_without_controls_nothing_is_added(path, dialect):
    encoded = sent(path, dialect)
    if path in FORMS:
        names = [p.name for p in read_by_hand(encoded.body.content_type, b"".join(encoded.body))]
        assert names == ["model", "file"]
    else:
        assert json.loads(encoded.body) == BODY


@pytest.mark.parametrize(("path", "control", "dialect"), cells_that("refused"))
def test_a_control_without_a_place_is_refused_by_name(path, control, dialect):
    with pytest.raises(ValueError, match=rf"controls\.{control}\b.*{path} under {dialect}"):
        sent(path, dialect, control)


@pytest.mark.parametrize(("path", "control", "dialect"), cells_that("absent"))
def test_an_endpoint_that_does_not_exist_is_refused_by_name(path, control, dialect):
    with pytest.raises(ValueError, match=rf"{path}.*{dialect}"):
        sent(path, dialect, control)


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_the_table_has_a_row_for_every_control(block):
    head, *body = rows(block)
    assert head == ["control", *DIALECTS]
    assert {row[0] for row in body} == set(RouterControls.model_fields)
    assert len(body) == len(RouterControls.model_fields)


def test_the_table_has_every_endpoint_and_dialect_of_the_package():
    assert set(BLOCKS) == set(ENDPOINTS)
    assert set(DIALECTS) == {dialect.value for dialect in Dialect}
    assert {path for path, endpoint in ENDPOINTS.items() if endpoint.multipart} == FORMS


def test_the_table_uses_its_own_words_only():
    assert set(TABLE.values()) == set(CELLS)


def test_there_is_a_sample_for_every_control():
    assert set(GIVEN) == set(ON_THE_WIRE) == set(RouterControls.model_fields)
