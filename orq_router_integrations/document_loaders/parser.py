"""``OrqAudioParser``: a blob parser, for every blob loader there is."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Self

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from pydantic import model_validator

from orq_router_integrations.document_loaders.base import AudioIntegration, Task
from orq_router_integrations.document_loaders.pipeline import LoaderRun
from orq_router_integrations.document_loaders.sources import SourceItem, iter_items
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.transcriptions import TranscriptionParams


class OrqAudioParser(AudioIntegration, TranscriptionParams, BaseBlobParser):
    """Turns recordings into Documents, by a speech model behind the orq.ai AI Router.

    Works with every LangChain blob loader (``GenericLoader(blob_loader, OrqAudioParser(...))``),
    sync and async. All parameters of ``TranscriptionParams`` and settings of ``RouterSettings``
    are constructor arguments. It pickles without the key, which is found again in
    ``ORQ_API_KEY``.

    Metadata is flat: what the blob says, ``source``, ``start`` and ``end`` in seconds where known,
    ``language``, ``duration``, ``speaker``, ``model``, ``response_format``; ``error`` or
    ``skipped_seconds`` where something is missing.

    Attributes:
        model: the provider, a slash, the provider's model: ``openai/whisper-1``.
        task: ``transcribe``, or ``translate`` into English (which takes neither ``language`` nor
            ``timestamp_granularities``).
        granularity: what becomes one Document: a ``file``, ``segment``, ``word``, ``speaker``
            turn or time ``window``. All but the first ask for ``verbose_json`` unless
            ``response_format`` is given; ``word`` and ``window`` also for times of words,
            ``speaker`` for ``diarize``.
        window_seconds: the length of a time window.
        max_bytes: a larger file is cut into pieces; 25 MB by default, for no source states the
            router's limit. WAV is cut as it is, all else decoded to disk first (extra ``audio``).
        max_seconds: a longer recording is cut too.
        overlap_seconds: what two pieces share. They are cut where it is quiet, and what both
            have heard is kept once.
        carry_prompt: whether a piece gets the end of the piece before as its prompt, where that
            is known: pieces go up in ``max_concurrency`` lanes of neighbours.
        max_concurrency: most requests at a time, over all files and pieces.
        on_error: ``raise``; ``skip`` (logged, and counted in ``skipped_seconds``); or ``mark``,
            which puts a remark in the place of the text and the reason into ``error``. What
            would strike every file alike (key, quota, unknown model) is always raised.
        resume: a SQLite file that keeps every transcript by content and parameters, so that
            nothing is paid for twice; what is asked for already is waited for. Several runs and
            processes may share it, but what two of them begin at the same time, both pay for.
        controls: the router's controls; ``cache`` and ``thread`` do not exist here.
        client: a ``RouterClient`` to use; it then decides all settings.

    Raises:
        pydantic.ValidationError: at construction, when an argument is wrong.
        RouterError: at a call; the tree is in ``errors``.

    >>> from langchain_core.documents.base import Blob
    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"talk.mp3": "Good day."})
    >>> parser = OrqAudioParser(model="openai/whisper-1", client=router.client())
    >>> blob = Blob.from_data(b"ID3...", metadata={"filename": "talk.mp3", "topic": "manners"})
    >>> [document] = parser.parse(blob)
    >>> document.page_content, document.metadata["topic"]
    ('Good day.', 'manners')
    """

    task: Task = "transcribe"

    @model_validator(mode="after")
    def _one_task(self) -> Self:
        for name in ("language", "timestamp_granularities"):
            if self.task == "translate" and getattr(self, name) is not None:
                raise ValueError(f"{name}: a translation into English does not take it")
        return self

    @property
    def _task(self) -> Task:
        return self.task

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """The Documents of a blob. A blob that cannot be sent is refused at once.

        Raises:
            RouterError: see ``on_error``.
        """
        run, found = self._begun(blob)
        return (document for loaded in run.load_all(found) for document in loaded.documents)

    def alazy_parse(self, blob: Blob) -> AsyncIterator[Document]:
        """The same without blocking the event loop; see ``lazy_parse``."""
        return _adocuments(*self._begun(blob))

    async def aparse(self, blob: Blob) -> list[Document]:
        """All Documents of a blob; see ``lazy_parse``."""
        return [document async for document in self.alazy_parse(blob)]

    def _begun(self, blob: Blob) -> tuple[LoaderRun, Iterator[SourceItem]]:
        if not isinstance(blob, Blob):
            raise RouterInputError(f"blob: give a Blob, not {type(blob).__name__}")
        run = self._create_run()
        return run, iter_items(blob, check=run.transcriber.check_item)


async def _adocuments(run: LoaderRun, found: Iterator[SourceItem]) -> AsyncIterator[Document]:
    async with aclosing(run.aload_all(found)) as all_loaded:
        async for loaded in all_loaded:
            for document in loaded.documents:
                yield document
