"""What cannot be transcribed: a typed error, and no request where it can be known before."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.document_loaders import BlobLoader
from langchain_core.documents.base import Blob
from support.recordings import recorded, recording

from orq_router_integrations import OfflineRouter, OrqTranscriptionLoader, RouterClient
from orq_router_integrations.document_loaders import decoding
from orq_router_integrations.errors import InvalidResponseError, RouterError, RouterInputError
from orq_router_integrations.media.wav import build_wav_header

WHISPER = "openai/whisper-1"


def make(folder: Path) -> dict[str, tuple[Any, str]]:
    """Sources that cannot be, and what is said of them."""
    (folder / "empty").mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("text")
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("not audio at all")
    (folder / "page.mp3").write_text("<!DOCTYPE html>")
    (folder / "aac.aac").write_bytes(b"\xff\xf1\x50" * 30)
    (folder / "loop.wav").symlink_to(folder / "loop.wav")
    os.mkfifo(folder / "pipe.wav")
    return {
        "missing": (folder / "none.wav", "cannot open"),
        "empty folder": (folder / "empty", "no audio file in"),
        "folder without audio": (folder / "notes", "no audio file in"),
        "pattern without a match": (f"{folder}/*.flac", "no audio file in"),
        "empty file": (folder / "empty.wav", "is empty"),
        "text": (folder / "text.mp3", "of an unknown type"),
        "web page": (folder / "page.mp3", "text/html"),
        "aac": (folder / "aac.aac", "audio/aac, not audio of a known kind"),
        "link to itself": (folder / "loop.wav", "cannot open"),
        "long name": ("a" * 300 + ".wav", "cannot open"),
        "no pattern": (f"{folder}/**.wav", r"between slashes, \*\* must stand alone"),
        "pipe": (folder / "pipe.wav", "not a regular file"),
        "device": ("/dev/zero", "not a regular file"),
        "url": ("https://any.host/a.wav", "is a URL, which is not fetched: download it first$"),
        "url with a query": ("https://any.host/a.wav?key=1", "is a URL, .* download it first$"),
        "no bytes": (b"", "no bytes"),
        "other bytes": (b"hello", "unknown type"),
        "blob of text": (Blob.from_data("hello"), "holds text"),
        "blob of a missing file": (Blob.from_path(folder / "none.wav"), "cannot open"),
        "one of several": ([recorded(folder / "ok.wav"), folder / "none.wav"], "none.wav"),
    }


@pytest.fixture
def bad(tmp_path: Path) -> dict[str, tuple[Any, str]]:
    return make(tmp_path)


def loader(source: Any, client: RouterClient, **options: Any) -> OrqTranscriptionLoader:
    return OrqTranscriptionLoader(source=source, model=WHISPER, client=client, **options)


def test_they_are_refused_at_the_call_and_before_any_request(
    bad: dict[str, tuple[Any, str]],
) -> None:
    router = OfflineRouter()
    for source, said in bad.values():
        for start in ("lazy_load", "alazy_load"):
            with pytest.raises(RouterInputError, match=said):
                getattr(loader(source, router.client()), start)()
    assert router.requests == []


def test_with_a_policy_they_are_left_out_or_marked(bad: dict[str, tuple[Any, str]]) -> None:
    router = OfflineRouter()
    source, _ = bad["one of several"]
    assert len(loader(source, router.client(), on_error="skip").load()) == 1
    _, marked = loader(source, router.client(), on_error="mark").load()
    assert marked.metadata["error"].startswith("RouterInputError: ")
    assert marked.metadata["source"].endswith("none.wav")


class Shrinking(httpx.BaseTransport):
    """Cuts the file while it is being sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sent = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        for _ in request.stream:
            os.truncate(self.path, 100)
        return httpx.Response(200, json={"text": "never"})


