"""Content that the caller did not write: tool results, and histories of other models.

The caller cannot correct it, and a checkpointer sends it again with every call. So it is sent as
text where possible, and only what cannot be sent at all raises.
"""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, FunctionMessage, HumanMessage, ToolMessage
from support.media_samples import encode_base64

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.errors import RouterInputError

PNG = encode_base64(b"\x89PNG\r\n\x1a\n" + bytes(24))
WAV = encode_base64(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24))
PDF = encode_base64(b"%PDF-1.7\n" + bytes(24))
PNG_URL = f"data:image/png;base64,{PNG}"
PNG_PART = {"type": "image_url", "image_url": {"url": PNG_URL}}
PDF_PART = {
    "type": "file",
    "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "document.pdf"},
}
CALL = {"name": "look", "args": {}, "id": "call_1"}


def send_tool_result(model: ChatOrq, router: OfflineRouter, content: Any) -> list[Any]:
    """Return the messages after the tool call that the router receives."""
    result = ToolMessage.model_construct(content=content, tool_call_id="call_1")
    model.invoke([HumanMessage("Hi"), AIMessage("", tool_calls=[CALL]), result])
    messages: list[Any] = router.requests[-1].body["messages"]
    return messages[2:]


JSON_RESULTS: dict[str, Any] = {
    "no type": [{"city": "Köln", "degrees": 12}],
    "unknown type": [{"type": "json", "json": {"a": [1, None]}}],
    "type that is not a str": [{"type": 5}],
    "MCP resource link": [{"type": "resource_link", "uri": "file:///a.txt", "name": "a"}],
    "Anthropic search result": [{"type": "search_result", "source": "https://example.com"}],
    "data of a record": [{"id": 1, "data": "abc", "base64": "x"}],
    "text None": [{"type": "text", "text": None}],
    "image without a source": [{"type": "image"}],
    "image with an unknown source_type": [{"type": "image", "source_type": "drive", "id": "x"}],
    "image by http:": [{"type": "image", "url": "http://example.com/a.png"}],
    "image with a space in its URL": [{"type": "image", "url": "https://example.com/a b.png"}],
    "audio by URL": [{"type": "audio", "url": "https://example.com/a.mp3"}],
    "video by URL": [{"type": "video", "url": "https://example.com/a.mp4"}],
    "file part without a source": [{"type": "file", "file": {}}],
    "dict": {"city": "Köln"},
    "number": 12.5,
    "None": None,
}


@pytest.mark.parametrize("content", JSON_RESULTS.values(), ids=JSON_RESULTS)
def test_result_that_is_not_media_is_sent_as_json(
    model: ChatOrq, router: OfflineRouter, content: Any
) -> None:
    (sent_message,) = send_tool_result(model, router, content)
    value = content[0] if isinstance(content, list) else content
    assert orjson.loads(sent_message["content"]) == value


def test_result_with_python_objects_is_sent_as_json(model: ChatOrq, router: OfflineRouter) -> None:
    content = [{"price": Decimal("1.5"), "x": float("nan"), "text": "\ud83d"}, "and more"]
    (sent_message,) = send_tool_result(model, router, content)
    assert "1.5" in sent_message["content"]
    assert sent_message["content"].endswith("\nand more")


@pytest.mark.parametrize(
    "message",
    [
        ToolMessage("caf\udce9.txt", tool_call_id="call_1"),
        ToolMessage(["caf\udce9.txt"], tool_call_id="call_1"),
        ToolMessage([{"type": "text", "text": "caf\udce9.txt"}], tool_call_id="call_1"),
        AIMessage("caf\udce9.txt"),
        AIMessage([{"type": "text", "text": "caf\udce9.txt"}]),
        AIMessage("", tool_calls=[{**CALL, "args": {"path": "caf\udce9.txt"}}]),
    ],
    ids=["tool", "tool list", "tool block", "answer", "answer block", "arguments"],
)
def test_lone_surrogates_are_replaced(model: ChatOrq, router: OfflineRouter, message: Any) -> None:
    """Python's file functions return them for names that are not UTF-8."""
    call = AIMessage("", tool_calls=[CALL])
    history = [HumanMessage("Hi"), *([call] if message.type == "tool" else []), message]
    if message.type == "ai" and message.tool_calls:
        history.append(ToolMessage("Done", tool_call_id="call_1"))
    model.invoke([*history, HumanMessage("Bye")])
    assert "caf\ufffd.txt" in str(router.requests[-1].body["messages"])


