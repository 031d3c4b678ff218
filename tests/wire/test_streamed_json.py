"""Long texts of a JSON body are put in while it is sent, and nothing of it can be forged."""

import base64
import copy
import enum
import io
import json
import pickle
import tracemalloc
from collections import OrderedDict

import pytest

from orq_router_integrations.wire.call import Upload, UploadReadError
from orq_router_integrations.wire.json import dumps
from orq_router_integrations.wire.request_encoding import (
    CHUNK_BYTES,
    MIN_DEFERRED_CHARS,
    DeferredBase64,
    StreamedJsonBody,
    build_json_body,
)


def file_of(data: bytes, size: int | None = None) -> Upload:
    return Upload("a.pdf", "application/pdf", size or len(data), lambda: io.BytesIO(data))


class Trickle(io.BytesIO):
    """Reads fewer bytes than asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 7))


def sent(value: object) -> tuple[bytes, int]:
    body = build_json_body(value)
    assert isinstance(body, StreamedJsonBody)
    data = b"".join(body)
    assert b"".join(body) == data  # a retry sends the same
    return data, body.size


@pytest.mark.parametrize(
    "size", [1, 2, 3, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 2]
)
def test_a_file_is_put_in_as_base64(size):
    data = bytes(range(256)) * (size // 256 + 1)
    value = {"a": [1, {"b": DeferredBase64(file_of(data[:size]), "data:x;base64,")}], "c": 'é"\\'}
    made, length = sent(value)
    url = "data:x;base64," + base64.b64encode(data[:size]).decode()
    assert (json.loads(made), len(made)) == ({"a": [1, {"b": url}], "c": 'é"\\'}, length)


def test_a_file_that_reads_in_odd_pieces_is_the_same():
    source = Upload("a", "b", 1000, lambda: Trickle(bytes(1000)))
    assert json.loads(sent([DeferredBase64(source)])[0]) == [base64.b64encode(bytes(1000)).decode()]


def test_several_texts_keep_their_places():
    texts = [base64.b64encode(bytes(n)).decode() for n in (5, MIN_DEFERRED_CHARS, 7)]
    value = [
        DeferredBase64(text) if n % 2 else DeferredBase64(text, "p:")
        for n, text in enumerate(texts)
    ]
    again = [value, {"x": value[0]}]
    wanted = [f"p:{texts[0]}", texts[1], f"p:{texts[2]}"]
    assert json.loads(sent(again)[0]) == [wanted, {"x": wanted[0]}]


def test_what_else_json_takes_is_written_as_without():
    class Colour(enum.Enum):
        RED = "red"

    class Word(str):
        __slots__ = ()

    class Number(int):
        pass

    class Texts(list):
        pass

    others = [Colour.RED, Word("w"), Number(3), Texts([1]), OrderedDict(a=1), 1.5, None, True, (1,)]
    assert json.loads(sent([DeferredBase64("QQ=="), *others])[0])[1:] == json.loads(dumps(others))


def test_a_body_without_such_texts_stays_as_it_is():
    assert build_json_body({"a": "b"}) == b'{"a":"b"}'


def test_a_text_that_reads_like_a_note_is_a_text():
    note = str(DeferredBase64(file_of(b"secret")))
    assert json.loads(b"".join(build_json_body([note]))) == [note]
    again = json.loads(json.dumps([DeferredBase64(file_of(b"secret"))]))
    assert (again, type(again[0])) == ([note], str)


@pytest.mark.parametrize("size", [3, 9])
def test_a_file_that_changed_is_told(size):
    with pytest.raises(UploadReadError, match=r"a\.pdf changed"):
        sent([DeferredBase64(file_of(b"secret", size))])


def test_copies_stand_for_the_same_and_pickles_for_nothing():
    text = DeferredBase64(file_of(b"secret"), "p:")
    assert copy.deepcopy([text])[0] is text
    assert type(pickle.loads(pickle.dumps(text))) is str


def test_memory_does_not_grow_with_the_file():
    size = 20_000_000
    for value in (DeferredBase64("A" * size), DeferredBase64(_Zeros.upload(size))):
        tracemalloc.start()
        body = build_json_body([value])
        assert sum(map(len, body)) == body.size
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        count = min(size, self.left)
        self.left -= count
        return bytes(count)

    @classmethod
    def upload(cls, size: int) -> Upload:
        return Upload("zeros", "b", size, lambda: cls(size))
