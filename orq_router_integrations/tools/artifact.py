"""What the values that tools make have in common: bytes here or in a file, JSON and back."""

import base64
import os
import shutil
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Self

from langchain_core.messages import ToolMessage
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from orq_router_integrations.errors import RouterInputError, format_validation_error
from orq_router_integrations.media.atomic_write import open_atomic

MAX_DISPLAY_BYTES = 25_000_000
"""Bytes that a notebook takes into its page."""


def _from_text(value: Any) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def encode_base64(value: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(value).decode()


Base64Bytes = Annotated[
    bytes,
    BeforeValidator(_from_text),
    PlainSerializer(encode_base64, return_type=str, when_used="json"),
]


def warn_about_suffix(path: str | os.PathLike[str], found: str) -> None:
    """Warn that a file's name says another format than it holds."""
    warnings.warn(
        f"{os.fspath(path)} holds {found}, which is what the router sent, not what its name says",
        stacklevel=4,
    )


class Artifact(BaseModel):
    """The artifact of a tool's message: in the message a plain dict, which ``of`` makes whole."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    missing_message: ClassVar[str]
    """What is said where there is none."""

    @classmethod
    def of(cls, source: "ToolMessage | Mapping[str, Any]") -> Self:
        """What is in a tool's message, or in the artifact of one.

        Raises:
            RouterInputError: there is none of this kind.
        """
        artifact = source.artifact if isinstance(source, ToolMessage) else source
        try:
            return cls.model_validate(artifact)
        except ValidationError as error:
            told = format_validation_error(error, cls.model_fields)
            raise RouterInputError(f"{cls.missing_message}: {told}"[:500]) from None

    def to_artifact(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class MediaData(BaseModel):
    """An image or a sound: its bytes, or the file that they are in.

    Attributes:
        data: the bytes, unless they are in a file; under ``base64`` in JSON.
        path: the file that they are in.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    data: Base64Bytes | None = Field(
        default=None,
        validation_alias=AliasChoices("base64", "data"),
        serialization_alias="base64",
        repr=False,
    )
    path: str | None = None

    @property
    def _missing_data_message(self) -> str:
        """What is said where the bytes are in neither place."""
        return "there are neither bytes nor a path; were they cut out?"

    def read(self) -> bytes:
        """The bytes, from where they are.

        Raises:
            RouterInputError: they are not here, or their file is gone.
        """
        if self.data is not None:
            return self.data
        with self._open() as source:
            return source.read()

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
        """Write the bytes to a file, whole or not at all.

        Raises:
            RouterInputError: the path cannot be written to, or the bytes are not here.
        """
        with self._open() as source, open_atomic(path, overwrite=overwrite) as file:
            shutil.copyfileobj(source, file)
        return Path(path)

    def _open(self) -> BinaryIO:
        if self.data is not None:
            return BytesIO(self.data)
        if self.path is None:
            raise RouterInputError(self._missing_data_message)
        try:
            return Path(self.path).open("rb")
        except OSError as error:
            raise RouterInputError(f"{self.path}: its file cannot be read: {error}") from None

    def _is_displayable(self, size: int | None) -> bool:
        """Whether the bytes are here, and few enough for a page."""
        here = self.data is not None or Path(self.path or "").is_file()
        return here and (size or 0) <= MAX_DISPLAY_BYTES
