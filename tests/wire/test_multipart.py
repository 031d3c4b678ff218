"""Forms: how values become parts, what the bytes are, and files that change while they are sent."""

import io
from contextlib import suppress
from email.parser import BytesParser
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.multipart import (
    CHUNK_BYTES,
    MAX_DIGEST_BYTES,
    MultipartBody,
    Part,
    build_multipart_body,
)


def upload(content: bytes, *, size: int | None = None, filename: str = "a.bin") -> Upload:
    known = len(content) if size is None else size
    return Upload(filename, "application/octet-stream", known, lambda: io.BytesIO(content))


def parts(**fields) -> list[tuple[str, bytes, str]]:
    return [
        (part.name, part.content, part.content_type)
        for part in build_multipart_body(fields, {}).parts
    ]


def bytes_of(form: MultipartBody) -> bytes:
    return b"".join(form)


def read(form: MultipartBody) -> list[tuple[str, bytes]]:
    """The form's parts as the standard library's MIME parser reads them."""
    head = f"Content-Type: {form.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + bytes_of(form))
    assert not message.defects
    return [
        (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
        for part in message.iter_parts()
    ]


@pytest.mark.parametrize(
    ("value", "found"),
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
def test_a_value_becomes_parts(value, found):
    assert parts(f=value) == found


def test_fields_keep_their_order_and_files_come_last():
    form = build_multipart_body({"b": 1, "a": [1, 2]}, {"file": upload(b"x"), "mask": upload(b"y")})
    assert [part.name for part in form.parts] == ["b", "a[]", "a[]", "file", "mask"]


@pytest.mark.parametrize(
    ("count", "names"), [(0, []), (1, ["image"]), (2, ["image[]"] * 2), (3, ["image[]"] * 3)]
)
def test_several_files_repeat_the_name_and_one_does_not(count, names):
    form = build_multipart_body({}, {"image": [upload(b"x")] * count})
    assert [part.name for part in form.parts] == names
    assert {part.content_type for part in form.parts} <= {"application/octet-stream"}


def test_a_file_alone_needs_no_list():
    assert bytes_of(build_multipart_body({}, {"f": upload(b"x")})) == bytes_of(
        build_multipart_body({}, {"f": [upload(b"x")]})
    )


FILES = {"file": upload(b"\x00\r\n--", filename="a.wav")}
FIELDS = {"model": "a/b", "retry": {"count": 1}, "codes": [1, 2], "no": None}


def test_the_boundary_is_the_same_for_the_same_content():
    assert (
        build_multipart_body(FIELDS, FILES).boundary == build_multipart_body(FIELDS, FILES).boundary
    )


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        ({**FIELDS, "model": "a/c"}, FILES),
        ({**FIELDS, "more": "x"}, FILES),
        ({**FIELDS, "retry": '{"count":1}'}, FILES),
        (FIELDS, {"file": upload(b"\x00\r\n-_", filename="a.wav")}),
        (FIELDS, {"file": upload(b"\x00\r\n--", filename="b.wav")}),
        (FIELDS, {"image": upload(b"\x00\r\n--", filename="a.wav")}),
        (FIELDS, {}),
    ],
)
def test_the_boundary_differs_with_the_content(fields, files):
    assert (
        build_multipart_body(fields, files).boundary != build_multipart_body(FIELDS, FILES).boundary
    )


@pytest.mark.parametrize(
    ("size", "same"),
    [(MAX_DIGEST_BYTES - 1, True), (MAX_DIGEST_BYTES, True), (MAX_DIGEST_BYTES + 1, False)],
)
def test_the_boundary_of_a_large_form_is_random(size, same):
    files = {"file": upload(bytes(size))}
    assert (
        build_multipart_body({}, files).boundary == build_multipart_body({}, files).boundary
    ) is same


def test_the_boundary_is_one_for_each_form():
    form = build_multipart_body({}, {"file": upload(bytes(MAX_DIGEST_BYTES + 1))})
    assert bytes_of(form) == bytes_of(form)
    assert form.content_type == f"multipart/form-data; boundary={form.boundary}"


def test_the_boundary_is_legal_and_needs_no_quotes():
    assert build_multipart_body({}, {}).boundary.replace("-", "").isalnum()
    assert len(build_multipart_body({}, {}).boundary) <= 70


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        ({}, {}),
        (FIELDS, FILES),
        ({"é": "né", 'q"': "v"}, {"file": upload(b"x", filename='é"\n')}),
        ({}, {"file": upload(b"")}),
        (
            {},
            {
                "file": [
                    upload(bytes(CHUNK_BYTES)),
                    upload(bytes(CHUNK_BYTES + 1)),
                    upload(bytes(3)),
                ]
            },
        ),
        ({}, {"file": upload(bytes(MAX_DIGEST_BYTES + 1))}),
    ],
    ids=["empty", "mixed", "escaped", "empty file", "several files", "large file"],
)
def test_the_size_is_the_sum_of_the_bytes(fields, files):
    form = build_multipart_body(fields, files)
    assert form.size == sum(len(chunk) for chunk in form)


def test_a_file_is_sent_in_chunks():
    chunks = list(Part("f", upload(bytes(2 * CHUNK_BYTES + 1))).iter_content())
    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, 1]


@pytest.mark.parametrize(
    ("raw", "escaped"),
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
def test_names_and_filenames_cannot_end_their_header(raw, escaped):
    disposition = f'Content-Disposition: form-data; name="{escaped}"'
    assert Part(raw, b"").headers == f"{disposition}\r\n\r\n".encode()
    file = upload(b"", filename=raw)
    named = f'Content-Disposition: form-data; name="f"; filename="{escaped}"'
    assert Part("f", file).headers == f"{named}\r\n\r\n".encode()


def test_a_media_type_cannot_end_its_header():
    file = Upload("a", "audio/wav\r\nX-Evil: 1", 1, lambda: io.BytesIO(b"x"))
    with suppress(ValueError):  # to refuse it is as good as to escape it
        assert b"\r\nX-Evil" not in bytes_of(build_multipart_body({}, {"file": file}))


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
def test_a_file_that_changed_its_size_is_refused_and_never_overruns(size, content):
    part, sent = Part("file", upload(content, size=size)), []
    with pytest.raises(ValueError, match=r"file: a\.bin changed during the upload"):
        sent.extend(part.iter_content())
    assert len(b"".join(sent)) <= size


@pytest.mark.parametrize("change", [b"longer than before", b"x"])
def test_a_file_on_disk_that_changed_after_the_boundary_is_refused(tmp_path, change):
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    form = build_multipart_body(
        {}, {"file": Upload("a.bin", "audio/wav", 6, lambda: path.open("rb"))}
    )
    assert form.boundary
    path.write_bytes(change)
    with pytest.raises(ValueError, match="changed"):
        bytes_of(form)


def test_a_file_is_closed_and_read_anew_each_time():
    opened = []

    def open_anew():
        opened.append(io.BytesIO(b"x"))
        return opened[-1]

    form = build_multipart_body({}, {"file": Upload("a", "b/c", 1, open_anew)})
    assert bytes_of(form) == bytes_of(form)
    assert all(stream.closed for stream in opened)


@given(st.text(), st.binary(), st.lists(st.text(max_size=5), max_size=3))
def test_whatever_is_sent_is_read_back(text, content, words):
    form = build_multipart_body({"text": text, "words": words}, {"file": upload(content)})
    assert read(form) == [
        ("text", text.encode()),
        *(("words[]", word.encode()) for word in words),
        ("file", content),
    ]
