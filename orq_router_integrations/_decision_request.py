"""Request bodies of decision models: states with messages and images, and questions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from langchain_core.decisions import Question
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, ToolMessage
from pydantic import TypeAdapter, ValidationError

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import (
    Base64View,
    build_data_url,
    is_data_url,
    parse_data_url,
    validate_base64,
    validate_media,
)
from orq_router_integrations.wire.json import as_dict, dumps
from orq_router_integrations.wire.model_names import ModelCandidates
from orq_router_integrations.wire.reasoning import REASONING_BLOCK_TYPES

MAX_IMAGES = 128
ASSET_SIDES = range(256, 1569)
"""Side lengths in pixels of the images that TypeSafe's models accept."""

MAX_ASSET_BYTES = 16 * 1024 * 1024
TYPESAFE = "typesafe/"

_MEDIA_TYPES = frozenset(
    ("image", "image_url", "input_image", "audio", "input_audio", "video", "file", "input_file")
)
_MEDIA_KEYS = frozenset(
    ("base64", "data", "file", "file_data", "file_id", "image_url", "input_audio", "source", "url")
)
_ROLES = {"human": "user", "ai": "assistant"}
_SKIPPED_BLOCKS = REASONING_BLOCK_TYPES | {"tool_call", "tool_call_chunk", "invalid_tool_call"}
"""Reasoning is not sent, and tool calls are not part of the content of a message."""

_QUESTION: TypeAdapter[Question] = TypeAdapter(Question, config={"defer_build": True})


class _Image(NamedTuple):
    name: str
    mime_type: str
    base64: str
    path: str


def build_decision_body(
    state: Any, questions: Mapping[str, Any], candidates: ModelCandidates
) -> dict[str, Any]:
    """Build the fields ``state`` and ``questions``, and ``assets`` for TypeSafe's models.

    Images are replaced by references such as ``{"image": "image_1"}``. TypeSafe's models receive
    the images as assets, other models as parts of one user message.

    Raises:
        ValueError: The state or a question cannot be sent.
    """
    converter = _JsonConverter()
    try:
        body = {
            "state": converter.convert_state(state),
            "questions": {
                name: converter.convert(_dump_question(name, question), f"questions.{name}")
                for name, question in questions.items()
            },
        }
    except RecursionError:
        raise ValueError(
            "state: The value contains itself or is nested too deeply. Use fewer levels."
        ) from None
    has_boxes = any(question["type"] == "box" for question in body["questions"].values())
    if not converter.images:
        if has_boxes:
            _reject("state", "Box questions need an image")
        return body
    if _uses_assets(candidates, has_boxes=has_boxes):
        return body | {"assets": dict(map(_build_asset, converter.images))}
    return body | {"state": [_build_image_message(body["state"], converter.images)]}


def _dump_question(name: str, question: Any) -> dict[str, Any]:
    try:
        data: dict[str, Any] = _QUESTION.dump_python(_QUESTION.validate_python(question))
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        path = ".".join(("questions", str(name), *map(str, details["loc"][1:])))
        raise ValueError(f"{path}: {details['msg']}.") from None
    instructions = data["instructions"]
    if not instructions or (isinstance(instructions, str) and not instructions.strip()):
        raise ValueError(f"questions.{name}.instructions: Write the question here.")
    if data["type"] == "noul":
        criteria = data.pop("criteria") or {}
        if criteria := {key: text for key, text in criteria.items() if text is not None}:
            data["criteria"] = criteria
    return data


class _JsonConverter:
    """Converts messages and media in a state to JSON, and collects the images."""

    def __init__(self) -> None:
        self.images: list[_Image] = []

    def convert_state(self, state: Any) -> Any:
        converted = self.convert(state, "state")
        if converted is None or isinstance(converted, bool | int | float):
            raise ValueError(
                f"state: Expected text, a dict, a list or messages, got {type(state).__name__}."
            )
        if isinstance(converted, list) and any(map(_is_message, state)):
            return {"messages": converted}
        return converted

    def convert(self, value: Any, path: str) -> Any:
        match value:
            case BaseMessage():
                return self._convert_message(value, path)
            case Mapping():
                if _is_media(value):
                    return self._convert_media(value, path)
                return {key: self.convert(item, f"{path}.{key}") for key, item in value.items()}
            case None | str() | bool() | int() | float():
                return value
            case Sequence() if not isinstance(value, bytes | bytearray):
                return [self.convert(item, f"{path}[{i}]") for i, item in enumerate(value)]
        raise ValueError(
            f"{path}: Expected text, numbers, lists, dicts, messages or images, "
            f"got {type(value).__name__}."
        )

    def _convert_message(self, message: BaseMessage, path: str) -> dict[str, Any]:
        converted: dict[str, Any] = {"role": _get_role(message)}
        if message.name:
            converted["name"] = message.name
        if isinstance(message, ToolMessage):
            converted["tool_call_id"] = message.tool_call_id
            if message.status == "error":
                converted["status"] = "error"
        converted["content"] = self._convert_content(message, f"{path}.content")
        if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
            converted["tool_calls"] = [
                {name: call[name] for name in ("name", "args", "id")}
                for call in (*message.tool_calls, *message.invalid_tool_calls)
            ]
        return converted

    def _convert_content(self, message: BaseMessage, path: str) -> Any:
        if isinstance(message.content, str):
            return message.content
        blocks = list(_iter_content(message))
        if all(block.get("type") == "text" for block in blocks):
            return "".join(block["text"] for block in blocks)
        # the caller cannot correct a wrong media type that a tool or a model declared
        is_third_party = isinstance(message, AIMessage | ToolMessage)
        return [
            self._convert_media(block, f"{path}[{i}]", ignores_type=is_third_party)
            if _is_media(block)
            else self.convert(block, f"{path}[{i}]")
            for i, block in enumerate(blocks)
        ]

    def _convert_media(
        self, block: Mapping[str, Any], path: str, *, ignores_type: bool = False
    ) -> dict[str, str]:
        """Collect an image, and return a reference to it."""
        if "image" not in block["type"]:
            _reject(path, f"{block['type']} is not supported. Use text and images")
        source, declared_type = _read_image_source(block, path)
        try:
            declared = None if ignores_type else declared_type
            mime_type, data = validate_media("image", source, declared)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if len(self.images) == MAX_IMAGES:
            _reject(path, f"A request can contain at most {MAX_IMAGES} images")
        image = _Image(f"image_{len(self.images) + 1}", mime_type, data, path)
        self.images.append(image)
        return {"image": image.name}


