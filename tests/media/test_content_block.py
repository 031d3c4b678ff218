"""Content blocks and uploads from files and bytes."""

import base64
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from langchain_core.documents.base import Blob
from support.media_samples import PDF, PNG, WAV, encode_base64
from support.scripted_router import Script, create_call, create_client

from orq_router_integrations import content_block
from orq_router_integrations.errors import RouterError, RouterInputError
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.wire.endpoints import TRANSCRIPTIONS

ASSETS = Path(__file__).parents[1] / "assets"


def test_block_from_path(tmp_path):
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
def test_block_from_bytes_or_blob(source):
    assert content_block(source, detail="low") == {
        "type": "image",
        "base64": encode_base64(PNG),
        "mime_type": "image/png",
        "extras": {"detail": "low"},
    }


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK"])
def test_block_from_pil_image(mode):
    image = PIL.Image.new(mode, (4, 3))
    block = content_block(image, detail="low")
    assert (block["type"], block["mime_type"]) == ("image", "image/png")
    assert PIL.Image.open(io.BytesIO(base64.b64decode(block["base64"]))).size == image.size


def test_block_from_file_object(tmp_path):
    (tmp_path / "report.pdf").write_bytes(PDF)
    with (tmp_path / "report.pdf").open("rb") as stream:
        stream.read(3)
        block = content_block(stream)
    assert block["extras"] == {"filename": "report.pdf"}
    assert base64.b64decode(block["base64"]) == PDF
    assert content_block(io.BytesIO(PNG))["base64"] == encode_base64(PNG)
    assert content_block(io.BytesIO(b"text"))["text"] == "text"


@pytest.mark.parametrize("source", [7, None, ["a.png"], {"path": "a.png"}, object()])
def test_other_objects_raise(source):
    message = f"Expected a path, bytes, .* a PIL image or a Blob, got {type(source).__name__}"
    with pytest.raises(RouterInputError, match=message):
        content_block(source)


@pytest.mark.slow
def test_pillow_is_not_imported():
    code = "import orq_router_integrations as orq, sys; orq.content_block(b'text'); "
    check = "sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code + check], check=False).returncode == 0


def test_blob_provides_name_and_type(tmp_path):
    path = tmp_path / "report"
    path.write_bytes(PDF)
    assert content_block(Blob.from_path(path))["extras"] == {"filename": "report.pdf"}
    named_blob = Blob.from_data(PDF, metadata={"filename": "q3.pdf"})
    assert content_block(named_blob)["extras"] == {"filename": "q3.pdf"}
    assert content_block(named_blob, filename="mine")["extras"] == {"filename": "mine.pdf"}
    assert content_block(Blob.from_data("text", mime_type="text/plain"))["text"] == "text"