MISLABELED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "image": ({"type": "image", "base64": PNG, "mime_type": "image/jpeg"}, PNG_PART),
    "MCP image": ({"type": "image", "data": PNG, "mimeType": "image/webp"}, PNG_PART),
    "image without a type": ({"type": "image", "base64": PNG}, PNG_PART),
    "image URL": (
        {"type": "image_url", "image_url": {"url": f"data:image/gif;base64,{PNG}"}},
        PNG_PART,
    ),
    "Anthropic image": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": PNG}},
        PNG_PART,
    ),
    "file": ({"type": "file", "base64": PNG, "mime_type": "application/pdf"}, PNG_PART),
    "image that is a PDF": ({"type": "image", "base64": PDF, "mime_type": "image/png"}, PDF_PART),
    "audio": (
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "mp3"}},
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
    ),
    "base64 without padding": ({"type": "image", "base64": PNG.rstrip("=")}, PNG_PART),
    "data URL as base64": ({"type": "image", "base64": PNG_URL}, PNG_PART),
}


@pytest.mark.parametrize(("block", "part"), MISLABELED.values(), ids=MISLABELED)
def test_media_of_a_result_has_the_type_of_its_data(
    model: ChatOrq, router: OfflineRouter, block: dict[str, Any], part: dict[str, Any]
) -> None:
    _, user_message = send_tool_result(model, router, [block])
    assert user_message == {"role": "user", "content": [part]}


PNG_BLOCK = {"type": "image", "base64": PNG}
PDF_BLOCK = {"type": "file", "base64": PDF}
UNRELATED_FIELDS: dict[str, tuple[Any, Any]] = {
    "name of the file in file": ({**PNG_BLOCK, "file": "a.png"}, PNG_PART),
    "dict in file": ({**PNG_BLOCK, "file": {"name": "a.png"}}, PNG_PART),
    "name of the file in file of a file": ({**PDF_BLOCK, "file": "a.pdf"}, PDF_PART),
    "origin in source": ({**PNG_BLOCK, "source": "web"}, PNG_PART),
    "origin of a part in source": ({**PNG_PART, "source": "web"}, PNG_PART),
    "input_audio of an image": ({**PNG_BLOCK, "input_audio": "x"}, PNG_PART),
    "format of a file": ({**PDF_BLOCK, "format": "pdf"}, PDF_PART),
    "caption of an image": ({**PNG_BLOCK, "text": "A cat"}, PNG_PART),
    "caption of a file": ({**PDF_BLOCK, "text": "A report"}, PDF_PART),
}


@pytest.mark.parametrize(("block", "part"), UNRELATED_FIELDS.values(), ids=UNRELATED_FIELDS)
def test_media_with_unrelated_fields_is_sent(
    model: ChatOrq, router: OfflineRouter, block: Any, part: Any
) -> None:
    _, attachments = send_tool_result(model, router, [block])
    assert attachments["content"] == [part]
    model.invoke([HumanMessage([block])])
    assert router.requests[-1].body["messages"][0]["content"] == [part]


UNSENDABLE: dict[str, tuple[dict[str, Any], str]] = {
    "BMP": ({"type": "image", "base64": encode_base64(b"BM" + bytes(24))}, "image/bmp"),
    "not base64": ({"type": "image", "base64": "not base64!"}, "base64"),
    "bytes": ({"type": "image", "base64": b"\x89PNG"}, "content_block(...)"),
    "video": ({"type": "video", "base64": "AAAA"}, "does not accept video"),
}


@pytest.mark.parametrize(("block", "error"), UNSENDABLE.values(), ids=UNSENDABLE)
def test_media_that_cannot_be_sent_raises_with_its_position(
    model: ChatOrq, router: OfflineRouter, block: dict[str, Any], error: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        send_tool_result(model, router, ["One", block])
    assert "messages[2].content[1]" in str(caught.value)
    assert error in str(caught.value)


def test_type_declared_by_the_caller_must_match_the_data(model: ChatOrq) -> None:
    block = {"type": "image", "base64": PNG, "mime_type": "image/jpeg"}
    with pytest.raises(RouterInputError, match="Correct mime_type"):
        model.invoke([HumanMessage([block])])


BASE64_VARIANTS = {
    "one byte left": b"%PDF-1.7\n" + bytes(1),
    "two bytes left": b"%PDF-1.7\n" + bytes(2),
    "URL-safe alphabet": b"%PDF-1.7\n" + b"\xfb\xff\xbf",
    "URL-safe alphabet without padding": b"%PDF-1.7\n" + b"\xfb\xff\xbf\xfb",
}


@pytest.mark.parametrize("data", BASE64_VARIANTS.values(), ids=BASE64_VARIANTS)
def test_base64_without_padding_is_padded(
    model: ChatOrq, router: OfflineRouter, data: bytes
) -> None:
    text = encode_base64(data).rstrip("=").replace("+", "-").replace("/", "_")
    model.invoke([HumanMessage([{"type": "file", "base64": text}])])
    (part,) = router.requests[-1].body["messages"][0]["content"]
    assert part["file"]["file_data"] == f"data:application/pdf;base64,{encode_base64(data)}"


def create_document(content: Any) -> dict[str, Any]:
    return {"type": "document", "title": "T", "source": {"type": "content", "content": content}}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}], "One\nTwo"),
        (["One", {"type": "text", "text": "Two"}], "One\nTwo"),
        ("One", "One"),
        ([], ""),
    ],
    ids=["blocks", "str among blocks", "str", "empty"],
)
def test_document_of_blocks_is_sent_as_its_text(content: Any, text: str) -> None:
    (message,) = convert_messages([HumanMessage([create_document(content)])])
    assert message["content"] == [{"type": "text", "text": text}]


