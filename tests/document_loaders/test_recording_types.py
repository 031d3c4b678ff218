"""Recordings of every type: directories, file objects, conversions and 64-bit WAV files."""

import base64
import io
import json
import logging
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from support.audio_loaders import create_loader, load_texts
from support.recordings import create_recording as create_speech
from support.recordings import save_recording

from orq_router_integrations import OfflineRouter
from orq_router_integrations.document_loaders import sources
from orq_router_integrations.document_loaders.chunking import WavReader
from orq_router_integrations.document_loaders.sources import create_audio_upload
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.wav import build_pcm_format, parse_wav_header

TEXT = "First sentence. Second sentence."
OGG = b"OggS" + bytes(60)
MP4 = b"\0\0\0\x14ftypqt  " + bytes(60)
EBML = b"\x1aE\xdf\xa3" + bytes(60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with recordings of many suffixes, and files that are not recordings."""
    files = {
        "PTT-0001.opus": OGG,
        "voice.oga": OGG,
        "clip.mov": MP4,
        "clip.m4v": MP4,
        "old.3gp": b"\0\0\0\x14ftyp3gp4" + bytes(60),
        "album.mka": EBML,
        "film.MKV": EBML,
        "dictation": create_speech(TEXT),
        "dictation.dat": create_speech(TEXT),
    }
    other_files = {"notes.txt": b"text", "cover.jpg": b"\xff\xd8\xff\xe0", "empty.log": b""}
    for name, data in (files | other_files).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def load_names(source: Any) -> list[str]:
    documents = create_loader(source).load()
    return sorted(Path(document.metadata["source"]).name for document in documents)


@pytest.mark.parametrize("pattern", ["", "*", "**/*"])
def test_directory_has_the_files_that_are_accepted_individually(
    folder: Path, pattern: str, caplog: pytest.LogCaptureFixture
) -> None:
    accepted_names = []
    for file in folder.iterdir():
        try:
            accepted_names += load_names(file)
        except RouterInputError:
            continue
    with caplog.at_level(logging.WARNING):
        assert load_names(folder / pattern if pattern else folder) == sorted(accepted_names)
    assert len(accepted_names) == 9
    [record] = caplog.records
    assert "Skipped 3 other file(s), such as " in record.getMessage()
    assert all(name in record.getMessage() for name in ("notes.txt", "cover.jpg", "empty.log"))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*.opus", "PTT-0001.opus"),
        ("*.oga", "voice.oga"),
        ("*.[mM][kK][vV]", "film.MKV"),
        ("*.3gp", "old.3gp"),
        ("*.dat", "dictation.dat"),
    ],
)
def test_pattern_selects_any_suffix(
    folder: Path, pattern: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_names(str(folder / pattern)) == [name]
    assert caplog.records == []


def test_error_names_what_was_skipped(folder: Path) -> None:
    with pytest.raises(RouterInputError, match=r"No audio files in .*\.txt'.*Skipped 1 .*notes"):
        create_loader(str(folder / "*.txt")).lazy_load()


def test_only_some_skipped_files_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_recording(tmp_path / "a.wav")
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text("text")
    create_loader(tmp_path).load()
    message = caplog.records[0].getMessage()
    assert "Skipped 20 other file(s)" in message
    assert message.endswith("04.txt.")


def test_broken_recording_in_a_directory_is_an_error(tmp_path: Path) -> None:
    save_recording(tmp_path / "a.wav", "One.")
    (tmp_path / "b.mp3").touch()
    documents = create_loader(tmp_path).lazy_load()
    assert next(documents).page_content == "One."
    with pytest.raises(RouterInputError, match=r"b\.mp3' is empty"):
        next(documents)
    assert len(create_loader(tmp_path, on_error="skip").load()) == 1


@pytest.mark.parametrize("prefix", ["", "data:audio/wav;base64,"], ids=["base64", "data URL"])
def test_base64_data_is_not_in_the_metadata(prefix: str) -> None:
    source = prefix + base64.b64encode(create_speech("One.")).decode()
    for loader in (create_loader(source), create_loader([source])):
        [document] = loader.load()
        assert (document.page_content, document.metadata["source"]) == ("One.", "bytes")


def test_file_objects_are_read_when_the_loader_is_created(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    buffer.write(create_speech("One."))  # the position is at the end
    with save_recording(tmp_path / "two.wav", "Two.").open("rb") as stream:
        loader = create_loader([buffer, stream, bytearray(create_speech("Three."))])
        assert load_texts(create_loader(stream)) == ["Two."]
    documents = loader.load()  # the stream is closed
    assert [document.page_content for document in documents] == ["One.", "Two.", "Three."]
    assert [document.metadata["source"] for document in documents] == ["bytes", "two.wav", "bytes"]


@pytest.mark.parametrize(
    "source",
    [io.StringIO("text"), [io.StringIO("text")], io.BytesIO()],
    ids=["text", "list", "empty"],
)
def test_invalid_file_object_raises(source: Any) -> None:
    with pytest.raises(ValueError, match=r"binary mode|unknown type"):
        create_loader(source).load()


def test_name_that_is_not_utf_8_is_percent_encoded(tmp_path: Path) -> None:
    save_recording(tmp_path / b"caf\xe9.wav".decode("utf-8", "surrogateescape"))
    [document] = create_loader(tmp_path).load()
    assert json.loads(json.dumps(document.metadata).encode("utf-8")) == document.metadata
    assert document.metadata["source"].endswith("caf%E9.wav")
    document.model_dump_json()


def encode(path: Path, codec: str, **options: Any) -> Path:
    """Encode ``TEXT`` in the format of a suffix."""
    source = io.BytesIO(create_speech(TEXT, rate=16_000))
    with av.open(source) as container, av.open(str(path), "w", **options) as target:
        stream = target.add_stream(codec, rate=16_000, layout="mono")
        stream.bit_rate = 128_000
        for frame in (*container.decode(audio=0), None):
            if frame is not None:
                frame.pts, frame.time_base = None, Fraction(1, 16_000)
            target.mux(stream.encode(frame))
    return path


CONVERTIBLE = [
    ("a.aac", "aac", {}),
    ("a.aiff", "pcm_s16be", {}),
    ("a.wma", "wmav2", {"format": "asf"}),
    ("a.caf", "pcm_s16le", {}),
    ("a.w64", "pcm_s16le", {}),
]


@pytest.mark.parametrize(("name", "codec", "options"), CONVERTIBLE)
@pytest.mark.parametrize("max_seconds", [None, 60.0])
def test_other_audio_is_converted(
    tmp_path: Path, name: str, codec: str, options: dict[str, Any], max_seconds: float | None
) -> None:
    path, router = encode(tmp_path / name, codec, **options), OfflineRouter()
    [text] = load_texts(create_loader(path, router, max_seconds=max_seconds))
    assert text.endswith("sentence. Second sentence.")  # WMA distorts the first word
    assert [request.body["file"]["filename"] for request in router.requests] == ["a.wav"]
    assert load_texts(create_loader(tmp_path)) == [text]


def test_long_audio_is_converted_and_split(tmp_path: Path) -> None:
    path, router = encode(tmp_path / "a.aac", "aac"), OfflineRouter()
    create_loader(path, router, max_seconds=2.0, overlap_seconds=0.5).load()
    names = {request.body["file"]["filename"] for request in router.requests}
    assert {"a.001.wav", "a.002.wav"} <= names


def test_conversion_requires_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "a.aac", "aac")
    save_recording(tmp_path / "b.wav", "One.")
    monkeypatch.setattr(sources, "find_spec", lambda _: None)
    with pytest.raises(RouterInputError, match=r"a\.aac is audio/aac\. .* requires PyAV"):
        create_loader(path).lazy_load()
    assert load_texts(create_loader(tmp_path)) == ["One."]


def test_broken_audio_cannot_be_converted(tmp_path: Path) -> None:
    (tmp_path / "a.aiff").write_bytes(b"FORM\0\0\0\x20AIFFjunk")
    with pytest.raises(RouterInputError, match=r"Cannot decode .*a\.aiff"):
        create_loader(tmp_path / "a.aiff").lazy_load()


def to_rf64(data: bytes, *, data_size: int | None = None, name: bytes = b"RF64") -> bytes:
    size = len(data) - 44 if data_size is None else data_size
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, len(data) + 28, size, 0, 0)
    return name + b"\xff" * 4 + b"WAVE" + ds64 + data[12:40] + b"\xff" * 4 + data[44:]


SPEECH = create_speech(TEXT)
WAV_FILES = {
    "RF64": to_rf64(SPEECH),
    "BW64": to_rf64(SPEECH, name=b"BW64"),
    "RF64 without a size": to_rf64(SPEECH, data_size=0),
    "RF64 of unknown size": to_rf64(SPEECH, data_size=2**64 - 1),
    "truncated RF64": to_rf64(SPEECH, data_size=2**40),
    "RF64 with a 32-bit size": to_rf64(SPEECH)[:76]
    + struct.pack("<I", len(SPEECH) - 44)
    + SPEECH[44:],
}


@pytest.mark.parametrize("data", WAV_FILES.values(), ids=WAV_FILES)
@pytest.mark.parametrize("max_seconds", [None, 2.0])
def test_64_bit_wav_is_sent_as_wav(data: bytes, max_seconds: float | None) -> None:
    router = OfflineRouter()
    loader = create_loader(data, router, max_seconds=max_seconds, overlap_seconds=0.5)
    assert load_texts(loader) == [TEXT]
    assert all(request.body["file"]["filename"].endswith(".wav") for request in router.requests)
    assert bool(max_seconds) is (len(router.requests) > 1)


GIB = 2**30


@pytest.mark.parametrize(
    ("stated_size", "actual_size", "expected"),
    [
        (5 * GIB % 2**32, 5 * GIB, 5 * GIB),
        (13 * GIB % 2**32, 13 * GIB, 13 * GIB),
        (2**32 % 2**32, 2**32, 2**32),  # wrapped to zero
        (7 * GIB % 2**32, 7 * GIB, 7 * GIB),  # wrapped to a size that means unknown
        (5 * GIB % 2**32, 5 * GIB + 4096, 5 * GIB),  # chunks after the samples
        (GIB, GIB + 4096, GIB),
        (2 * GIB - 2**17, GIB, GIB),  # truncated
        (100, 100, 100),
    ],
)
def test_wrapped_size_is_corrected_by_the_file_size(
    tmp_path: Path, stated_size: int, actual_size: int, expected: int
) -> None:
    """The file is sparse and takes no space."""
    path = tmp_path / "meeting.wav"
    with path.open("wb") as file:
        head = struct.pack("<4sI8sI", b"RIFF", (36 + stated_size) % 2**32, b"WAVEfmt ", 16)
        file.write(head + build_pcm_format(48_000, 2) + struct.pack("<4sI", b"data", stated_size))
        file.truncate(44 + actual_size)
    reader = WavReader.from_upload(create_audio_upload(path))
    assert reader is not None
    assert reader.frame_count == expected // 4


def test_incomplete_64_bit_header_returns_none() -> None:
    data = to_rf64(SPEECH)
    header = parse_wav_header(data)
    assert header is not None
    assert header.is_64_bit
    ends = range(header.data_offset)
    assert [parse_wav_header(data[:end]) for end in ends] == [None] * len(ends)
