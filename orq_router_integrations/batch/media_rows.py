"""``TranscriptRows`` and ``ImageRows``: recordings to text, and prompts to images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents.base import Blob

from orq_router_integrations.batch.rows import Row, Rows, check_type
from orq_router_integrations.batch.store import ResultStore
from orq_router_integrations.document_loaders.audio import OrqAudioParser
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.tools.image import OrqImageTool


class TranscriptRows(Rows):
    """Transcribe a column of recordings.

    Args:
        parser: The ``OrqAudioParser``, with model and granularity.
        audio: Name of the column of recordings: paths or bytes.
        text: Name of the new column. The parts of a recording, such as segments, are joined by
            spaces.
        store: Where to keep transcripts, so that no recording is billed twice.
        metadata_prefix: Start of the names of the other new columns, such as ``cost``.
        max_concurrency: Maximum number of recordings in progress in this process.

    >>> from orq_router_integrations import OfflineRouter, OrqAudioParser
    >>> client = OfflineRouter(answers={"openai/whisper-1": "Good day."}).client()
    >>> rows = TranscriptRows(OrqAudioParser(model="openai/whisper-1", client=client))
    >>> rows({"audio": [b"ID3..."]})["text"]
    ['Good day.']
    """

    def __init__(
        self,
        parser: OrqAudioParser,
        *,
        audio: str = "audio",
        text: str = "text",
        store: ResultStore | None = None,
        metadata_prefix: str = "",
        max_concurrency: int = 8,
    ) -> None:
        super().__init__(
            input_column=audio,
            output_column=text,
            store=store,
            metadata_prefix=metadata_prefix,
            max_concurrency=max_concurrency,
        )
        check_type("parser", parser, OrqAudioParser)
        self.parser = self._subject = parser

    def _prepare(self, value: Any) -> Any:
        return value if isinstance(value, bytes) and value else super()._prepare(value)

    def _call(self, value: bytes | str) -> Row:
        return self._create_row(self.parser.parse(_create_blob(value)))

    async def _acall(self, value: bytes | str) -> Row:
        return self._create_row(await self.parser.aparse(_create_blob(value)))

    def _create_row(self, documents: Sequence[Any]) -> Row:
        metadata = documents[0].metadata if documents else {}
        return {
            self.output_column: " ".join(document.page_content for document in documents),
            "answering_model": metadata.get("model"),
        }

    def _compute_key(self, value: bytes | str) -> str:
        if isinstance(value, str):
            return super()._compute_key(Path(value).read_bytes())
        return super()._compute_key(value)


def _create_blob(value: bytes | str) -> Blob:
    return Blob.from_data(value) if isinstance(value, bytes) else Blob.from_path(value)


class ImageRows(Rows):
    """Generate an image for each prompt of a column.

    Args:
        tool: The ``OrqImageTool``. With ``directory=``, the new column has paths, otherwise bytes.
        prompt: Name of the column of prompts.
        image: Name of the new column.
        store: Where to keep images, so that no prompt is billed twice.
        metadata_prefix: Start of the names of the other new columns, such as ``cost``.
        max_concurrency: Maximum number of items in progress in this process.

    >>> from orq_router_integrations import OfflineRouter, OrqImageTool
    >>> tool = OrqImageTool(model="openai/gpt-image-1", client=OfflineRouter().client())
    >>> ImageRows(tool)({"prompt": ["a red boat"]})["image"][0][1:4]
    b'PNG'
    """

    def __init__(
        self,
        tool: OrqImageTool,
        *,
        prompt: str = "prompt",
        image: str = "image",
        store: ResultStore | None = None,
        metadata_prefix: str = "",
        max_concurrency: int = 4,
    ) -> None:
        super().__init__(
            input_column=prompt,
            output_column=image,
            store=store,
            metadata_prefix=metadata_prefix,
            max_concurrency=max_concurrency,
        )
        check_type("tool", tool, OrqImageTool)
        if store is not None and tool.directory is not None:
            raise RouterInputError(
                "store: Cannot be combined with directory= of the tool, because other nodes may "
                "not have its files. Leave out directory=, so that the store contains the images."
            )
        self.tool = self._subject = tool

    def _call(self, value: str) -> Row:
        return self._create_row(self.tool.generate(value))

    async def _acall(self, value: str) -> Row:
        return self._create_row(await self.tool.agenerate(value))

    def _create_row(self, result: Any) -> Row:
        image = result.image
        return {
            self.output_column: str(image.path) if image.path else image.data,
            "answering_model": result.answering_model,
            "attempts": result.attempts,
            "trace_id": result.trace_id,
        }
