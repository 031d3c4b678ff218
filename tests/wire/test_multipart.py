"""Multipart bodies: values, boundaries, escaping, and files that change during the upload."""

import io
from contextlib import suppress
from email.parser import BytesParser
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.call import CHUNK_BYTES, Upload
from orq_router_integrations.wire.multipart import (
    MAX_DIGEST_BYTES,
    StreamedBody,
    build_multipart_body,
    iter_parts,
)


def create_upload(content: bytes, *, size: int | None = None, filename: str = "a.bin") -> Upload:
    size = len(content) if size is None else size
    return Upload(filename, "application/octet-stream", size, lambda: io.BytesIO(content))


def to_bytes(form: StreamedBody) -> bytes:
    return b"".join(form)


def parse_with_email(form: StreamedBody) -> list[tuple[str, bytes]]:
    """Parse a form with the standard library."""
    headers = f"Content-Type: {form.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(headers + to_bytes(form))
    assert not message.defects
    return [
        (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
        for part in message.iter_parts()
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        (True, [("f", b"true", "")]),
        (False, [("f", b"false", "")]),
        (0, [("f", b"0", "")]),
        (-7, [("f", b"-7", "")]),
        (0.5, [("f", b"0.5", "")]),
        (1.0, [("f", b"1.0", "")]),
        ("", [("f", b"", "")]),
        ("né\r\n--", [("f", "né\r\n--".encode(), "")]),
        ([], []),
        (["word"], [("f[]", b"word", "")]),
        (("word", "segment"), [("f[]", b"word", ""), ("f[]", b"segment", "")]),
        ([429, True], [("f[]", b"429", ""), ("f[]", b"true", "")]),
        ({}, [("f", b"{}", "application/json")]),
        ({"a": [1, None]}, [("f", b'{"a":[1,null]}', "application/json")]),
        ([{"a": 1}], [("f", b'[{"a":1}]', "application/json")]),
        ([{"a": 1}, "b"], [("f", b'[{"a":1},"b"]', "application/json")]),
    ],
    ids=repr,
)
def test_value_is_encoded_as_parts(value, expected):
    assert list(iter_parts({"f": value}, {})) == expected


def test_parts_keep_their_order():
    files = {"file": create_upload(b"x"), "mask": create_upload(b"y")}
    parts = iter_parts({"b": 1, "a": [1, 2]}, files)
    assert [name for name, _, _ in parts] == ["b", "a[]", "a[]", "file", "mask"]


@pytest.mark.parametrize(
    ("count", "names"), [(0, []), (1, ["image"]), (2, ["image[]"] * 2), (3, ["image[]"] * 3)]
)
def test_file_parts_are_named(count, names):
    parts = list(iter_parts({}, {"image": [create_upload(b"x")] * count}))
    assert [name for name, _, _ in parts] == names
    assert {mime_type for _, _, mime_type in parts} <= {"application/octet-stream"}


def test_single_file_may_be_passed_without_a_list():
    upload = create_upload(b"x")
    assert list(iter_parts({}, {"f": upload})) == list(iter_parts({}, {"f": [upload]}))


FILES = {"file": create_upload(b"\x00\r\n--", filename="a.wav")}
FIELDS = {"model": "a/b", "retry": {"count": 1}, "codes": [1, 2], "no": None}


def test_equal_content_has_equal_boundary():
    first, second = build_multipart_body(FIELDS, FILES), build_multipart_body(FIELDS, FILES)
    assert first.boundary == second.boundary


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        ({**FIELDS, "model": "a/c"}, FILES),
        ({**FIELDS, "more": "x"}, FILES),
        ({**FIELDS, "retry": '{"count":1}'}, FILES),
        (FIELDS, {"file": create_upload(b"\x00\r\n-_", filename="a.wav")}),
        (FIELDS, {"file": create_upload(b"\x00\r\n--", filename="b.wav")}),
        (FIELDS, {"image": create_upload(b"\x00\r\n--", filename="a.wav")}),
        (FIELDS, {}),
    ],
)
def test_different_content_has_different_boundary(fields, files):
    form = build_multipart_body(fields, files)
    assert form.boundary != build_multipart_body(FIELDS, FILES).boundary


def test_boundary_of_large_content_is_random():
    files = {"file": create_upload(bytes(MAX_DIGEST_BYTES + 1))}
    first, second = build_multipart_body(FIELDS, files), build_multipart_body(FIELDS, files)
    assert first.boundary != second.boundary
    assert first.digest_input == second.digest_input


def test_boundary_is_stable_within_a_body():
    form = build_multipart_body({}, {"file": create_upload(bytes(MAX_DIGEST_BYTES + 1))})
    assert to_bytes(form) == to_bytes(form)
    assert form.content_type == f"multipart/form-data; boundary={form.boundary}"


