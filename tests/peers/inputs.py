"""Rows about what goes out: media, and what never should."""

import base64
from collections.abc import Callable
from typing import Any

import orjson
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from orq_router_integrations import OfflineRouter
from peers.findings import Finding, all_of, no, outcome, partly, row, told, yes
from peers.packages import Package
from peers.replies import PICTURE

MP3 = base64.b64encode(b"ID3\x04" + bytes(60)).decode()
PDF = base64.b64encode(b"%PDF-1.7\n" + bytes(60)).decode()
MP4 = base64.b64encode(b"\0\0\0\x18ftypisom" + bytes(60)).decode()
IMAGE = {"type": "image", "base64": PICTURE, "mime_type": "image/png"}


def _parts(package: Package, *blocks: Any) -> Any:
    """The parts that a user message of these blocks becomes, or what is raised instead."""
    router = OfflineRouter(lenient=True)
    model = package.model(router)
    failed = outcome(lambda: model.invoke([HumanMessage(content=list(blocks))]))
    return router.requests[0].body["messages"][0]["content"] if router.requests else failed


@row("MP3s, and PDFs without a file name, go out as the API takes them")
def mp3_and_pdf(package: Package) -> Finding:
    """``audio/mpeg`` is ``mp3`` on the wire; a PDF gets a name with the suffix that tells it."""
    audio = _parts(package, {"type": "audio", "base64": MP3, "mime_type": "audio/mpeg"})
    file = _parts(package, {"type": "file", "base64": PDF, "mime_type": "application/pdf"})
    format_ = _member(audio, "input_audio", "format")
    name = str(_member(file, "file", "filename"))
    return all_of(
        {
            f"mp3 (format: {format_})": format_ == "mp3",
            f"PDF (filename: {name})": name.endswith(".pdf"),
        }
    )


def _member(parts: Any, kind: str, name: str) -> Any:
    return told(parts) if isinstance(parts, Exception) else parts[0].get(kind, {}).get(name)


@row("Video input")
def video(package: Package) -> Finding:
    parts = _parts(package, {"type": "video", "base64": MP4, "mime_type": "video/mp4"})
    if isinstance(parts, Exception):
        return no(told(parts))
    return yes() if MP4.encode() in orjson.dumps(parts) else no(told(parts))


@row("An image in a tool's answer reaches the model")
def tool_image(package: Package) -> Finding:
    """Yes: as the router's schema takes it. Partly: in the tool's message, as some models take it.

    The schema has text alone in a tool's message; the offline router holds a request to it.
    """
    call = {"name": "camera", "args": {}, "id": "call_1"}
    history = [
        HumanMessage("Look"),
        AIMessage("", tool_calls=[call]),
        ToolMessage(content=[{"type": "text", "text": "seen"}, IMAGE], tool_call_id="call_1"),
    ]
    router = OfflineRouter()
    answer = outcome(lambda: package.model(router).invoke(history))
    sent = orjson.dumps(router.requests[0].body) if router.requests else b""
    if PICTURE.encode() not in sent:
        return no(told(answer))
    if isinstance(answer, AIMessage):
        return yes()
    return partly(told(answer)) if b'"image_url"' in sent else no("sent as LangChain has it")


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return city


BAD: dict[str, Callable[[Package, Any], Any]] = {
    "a misspelt argument": lambda p, router: p.model(router, temprature=0.2).invoke("Hi"),
    "one of a call": lambda p, router: p.model(router).invoke("Hi", temprature=0.2),
    "a temperature of 7": lambda p, router: p.model(router, temperature=7).invoke("Hi"),
    "an unknown tool's name": lambda p, router: (
        p.model(router).bind_tools([get_weather], tool_choice="get_wether").invoke("Hi")
    ),
    "no base64": lambda p, router: p.model(router).invoke(
        [HumanMessage(content=[{"type": "image", "base64": "%%%", "mime_type": "image/png"}])]
    ),
}


@row("Wrong input raises before a request is sent")
def wrong_input(package: Package) -> Finding:
    return all_of({name: _stays(package, bad) for name, bad in BAD.items()})


def _stays(package: Package, bad: Callable[[Package, Any], Any]) -> bool:
    router = OfflineRouter(lenient=True)
    answer = outcome(bad, package, router)
    return isinstance(answer, Exception) and not router.requests
