"""When speech breaks off: what arrived is kept, nothing half remains, nothing is paid twice."""

import asyncio
from contextlib import aclosing, closing

import httpx
import pytest
from support.audio_samples import samples, wav
from support.full_disk import full_disk
from support.loopback_server import Loopback
from support.scripted_router import KEY, Body, recorded_pauses, says
from support.speaking import (
    TTS,
    every_way,
    frames,
    reset,
    scripted,
    speaker,
    spoken,
    spoken_to,
    streamed,
)

from orq_router_integrations import OfflineRouter, OrqSpeechTool
from orq_router_integrations.errors import (
    InvalidResponseError,
    NotFoundError,
    RouterConnectionError,
    RouterError,
    SavingError,
    ServerError,
    StreamInterruptedError,
)
from orq_router_integrations.testing import Fault

TEXT = "A text that takes more than one chunk of audio to speak."
WHOLE = wav(samples(3000), size="open")
HALF = [WHOLE[:1000], WHOLE[1000:2044]]
LONG = "One sentence of this text. And another sentence of it."

BROKEN = {
    "reset": [*HALF, reset()],
    "read error": [*HALF, httpx.ReadError("reset")],
    "timeout": [*HALF, httpx.ReadTimeout("slow")],
}
NO_AUDIO = {
    "json": (b'{"text": "no audio"}', InvalidResponseError, "expected audio, got JSON"),
    "error": (b'{"error": {"message": "No such voice"}}', ServerError, "No such voice"),
    "html": (b"<html><body>Oops</body></html>", InvalidResponseError, "expected audio, got text"),
    "empty": (b"", InvalidResponseError, "its body is empty"),
    "no sound": (wav(b""), InvalidResponseError, "a WAV file without samples"),
    "half a head": (WHOLE[:30], InvalidResponseError, "a WAV file without samples"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), InvalidResponseError, "image/png, no audio"),
}


@every_way
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
async def test_the_bytes_that_arrived_are_on_the_error(awaited, fault):
    tool, script = scripted(fault, [WHOLE])
    with pytest.raises(RouterError) as caught:
        await spoken(tool, awaited, TEXT)
    error = caught.value
    assert (error.received, script.sent) == (2044, 1)
    assert frames(error.partial_bytes) == (16000, samples(3000)[:2000])  # can be played
    assert "bytes received 2044" in str(error)


@every_way
async def test_a_stream_hands_over_what_arrived_before_it_breaks(awaited):
    tool, _ = scripted([*HALF, reset()])
    got = []

    async def take():
        if awaited:
            async for data in tool.astream(TEXT):
                got.append(data)
        else:
            got.extend(tool.stream(TEXT))

    with pytest.raises(StreamInterruptedError) as caught:
        await take()
    assert b"".join(got) == b"".join(HALF)
    assert (caught.value.received, caught.value.partial_bytes) == (2044, b"")


