"""Convert LangChain content blocks to the content parts of Chat Completions.

Accepts LangChain's standard blocks and its older ``source_type`` blocks, OpenAI's content parts and
Anthropic's blocks. Never opens a path or fetches a URL that a message contains.
"""

import base64
import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, RESPONSES
from orq_router_integrations.media import mime
from orq_router_integrations.wire.json import as_dict, as_str
from orq_router_integrations.wire.responses_request import APPROVAL_RESPONSE

Part = dict[str, Any]

_KINDS = {
    "text": "text", "input_text": "text", "output_text": "text",
    "text-plain": "text-plain",
    "image": "image", "image_url": "image", "input_image": "image",
    "audio": "audio", "input_audio": "audio",
    "file": "file", "input_file": "file", "document": "file",
    "video": "video",
    APPROVAL_RESPONSE: "approval",
}  # fmt: skip
"""The kind of content, by the type of the block."""

SUPPORTED_TYPES = _KINDS.keys()
MEDIA_TYPES = {name for name, kind in _KINDS.items() if kind in ("image", "audio", "file", "video")}

DATA_FIELDS = ("base64", "data", "file_data")
_SOURCE_FIELDS = {
    "url": ("url", "uri", "file_url"),
    "base64": DATA_FIELDS,
    "file_id": ("file_id",),
    "text": ("text",),
    "mime_type": ("mime_type", "media_type", "mimeType"),
}
_ATTRIBUTES = {"filename": ("filename", "file_filename", "name"), "detail": ("detail",)}
"""Fields that may also be outside of the source. Both list the spellings of each field."""

_FILE_TYPES = (bytes, bytearray, memoryview, os.PathLike)

_UNSUPPORTED_PARTS = {
    CHAT_COMPLETIONS: {
        APPROVAL_RESPONSE: "MCP approvals need api='responses'.",
        "image_file": "A file_id of an image needs api='responses'. Pass its URL or its data.",
    },
    RESPONSES: {"input_audio": "Audio needs api='chat_completions'."},
}
"""For each API, the types of parts that it does not accept, with the error."""


