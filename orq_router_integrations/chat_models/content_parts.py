"""Convert LangChain content blocks to the content parts of Chat Completions.

Accepts LangChain's standard blocks and its older ``source_type`` blocks, OpenAI's content parts and
Anthropic's blocks. Never opens a path or fetches a URL that a message contains.
"""

import base64
import json as stdlib_json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from orq_router_integrations.media import mime
from orq_router_integrations.wire import json
from orq_router_integrations.wire.json import as_dict

Part = dict[str, Any]

_TYPES = {
    "text": ("text", "input_text", "output_text"),
    "text-plain": ("text-plain",),
    "image": ("image", "image_url", "input_image"),
    "audio": ("audio", "input_audio"),
    "file": ("file", "input_file", "document"),
    "video": ("video",),
}
"""The types of blocks, by the kind of their content."""

_KINDS = {block_type: kind for kind, types in _TYPES.items() for block_type in types}
_APPROVAL = "mcp_approval_response"

SUPPORTED_TYPES = {*_KINDS, _APPROVAL}
MEDIA_TYPES = _KINDS.keys() - {*_TYPES["text"], "text-plain"}

DATA_FIELDS = ("base64", "data", "file_data")
_SOURCE_FIELDS = {
    "image_url": "image_url",
    "input_image": "image_url",
    "input_audio": "input_audio",
    "file": "file",
}
"""The field that may contain the source, by the type of an OpenAI block; others use ``source``."""


@dataclass(frozen=True, slots=True)
class MediaSource:
    """The source and the attributes of a content block."""

    url: str | None = None  # web address; data URLs are split into ``data`` and ``mime_type``
    data: str | None = None  # base64
    file_id: str | None = None
    text: str | None = None
    mime_type: str | None = None  # as declared
    filename: str | None = None
    detail: str | None = None  # resolution of an image

    @classmethod
    def from_block(cls, block: Mapping[str, Any]) -> "MediaSource":
        """Read the source of a block in any of the supported formats."""
        source = _get_source(block)
        attributes = {**as_dict(block.get("extras")), **block, **source}
        attributes = {**as_dict(attributes.get("metadata")), **attributes}
        url, data = _get_str(source, "url", "uri", "file_url"), _get_str(source, *DATA_FIELDS)
        text = _get_str(source, "text")
        if "text" in (source.get("type"), source.get("source_type")):
            # Anthropic puts the text in "data", LangChain's older blocks in "url".
            text, url, data = text or data or url, None, None
        mime_type = _get_str(source, "mime_type", "media_type", "mimeType")
        if block.get("type") == "input_audio" and (audio_format := source.get("format")):
            mime_type = mime_type or f"audio/{audio_format}"
        if mime.is_data_url(url):
            url, data = None, url
        if mime.is_data_url(data):
            declared, data = mime.parse_data_url(data)
            mime_type = mime_type or declared
        id_names = ("file_id", "id") if source.get("source_type") == "id" else ("file_id",)
        file_id = _get_str(source, *id_names) or None
        sources = {"url": url, "base64": data or None, "file_id": file_id}
        present = [name for name, value in sources.items() if value is not None]
        if not present and text is None:
            raise ValueError(
                "The block has no text, data or URL, or it is empty. Set 'text', 'url', 'base64' "
                "or 'file_id', or create the block with content_block(path)."
            )
        if len(present) > 1:
            names = " and ".join(map(repr, present))
            raise ValueError(f"Expected exactly one source, got {names}. Keep one of them.")
        return cls(
            url=url,
            data=data,
            file_id=file_id,
            text=text,
            mime_type=mime.normalize_mime_type(mime_type) if mime_type else None,
            filename=_get_str(attributes, "filename", "file_filename", "name"),
            detail=attributes.get("detail"),
        )