@every_way
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
async def test_no_half_file_remains_and_an_old_one_survives(awaited, fault, tmp_path):
    (tmp_path / "old.wav").write_bytes(b"old")
    for name in ("old.wav", "new.wav"):
        tool, script = scripted(fault, [WHOLE])
        with pytest.raises(RouterError) as caught:
            await spoken_to(tool, awaited, tmp_path / name, TEXT)
        assert (caught.value.received, script.sent) == (2044, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["old.wav"]
    assert (tmp_path / "old.wav").read_bytes() == b"old"


@every_way
@pytest.mark.parametrize("length", [2000, 400_000], ids=["at the end", "amid"])
async def test_what_the_disk_does_not_take_is_told(awaited, length, tmp_path):
    (tmp_path / "old.wav").write_bytes(b"old")
    for name in ("old.wav", "new.wav"):
        tool, script = scripted([wav(bytes(length), size="open")], retry_ambiguous=True)
        with (
            full_disk(1000),
            pytest.raises(SavingError, match=f"Cannot write to .*{name}") as caught,
        ):
            await spoken_to(tool, awaited, tmp_path / name, TEXT)
        assert isinstance(caught.value, OSError)
        assert (caught.value.is_retryable, script.sent) == (False, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["old.wav"]
    assert (tmp_path / "old.wav").read_bytes() == b"old"


@every_way
@pytest.mark.parametrize(("body", "error", "said"), NO_AUDIO.values(), ids=NO_AUDIO)
async def test_what_is_no_audio_is_no_success(awaited, body, error, said, tmp_path):
    tool, script = scripted([body])
    for ask in (
        lambda: spoken(tool, awaited, TEXT),
        lambda: spoken_to(tool, awaited, tmp_path / "a.wav", TEXT),
        lambda: streamed(tool, awaited, TEXT),
    ):
        with pytest.raises(error, match=said):
            await ask()
    assert (script.sent, list(tmp_path.iterdir())) == (3, [])


@every_way
async def test_a_body_shorter_than_its_length_is_cut_off(awaited):
    headers = {"content-type": "audio/wav", "content-length": str(len(WHOLE))}
    tool, _ = scripted(lambda _: httpx.Response(200, headers=headers, stream=Body(*HALF)))
    with pytest.raises(StreamInterruptedError, match=f"2044 of {len(WHOLE)} bytes"):
        await spoken(tool, awaited, TEXT)


@every_way
@pytest.mark.parametrize("again", [False, True])
async def test_what_may_have_been_spoken_is_not_paid_for_twice(awaited, again, monkeypatch):
    recorded_pauses(monkeypatch)
    tool, script = scripted(httpx.ReadError("reset"), [WHOLE], retry_ambiguous=again)
    if again:
        assert (await spoken(tool, awaited, TEXT)).attempts == 2
    else:
        with pytest.raises(RouterConnectionError) as caught:
            await spoken(tool, awaited, TEXT)
        assert caught.value.ambiguous
    assert script.sent == (2 if again else 1)


@every_way
async def test_what_was_never_sent_is_sent_again(awaited, monkeypatch):
    recorded_pauses(monkeypatch)
    tool, script = scripted(httpx.ConnectError("refused"), says(503), [WHOLE])
    assert (await spoken(tool, awaited, TEXT)).attempts == 3
    assert script.sent == 3


@every_way
async def test_earlier_pieces_are_kept_when_a_later_one_fails(awaited):
    first = wav(samples(500))
    tool, script = scripted([first], says(404, {"error": {"message": "gone"}}), max_chars=30)
    with pytest.raises(NotFoundError, match=r"gone \(piece 2 of 2\)") as caught:
        await spoken(tool, awaited, LONG)
    assert (caught.value.partial_bytes, caught.value.received) == (first, len(first))
    assert script.sent == 2


@every_way
async def test_the_offline_router_breaks_off_too(awaited, tmp_path):
    tool = speaker(OfflineRouter(faults={TTS: Fault(cut_after=3)}))
    with pytest.raises(StreamInterruptedError) as caught:
        await spoken_to(tool, awaited, tmp_path / "a.wav", TEXT)
    assert (caught.value.received, list(tmp_path.iterdir())) == (3 * 4096, [])


@pytest.mark.parametrize("framing", ["length", "chunks"])
@every_way
async def test_a_connection_that_is_cut(awaited, framing, tmp_path):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n"
    if framing == "length":
        sent = head + b"Content-Length: 6044\r\n\r\n" + WHOLE[:2000]
    else:
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + WHOLE[:2000] + b"\r\n"

    async def answer(writer):
        writer.write(sent)
        await writer.drain()
        writer.close()

    with Loopback(answer) as server:
        url = f"{server.url}/v3/router"
        tool = OrqSpeechTool(model=TTS, voice="alloy", api_key=KEY, base_url=url)
        async with tool.resolved_client:
            with pytest.raises(StreamInterruptedError) as caught:
                await spoken_to(tool, awaited, tmp_path / "a.wav", TEXT)
        tool.resolved_client.close()
    assert (caught.value.received, list(tmp_path.iterdir())) == (2000, [])
    assert len(server.requests) == 1


async def test_a_cancelled_call_leaves_nothing(tmp_path):
    arrived = asyncio.Event()

    class Stalled(Body):
        async def __aiter__(self):
            yield WHOLE[:2000]
            arrived.set()
            await asyncio.Event().wait()

    body = Stalled()
    tool, _ = scripted(lambda _: httpx.Response(200, stream=body))
    (tmp_path / "a.wav").write_bytes(b"old")
    task = asyncio.create_task(tool.asynthesize_to_file(tmp_path / "a.wav", TEXT))
    await arrived.wait()
    assert len(list(tmp_path.iterdir())) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    assert body.closed


async def test_a_stream_that_is_left_early_frees_its_connection():
    bodies = [Body(*HALF, WHOLE[2044:]) for _ in range(2)]
    waiting = iter(bodies)
    tool, _ = scripted(lambda _: httpx.Response(200, stream=next(waiting)))
    with closing(tool.stream(TEXT)) as audio:
        next(audio)
    async with aclosing(tool.astream(TEXT)) as audio:
        await anext(audio)
    assert [body.closed for body in bodies] == [True, True]