def read_source(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ``_SOURCE_FIELDS`` and ``_ATTRIBUTES``; those that are missing are None.

    Exactly one of ``url``, ``base64`` and ``file_id`` is set, or only ``text``. A data URL is split
    into ``base64`` and ``mime_type``.
    """
    source = _get_source(block)
    attributes = {**as_dict(block.get("extras")), **block, **source}
    attributes = {**as_dict(attributes.get("metadata")), **attributes}
    fields = {name: _get_str(attributes, *names) for name, names in _ATTRIBUTES.items()}
    fields |= {name: _get_str(source, *names) for name, names in _SOURCE_FIELDS.items()}
    match source:
        case {"source_type": "id"}:
            fields["file_id"] = fields["file_id"] or _get_str(source, "id")
        case {"type": "text"} | {"source_type": "text"}:
            # Anthropic puts the text in "data", LangChain's older blocks in "url".
            text = fields["text"] or fields["base64"] or fields["url"]
            fields |= {"text": text, "base64": None, "url": None}
    for name in ("url", "base64"):
        if mime.is_data_url(value := fields[name]):
            declared, data = mime.parse_data_url(value)
            fields |= {name: None, "base64": data, "mime_type": fields["mime_type"] or declared}
    present = [name for name in ("url", "base64", "file_id") if fields[name]]
    if not present and fields["text"] is None:
        files = {name: value for name, value in block.items() if isinstance(value, _FILE_TYPES)}
        _get_str(files, *files)  # raises an error about the type, if there is one
        raise ValueError(
            "The block has no text, data or URL, or it is empty. Set 'text', 'url', 'base64' "
            "or 'file_id', or create the block with content_block(path)."
        )
    if len(present) > 1:
        names = " and ".join(map(repr, present))
        raise ValueError(f"Expected exactly one source, got {names}. Keep one of them.")
    return fields


def _get_source(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of the source, which are in the block or in a dict that it contains."""
    if isinstance(url := block.get("image_url"), str):
        return {"url": url}
    # OpenAI's parts contain the source under the name of their type.
    nested = (block.get(name) for name in (str(block.get("type")), "image_url", "source"))
    source = next((value for value in nested if isinstance(value, Mapping)), block)
    if source.get("type") != "content":
        return source
    content = source.get("content")  # blocks of an Anthropic document
    content = content if isinstance(content, list) else [content]
    parts = convert_blocks(content, partial(convert_text_block, container="A document"))
    return {"text": "\n".join(part["text"] for part in parts)}


def _get_str(block: Mapping[str, Any], *names: str) -> str | None:
    """Return the first value that is set."""
    for name in names:
        value = block.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            is_file = isinstance(value, _FILE_TYPES)
            hint = " Use content_block(...) for bytes and paths." if is_file else ""
            raise ValueError(f"Expected a str in {name!r}, got {type(value).__name__}.{hint}")
    return None


def convert_block(block: Any, *, api: str = CHAT_COMPLETIONS, is_third_party: bool = False) -> Part:
    """Convert a content block to a content part.

    The type of media that does not come from the caller (``is_third_party``) is decided by the
    data alone, because the caller cannot correct the declared type.
    """
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, Mapping):
        raise ValueError(f"Expected a content block (dict or str), got {type(block).__name__}.")
    kind = _KINDS.get(str(block.get("type")))
    is_forged = kind == "approval" and is_third_party  # only the caller can approve calls
    if kind is None or is_forged:
        raise ValueError(
            f"Unknown content block type {block.get('type')!r}. "
            f"Supported types: {', '.join(sorted(SUPPORTED_TYPES))}."
        )
    part = _convert_content(block, kind, is_third_party)
    if error := _UNSUPPORTED_PARTS[api].get(part["type"]):
        raise ValueError(error)
    cache_control = block.get("cache_control") or as_dict(block.get("extras")).get("cache_control")
    if cache_control and part["type"] != "input_audio":
        part["cache_control"] = cache_control
    return part


def _convert_content(block: Mapping[str, Any], kind: str, is_third_party: bool) -> Part:
    match kind:
        case "approval":
            return _convert_approval(block)
        case "video":
            raise ValueError("The router does not accept video. Send extracted frames as images.")
        case "text":
            if not isinstance(text := block.get("text"), str):
                raise ValueError(f"A text block needs 'text' as a str, got {type(text).__name__}.")
            return {"type": "text", "text": text}
    source = read_source(block)
    has_link = source["url"] or source["file_id"]
    is_text_file = kind == "file" and not (has_link or source["base64"])
    if source["text"] is not None and (kind == "text-plain" or is_text_file):
        return {"type": "text", "text": source["text"]}
    if has_link:
        return _convert_link(source, kind)
    if is_third_party:
        detected = mime.detect_mime_type(mime.validate_base64(source["base64"] or "")[2])
        source = {**source, "mime_type": detected or source["mime_type"]}
        kind = "file"  # the MIME type decides how a file is converted
    return _convert_data(source, kind)


def _convert_approval(block: Mapping[str, Any]) -> Part:
    if not isinstance(block.get("approve"), bool) or not as_str(block.get("approval_request_id")):
        raise ValueError("An MCP approval needs 'approve' (bool) and 'approval_request_id' (str).")
    return dict(block)


def _convert_link(source: Mapping[str, Any], kind: str) -> Part:
    """Convert a block with a URL or the id of a file."""
    url = source["url"]
    if kind == "image":
        return _build_image(source, _validate_url(url, ("https://",)) if url else None)
    if kind != "file":
        raise ValueError(
            f"A block of type {kind!r} cannot be sent by URL or file_id. "
            "Set 'base64', or create the block with content_block(path)."
        )
    file = {"file_id": source["file_id"]}
    if url:
        file = {"uri": _validate_url(url, ("https://", "gs://")), "mimeType": source["mime_type"]}
    if source["filename"]:
        file["filename"] = mime.validate_filename(source["filename"])
    return {"type": "file", "file": {name: value for name, value in file.items() if value}}