def test_a_file_that_shrinks_while_it_is_sent_is_an_error(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.wav", "Some words. " * 40)
    transport = Shrinking(path)
    client = RouterClient(api_key="k", http_client=httpx.Client(transport=transport))
    with pytest.raises(RouterInputError, match="changed during the upload"):
        loader(path, client).load()
    assert transport.sent == 1


def test_a_file_that_vanishes_after_the_check_is_an_error_in_its_turn(tmp_path: Path) -> None:
    paths = [recorded(tmp_path / f"{number}.wav", f"{number}.") for number in range(3)]
    documents = loader(paths, OfflineRouter().client(), max_concurrency=1).lazy_load()
    paths[1].unlink()
    assert next(documents).page_content == "0."
    with pytest.raises(RouterInputError, match=r"1\.wav"):
        next(documents)


def test_a_blob_loader_that_fails_loses_nothing_that_came_before() -> None:
    class Failing:
        def yield_blobs(self) -> Iterator[Blob]:
            yield Blob.from_data(recording("One."))
            raise OSError("the bucket is gone")

    BlobLoader.register(Failing)
    for limit in (1, 4):
        documents = loader(Failing(), OfflineRouter().client(), max_concurrency=limit).lazy_load()
        assert next(documents).page_content == "One."
        with pytest.raises(OSError, match="bucket"):
            next(documents)


PAGE = b"<html>Bad gateway</html>"
REPLIES = [
    *[
        (kind, content)
        for kind in ("json", "text")
        for content in (b"", PAGE, b'{"language":"en"}')
    ],
    *[("json", content) for content in (b"null", b"[]", b"Good day.")],
]


@pytest.mark.parametrize(("kind", "content"), REPLIES)
def test_a_reply_without_a_transcript_is_never_an_empty_success(kind: str, content: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    client = RouterClient(api_key="k", http_client=httpx.Client(transport=transport))
    with pytest.raises(InvalidResponseError):
        loader(recording(), client, response_format=kind).load()


def test_faults_are_retried_with_the_same_bytes() -> None:
    router = OfflineRouter(faults={WHISPER: [503, 503]})
    found = loader(recording("Same."), router.client()).load()
    assert found[0].page_content == "Same."
    digests = {request.body["file"]["sha256"] for request in router.requests}
    assert (len(router.requests), len(digests)) == (3, 1)


def test_a_413_of_the_router_says_what_it_is() -> None:
    router = OfflineRouter()
    with pytest.raises(RouterError, match="at most 26214400") as caught:
        loader(recording("")[:44] + bytes(26 * 2**20), router.client(), max_bytes=30 * 2**20).load()
    assert caught.value.status_code == 413


def test_what_a_blob_loader_yields_must_be_a_blob() -> None:
    class Odd(BlobLoader):
        def yield_blobs(self) -> Iterator[Any]:
            yield None

    with pytest.raises(RouterInputError, match="must yield Blobs, not NoneType"):
        loader(Odd(), OfflineRouter().client()).load()


def test_a_folder_that_cannot_be_listed_is_not_left_out_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "a.wav", "One.")
    (tmp_path / "closed").mkdir()
    listed = os.scandir

    def refused(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)
    documents = loader(tmp_path, OfflineRouter().client()).lazy_load()
    assert next(documents).page_content == "One."
    with pytest.raises(RouterInputError, match=r"cannot list a folder: .*closed"):
        next(documents)


def test_without_pyav_it_is_said_before_the_first_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a length decides, and where a WAV is packed and cannot be cut as it is."""
    monkeypatch.setattr(decoding, "find_spec", lambda _: None)
    packed = struct.pack("<HHIIHHHH", 0x11, 1, 8000, 4055, 256, 4, 2, 505)
    (tmp_path / "b.wav").write_bytes(build_wav_header(packed, 25_600) + bytes(25_600))
    (tmp_path / "b.mp3").write_bytes(b"ID3" + bytes(2000))
    router = OfflineRouter()
    for name in ("b.wav", "b.mp3"):
        sources = [recorded(tmp_path / "a.wav"), tmp_path / name]
        with pytest.raises(RouterInputError, match="takes PyAV"):
            loader(sources, router.client(), max_seconds=60).lazy_load()
    assert router.requests == []