def _is_media(block: Mapping[str, Any]) -> bool:
    return block.get("type") in _MEDIA_TYPES and not _MEDIA_KEYS.isdisjoint(block)


def _is_message(item: Any) -> bool:
    """Return whether an item is a LangChain message, or a dict with a role other than ``user``.

    A list that contains one is wrapped, because models accept only user messages as a plain list.
    """
    return isinstance(item, BaseMessage) or as_dict(item).get("role", "user") != "user"


def _get_role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    message_type = message.type.removesuffix("MessageChunk").lower()
    return _ROLES.get(message_type, message_type)


def _iter_content(message: BaseMessage) -> Iterator[Mapping[str, Any]]:
    """Yield the content blocks of a message, without reasoning and tool calls."""
    for block in message.content_blocks:
        # langchain-core wraps blocks that it does not know
        value: Mapping[str, Any] = as_dict(block.get("value")) or block
        block_type = value.get("type")
        if block_type == "text" or (block_type == "text-plain" and value.get("text")):
            yield {"type": "text", "text": value["text"]}
        elif block_type not in _SKIPPED_BLOCKS:
            yield value


def _read_image_source(block: Mapping[str, Any], path: str) -> tuple[Any, str | None]:
    """Return the base64 data of an image block and its declared type."""
    source = as_dict(block.get("source"))  # Anthropic's blocks
    url = block.get("url") or source.get("url") or block.get("image_url")
    if isinstance(url, Mapping):
        url = url.get("url")
    if is_data_url(url):
        declared_type, url_data = parse_data_url(url)
        return url_data, declared_type
    if url:
        _reject(path, "Images at URLs are not supported. Download the image and pass it as base64")
    data = block.get("base64") or block.get("data") or source.get("data")
    if not data:
        _reject(path, "The image has no base64 data. Ids of uploaded files are not supported")
    return data, block.get("mime_type") or source.get("media_type")


def _reject(path: str, problem: str) -> NoReturn:
    raise ValueError(f"{path}: {problem}.")


def _uses_assets(candidates: ModelCandidates, *, has_boxes: bool) -> bool:
    """Return whether images are sent as assets, as TypeSafe's models expect them.

    Raises:
        ValueError: The models of the call do not accept images in the same form.
    """
    typesafe = [model for model in candidates.candidates if model.startswith(TYPESAFE)]
    if len(typesafe) == len(candidates.candidates):
        return True
    if typesafe or has_boxes:
        other_model = next(model for model in candidates.candidates if model not in typesafe)
        if not typesafe:
            _reject("model", f"{other_model} does not support box questions. Use TypeSafe's models")
        feature = "box questions" if has_boxes else "images"
        raise ValueError(
            f"controls.fallbacks: {other_model} does not accept {feature} in the form that "
            f"{typesafe[0]} requires. Use models of one provider."
        )
    return False


def _build_asset(image: _Image) -> tuple[str, dict[str, str]]:
    data, size, content = validate_base64(image.base64)
    image_format = image.mime_type.removeprefix("image/")
    if image_format not in {"png", "jpeg"}:
        _reject(image.path, f"TypeSafe's models do not accept {image_format}. Use PNG or JPEG")
    if size > MAX_ASSET_BYTES:
        _reject(image.path, f"The image has {size:,} bytes. The limit is {MAX_ASSET_BYTES:,}")
    pixels = read_image_size(content) if isinstance(content, Base64View) else None
    if pixels and not all(side in ASSET_SIDES for side in pixels):
        _reject(
            image.path,
            f"The image has {pixels[0]} x {pixels[1]} pixels. "
            f"Each side must have {ASSET_SIDES[0]} to {ASSET_SIDES[-1]}",
        )
    return image.name, {"type": "image", "format": image_format, "data_base64": data}


def _build_image_message(state: Any, images: Sequence[_Image]) -> dict[str, Any]:
    """Build the message that contains the state as JSON text, followed by its images."""
    text = state if isinstance(state, str) else dumps(state).decode()
    parts = [{"type": "input_text", "text": text}]
    for image in images:
        url = build_data_url(image.mime_type, image.base64)
        parts.append({"type": "input_text", "text": f"{image.name}:"})
        parts.append({"type": "input_image", "image_url": url})
    return {"role": "user", "content": parts}
