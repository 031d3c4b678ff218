"""Transcription of recordings: long audio, error policies and the requests that are sent."""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.documents import get_texts
from langchain_core.documents import Document
from support.audio_loaders import WHISPER, create_loader, load_texts
from support.marks import sync_and_async
from support.recordings import create_recording, save_recording
from support.scripted_router import record_sleeps

from orq_router_integrations import OfflineRouter, OrqTranslationLoader, RouterClient, to_vtt
from orq_router_integrations.errors import (
    InvalidResponseError,
    NotFoundError,
    RouterError,
    RouterInputError,
    ServerError,
)
from orq_router_integrations.testing import Fault
from orq_router_integrations.wire.subtitles import parse_subtitles


def check_words(documents: list[Document], expected: Any) -> None:
    assert get_texts(documents) == expected.text.split()
    for document, word in zip(documents, expected.words, strict=True):
        assert abs(document.metadata["start"] - word.start) < 0.05
        assert abs(document.metadata["end"] - word.end) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_each_word_of_an_hour_is_found_at_its_time(hour: Any, max_concurrency: int) -> None:
    router = OfflineRouter()
    loader = create_loader(
        hour.path, router, granularity="word", max_seconds=600.0, max_concurrency=max_concurrency
    )
    check_words(loader.load(), hour)
    assert len(router.requests) == 7


@pytest.mark.slow
async def test_stored_hour_is_loaded_without_requests(hour: Any, tmp_path: Path) -> None:
    options = {"granularity": "word", "store": tmp_path / "transcripts.db"}
    documents = await create_loader(hour.path, **options).aload()
    check_words(documents, hour)
    router = OfflineRouter()
    assert create_loader(hour.path, router, **options, max_concurrency=1).load() == documents
    assert await create_loader(hour.path, router, **options).aload() == documents
    assert router.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("max_concurrency", [1, 3, 16])
@pytest.mark.parametrize("overlap_seconds", [0.0, 3.0])
async def test_result_does_not_depend_on_overlap_and_concurrency(
    talk: Any, max_concurrency: int, overlap_seconds: float
) -> None:
    loader = create_loader(
        talk.path,
        granularity="word",
        max_seconds=50.0,
        overlap_seconds=overlap_seconds,
        max_concurrency=max_concurrency,
    )
    check_words(loader.load(), talk)
    check_words(await loader.aload(), talk)


@pytest.mark.slow
@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt"])
def test_formats_without_words_are_stitched(talk: Any, response_format: str) -> None:
    router = OfflineRouter()
    loader = create_loader(talk.path, router, response_format=response_format, max_seconds=60.0)
    [document] = loader.load()
    assert document.page_content == talk.text
    assert document.metadata["end"] == document.metadata["duration"]
    assert len(router.requests) > 5


def test_segments_of_split_recordings_are_sentences(talk: Any) -> None:
    loader = OrqTranslationLoader(
        source=talk.path,
        model=WHISPER,
        client=OfflineRouter().client(),
        response_format="vtt",
        granularity="segment",
        max_seconds=60.0,
    )
    documents = loader.load()
    sentences = [f"{sentence}." for sentence in talk.text.rstrip(".").split(". ")]
    assert get_texts(documents) == sentences
    parsed = parse_subtitles(to_vtt(documents))
    assert [span.text for span in parsed] == sentences
    assert parsed[-1].start == pytest.approx(documents[-1].metadata["start"], abs=0.001)


def test_prompt_of_a_chunk_ends_with_the_previous_transcript(talk: Any) -> None:
    router = OfflineRouter()
    loader = create_loader(
        talk.path, router, prompt="A sermon.", max_seconds=60.0, max_concurrency=1
    )
    loader.load()
    prompts = [request.body["prompt"] for request in router.requests]
    assert prompts[0] == "A sermon."
    assert len(prompts) > 5
    for prompt in prompts[1:]:
        assert prompt.startswith("A sermon. ")
        assert prompt.removeprefix("A sermon. ") in talk.text
        assert len(prompt) <= 210
    assert router.requests[0].body["file"]["filename"] == "talk.001.wav"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 3), ({"carry_prompt": False}, 8)],
    ids=["carry_prompt", "no carry_prompt"],
)
def test_each_concurrent_group_starts_without_a_prompt(
    talk: Any, options: dict[str, Any], count: int
) -> None:
    router = OfflineRouter()
    create_loader(talk.path, router, max_seconds=56.0, max_concurrency=3, **options).load()
    assert len(router.requests) == 8
    assert sum("prompt" not in request.body for request in router.requests) == count


def test_failed_chunk_is_marked(talk: Any) -> None:
    router = OfflineRouter(faults={WHISPER: [200, 200, 500]})
    documents = create_loader(
        talk.path,
        client=router.client(max_retries=0),
        granularity="segment",
        on_error="mark",
        max_seconds=60.0,
        max_concurrency=1,
    ).load()
    [marked] = [document for document in documents if "error" in document.metadata]
    index = documents.index(marked)
    assert marked.page_content == ""
    assert marked.metadata["error"].startswith("ServerError: ")
    assert documents[index - 1].metadata["end"] <= marked.metadata["start"] + 2.5
    assert documents[index + 1].metadata["start"] >= marked.metadata["end"] - 2.5
    assert len(documents) > 80


def test_marked_chunk_leaves_no_trace_in_the_text(talk: Any) -> None:
    router = OfflineRouter(faults={WHISPER: [200, 400]})
    [document] = create_loader(
        talk.path, router, on_error="mark", max_seconds=60.0, max_concurrency=1
    ).load()
    assert "not transcribed" not in document.page_content
    assert document.page_content.startswith(talk.text[:500])
    assert "BadRequestError" in document.metadata["error"]


