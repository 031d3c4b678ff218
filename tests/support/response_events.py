"""Build and decode events of a Responses stream."""

from typing import Any

import orjson

from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder


def encode_event(event: Any) -> bytes:
    event_type = event["type"] if isinstance(event, dict) and "type" in event else None
    name = f"event: {event_type}\n".encode() if isinstance(event_type, str) else b""
    return name + b"data: " + orjson.dumps(event) + b"\n\n"


def create_event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "sequence_number": 1, **fields}


DONE = b"data: [DONE]\n\n"
RESPONSE = {"id": "resp_1", "model": "gpt-4o", "status": "completed", "usage": None, "output": []}
COMPLETED = create_event("completed", response=RESPONSE)
CUT = create_event("incomplete", response={**RESPONSE, "status": "incomplete"})


def decode_events(*events: Any, end: Any = COMPLETED) -> list[dict[str, Any]]:
    decoder = ResponsesStreamDecoder()
    data = b"".join(encode_event(item) for item in [*events, *([end] if end else [])])
    chunks = list(decoder.feed(data))
    decoder.finish()
    return chunks


def decode_deltas(*events: Any, end: Any = CUT) -> list[Any]:
    *chunks, last = decode_events(*events, end=end)
    assert last["choices"][0]["finish_reason"]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    return [delta for delta in deltas if "item_ids" not in delta]


CALL = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": ""}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed"}
NOTE = {"type": "url_citation", "url": "https://example.com"}
SIGNED_REASONING = {
    "type": "reasoning",
    "summary": [{"text": "Hm."}],
    "encrypted_content": "SIGNATURE",
}