def test_document_with_an_image_raises() -> None:
    document = create_document([{"type": "image", "base64": PNG}])
    with pytest.raises(ValueError, match="A document cannot contain image"):
        convert_messages([HumanMessage([document])])


def create_function_call(name: str = "look", arguments: Any = '{"where": "here"}') -> AIMessage:
    call = {"name": name, "arguments": arguments}
    return AIMessage("", additional_kwargs={"function_call": call})


def test_function_call_becomes_a_tool_call() -> None:
    history = [
        HumanMessage("Hi"),
        create_function_call(),
        FunctionMessage(name="look", content="nothing"),
        create_function_call(),
        FunctionMessage(name="look", content="a cat"),
    ]
    _, call, result, next_call, next_result = convert_messages(history)
    function = {"name": "look", "arguments": '{"where":"here"}'}
    assert call["tool_calls"] == [{"id": "call_1", "type": "function", "function": function}]
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "nothing"}
    assert next_call["tool_calls"][0]["id"] == next_result["tool_call_id"] == "call_3"


def test_function_call_is_ignored_if_the_message_has_tool_calls() -> None:
    message = AIMessage("", tool_calls=[CALL], additional_kwargs={"function_call": {"name": "x"}})
    (sent_message,) = convert_messages([message])
    assert [call["function"]["name"] for call in sent_message["tool_calls"]] == ["look"]


def test_function_call_with_broken_arguments_is_sent_as_it_is() -> None:
    (sent_message,) = convert_messages([create_function_call(arguments='{"where":')])
    assert sent_message["tool_calls"][0]["function"]["arguments"] == '{"where":'


@pytest.mark.parametrize("call", [None, "look", {}, {"arguments": "{}"}], ids=repr)
def test_invalid_function_call_is_left_out(call: Any) -> None:
    message = AIMessage("Hi", additional_kwargs={"function_call": call})
    assert convert_messages([message]) == [{"role": "assistant", "content": "Hi"}]


FOREIGN_BLOCKS: dict[str, Any] = {
    "thinking as an int": {"type": "thinking", "thinking": 5},
    "extras as a list": {"type": "reasoning", "reasoning": "Hm.", "extras": ["x"]},
    "signature as a dict": {"type": "thinking", "thinking": "Hm.", "signature": {"a": 1}},
    "redacted thinking without data": {"type": "redacted_thinking"},
    "refusal without text": {"type": "refusal"},
    "empty refusal": {"type": "refusal", "refusal": ""},
}


@pytest.mark.parametrize("block", FOREIGN_BLOCKS.values(), ids=FOREIGN_BLOCKS)
@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_incomplete_block_of_an_answer_is_left_out(block: Any, api: str) -> None:
    message = AIMessage([block, {"type": "text", "text": "Done."}])
    assert convert_messages([message], api=api)[0]["content"] == "Done."


@pytest.mark.parametrize("block_type", ["web_search", "tool_results", ""])
def test_unknown_block_of_an_answer_is_sent_as_json(block_type: str) -> None:
    block = {"type": block_type, "x": 1}
    assert orjson.loads(convert_messages([AIMessage([block])])[0]["content"]) == block


FOREIGN_KWARGS: list[tuple[str, Any]] = [
    ("reasoning_content", {"a": 1}),
    ("reasoning_signature", 5),
    ("reasoning_items", {"a": 1}),
    ("reasoning_items", [1]),
    ("reasoning_items", [{"reasoning": 1}]),
    ("thought_signatures", [1]),
    ("thought_signatures", "x"),
    ("refusal", {"a": 1}),
    ("refusal", ""),
    ("audio", "x"),
    ("audio", {"id": 5}),
]


@pytest.mark.parametrize(("name", "value"), FOREIGN_KWARGS, ids=repr)
def test_stored_value_of_the_wrong_type_is_left_out(name: str, value: Any) -> None:
    expected = AIMessage("", tool_calls=[CALL])
    message = AIMessage("", additional_kwargs={name: value}, tool_calls=[CALL])
    assert convert_messages([message]) == convert_messages([expected])
