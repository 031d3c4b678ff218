"""Errors of speech calls: no duplicate billing, no partial files, no loss of received audio."""

import asyncio
from contextlib import aclosing, closing

import httpx
import pytest
from support.audio_samples import create_samples, create_wav
from support.full_disk import simulate_full_disk
from support.local_client import local_client
from support.loopback_server import Loopback
from support.marks import sync_and_async
from support.scripted_router import KEY, ResponseBody, record_sleeps, respond
from support.speech_tools import (
    TTS,
    collect_stream,
    connection_reset,
    create_scripted_tool,
    create_tool,
    read_wav,
    synthesize,
    synthesize_to_file,
)

from orq_router_integrations import OfflineRouter, OrqSpeechTool
from orq_router_integrations.errors import (
    InvalidResponseError,
    NotFoundError,
    RouterConnectionError,
    RouterError,
    RouterTimeoutError,
    SavingError,
    ServerError,
    StreamInterruptedError,
)
from orq_router_integrations.testing import Fault

TEXT = "A text that takes more than one chunk of audio to speak."
AUDIO = create_wav(create_samples(3000), size="open")
PARTIAL = [AUDIO[:1000], AUDIO[1000:2044]]
LONG = "One sentence of this text. And another sentence of it."

BROKEN = {
    "reset": [*PARTIAL, connection_reset()],
    "read error": [*PARTIAL, httpx.ReadError("reset")],
    "timeout": [*PARTIAL, httpx.ReadTimeout("slow")],
}
OTHER_RESPONSES = {
    "json": (b'{"text": "no audio"}', InvalidResponseError, "expected audio, got JSON"),
    "error": (b'{"error": {"message": "No such voice"}}', ServerError, "No such voice"),
    "html": (b"<html><body>Oops</body></html>", InvalidResponseError, "expected audio, got text"),
    "empty": (b"", InvalidResponseError, "its body is empty"),
    "no samples": (create_wav(b""), InvalidResponseError, "the wav file contains no audio"),
    "half a header": (AUDIO[:30], InvalidResponseError, "the wav file contains no audio"),
    "image": (
        b"\x89PNG\r\n\x1a\n" + bytes(99),
        InvalidResponseError,
        "expected audio, got image/png",
    ),
}


@sync_and_async
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
async def test_received_audio_is_partial_bytes(is_async, fault):
    tool, script = create_scripted_tool(fault, [AUDIO])
    with pytest.raises(RouterError) as caught:
        await synthesize(tool, is_async, TEXT)
    error = caught.value
    assert (error.received, script.sent) == (2044, 1)
    assert read_wav(error.partial_bytes) == (16000, create_samples(3000)[:2000])  # can be played
    assert "bytes received 2044" in str(error)


