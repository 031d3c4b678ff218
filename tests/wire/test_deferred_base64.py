"""Deferred base64 strings of JSON bodies."""

import base64
import copy
import enum
import io
import json
import pickle
import tracemalloc
from collections import OrderedDict

import pytest

from orq_router_integrations.wire.call import (
    CHUNK_BYTES,
    MIN_DEFERRED_CHARS,
    DeferredBase64,
    Upload,
    UploadReadError,
)
from orq_router_integrations.wire.json import dumps
from orq_router_integrations.wire.multipart import StreamedBody
from orq_router_integrations.wire.request_encoding import build_json_body


def create_upload(data: bytes, size: int | None = None) -> Upload:
    return Upload("a.pdf", "application/pdf", size or len(data), lambda: io.BytesIO(data))


class SlowFile(io.BytesIO):
    """Returns fewer bytes than requested."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 7))


def encode(value: object) -> bytes:
    """Return the JSON text, and check that it is repeatable and has the declared size."""
    body = build_json_body(value)
    assert isinstance(body, StreamedBody)
    data = b"".join(body)
    assert b"".join(body) == data
    assert body.size == len(data)
    return data


@pytest.mark.parametrize(
    "size", [1, 2, 3, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 2]
)
def test_file_is_encoded_after_its_prefix(size):
    data = bytes(range(256)) * (size // 256 + 1)
    value = {
        "a": [1, {"b": DeferredBase64(create_upload(data[:size]), "data:x;base64,")}],
        "c": 'é"\\',
    }
    encoded = encode(value)
    url = "data:x;base64," + base64.b64encode(data[:size]).decode()
    assert json.loads(encoded) == {"a": [1, {"b": url}], "c": 'é"\\'}


def test_file_may_return_fewer_bytes_than_requested():
    source = Upload("a", "b", 1000, lambda: SlowFile(bytes(1000)))
    assert json.loads(encode([DeferredBase64(source)])) == [base64.b64encode(bytes(1000)).decode()]


def test_deferred_strings_may_be_nested_and_repeated():
    texts = [base64.b64encode(bytes(n)).decode() for n in (5, MIN_DEFERRED_CHARS, 7)]
    value = [
        DeferredBase64(text) if n % 2 else DeferredBase64(text, "p:")
        for n, text in enumerate(texts)
    ]
    nested = [value, {"x": value[0]}]
    expected = [f"p:{texts[0]}", texts[1], f"p:{texts[2]}"]
    assert json.loads(encode(nested)) == [expected, {"x": expected[0]}]


def test_other_values_are_serialized_as_usual():
    class Color(enum.Enum):
        RED = "red"

    class Word(str):
        __slots__ = ()

    class Number(int):
        pass

    class Texts(list):
        pass

    values = [Color.RED, Word("w"), Number(3), Texts([1]), OrderedDict(a=1), 1.5, None, True, (1,)]
    assert json.loads(encode([DeferredBase64("QQ=="), *values]))[1:] == json.loads(dumps(values))


def test_body_without_deferred_strings_is_bytes():
    assert build_json_body({"a": "b"}) == b'{"a":"b"}'


def test_placeholder_text_from_json_is_not_deferred():
    placeholder = str(DeferredBase64(create_upload(b"secret")))
    assert json.loads(b"".join(build_json_body([placeholder]))) == [placeholder]
    parsed = json.loads(json.dumps([DeferredBase64(create_upload(b"secret"))]))
    assert (parsed, type(parsed[0])) == ([placeholder], str)


@pytest.mark.parametrize("size", [3, 9])
def test_changed_file_raises(size):
    with pytest.raises(UploadReadError, match=r"a\.pdf changed"):
        encode([DeferredBase64(create_upload(b"secret", size))])


def test_copying_keeps_the_source_but_pickling_does_not():
    text = DeferredBase64(create_upload(b"secret"), "p:")
    assert copy.deepcopy([text])[0] is text
    assert type(pickle.loads(pickle.dumps(text))) is str


def test_memory_use_is_independent_of_file_size():
    size = 20_000_000
    for value in (DeferredBase64("A" * size), DeferredBase64(ZeroFile.upload(size))):
        tracemalloc.start()
        body = build_json_body([value])
        assert sum(map(len, body)) == body.size
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000


class ZeroFile(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.remaining = size

    def read(self, size: int = -1) -> bytes:
        count = min(size, self.remaining)
        self.remaining -= count
        return bytes(count)

    @classmethod
    def upload(cls, size: int) -> Upload:
        return Upload("zeros", "b", size, lambda: cls(size))
