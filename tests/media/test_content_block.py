"""Files and bytes, and how they are handed over."""

import base64
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents.base import Blob
from support.media_samples import PDF, PNG, WAV, b64
from support.scripted_router import Script, chat, client_of

from orq_router_integrations import content_block
from orq_router_integrations.errors import RouterError, RouterInputError
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.wire.endpoints import TRANSCRIPTIONS

ASSETS = Path(__file__).parents[1] / "assets"


def test_a_file_becomes_a_block(tmp_path):
    (tmp_path / "notes.txt").write_text("caf\u00e9", encoding="utf-8")
    image, pdf = content_block(ASSETS / "diagram.png"), content_block(str(ASSETS / "dummy.pdf"))
    assert (image["type"], image["mime_type"]) == ("image", "image/png")
    assert base64.b64decode(image["base64"]) == (ASSETS / "diagram.png").read_bytes()
    assert (pdf["type"], pdf["extras"]) == ("file", {"filename": "dummy.pdf"})
    assert content_block(ASSETS / "bird.wav")["type"] == "audio"
    assert content_block(tmp_path / "notes.txt")["text"] == "caf\u00e9"


@pytest.mark.parametrize(
    "source",
    [
        PNG,
        bytearray(PNG),
        memoryview(PNG),
        Blob.from_data(PNG),
        Blob.from_data(PNG, mime_type="x/y"),
    ],
)
def test_bytes_and_blobs_become_a_block(source):
    assert content_block(source, detail="low") == {
        "type": "image",
        "base64": b64(PNG),
        "mime_type": "image/png",
        "extras": {"detail": "low"},
    }


def test_a_blob_gives_its_path_its_name_and_its_type(tmp_path):
    path = tmp_path / "report"
    path.write_bytes(PDF)
    assert content_block(Blob.from_path(path))["extras"] == {"filename": "report.pdf"}
    named = Blob.from_data(PDF, metadata={"filename": "q3.pdf"})
    assert content_block(named)["extras"] == {"filename": "q3.pdf"}
    assert content_block(named, filename="mine")["extras"] == {"filename": "mine.pdf"}
    assert content_block(Blob.from_data("text", mime_type="text/plain"))["text"] == "text"