@pytest.mark.parametrize("text", ["BMW and Audi", "ID3 is a tag", "plain"])
def test_text_may_start_with_magic_bytes(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    assert content_block(path)["text"] == text


def create_paths(folder: Path) -> dict[str, Any]:
    os.mkfifo(folder / "pipe")
    (folder / "empty.png").touch()
    (folder / "link.png").symlink_to(folder / "nowhere")
    names = {name: folder / name for name in ("pipe", "empty.png", "link.png", "missing.png")}
    return {**names, "folder": folder, "device": "/dev/zero", "nul": "a\0b.png", "long": "x" * 5000}


PATHS = ["pipe", "empty.png", "link.png", "missing.png", "folder", "device", "nul", "long"]


@pytest.mark.parametrize(
    "convert", [content_block, create_upload, lambda path: content_block(Blob(path=path))]
)
@pytest.mark.parametrize("name", PATHS)
def test_only_regular_files_are_read(tmp_path, name, convert):
    with pytest.raises(RouterInputError) as raised:
        convert(create_paths(tmp_path)[name])
    is_regular = name not in {"pipe", "folder", "device"}
    assert ("is not a regular file" in str(raised.value)) is not is_regular


@pytest.mark.parametrize("convert", [content_block, lambda path: content_block(Blob(path=path))])
def test_url_is_rejected_with_a_hint(convert):
    with pytest.raises(
        RouterInputError, match=r"Download it, .*\. In chat messages, the URL of an image"
    ):
        convert("https://any.host/a.png")


@pytest.mark.parametrize("convert", [content_block, create_upload])
def test_unreadable_file_raises(tmp_path, monkeypatch, convert):
    path = tmp_path / "secret.png"
    path.write_bytes(PNG)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(RouterInputError, match=r"secret\.png"):
        convert(path)


@pytest.mark.parametrize("source", [None, 7, {"path": "a.png"}, ["a.png"]])
@pytest.mark.parametrize("convert", [content_block, create_upload])
def test_other_source_raises(convert, source):
    with pytest.raises(RouterInputError):
        convert(source)


@pytest.mark.parametrize("convert", [content_block, create_upload])
def test_empty_bytes_raise(convert):
    with pytest.raises(RouterInputError, match="empty"):
        convert(b"")


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
def test_unsupported_content_raises(data, options):
    with pytest.raises(RouterInputError, match="content_block"):
        content_block(data, **options)


@pytest.mark.parametrize(
    ("data", "description"),
    [(b"\x01\x02\x03", "of an unknown type, or text that is not UTF-8"), (b"<html>", "text/html")],
    ids=["unknown", "HTML"],
)
def test_error_lists_accepted_types(data, description):
    with pytest.raises(
        RouterInputError, match=f"The file is {description}. Chat models accept PNG, .*text"
    ):
        content_block(data)


def test_large_image_is_not_read(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(PNG)
    os.truncate(path, 64 * 2**20)
    tracemalloc.start()
    with pytest.raises(RouterInputError, match="at most 20 MB"):
        content_block(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20


@pytest.mark.parametrize("from_bytes", [True, False], ids=["bytes", "path"])
def test_upload_can_be_opened_twice(tmp_path, from_bytes):
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    part = create_upload(WAV, filename="a.wav") if from_bytes else create_upload(str(path))
    for _ in range(2):
        with part.open() as stream:
            assert stream.read() == WAV
    assert (part.filename, part.mime_type, part.size) == ("a.wav", "audio/wav", len(WAV))


def test_upload_name_and_type():
    assert create_upload(PDF).filename == "file.pdf"
    assert (create_upload(b"?").filename, create_upload(b"?").mime_type) == (
        "file.bin",
        "application/octet-stream",
    )
    upload = create_upload(WAV, filename="b.bin")
    assert (upload.filename, upload.mime_type) == ("b.bin", "audio/wav")


@pytest.mark.parametrize(
    "options",
    [
        {"filename": "a\r\nX-Evil: 1"},
        {"filename": 'a"; name="model'},
        {"filename": "a\0b"},
        {"filename": "a\udc80b"},
    ],
)
def test_name_cannot_inject_headers(options):
    script = Script()
    try:
        call = create_call(
            endpoint=TRANSCRIPTIONS, body={}, files={"file": create_upload(WAV, **options)}
        )
        create_client(script).send(call)
    except RouterError:
        assert script.sent == 0
        return
    header = script.requests[0].content.partition(b"\r\n\r\n")[0]
    assert header.count(b"\r\n") == 2
    assert header.count(b' name="') == 1
    assert b"\0" not in header


def test_text_must_be_utf_8(tmp_path):
    path = tmp_path / "old.txt"
    path.write_bytes("café".encode("latin-1"))
    with pytest.raises(RouterInputError, match=r"old\.txt is not UTF-8\. Decode it"):
        content_block(path)


def test_wrong_pdf_raises(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"hello")
    with pytest.raises(RouterInputError, match=r"not a PDF\. Convert it"):
        content_block(path)


@pytest.mark.parametrize("detail", [[], "max"], ids=repr)
def test_unknown_detail_raises(detail):
    with pytest.raises(RouterInputError, match="detail: Expected 'low', 'high' or 'auto', got"):
        content_block(PNG, detail=detail)


@pytest.mark.parametrize("argument", ["mime_type", "filename"])
@pytest.mark.parametrize("value", [5, b"image/png", ["image/png"], Path("a.png")], ids=repr)
def test_option_of_another_type_raises(argument, value):
    message = f"content_block: {argument}: Expected a str, got {type(value).__name__}"
    with pytest.raises(RouterInputError, match=message):
        content_block(PNG, **{argument: value})


@pytest.mark.parametrize(
    "text", [encode_base64(PNG * 4), f"data:image/png;base64,{encode_base64(PNG)}"]
)
def test_base64_text_is_decoded(text):
    assert content_block(text)["mime_type"] == "image/png"


@pytest.mark.parametrize(
    "text", [encode_base64(b"no known type" * 4), encode_base64(PNG[:6]), "A" * 32]
)
def test_other_text_is_a_path(text):
    with pytest.raises(RouterInputError, match="Cannot open"):
        content_block(text)


def test_file_named_like_base64_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = encode_base64(PNG * 2).replace("/", "+")
    (tmp_path / name).write_bytes(PDF)
    assert content_block(name)["type"] == "file"