def _get_source(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of the source, which are in the block or in a dict that it contains."""
    name = _SOURCE_FIELDS.get(str(block.get("type")), "source")
    value = block.get(name)
    if name == "image_url" and isinstance(value, str):
        return {"url": value}
    if not isinstance(value, Mapping):
        value = block.get("source")
    source = value if isinstance(value, Mapping) else block
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
            is_file = isinstance(value, (bytes, bytearray, memoryview, os.PathLike))
            hint = " Use content_block(...) for bytes and paths." if is_file else ""
            raise ValueError(f"Expected a str in {name!r}, got {type(value).__name__}.{hint}")
    return None


def convert_block(block: Any, *, is_third_party: bool = False) -> Part:
    """Convert a content block to a content part.

    The type of media that does not come from the caller (``is_third_party``) is decided by the
    data alone, because the caller cannot correct the declared type.
    """
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, Mapping):
        raise ValueError(f"Expected a content block (dict or str), got {type(block).__name__}.")
    block_type = block.get("type")
    if not isinstance(block_type, str) or block_type not in SUPPORTED_TYPES:
        supported = ", ".join(sorted(SUPPORTED_TYPES))
        raise ValueError(
            f"Unknown content block type {block_type!r}. Supported types: {supported}."
        )
    if block_type == _APPROVAL:
        return _convert_approval(block)
    part = _convert_source(block, _KINDS[block_type], is_third_party)
    cache_control = block.get("cache_control") or as_dict(block.get("extras")).get("cache_control")
    if cache_control and part["type"] != "input_audio":
        part["cache_control"] = cache_control
    return part


def _convert_source(block: Mapping[str, Any], kind: str, is_third_party: bool) -> Part:
    if kind == "video":
        raise ValueError("The router does not accept video. Send extracted frames as images.")
    if kind == "text":
        if not isinstance(text := block.get("text"), str):
            raise ValueError(f"A text block needs 'text' as a str, got {type(text).__name__}.")
        return {"type": "text", "text": text}
    source = MediaSource.from_block(block)
    has_link = source.url is not None or source.file_id is not None
    if kind in ("audio", "text-plain") and has_link and source.text is None:
        raise ValueError(
            f"A block of type {block['type']!r} cannot be sent by URL or file_id. "
            "Set 'base64', or create the block with content_block(path)."
        )
    if is_third_party and source.data is not None:
        detected = mime.detect_mime_type(mime.validate_base64(source.data)[2])
        if detected:
            return _convert_file(replace(source, mime_type=detected))
    return _CONVERTERS[kind](source)


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
    """Convert all blocks of a message, adding their positions to errors; a str is not changed."""
    if isinstance(content, str):
        return content
    converted = []
    for index, block in enumerate(content):
        try:
            converted.append(convert(block))
        except ValueError as error:
            raise ValueError(f".content[{index}]: {error}") from None
    return converted


def _convert_approval(block: Mapping[str, Any]) -> Part:
    names = ("approve", "approval_request_id", "reason", "id")
    part = {name: block[name] for name in names if block.get(name) is not None}
    if not isinstance(part.get("approve"), bool) or not part.get("approval_request_id"):
        raise ValueError(
            "An mcp_approval_response needs 'approve' as a bool, and the id of the "
            "mcp_approval_request as 'approval_request_id'."
        )
    return {"type": _APPROVAL, **part}


def _convert_text(source: MediaSource) -> Part:
    if source.text is not None:
        return {"type": "text", "text": source.text}
    data = mime.validate_base64(source.data)[0]
    try:
        return {"type": "text", "text": base64.b64decode(data).decode("utf-8")}
    except UnicodeDecodeError:
        raise ValueError("The text is not UTF-8. Decode it, and send it as a text block.") from None


def _convert_image(source: MediaSource) -> Part:
    if source.detail is not None and source.detail not in mime.IMAGE_DETAILS:
        raise ValueError(f"Unknown detail {source.detail!r}. Use 'low', 'high' or 'auto'.")
    detail = {"detail": source.detail} if source.detail else {}
    if source.file_id:
        return {"type": "image_file", "file_id": source.file_id, **detail}
    if source.url is not None:
        url = _validate_url(source.url, ("https://",))
    else:
        url = mime.build_data_url(
            *mime.validate_media("image", source.data or "", source.mime_type)
        )
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def _convert_audio(source: MediaSource) -> Part:
    mime_type, data = mime.validate_media("audio", source.data or "", source.mime_type)
    audio = {"data": data, "format": mime.AUDIO_FORMATS[mime_type]}
    return {"type": "input_audio", "input_audio": audio}


def _convert_file(source: MediaSource) -> Part:
    if source.text is not None and not (source.file_id or source.url or source.data):
        return _convert_text(source)
    file: dict[str, Any] = {}
    if source.file_id:
        file["file_id"] = source.file_id
    elif source.url is not None:
        file["uri"] = _validate_url(source.url, ("https://", "gs://"))
        file |= {"mimeType": source.mime_type} if source.mime_type else {}
    if file:
        name = {"filename": mime.validate_filename(source.filename)} if source.filename else {}
        return {"type": "file", "file": {**file, **name}}
    family = (source.mime_type or "").partition("/")[0]
    if source.data is not None and family in ("image", "audio", "text"):
        return _CONVERTERS[family](source)
    data = mime.build_data_url(*mime.validate_media("file", source.data))
    file = {"file_data": data, "filename": mime.get_pdf_filename(source.filename)}
    return {"type": "file", "file": file}


_CONVERTERS: dict[str, Callable[[MediaSource], Part]] = {
    "text": _convert_text,
    "text-plain": _convert_text,
    "image": _convert_image,
    "audio": _convert_audio,
    "file": _convert_file,
}


def _validate_url(url: str, schemes: tuple[str, ...]) -> str:
    if not url.lower().startswith(schemes):
        raise ValueError(
            f"Unsupported URL {url[:60]!r}. Use a URL that begins with {' or '.join(schemes)}, or "
            "content_block(path) for a local file."
        )
    if not url.isprintable() or " " in url:
        raise ValueError("The URL contains a space or a control character. Percent-encode it.")
    return url


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
    try:
        text = json.dumps(block, nan_as_null=True).decode()
    except ValueError:
        text = stdlib_json.dumps(block, default=str)
    return {"type": "text", "text": text}