@pytest.mark.parametrize("text", ["BMW and Audi", "ID3 is a tag", "plain"])
def test_a_text_may_begin_with_any_letters(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    assert content_block(path)["text"] == text


def bad_paths(folder: Path) -> dict[str, Any]:
    os.mkfifo(folder / "pipe")
    (folder / "empty.png").touch()
    (folder / "link.png").symlink_to(folder / "nowhere")
    names = {name: folder / name for name in ("pipe", "empty.png", "link.png", "missing.png")}
    return {**names, "folder": folder, "device": "/dev/zero", "nul": "a\0b.png", "long": "x" * 5000}


PATHS = ["pipe", "empty.png", "link.png", "missing.png", "folder", "device", "nul", "long"]


@pytest.mark.parametrize(
    "take", [content_block, create_upload, lambda path: content_block(Blob(path=path))]
)
@pytest.mark.parametrize("name", PATHS)
def test_only_a_regular_file_with_something_in_it_is_read(tmp_path, name, take):
    with pytest.raises(RouterInputError) as raised:
        take(bad_paths(tmp_path)[name])
    regular = name not in {"pipe", "folder", "device"}
    assert ("is not a regular file" in str(raised.value)) is not regular


@pytest.mark.parametrize("take", [content_block, lambda path: content_block(Blob(path=path))])
def test_a_url_is_not_fetched_and_the_other_way_is_told(take):
    with pytest.raises(RouterInputError, match="download it first; a chat model takes an image"):
        take("https://any.host/a.png")


@pytest.mark.parametrize("take", [content_block, create_upload])
def test_a_file_that_may_not_be_read_is_a_clear_error(tmp_path, monkeypatch, take):
    path = tmp_path / "secret.png"
    path.write_bytes(PNG)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(RouterInputError, match=r"secret\.png"):
        take(path)


@pytest.mark.parametrize("source", [None, 7, {"path": "a.png"}, ["a.png"]])
@pytest.mark.parametrize("take", [content_block, create_upload])
def test_what_is_neither_path_nor_bytes_is_a_clear_error(take, source):
    with pytest.raises(RouterInputError):
        take(source)


@pytest.mark.parametrize("take", [content_block, create_upload])
def test_no_bytes_are_no_file(take):
    with pytest.raises(RouterInputError, match="empty"):
        take(b"")


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (b"<html>", {}),
        (b"BM\x36\0\0\0", {}),
        (b"<svg xmlns=", {}),
        (b"fLaC\0", {}),
        (b"\0\0\0\x18ftypisom", {}),
        (b"\x01\x02\x03", {}),
        (b"\xff\xfe", {"mime_type": "text/plain"}),
        (PDF, {"filename": "../up.pdf"}),
    ],
)
def test_what_no_chat_model_takes_is_refused(data, options):
    with pytest.raises(RouterInputError, match="content_block"):
        content_block(data, **options)


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(PNG)
    os.truncate(path, 64 * 2**20)
    tracemalloc.start()
    with pytest.raises(RouterInputError, match="at most 20 MB"):
        content_block(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20


@pytest.mark.parametrize("whole", [True, False], ids=["bytes", "path"])
def test_an_upload_begins_anew_each_time_it_is_opened(tmp_path, whole):
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    part = create_upload(WAV, filename="a.wav") if whole else create_upload(str(path))
    for _ in range(2):
        with part.open() as stream:
            assert stream.read() == WAV
    assert (part.filename, part.mime_type, part.size) == ("a.wav", "audio/wav", len(WAV))


def test_an_upload_is_named_after_its_bytes_unless_told_otherwise(tmp_path):
    (tmp_path / "data.txt").write_text("plain")
    assert create_upload(PDF).filename == "file.pdf"
    assert (create_upload(b"?").filename, create_upload(b"?").mime_type) == (
        "file.bin",
        "application/octet-stream",
    )
    told = create_upload(WAV, filename="b.bin", mime_type="audio/wave")
    assert (told.filename, told.mime_type) == ("b.bin", "audio/wave")
    assert create_upload(tmp_path / "data.txt").mime_type == "text/plain"


@pytest.mark.parametrize(
    "options",
    [
        {"filename": "a\r\nX-Evil: 1"},
        {"filename": 'a"; name="model'},
        {"filename": "a\0b"},
        {"filename": "a\udc80b"},
        {"mime_type": "audio/wav\r\nX-Evil: 1"},
        {"mime_type": "audio/wav\0"},
    ],
)
def test_no_name_or_type_breaks_out_of_its_header(options):
    script = Script()
    try:
        call = chat(endpoint=TRANSCRIPTIONS, body={}, files={"file": create_upload(WAV, **options)})
        client_of(script).send(call)
    except RouterError:
        assert script.sent == 0
        return
    head = script.requests[0].content.partition(b"\r\n\r\n")[0]
    assert head.count(b"\r\n") == 2
    assert head.count(b' name="') == 1
    assert b"\0" not in head


def test_a_file_in_another_encoding_is_named_with_the_fix(tmp_path):
    path = tmp_path / "old.txt"
    path.write_bytes("café".encode("latin-1"))
    with pytest.raises(RouterInputError, match=r"old\.txt is not UTF-8; decode it"):
        content_block(path)


def test_a_file_that_only_calls_itself_pdf_is_refused(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"hello")
    with pytest.raises(RouterInputError, match=r"not a PDF .* convert it"):
        content_block(path)


@pytest.mark.parametrize("options", [{"mime_type": 5}, {"filename": 5}, {"detail": []}], ids=str)
def test_an_option_that_is_no_text_is_refused(options):
    with pytest.raises(RouterInputError, match="must be text"):
        content_block(b"%PDF-1.7", **options)
