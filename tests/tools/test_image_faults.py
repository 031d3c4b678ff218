"""Errors of image calls: no duplicate billing, no loss of received images."""

import asyncio
import base64
import errno
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.full_disk import simulate_full_disk
from support.marks import sync_and_async
from support.scripted_router import (
    Script,
    create_client,
    record_sleeps,
    respond,
    respond_with_stream,
)

from orq_router_integrations import OfflineRouter, OrqImageTool, RouterError
from orq_router_integrations.errors import (
    InvalidResponseError,
    RouterInputError,
    SavingError,
    ServerError,
    StreamInterruptedError,
)
from orq_router_integrations.testing.images import create_png
from orq_router_integrations.tools.image_result import GeneratedImage

GPT = "openai/gpt-image-1"
ONE, TWO = (create_png(name * 300, (64, 64)) for name in ("one", "two"))


def create_body(*images: bytes) -> bytes:
    data = [{"b64_json": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"created": 1, "data": data}).encode()


BODY = create_body(ONE, TWO)
TRUNCATED = BODY[: len(BODY) - 200]


def create_response(data: bytes, *errors: Exception) -> Any:
    return respond_with_stream(data, *errors, kind="application/json")


def create_scripted_tool(script: Script, **kwargs: Any) -> OrqImageTool:
    return OrqImageTool(model=GPT, client=create_client(script), **kwargs)


def get_error(tool: OrqImageTool, *, is_async: bool = False) -> RouterError:
    with pytest.raises(RouterError) as caught:
        asyncio.run(tool.agenerate("boat")) if is_async else tool.generate("boat")
    return caught.value


@sync_and_async
@pytest.mark.parametrize(
    "broken",
    [
        create_response(TRUNCATED),
        create_response(TRUNCATED, httpx.ReadError("reset")),
        create_response(TRUNCATED, httpx.ReadTimeout("late")),
    ],
    ids=["ends early", "reset", "hangs"],
)
def test_received_images_are_partial_items(broken, is_async):
    script = Script(broken)
    error = get_error(create_scripted_tool(script), is_async=is_async)
    (image,) = error.partial_items
    assert image.read() == ONE
    assert f"partial_items contains the images received before: {image.id}" in str(error)
    assert error.received == len(TRUNCATED)
    assert script.sent == 1


@sync_and_async
def test_received_files_remain_after_error(tmp_path: Path, is_async):
    error = get_error(
        create_scripted_tool(Script(create_response(TRUNCATED)), directory=tmp_path),
        is_async=is_async,
    )
    (image,) = error.partial_items
    assert [path.name for path in tmp_path.iterdir()] == [f"{image.id}.png"]
    assert Path(image.path).read_bytes() == ONE


@sync_and_async
@pytest.mark.parametrize("more", [10_000, 500_000], ids=["small", "large"])
def test_full_disk_raises_saving_error(tmp_path: Path, more, is_async):
    script = Script(create_response(create_body(ONE, TWO + bytes(more))))
    tool = create_scripted_tool(script, directory=tmp_path, retry_ambiguous=True)
    with simulate_full_disk(len(ONE) + 100):
        error = get_error(tool, is_async=is_async)
    assert isinstance(error, SavingError)
    assert (error.errno, error.is_retryable, script.sent) == (errno.EFBIG, False, 1)
    assert str(tmp_path) in str(error)
    (image,) = error.partial_items
    assert [str(path) for path in tmp_path.iterdir()] == [image.path]


@sync_and_async
def test_truncated_image_leaves_no_file(tmp_path: Path, is_async):
    truncated_body = create_body(ONE)[:400]
    error = get_error(
        create_scripted_tool(Script(create_response(truncated_body)), directory=tmp_path),
        is_async=is_async,
    )
    assert isinstance(error, StreamInterruptedError)
    assert error.partial_items == ()
    assert not list(tmp_path.iterdir())


@sync_and_async
@pytest.mark.parametrize(
    "fault",
    [httpx.ReadError("reset"), httpx.ReadTimeout("late"), httpx.RemoteProtocolError("x")],
    ids=["reset", "timeout", "protocol error"],
)
def test_ambiguous_request_is_not_retried(fault, is_async):
    script = Script(fault, create_response(create_body(ONE)))
    assert get_error(create_scripted_tool(script), is_async=is_async).ambiguous
    assert script.sent == 1


def test_retry_ambiguous_retries(monkeypatch):
    record_sleeps(monkeypatch)
    script = Script(
        httpx.ReadError("reset"),
        create_response(create_body(ONE)[:400]),
        create_response(create_body(ONE)),
    )
    result = create_scripted_tool(script, retry_ambiguous=True).generate("boat")
    assert (script.sent, result.attempts, result.image.read()) == (3, 3, ONE)


