"""Checks of requests: media, and input that must be rejected."""

import base64
from collections.abc import Callable
from typing import Any

import orjson
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from orq_router_integrations import OfflineRouter
from peers.findings import Finding, combine, describe_outcome, get_outcome, no, partly, row, yes
from peers.packages import Package
from peers.replies import IMAGE_DATA

MP3 = base64.b64encode(b"ID3\x04" + bytes(60)).decode()
PDF = base64.b64encode(b"%PDF-1.7\n" + bytes(60)).decode()
MP4 = base64.b64encode(b"\0\0\0\x18ftypisom" + bytes(60)).decode()
IMAGE = {"type": "image", "base64": IMAGE_DATA, "mime_type": "image/png"}


def _send_blocks(package: Package, *blocks: Any) -> Any:
    """Return the parts that are sent for content blocks, or the exception that is raised."""
    router = OfflineRouter(lenient=True)
    model = package.create_model(router)
    outcome = get_outcome(lambda: model.invoke([HumanMessage(content=list(blocks))]))
    return router.requests[0].body["messages"][0]["content"] if router.requests else outcome


@row("MP3s, and PDFs without a file name, are sent in the required form")
def check_mp3_and_pdf(package: Package) -> Finding:
    """``audio/mpeg`` is sent as ``mp3``, and a PDF with a file name that ends in ``.pdf``."""
    audio = _send_blocks(package, {"type": "audio", "base64": MP3, "mime_type": "audio/mpeg"})
    file = _send_blocks(package, {"type": "file", "base64": PDF, "mime_type": "application/pdf"})
    format_ = _get_field(audio, "input_audio", "format")
    name = str(_get_field(file, "file", "filename"))
    return combine(
        {
            f"mp3 (format: {format_})": format_ == "mp3",
            f"PDF (filename: {name})": name.endswith(".pdf"),
        }
    )


def _get_field(parts: Any, part_type: str, name: str) -> Any:
    return (
        describe_outcome(parts)
        if isinstance(parts, Exception)
        else parts[0].get(part_type, {}).get(name)
    )


@row("Video input")
def check_video(package: Package) -> Finding:
    parts = _send_blocks(package, {"type": "video", "base64": MP4, "mime_type": "video/mp4"})
    if isinstance(parts, Exception):
        return no(describe_outcome(parts))
    return yes() if MP4.encode() in orjson.dumps(parts) else no(describe_outcome(parts))


@row("An image in a tool result reaches the model")
def check_tool_image(package: Package) -> Finding:
    """Yes: in a place that the router's schema allows. Partly: in the tool message.

    The schema, which the offline router enforces, only allows text in tool messages.
    """
    call = {"name": "camera", "args": {}, "id": "call_1"}
    history = [
        HumanMessage("Look"),
        AIMessage("", tool_calls=[call]),
        ToolMessage(content=[{"type": "text", "text": "seen"}, IMAGE], tool_call_id="call_1"),
    ]
    router = OfflineRouter()
    answer = get_outcome(lambda: package.create_model(router).invoke(history))
    body = orjson.dumps(router.requests[0].body) if router.requests else b""
    if IMAGE_DATA.encode() not in body:
        return no(describe_outcome(answer))
    if isinstance(answer, AIMessage):
        return yes()
    return (
        partly(describe_outcome(answer))
        if b'"image_url"' in body
        else no("sent in LangChain's format")
    )


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return city


INVALID_CALLS: dict[str, Callable[[Package, Any], Any]] = {
    "misspelled argument": lambda p, router: p.create_model(router, temprature=0.2).invoke("Hi"),
    "misspelled argument of a call": lambda p, router: p.create_model(router).invoke(
        "Hi", temprature=0.2
    ),
    "temperature of 7": lambda p, router: p.create_model(router, temperature=7).invoke("Hi"),
    "unknown tool name": lambda p, router: (
        p.create_model(router).bind_tools([get_weather], tool_choice="get_wether").invoke("Hi")
    ),
    "invalid base64": lambda p, router: p.create_model(router).invoke(
        [HumanMessage(content=[{"type": "image", "base64": "%%%", "mime_type": "image/png"}])]
    ),
}


@row("Invalid input raises before a request is sent")
def check_wrong_input(package: Package) -> Finding:
    return combine(
        {name: _raises_before_sending(package, call) for name, call in INVALID_CALLS.items()}
    )


def _raises_before_sending(package: Package, call: Callable[[Package, Any], Any]) -> bool:
    router = OfflineRouter(lenient=True)
    outcome = get_outcome(call, package, router)
    return isinstance(outcome, Exception) and not router.requests