async def drip_audio(writer: asyncio.StreamWriter) -> None:
    """Send a byte of a never-ending recording now and then."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n" + b"\xff\xfb" * 100)
    while not writer.is_closing():
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"\0")


@pytest.mark.slow
@sync_and_async
@pytest.mark.parametrize("is_file", [False, True], ids=["memory", "file"])
async def test_deadline_covers_slow_audio(is_async, is_file, tmp_path):
    with Loopback(drip_audio) as server:
        client = local_client(server, deadline=0.5, stream_chunk_timeout=30.0)
        tool = create_tool(client=client, audio_format="mp3")
        if is_file:
            call = synthesize_to_file(tool, is_async, "Hi", tmp_path / "a.mp3")
        else:
            call = synthesize(tool, is_async, "Hi")
        with pytest.raises(RouterTimeoutError, match=r"deadline of 0\.5 seconds") as raised:
            await call
    assert raised.value.received > 100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_streamed_audio_may_outlast_deadline():
    with Loopback(drip_audio) as server:
        client = local_client(server, deadline=0.5, stream_chunk_timeout=30.0)
        tool = create_tool(client=client, audio_format="mp3")
        with closing(tool.stream("Hi")) as audio:
            assert len([next(audio) for _ in range(40)]) == 40


@sync_and_async
async def test_stream_yields_audio_received_before_error(is_async):
    tool, _ = create_scripted_tool([*PARTIAL, connection_reset()])
    chunks = []

    async def consume():
        if is_async:
            async for data in tool.astream(TEXT):
                chunks.append(data)
        else:
            chunks.extend(tool.stream(TEXT))

    with pytest.raises(StreamInterruptedError) as caught:
        await consume()
    assert b"".join(chunks) == b"".join(PARTIAL)
    assert (caught.value.received, caught.value.partial_bytes) == (2044, b"")


@sync_and_async
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
async def test_error_leaves_no_new_file_and_keeps_old_one(is_async, fault, tmp_path):
    (tmp_path / "old.wav").write_bytes(b"old")
    for name in ("old.wav", "new.wav"):
        tool, script = create_scripted_tool(fault, [AUDIO])
        with pytest.raises(RouterError) as caught:
            await synthesize_to_file(tool, is_async, TEXT, tmp_path / name)
        assert (caught.value.received, script.sent) == (2044, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["old.wav"]
    assert (tmp_path / "old.wav").read_bytes() == b"old"


@sync_and_async
@pytest.mark.parametrize("length", [2000, 400_000], ids=["small", "large"])
async def test_full_disk_raises_saving_error(is_async, length, tmp_path):
    (tmp_path / "old.wav").write_bytes(b"old")
    for name in ("old.wav", "new.wav"):
        tool, script = create_scripted_tool(
            [create_wav(bytes(length), size="open")], retry_ambiguous=True
        )
        with (
            simulate_full_disk(1000),
            pytest.raises(SavingError, match=f"Cannot write to .*{name}") as caught,
        ):
            await synthesize_to_file(tool, is_async, TEXT, tmp_path / name)
        assert isinstance(caught.value, OSError)
        assert (caught.value.is_retryable, script.sent) == (False, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["old.wav"]
    assert (tmp_path / "old.wav").read_bytes() == b"old"


@sync_and_async
@pytest.mark.parametrize(
    ("body", "error", "message"), OTHER_RESPONSES.values(), ids=OTHER_RESPONSES
)
async def test_response_without_audio_raises(is_async, body, error, message, tmp_path):
    tool, script = create_scripted_tool([body])
    for call in (
        lambda: synthesize(tool, is_async, TEXT),
        lambda: synthesize_to_file(tool, is_async, TEXT, tmp_path / "a.wav"),
        lambda: collect_stream(tool, is_async, TEXT),
    ):
        with pytest.raises(error, match=message):
            await call()
    assert (script.sent, list(tmp_path.iterdir())) == (3, [])


@sync_and_async
@pytest.mark.parametrize("enabled", [False, True])
async def test_ambiguous_request_is_only_retried_if_enabled(is_async, enabled, monkeypatch):
    record_sleeps(monkeypatch)
    tool, script = create_scripted_tool(httpx.ReadError("reset"), [AUDIO], retry_ambiguous=enabled)
    if enabled:
        assert (await synthesize(tool, is_async, TEXT)).attempts == 2
    else:
        with pytest.raises(RouterConnectionError) as caught:
            await synthesize(tool, is_async, TEXT)
        assert caught.value.ambiguous
    assert script.sent == (2 if enabled else 1)


@sync_and_async
async def test_unprocessed_request_is_retried(is_async, monkeypatch):
    record_sleeps(monkeypatch)
    tool, script = create_scripted_tool(httpx.ConnectError("refused"), respond(503), [AUDIO])
    assert (await synthesize(tool, is_async, TEXT)).attempts == 3
    assert script.sent == 3


@sync_and_async
async def test_error_in_later_chunk_keeps_earlier_chunks(is_async):
    first = create_wav(create_samples(500))
    tool, script = create_scripted_tool(
        [first], respond(404, {"error": {"message": "gone"}}), max_chars=30
    )
    with pytest.raises(NotFoundError, match=r"gone \(chunk 2 of 2\)") as caught:
        await synthesize(tool, is_async, LONG)
    assert (caught.value.partial_bytes, caught.value.received) == (first, len(first))
    assert script.sent == 2


@sync_and_async
async def test_cut_response_of_offline_router_raises(is_async, tmp_path):
    tool = create_tool(OfflineRouter(faults={TTS: Fault(cut_after=3)}))
    with pytest.raises(StreamInterruptedError) as caught:
        await synthesize_to_file(tool, is_async, TEXT, tmp_path / "a.wav")
    assert (caught.value.received, list(tmp_path.iterdir())) == (3 * 4096, [])


@pytest.mark.parametrize("framing", ["length", "chunks"])
@sync_and_async
async def test_closed_connection_raises(is_async, framing, tmp_path):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n"
    if framing == "length":
        response = head + b"Content-Length: 6044\r\n\r\n" + AUDIO[:2000]
    else:
        response = head + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + AUDIO[:2000] + b"\r\n"

    async def answer(writer):
        writer.write(response)
        await writer.drain()
        writer.close()

    with Loopback(answer) as server:
        url = f"{server.url}/v3/router"
        tool = OrqSpeechTool(model=TTS, voice="alloy", api_key=KEY, base_url=url)
        async with tool.resolved_client:
            with pytest.raises(StreamInterruptedError) as caught:
                await synthesize_to_file(tool, is_async, TEXT, tmp_path / "a.wav")
        tool.resolved_client.close()
    assert (caught.value.received, list(tmp_path.iterdir())) == (2000, [])
    assert len(server.requests) == 1


async def test_cancelled_call_leaves_no_file(tmp_path):
    is_stalled = asyncio.Event()

    class Stalled(ResponseBody):
        async def __aiter__(self):
            yield AUDIO[:2000]
            is_stalled.set()
            await asyncio.Event().wait()

    body = Stalled()
    tool, _ = create_scripted_tool(lambda _: httpx.Response(200, stream=body))
    (tmp_path / "a.wav").write_bytes(b"old")
    task = asyncio.create_task(tool.asynthesize_to_file(TEXT, tmp_path / "a.wav"))
    await asyncio.wait_for(is_stalled.wait(), 60)
    assert len(list(tmp_path.iterdir())) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    assert body.closed


async def test_stream_closed_early_closes_response():
    bodies = [ResponseBody(*PARTIAL, AUDIO[2044:]) for _ in range(2)]
    remaining_bodies = iter(bodies)
    tool, _ = create_scripted_tool(lambda _: httpx.Response(200, stream=next(remaining_bodies)))
    with closing(tool.stream(TEXT)) as audio:
        next(audio)
    async with aclosing(tool.astream(TEXT)) as audio:
        await anext(audio)
    assert [body.closed for body in bodies] == [True, True]
