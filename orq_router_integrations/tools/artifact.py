"""Base classes of tool results: media data, and conversion to and from tool messages."""

import base64
import html
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Self

from langchain_core.messages import ToolMessage
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from orq_router_integrations.errors import RouterInputError, to_input_error
from orq_router_integrations.media.atomic_write import open_atomic, parse_path
from orq_router_integrations.wire.arguments import warn_caller

MAX_DISPLAY_BYTES = 5_000_000  # larger media is not embedded in notebook output

Base64Bytes = Annotated[
    bytes,
    BeforeValidator(
        lambda data: base64.b64decode(data, validate=True) if isinstance(data, str) else data
    ),
    PlainSerializer(lambda data: base64.b64encode(data).decode(), when_used="json"),
]


class Artifact(BaseModel):
    """A tool result that can be stored in a tool message, as a JSON-compatible dict."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def of(cls, message: "ToolMessage | Mapping[str, Any]") -> Self:
        """Restore a result from a tool message, or from the artifact of one.

        Raises:
            RouterInputError: The message has no artifact of this type.
        """
        artifact = message.artifact if isinstance(message, ToolMessage) else message
        try:
            if isinstance(message, ToolMessage) and message.status == "error":
                raise ValueError(f"The tool failed: {message.text[:200]}")
            if not isinstance(artifact, (Mapping, cls)):
                raise ValueError(
                    "Expected the ToolMessage of a tool call, or its artifact, got "
                    f"{type(artifact).__name__}."
                )
            return cls.model_validate(artifact)
        except ValueError as error:
            detail = to_input_error(error).message
            raise RouterInputError(f"Cannot restore the {cls.__name__}: {detail}"[:500]) from None

    def to_artifact(self) -> dict[str, Any]:
        """Convert the result to a JSON-compatible dict, the artifact of a tool message."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class MediaData(BaseModel, ABC):
    """An image or a recording, held in memory or in a file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    suffixes: ClassVar[Mapping[str, tuple[str, ...]]]
    """File suffixes by format, the preferred one first."""

    data: Base64Bytes | None = Field(
        default=None,
        validation_alias=AliasChoices("base64", "data"),
        serialization_alias="base64",
        repr=False,
    )
    path: str | None = None
    size: int | None = None
    mime_type: str | None = None

    @property
    @abstractmethod
    def _stem(self) -> str:
        """Name of the file, without its suffix."""

    @property
    def _format(self) -> str | None:
        """Format of the data, a key of ``suffixes``."""
        return self.mime_type

    @property
    def filename(self) -> str:
        """Default file name, with the suffix of the format."""
        suffix = self.suffixes.get(self._format or "", ("",))[0]
        return Path(f"{self._stem}{suffix}").name  # ids from messages must not name a directory

    def read(self) -> bytes:
        """Return the bytes, from memory or from the file.

        Raises:
            RouterInputError: The bytes are not available, or the file cannot be read.
        """
        with self._open() as source:
            return source.read()

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
        """Write the data to a file, which appears only once it is complete.

        The data is not converted. A warning is issued if the suffix of ``path`` belongs to a
        different format.

        Args:
            path: Path of the new file, or an existing directory, in which the file gets its default
                name.
            overwrite: Whether an existing file may be replaced.

        Returns:
            The path that was written.

        Raises:
            RouterInputError: The data is not available, or the path cannot be written to.
            SavingError: The file could not be written completely.
        """
        target = parse_path(path)
        if os.path.isdir(target):
            target /= self.filename
        self.warn_if_wrong_suffix(target)
        with self._open() as source, open_atomic(target, overwrite=overwrite) as file:
            shutil.copyfileobj(source, file)
        return target

    def warn_if_wrong_suffix(self, path: Path) -> None:
        """Warn if the suffix of a path belongs to a different format than the data."""
        suffix = path.suffix.lower()
        is_known = any(suffix in suffixes for suffixes in self.suffixes.values())
        if is_known and suffix not in self.suffixes.get(self._format or "", ()):
            warn_caller(
                f"{path} contains {self._format or 'an unknown format'}, which does not match its "
                "suffix. The data was not converted. Rename or convert the file."
            )

    def _open(self) -> BinaryIO:
        if self.data is not None:
            return BytesIO(self.data)
        if self.path is None:
            raise RouterInputError(
                "The result has neither data nor a path. If it is an image at a URL, fetch it with "
                "OrqImageTool.download()."
            )
        try:
            return Path(self.path).open("rb")
        except OSError as error:
            raise RouterInputError(f"Cannot read {self.path}: {error.strerror or error}") from None

    def _build_html(self, template: str, caption: str) -> str:
        """Return HTML for notebooks: ``template`` with a data URL for ``{url}``, and a caption.

        Only the caption is returned if the data is too large, or not available without a download.
        """
        caption = f"<small>{html.escape(caption)}</small>"
        is_available = self.data is not None or Path(self.path or "").is_file()
        if not is_available or (self.size or 0) > MAX_DISPLAY_BYTES or not self.mime_type:
            return caption
        data, mime_type = self._read_playable()
        url = f"data:{html.escape(mime_type)};base64,{base64.b64encode(data).decode()}"
        return f"{template.format(url=url)}<br>{caption}"

    def _read_playable(self) -> tuple[bytes, str]:
        """Return the data in a format that browsers can show or play, and its MIME type."""
        return self.read(), self.mime_type or ""
