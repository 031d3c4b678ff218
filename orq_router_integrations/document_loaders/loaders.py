"""``OrqTranscriptionLoader`` and ``OrqTranslationLoader``: files in, Documents out."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Annotated, Any, ClassVar

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from pydantic import AfterValidator, BeforeValidator, Field

from orq_router_integrations.document_loaders.base import AudioIntegration, Task
from orq_router_integrations.document_loaders.pipeline import LoaderRun
from orq_router_integrations.document_loaders.progress import ProgressBar, require_tqdm
from orq_router_integrations.document_loaders.sources import SourceItem, iter_items, validate_source
from orq_router_integrations.wire.transcriptions import TranscriptionParams


class AudioLoader(AudioIntegration, BaseLoader):
    """Loads recordings; the fields are documented by the two loaders and ``OrqAudioParser``."""

    positional_field: ClassVar[str | None] = "source"

    source: Annotated[Any, BeforeValidator(validate_source)] = Field(
        kw_only=False,
        repr=False,
        description=(
            "What to load: a path, a directory (all audio files below it), a pattern such as "
            "`calls/*.mp3`, bytes, a `Blob`, a `BlobLoader`, or a list of paths, bytes and blobs"
        ),
        examples=["calls/*.mp3"],
    )
    show_progress: Annotated[bool, AfterValidator(require_tqdm)] = False

    def lazy_load(self) -> Iterator[Document]:
        """The Documents of all recordings, in order, as they are ready.

        Who leaves early sends nothing more; requests that are under way end in their threads.

        Raises:
            RouterInputError: a path is not there, is no audio, or a folder holds none; at once,
                before anything is sent.
            RouterError: see ``on_error``; Documents of earlier recordings came before it.
        """
        return self._documents(*self._begun())

    def alazy_load(self) -> AsyncIterator[Document]:
        """The same without blocking the event loop; see ``lazy_load``.

        Only the first look at what was named one by one happens at the call. Who leaves early, or
        is cancelled, ends the requests that are under way too.
        """
        return self._adocuments(*self._begun())

    def _begun(self) -> tuple[LoaderRun, Iterator[SourceItem]]:
        run = self._create_run()
        return run, iter_items(self.source, check=run.transcriber.check_item)

    def _progress(self) -> ProgressBar:
        many = isinstance(self.source, (list, tuple))
        return ProgressBar(enabled=self.show_progress, total=len(self.source) if many else None)

    def _documents(self, run: LoaderRun, found: Iterator[SourceItem]) -> Iterator[Document]:
        with self._progress() as progress:
            for loaded in run.load_all(found):
                progress.update(loaded.duration_seconds, loaded.error_count)
                yield from loaded.documents

    async def _adocuments(
        self, run: LoaderRun, found: Iterator[SourceItem]
    ) -> AsyncIterator[Document]:
        with self._progress() as progress:
            async with aclosing(run.aload_all(found)) as all_loaded:
                async for loaded in all_loaded:
                    progress.update(loaded.duration_seconds, loaded.error_count)
                    for document in loaded.documents:
                        yield document


class OrqTranscriptionLoader(AudioLoader, TranscriptionParams):
    """Loads recordings as text, by a speech model behind the orq.ai AI Router.

    Recordings of any length and number: large ones are cut and put together again, several go up
    at once, and Documents come in the order of the files, one file's after the other's. Memory
    does not grow with their number, and files are streamed from disk.

    Attributes:
        source: a path, a folder (all audio below it), a pattern such as ``"calls/*.mp3"``, bytes,
            a ``Blob``, any ``BlobLoader``, or a list of paths, bytes and blobs. Of folders and
            patterns only files with an ending of audio are taken.
        show_progress: a bar of files, minutes of audio and errors (extra ``progress``).

    All other arguments are those of ``OrqAudioParser``, without ``task``.

    Raises:
        pydantic.ValidationError: at construction, when an argument is wrong.
        RouterError: when loading; the tree is in ``errors``.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"openai/whisper-1": "Good day. We meet at noon."})
    >>> loader = OrqTranscriptionLoader(
    ...     source=b"ID3...",
    ...     model="openai/whisper-1",
    ...     granularity="segment",
    ...     client=router.client(),
    ... )
    >>> [(document.page_content, document.metadata["start"]) for document in loader.load()]
    [('Good day.', 0.0), ('We meet at noon.', 1.0)]
    """


class OrqTranslationLoader(AudioLoader):
    """Loads recordings in any language as English text.

    As ``OrqTranscriptionLoader``, over the router's translations: ``language`` and
    ``timestamp_granularities`` do not exist there, and of OpenAI's models only ``whisper-1``
    translates.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"openai/whisper-1": "Good day."})
    >>> loader = OrqTranslationLoader(
    ...     source=b"ID3...", model="openai/whisper-1", client=router.client()
    ... )
    >>> loader.load()[0].page_content
    'Good day.'
    """

    fixed_task: ClassVar[Task] = "translate"
