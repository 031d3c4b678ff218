"""Content blocks of LangChain messages as parts of a chat completion.

Standard blocks, their spelling of 2024, OpenAI's own parts and Anthropic's blocks are all read;
what is not known raises. Nothing in a message is ever opened or fetched.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, RESPONSES
from orq_router_integrations.media import mime as formats

Part = dict[str, Any]
T = TypeVar("T")

_FIX = "use content_block(path) for files"
_SOURCES = {"base64": "data", "url": "url", "text": "text", "id": "id"}


@dataclass(frozen=True, slots=True)
class Media:
    """What a media block holds, whichever spelling it came in."""

    url: str | None = None
    data: Any = None
    file_id: str | None = None
    text: str | None = None
    mime_type: str | None = None
    filename: str | None = None
    detail: str | None = None

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> "Media":
        """Read a block: standard, of 2024 (``source_type``), or Anthropic's (``source``).

        Raises:
            ValueError: a member is of the wrong type, or the block has several sources.
        """
        inner = _members(block, "source") or block
        extras = {**_members(block, "extras"), **block}
        extras = {**_members(extras, "metadata"), **extras}
        url, data = _text_in(inner, "url"), inner.get("base64", inner.get("data"))
        mime_type = _text_in(inner, "mime_type", "media_type", "mimeType")
        text = _text_in(inner, "text")
        if "text" in (inner.get("type"), inner.get("source_type")):
            text, data = text or data or url, None
        if url is not None and url[:5].lower() == "data:":
            claimed, data = formats.parse_data_url(url)
            url, mime_type = None, mime_type or claimed
        by_id = inner.get("source_type") == "id"
        file_id = _text_in(inner, "file_id", *(["id"] if by_id else []))
        if sum(source is not None for source in (url, data, file_id)) > 1:
            raise ValueError("it has several sources; give exactly one of url, base64 and file_id")
        return cls(
            url=url,
            data=data,
            file_id=file_id,
            text=text,
            mime_type=formats.normalize_mime_type(mime_type) if mime_type else None,
            filename=_text_in(extras, "filename", "file_filename", "name"),
            detail=extras.get("detail"),
        )


def validate_block_shape(block: Mapping[str, Any]) -> None:
    """Check what langchain-core takes for granted of a block, before it stumbles over it.

    Raises:
        ValueError: its type is no text, or it lacks the source that it announces.
    """
    kind, source = block.get("type"), block.get("source_type")
    if kind is not None and not isinstance(kind, str):
        raise ValueError(f"type must be text, not {type(kind).__name__}")
    if source is None or kind not in {"image", "audio", "file"}:
        return
    member = _SOURCES.get(source) if isinstance(source, str) else None
    if member is None:
        raise ValueError(f"source_type must be one of {', '.join(_SOURCES)}, not {source!r}")
    if block.get(member) is None and not (source == "text" and "url" in block):
        raise ValueError(f"source_type is {source}, but there is no {member}; {_FIX}")


def _members(block: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = block.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"{name} must be a dict, not {type(value).__name__}")
    return value or {}


def _text_in(block: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = block.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            raise ValueError(f"{name} must be text, not {type(value).__name__}")
    return None


def convert_block(block: Any) -> Part:
    """The part of a user message for one content block.

    Raises:
        ValueError: the block is unknown, incomplete, or of a kind that the router does not take.
    """
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, Mapping):
        raise ValueError(f"a content block is a dict or a text, not {type(block).__name__}")
    kind = block.get("type")
    convert = _PARTS.get(kind) if isinstance(kind, str) else None
    if convert is None:
        known = ", ".join(sorted(_PARTS))
        raise ValueError(f"unknown content block type {kind!r}; known are {known}")
    made = convert(block)
    control = block.get("cache_control") or _members(block, "extras").get("cache_control")
    if control and made["type"] != "input_audio":
        made["cache_control"] = control
    return made


def _text(block: Mapping[str, Any]) -> Part:
    text = block.get("text")
    if not isinstance(text, str):
        raise ValueError("a text block needs its text")
    return {"type": "text", "text": text}


def _image_url(block: Mapping[str, Any]) -> Part:
    given = block.get("image_url")
    inner = {"url": given} if isinstance(given, str) else given
    if not isinstance(inner, Mapping) or not isinstance(inner.get("url"), str):
        raise ValueError("an image_url block needs image_url.url")
    return _image({"detail": block.get("detail"), **inner})


def _image(block: Mapping[str, Any]) -> Part:
    return _image_of(Media.of(block))


def _image_of(image: Media) -> Part:
    if image.detail is not None and image.detail not in formats.IMAGE_DETAILS:
        raise ValueError(f"detail must be low, high or auto, not {image.detail!r}")
    detail = {"detail": image.detail} if image.detail else {}
    if image.file_id:
        return {"type": "image_file", "file_id": image.file_id, **detail}
    if image.url is not None:
        url = _checked_url(image.url, ("https://",))
    else:
        url = formats.build_data_url(*formats.validate_image(image.data, image.mime_type))
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def _audio(block: Mapping[str, Any]) -> Part:
    return _audio_of(Media.of(block))


def _audio_of(audio: Media) -> Part:
    if audio.data is None:
        raise ValueError(f"audio must be given as data, not by URL or id; {_FIX}")
    kind, data = formats.validate_audio(audio.data, audio.mime_type)
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def _input_audio(block: Mapping[str, Any]) -> Part:
    inner = block.get("input_audio")
    if not isinstance(inner, Mapping):
        raise ValueError("an input_audio block needs input_audio.data and input_audio.format")
    return _audio({"data": inner.get("data"), "mime_type": f"audio/{inner.get('format')}"})


def _file(block: Mapping[str, Any]) -> Part:
    inner = block.get("file")
    if not isinstance(inner, Mapping):
        return _file_of(Media.of(block))
    validate_file_sources(inner)
    url = inner.get("file_data") or inner.get("uri")
    return _file(
        {
            "url": url,
            "file_id": inner.get("file_id"),
            "mime_type": inner.get("mimeType"),
            "filename": inner.get("filename"),
        }
    )


def validate_file_sources(file: Mapping[str, Any]) -> None:
    """Check that OpenAI's file part has one source.

    Raises:
        ValueError: it has none or several.
    """
    given = [name for name in ("file_data", "file_id", "uri") if file.get(name)]
    if len(given) != 1:
        raise ValueError(f"a file needs exactly one of file_data, file_id and uri, not {given}")


def _file_of(file: Media) -> Part:
    if file.text is not None:
        return {"type": "text", "text": file.text}
    if file.file_id:
        return _file_part(file, {"file_id": file.file_id})
    if file.url is not None:
        uri = {"uri": _checked_url(file.url, ("https://", "gs://"))}
        return _file_part(file, {**uri, "mimeType": file.mime_type} if file.mime_type else uri)
    family = (file.mime_type or "").partition("/")[0]
    return _BY_FAMILY.get(family, _pdf_of)(file)


def _pdf_of(file: Media) -> Part:
    data = formats.build_data_url(formats.PDF_TYPE, formats.validate_pdf(file.data))
    return _file_part(
        file, {"file_data": data, "filename": formats.get_pdf_filename(file.filename)}
    )


def _file_part(file: Media, inner: dict[str, str]) -> Part:
    if file.filename:
        inner.setdefault("filename", formats.validate_filename(file.filename))
    return {"type": "file", "file": inner}


def _plain_text(block: Mapping[str, Any]) -> Part:
    plain = Media.of(block)
    if plain.text is None and plain.data is None:
        raise ValueError("a text-plain block needs its text or its base64; a URL is not fetched")
    return {"type": "text", "text": _decoded(plain.data) if plain.text is None else plain.text}


def _decoded(data: Any) -> str:
    try:
        return base64.b64decode(formats.validate_base64(data)[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the text is not UTF-8; decode it, and give it as text") from None


_BY_FAMILY: dict[str, Callable[[Media], Part]] = {
    "image": _image_of,
    "audio": _audio_of,
    "text": lambda file: {"type": "text", "text": _decoded(file.data)},
}


def _video(_: Mapping[str, Any]) -> Part:
    raise ValueError("video is not taken by the router; send extracted frames as images")


_PARTS: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "text": _text,
    "image_url": _image_url,
    "image": _image,
    "audio": _audio,
    "input_audio": _input_audio,
    "file": _file,
    "document": lambda block: _file_of(Media.of({"mime_type": formats.PDF_TYPE, **block})),
    "text-plain": _plain_text,
    "video": _video,
}


def _checked_url(url: Any, schemes: tuple[str, ...]) -> str:
    if not isinstance(url, str) or not url.lower().startswith(schemes):
        shown = url[:60] if isinstance(url, str) else url
        plain = isinstance(url, str) and url.lower().startswith("http://")
        fix = "use the https:// address, or fetch it and give its data" if plain else _FIX
        raise ValueError(f"{shown!r} is not a URL that begins with {' or '.join(schemes)}; {fix}")
    if not url.isprintable() or " " in url:
        raise ValueError("the URL has a blank or a control character in it")
    return url


def validate_content(content: object) -> None:
    """Check that a message made without validation holds what a message can.

    Raises:
        ValueError: it is neither text nor a list of blocks.
    """
    if not isinstance(content, (str, list, tuple)):
        raise ValueError(f".content: must be text or a list, not {type(content).__name__}")


def convert_blocks(content: list[Any], convert: Callable[[Any], T]) -> list[T]:
    """Convert every block of a message.

    Raises:
        ValueError: as ``convert``; the message begins with the place of the block.
    """
    made = []
    for index, block in enumerate(content):
        try:
            made.append(convert(block))
        except ValueError as error:
            raise ValueError(f".content[{index}]: {error}") from None
    return made


def describe_parts(parts: list[Part]) -> str:
    """What media parts are, in words."""
    names = {"image_url": "image", "image_file": "image", "input_audio": "audio"}
    types = (str(item["type"]) for item in parts)
    return ", ".join(names.get(kind, kind) for kind in types)


def join_text_parts(parts: list[Part], separator: str = "") -> str | list[Part]:
    """Plain texts as one text, which every provider takes; parts only where they say more."""
    if all(item.keys() == {"type", "text"} for item in parts):
        return separator.join(item["text"] for item in parts)
    return parts


_ONLY_ON = {
    "input_audio": (
        CHAT_COMPLETIONS,
        "the Responses API takes no audio; use api='chat_completions'",
    ),
    "image_file": (
        RESPONSES,
        "an image cannot be sent by file_id here; give its URL or its data, or use api='responses'",
    ),
}
"""Parts that one chat API has and the other has not."""


def validate_api_support(api: str, *contents: Any) -> None:
    """Check that a chat API has all parts of a message.

    Raises:
        ValueError: it has one not; its place is named, and what has it.
    """
    for parts in contents:
        for place, made in enumerate(parts if isinstance(parts, list) else ()):
            only, hint = _ONLY_ON.get(made["type"], (api, ""))
            if only != api:
                raise ValueError(f".content[{place}]: {hint}")
