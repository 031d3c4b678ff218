"""``OrqAudioParser``, a LangChain blob parser for audio."""

from typing import Self

from pydantic import Field, model_validator

from orq_router_integrations.document_loaders.base import (
    TRANSCRIPTION_ONLY_PARAMS,
    AudioIntegration,
    Task,
)
from orq_router_integrations.document_loaders.blob_parser import BlobParser
from orq_router_integrations.wire.transcriptions import TranscriptionParams


class OrqAudioParser(AudioIntegration, TranscriptionParams, BlobParser):
    """Parse audio blobs into Documents with a speech model of the orq.ai AI Router.

    Works with every LangChain blob loader, such as
    ``GenericLoader(blob_loader, OrqAudioParser(...))``. Pickles do not contain the API key; it is
    read from ``ORQ_API_KEY`` when they are loaded.

    The metadata of a Document contains the metadata of the blob, ``source``, ``start`` and ``end``
    in seconds if known, ``language``, ``duration`` in seconds, ``speaker``, ``model`` and
    ``response_format``. If text is missing, ``error`` or ``skipped_seconds`` is added. All values
    are strings, numbers or booleans.

    Raises:
        pydantic.ValidationError: An argument is invalid.
        RouterError: A call failed; see ``on_error``.

    >>> from langchain_core.documents.base import Blob
    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"talk.mp3": "Good day."})
    >>> parser = OrqAudioParser(model="openai/whisper-1", client=router.client())
    >>> blob = Blob.from_data(b"ID3...", metadata={"filename": "talk.mp3", "topic": "manners"})
    >>> [document] = parser.parse(blob)
    >>> document.page_content, document.metadata["topic"]
    ('Good day.', 'manners')
    """

    task: Task = Field(
        default="transcribe",
        description="`transcribe`, or `translate` into English. Translations do not accept "
        "`language` and `timestamp_granularities`.",
    )

    @model_validator(mode="after")
    def _check_task(self) -> Self:
        for name in TRANSCRIPTION_ONLY_PARAMS:
            if self.task == "translate" and getattr(self, name) is not None:
                raise ValueError(f"{name}: Not supported with task='translate'. Omit it.")
        return self

    @property
    def _task(self) -> Task:
        return self.task
