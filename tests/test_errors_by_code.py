"""Error codes: the class of an error, its retries, and how tools and loaders report it."""

import json
from typing import Any

import httpx
import pytest
from langchain_core.messages import ToolMessage
from support.audio_loaders import WHISPER, create_loader
from support.recordings import create_recording
from support.scripted_router import Script, create_call, create_client

from orq_router_integrations import OfflineRouter, OrqImageTool
from orq_router_integrations.errors import (
    BadRequestError,
    ContentFilterError,
    GuardrailError,
    QuotaExceededError,
    RateLimitError,
    RouterError,
    ServerError,
    create_error,
)
from orq_router_integrations.wire.call import Response


def reject(status: int, **error: Any) -> Script:
    return Script(lambda _: httpx.Response(status, json={"error": error}))


ERRORS: list[tuple[int, dict[str, Any], type[RouterError]]] = [
    (429, {"code": "insufficient_quota", "type": "insufficient_quota"}, QuotaExceededError),
    (429, {"code": None, "type": "insufficient_quota"}, QuotaExceededError),
    (403, {"code": "insufficient_quota"}, QuotaExceededError),
    (200, {"code": "insufficient_quota"}, QuotaExceededError),
    (503, {"code": "insufficient_quota"}, QuotaExceededError),
    (400, {"code": "billing_hard_limit_reached"}, QuotaExceededError),
    (429, {"code": "rate_limit_exceeded", "message": "INSUFFICIENT QUOTA"}, RateLimitError),
    (429, {"message": "insufficient_quota: 10 requests per minute"}, RateLimitError),
    (429, {"code": "INSUFFICIENT QUOTA", "message": "per minute"}, RateLimitError),
    (
        400,
        {"code": "moderation_blocked", "type": "image_generation_user_error"},
        ContentFilterError,
    ),
    (400, {"code": "content_policy_violation"}, ContentFilterError),
    (400, {"code": "invalid_value", "message": "moderation_blocked"}, BadRequestError),
]


@pytest.mark.parametrize(("status", "error", "expected"), ERRORS)
def test_code_determines_the_class(
    status: int, error: dict[str, Any], expected: type[RouterError]
) -> None:
    body = json.dumps({"error": {"message": "m", **error}}).encode()
    assert type(create_error(Response(status, {}, body), "/chat/completions")) is expected


def test_used_up_quota_is_not_retried() -> None:
    script = reject(429, code="insufficient_quota", message="m")
    with pytest.raises(QuotaExceededError):
        create_client(script, max_retries=3).send(create_call())
    assert len(script.requests) == 1


@pytest.mark.parametrize("policy", ["skip", "mark"])
def test_used_up_quota_ends_loading(policy: str) -> None:
    script = reject(429, code="insufficient_quota", message="m")
    source = [create_recording("One."), create_recording("Two.")]
    loader = create_loader(source, client=create_client(script), on_error=policy, max_concurrency=1)
    with pytest.raises(QuotaExceededError):
        loader.load()
    assert len(script.requests) == 1


@pytest.mark.parametrize("text", [str, repr])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "rate_limit_exceeded"}, "code rate_limit_exceeded"),
        ({"type": "rate_limit_error"}, "code rate_limit_error"),
        ({"code": 1302}, "code 1302"),
        ({"code": "c", "message": "long " * 2000}, "code c"),
    ],
)
def test_text_has_status_and_code(text: Any, error: dict[str, Any], expected: str) -> None:
    body = json.dumps({"error": {"message": "m", **error}}).encode()
    shown = text(create_error(Response(429, {}, body), "/chat/completions"))
    assert "status 429" in shown
    assert expected in shown


def test_repr_starts_with_the_class() -> None:
    assert repr(ServerError("no", status_code=502)) == "ServerError('no (status 502)')"


REJECTIONS = [
    ({"code": "moderation_blocked"}, ContentFilterError),
    ({"code": "content_policy_violation"}, ContentFilterError),
    ({"code": "guardrail_error"}, GuardrailError),
]
CALL = {"name": "draw_image", "args": {"prompt": "x"}, "id": "t1", "type": "tool_call"}


def create_tool(error: dict[str, Any], **options: Any) -> OrqImageTool:
    client = create_client(reject(400, message="Rejected by the safety system.", **error))
    return OrqImageTool(model="openai/gpt-image-1", client=client, **options)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("options", [{}, {"handle_tool_error": True}], ids=["default", "True"])
@pytest.mark.parametrize(("error", "expected"), REJECTIONS)
async def test_moderated_image_is_reported_to_the_model(
    error: Any, expected: Any, options: Any, is_async: bool
) -> None:
    tool = create_tool(error, **options)
    message = await tool.ainvoke(CALL) if is_async else tool.invoke(CALL)
    assert isinstance(message, ToolMessage)
    assert (message.status, message.tool_call_id) == ("error", "t1")
    assert "Rejected by the safety system." in message.text


@pytest.mark.parametrize(("error", "expected"), REJECTIONS)
def test_moderated_image_raises_outside_of_tool_calls(error: Any, expected: Any) -> None:
    with pytest.raises(expected):
        create_tool(error).generate("x")
    with pytest.raises(expected):
        create_tool(error).invoke({"prompt": "x"})
    with pytest.raises(expected):
        create_tool(error, handle_tool_error=False).invoke(CALL)


def test_other_errors_end_the_tool_call() -> None:
    with pytest.raises(BadRequestError):
        create_tool({"code": "invalid_value"}).invoke(CALL)


@pytest.mark.parametrize("granularity", ["file", "segment", "word", "window"])
def test_marked_failure_has_no_text(granularity: str) -> None:
    router = OfflineRouter(faults={WHISPER: [400]})
    source = [create_recording("One."), create_recording("Two.")]
    loader = create_loader(
        source, router, on_error="mark", max_concurrency=1, granularity=granularity
    )
    failed, *transcripts = loader.load()
    assert (failed.page_content, [document.page_content for document in transcripts]) == (
        "",
        ["Two."],
    )
    assert "status 400" in failed.metadata["error"]
    assert "error" not in transcripts[0].metadata