def _convert_data(source: Mapping[str, Any], kind: str) -> Part:
    data, declared = source["base64"] or "", source["mime_type"] or ""
    family = declared.partition("/")[0]
    if kind == "file" and family in ("image", "audio", "text"):
        kind = family
    match kind:
        case "image":
            media = mime.validate_media("image", data, declared)
            return _build_image(source, mime.build_data_url(*media))
        case "audio":
            mime_type, data = mime.validate_media("audio", data, declared)
            audio = {"data": data, "format": mime.AUDIO_FORMATS[mime_type]}
            return {"type": "input_audio", "input_audio": audio}
        case "file":
            url = mime.build_data_url(*mime.validate_media("file", data))
            file = {"file_data": url, "filename": mime.get_pdf_filename(source["filename"])}
            return {"type": "file", "file": file}
    try:  # a text file
        text = base64.b64decode(mime.validate_base64(data)[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("The text is not UTF-8. Decode it, and send it as a text block.") from None
    return {"type": "text", "text": text}


def _build_image(source: Mapping[str, Any], url: str | None) -> Part:
    detail = source["detail"]
    if detail not in (None, *mime.IMAGE_DETAILS):
        raise ValueError(f"Unknown detail {detail!r}. Use 'low', 'high' or 'auto'.")
    fields = {"detail": detail} if detail else {}
    if url is None:
        return {"type": "image_file", "file_id": source["file_id"], **fields}
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def _validate_url(url: str, schemes: tuple[str, ...]) -> str:
    if not url.lower().startswith(schemes) or any(char <= " " for char in url):
        raise ValueError(
            f"Unsupported URL {url[:60]!r}. Use a URL without spaces that begins with "
            f"{' or '.join(schemes)}, or content_block(path) for a local file."
        )
    return url


def convert_text_block(block: Any, container: str) -> Part:
    """Convert a block of a message or document (``container``) that can only contain text."""
    part = convert_block(block)
    if part["type"] != "text":
        media_type = describe_parts([part])
        raise ValueError(
            f"{container} cannot contain {media_type}. Send it as a block of a human message."
        )
    return part


def convert_blocks(content: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert all blocks of a message; a str is not changed."""
    return content if isinstance(content, str) else convert_items(content, convert, ".content")


def convert_items(items: Iterable[Any], convert: Callable[[Any], Any], name: str) -> list[Any]:
    """Convert the items of a list, and add their position to errors, such as ``name[0]``."""
    converted = []
    for index, item in enumerate(items):
        try:
            converted.append(convert(item))
        except ValueError as error:
            text = str(error)
            separator = "" if text.startswith(".") else ": "  # such as ".content[0]: ..."
            raise ValueError(f"{name}[{index}]{separator}{text}") from None
    return converted


def describe_parts(parts: list[Part]) -> str:
    """Describe the types of media parts, for example as ``image, file``."""
    names = {"image_url": "image", "image_file": "image", "input_audio": "audio"}
    types = (str(part["type"]) for part in parts)
    return ", ".join(names.get(part_type, part_type) for part_type in types)


def join_text_parts(parts: list[Part], separator: str = "") -> str | list[Part]:
    """Join text parts into one str, which every provider accepts.

    The parts are returned unchanged if one of them is not plain text or has other keys.
    """
    if all(part.keys() == {"type", "text"} for part in parts):
        return separator.join(part["text"] for part in parts)
    return parts


def create_json_block(block: Any) -> Part:
    """Create a text block with the JSON of a value of any type."""
    text = json.dumps(block, ensure_ascii=False, separators=(",", ":"), default=str)
    return {"type": "text", "text": text}