def test_skipped_chunk_is_logged_and_counted(talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    router = OfflineRouter(faults={WHISPER: [200, 500]})
    [document] = create_loader(
        talk.path,
        client=router.client(max_retries=0),
        on_error="skip",
        max_seconds=60.0,
        max_concurrency=1,
    ).load()
    assert 40 < document.metadata["skipped_seconds"] <= 60
    assert "talk.wav, chunk 2 of " in caplog.text
    assert document.page_content.startswith(talk.text[:500])
    assert document.page_content.endswith(talk.text[-500:])


@pytest.mark.slow
def test_transcripts_before_a_failure_are_stored(talk: Any, tmp_path: Path) -> None:
    router = OfflineRouter(faults={WHISPER: [200, 200, 500]})
    loader = create_loader(
        talk.path,
        client=router.client(max_retries=0),
        store=tmp_path / "transcripts.db",
        max_seconds=60.0,
        max_concurrency=1,
    )
    with pytest.raises(ServerError, match=r"^\S+talk.wav, chunk 3 of 8: openai"):
        loader.load()
    assert load_texts(loader) == [talk.text]
    assert len(router.requests) == 3 + 6


def test_first_failure_cancels_the_other_chunks(talk: Any) -> None:
    router = OfflineRouter(faults={WHISPER: 500})
    client = router.client(max_retries=0)
    with pytest.raises(ServerError):
        create_loader(talk.path, client=client, max_seconds=20.0, max_concurrency=2).load()
    assert len(router.requests) <= 4


@pytest.mark.parametrize("policy", ["raise", "skip", "mark"])
def test_errors_that_affect_all_files_are_always_raised(policy: str) -> None:
    router = OfflineRouter(models=["openai/gpt-4o"])
    source = [create_recording("One."), create_recording("Two.")]
    with pytest.raises(NotFoundError, match=r"^bytes: "):
        create_loader(source, router, on_error=policy, max_concurrency=1).load()
    assert len(router.requests) == 1


def test_skipped_recording_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    router = OfflineRouter(faults={WHISPER: [400]})
    source = [create_recording("One."), create_recording("Two.")]
    loader = create_loader(source, router, on_error="skip", max_concurrency=1)
    assert load_texts(loader) == ["Two."]
    assert "Could not load bytes: BadRequestError" in caplog.text


def test_marked_recording_has_the_reason() -> None:
    router = OfflineRouter(faults={WHISPER: [400]})
    source = [create_recording("One."), create_recording("Two.")]
    first, second = create_loader(source, router, on_error="mark", max_concurrency=1).load()
    assert first.page_content == ""
    assert first.metadata["error"].startswith("BadRequestError: ")
    assert second.page_content == "Two."


@sync_and_async
async def test_error_has_the_status(is_async: bool) -> None:
    loader = create_loader(create_recording(), OfflineRouter(faults={WHISPER: 422}))
    with pytest.raises(RouterError) as raised:
        await loader.aload() if is_async else loader.load()
    assert raised.value.status_code == 422


INVALID_BODIES = {
    "empty": b"",
    "web page": b"<html>Bad gateway</html>",
    "no text": b'{"language":"en"}',
}


@pytest.mark.parametrize("body", INVALID_BODIES.values(), ids=INVALID_BODIES)
@pytest.mark.parametrize("response_format", ["json", "text"])
def test_response_without_transcript_raises(response_format: str, body: bytes) -> None:
    with pytest.raises(InvalidResponseError):
        load_response(body, response_format=response_format)


@pytest.mark.parametrize("body", [b"null", b"[]", b"Good day."], ids=["null", "list", "text"])
def test_json_response_that_is_not_an_object_raises(body: bytes) -> None:
    with pytest.raises(InvalidResponseError):
        load_response(body, response_format="json")


def load_response(body: bytes, **options: Any) -> list[Document]:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    client = RouterClient(api_key="k", http_client=httpx.Client(transport=transport))
    return create_loader(create_recording(), client=client, **options).load()


def test_retries_send_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    record_sleeps(monkeypatch)
    router = OfflineRouter(faults={WHISPER: [503, 503]})
    assert load_texts(create_loader(create_recording("Same."), router)) == ["Same."]
    digests = {request.body["file"]["sha256"] for request in router.requests}
    assert (len(router.requests), len(digests)) == (3, 1)


def test_file_above_the_limit_of_the_router_raises_413() -> None:
    router = OfflineRouter(faults={WHISPER: Fault(status=413, code="file_too_large")})
    with pytest.raises(RouterError) as raised:
        create_loader(create_recording(), router).load()
    assert (raised.value.status_code, raised.value.code) == (413, "file_too_large")


class TruncatingTransport(httpx.BaseTransport):
    """Truncates a file while it is sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.request_count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.request_count += 1
        for _ in request.stream:
            os.truncate(self.path, 100)
        return httpx.Response(200, json={"text": "never"})


def test_file_that_shrinks_while_it_is_sent_raises(tmp_path: Path) -> None:
    path = save_recording(tmp_path / "a.wav", "Some words. " * 40)
    transport = TruncatingTransport(path)
    client = RouterClient(api_key="k", http_client=httpx.Client(transport=transport))
    with pytest.raises(RouterInputError, match="changed during the upload"):
        create_loader(path, client=client).load()
    assert transport.request_count == 1