def test_failed_attempt_leaves_no_file(monkeypatch, tmp_path: Path):
    record_sleeps(monkeypatch)
    script = Script(create_response(create_body(ONE)[:400]), create_response(create_body(ONE)))
    result = create_scripted_tool(script, retry_ambiguous=True, directory=tmp_path).generate("boat")
    assert [str(path) for path in tmp_path.iterdir()] == [result.image.path]


@sync_and_async
@pytest.mark.parametrize(
    "fault",
    [respond(503), httpx.ConnectError("refused"), respond(429)],
    ids=["503", "refused", "429"],
)
def test_unprocessed_request_is_retried(monkeypatch, fault, is_async):
    record_sleeps(monkeypatch)
    script = Script(fault, create_response(create_body(ONE)))
    tool = create_scripted_tool(script)
    result = asyncio.run(tool.agenerate("boat")) if is_async else tool.generate("boat")
    assert (script.sent, result.image.read()) == (2, ONE)


@sync_and_async
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"<html>busy</html>", "not JSON"),
        (b"null", "null"),
        (b"{}", "no images"),
        (create_body(), "no images"),
        (b'{"data":[{"revised_prompt":"x"}]}', "neither b64_json nor a url"),
        (b'{"data":[{"b64_json":"!!!!"}]}', "an image cannot be read"),
        (create_body(b"%PDF-1.7 no image"), "the data of an image has an unknown format"),
        (create_body(b"{}"), "the data of an image has an unknown format"),
    ],
)
def test_response_without_images_raises(tmp_path: Path, data, message, is_async):
    script = Script(create_response(data))
    error = get_error(create_scripted_tool(script, directory=tmp_path), is_async=is_async)
    assert isinstance(error, InvalidResponseError)
    assert message in str(error)
    assert error.endpoint == "/images/generations"
    assert script.sent == 1
    assert not list(tmp_path.iterdir())


@sync_and_async
def test_error_in_successful_response_raises(is_async):
    error_body = b'{"error":{"message":"overloaded","code":"provider_overloaded"}}'
    error = get_error(create_scripted_tool(Script(create_response(error_body))), is_async=is_async)
    assert isinstance(error, ServerError)
    assert (error.code, error.message) == ("provider_overloaded", "overloaded")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 501])
def test_client_errors_are_not_retried(status):
    router = OfflineRouter(faults={GPT: status})
    error = get_error(OrqImageTool(model=GPT, client=router.client()))
    assert (error.status_code, len(router.requests)) == (status, 1)


def create_url_response(*urls: str) -> Any:
    return respond(json={"created": 1, "data": [{"url": url} for url in urls]})


@sync_and_async
def test_failed_download_keeps_all_images(is_async):
    script = Script(create_url_response("https://10.0.0.1/a.png", "https://example.com/b.png"))
    error = get_error(create_scripted_tool(script, fetch_urls=True), is_async=is_async)
    assert isinstance(error, RouterInputError)
    assert "10.0.0.1, which is not a public" in str(error)
    assert [image.url for image in error.partial_items] == [
        "https://10.0.0.1/a.png",
        "https://example.com/b.png",
    ]
    assert script.sent == 1


@sync_and_async
def test_download_of_other_data_raises(tmp_path: Path, is_async):
    script = Script(create_url_response("https://x.invalid/a.png"), respond(json={"no": "image"}))
    error = get_error(
        create_scripted_tool(script, fetch_urls=True, directory=tmp_path), is_async=is_async
    )
    assert "the data of an image has an unknown format" in str(error)
    assert not list(tmp_path.iterdir())


def test_missing_file_raises():
    image = GeneratedImage(id="img_x", path="/nowhere/img_x.png", mime_type="image/png")
    with pytest.raises(RouterInputError, match=r"Cannot read .*img_x\.png: No such file"):
        image.read()


def list_suffixes(directory: Path) -> list[str]:
    return [path.suffix for path in directory.iterdir()]


async def test_cancelled_call_leaves_no_file(tmp_path: Path):
    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield create_body(ONE)[:400]
            await asyncio.sleep(60)

    async def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "application/json"}, stream=Slow())

    tool = create_scripted_tool(Script(), directory=tmp_path)
    http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    client = tool.resolved_client.model_copy(update={"http_async_client": http})
    tool = OrqImageTool(model=GPT, client=client, directory=tmp_path)
    task = asyncio.create_task(tool.agenerate("boat"))
    await asyncio.sleep(0.1)
    assert list_suffixes(tmp_path) == [".part"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list_suffixes(tmp_path) == []