def test_boundary_needs_no_quotes():
    assert build_multipart_body({}, {}).boundary.replace("-", "").isalnum()
    assert len(build_multipart_body({}, {}).boundary) <= 70


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        ({}, {}),
        (FIELDS, FILES),
        ({"é": "né", 'q"': "v"}, {"file": create_upload(b"x", filename='é"\n')}),
        ({}, {"file": create_upload(b"")}),
        (
            {},
            {
                "file": [
                    create_upload(bytes(CHUNK_BYTES)),
                    create_upload(bytes(CHUNK_BYTES + 1)),
                    create_upload(bytes(3)),
                ]
            },
        ),
        ({}, {"file": create_upload(bytes(MAX_DIGEST_BYTES + 1))}),
    ],
    ids=["empty", "mixed", "escaped", "empty file", "several files", "large file"],
)
def test_size_is_the_length_of_the_body(fields, files):
    form = build_multipart_body(fields, files)
    assert form.size == sum(len(chunk) for chunk in form)


def test_file_is_sent_in_chunks():
    chunks = list(create_upload(bytes(2 * CHUNK_BYTES + 1)).iter_chunks())
    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, 1]


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("plain", "plain"),
        ('a"b', "a%22b"),
        ('"; filename="x', "%22; filename=%22x"),
        ("a\r\nX-Evil: 1", "a%0D%0AX-Evil: 1"),
        ("\r\n\r\nbody", "%0D%0A%0D%0Abody"),
        ("a\rb\nc", "a%0Db%0Ac"),
        ("né.wav", "né.wav"),
        ("a\\b", "a\\b"),
        ("50%22", "50%22"),
    ],
)
def test_names_and_filenames_are_escaped(name, escaped):
    file = create_upload(b"", filename=name)
    field, upload = (
        part.partition(b"\r\n")[2]
        for part in to_bytes(build_multipart_body({name: ""}, {"f": file})).split(b"--orq-")[1:3]
    )
    disposition = f'Content-Disposition: form-data; name="{escaped}"'
    assert field == f"{disposition}\r\n\r\n\r\n".encode()
    disposition = f'Content-Disposition: form-data; name="f"; filename="{escaped}"\r\n'
    assert upload.startswith(disposition.encode())


def test_mime_type_cannot_inject_headers():
    file = Upload("a", "audio/wav\r\nX-Evil: 1", 1, lambda: io.BytesIO(b"x"))
    with suppress(ValueError):  # rejecting it would also be correct
        assert b"\r\nX-Evil" not in to_bytes(build_multipart_body({}, {"file": file}))


@pytest.mark.parametrize(
    ("size", "content"),
    [
        (4, b"abc"),
        (2, b"abc"),
        (0, b"a"),
        (1, b""),
        (CHUNK_BYTES, bytes(CHUNK_BYTES - 1)),
        (CHUNK_BYTES, bytes(CHUNK_BYTES + 1)),
        (2 * CHUNK_BYTES, bytes(CHUNK_BYTES)),
    ],
    ids=lambda value: value if isinstance(value, int) else len(value),
)
def test_changed_file_size_raises(size, content):
    upload, chunks = create_upload(content, size=size), []
    with pytest.raises(ValueError, match=r"a\.bin changed during the upload"):
        chunks.extend(upload.iter_chunks())
    assert len(b"".join(chunks)) <= size


@pytest.mark.parametrize("change", [b"longer than before", b"x"])
def test_file_changed_after_boundary_raises(tmp_path, change):
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    form = build_multipart_body(
        {}, {"file": Upload("a.bin", "audio/wav", 6, lambda: path.open("rb"))}
    )
    assert form.boundary
    path.write_bytes(change)
    with pytest.raises(ValueError, match="changed"):
        to_bytes(form)


def test_file_is_opened_and_closed_for_each_iteration():
    streams = []

    def open_file():
        streams.append(io.BytesIO(b"x"))
        return streams[-1]

    form = build_multipart_body({}, {"file": Upload("a", "b/c", 1, open_file)})
    assert to_bytes(form) == to_bytes(form)
    assert all(stream.closed for stream in streams)


@pytest.mark.slow
@given(st.text(), st.binary(), st.lists(st.text(max_size=5), max_size=3))
def test_round_trip(text, content, words):
    form = build_multipart_body({"text": text, "words": words}, {"file": create_upload(content)})
    assert parse_with_email(form) == [
        ("text", text.encode()),
        *(("words[]", word.encode()) for word in words),
        ("file", content),
    ]
