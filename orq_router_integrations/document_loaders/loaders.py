"""``OrqTranscriptionLoader`` and ``OrqTranslationLoader``, LangChain loaders for audio files."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from pydantic import AfterValidator, BeforeValidator, Field

from orq_router_integrations.document_loaders.base import AudioIntegration, Task
from orq_router_integrations.document_loaders.loader_run import LoadedFile, OnLoaded
from orq_router_integrations.document_loaders.sources import iter_items, validate_source
from orq_router_integrations.wire.transcriptions import TranscriptionParams

PROGRESS_INSTALL_COMMAND = "pip install tqdm"


def require_tqdm(enabled: bool) -> bool:
    if enabled and find_spec("tqdm") is None:
        raise ValueError(
            f"show_progress: Requires tqdm. Install it with {PROGRESS_INSTALL_COMMAND}."
        )
    return enabled


class AudioLoader(AudioIntegration, BaseLoader):
    """Base class of the loaders."""

    positional_field: ClassVar[str | None] = "source"

    source: Annotated[Any, BeforeValidator(validate_source)] = Field(
        kw_only=False,
        repr=False,
        examples=["calls/*.mp3"],
        description="Recordings to load: a path, a directory (searched recursively), a glob "
        "pattern such as `calls/*.mp3`, bytes, a binary file object, a `Blob`, a `BlobLoader`, or "
        "a list of paths, bytes, file objects and blobs. Files in directories and patterns that "
        "are not recordings are skipped, and the log names them.",
    )
    show_progress: Annotated[bool, AfterValidator(require_tqdm)] = Field(
        default=False,
        description="Show a progress bar with files, minutes of audio and errors (requires the "
        "extra `progress`).",
    )

    def lazy_load(self) -> Iterator[Document]:
        """Load recordings lazily, in the order of the source.

        Stopping iteration cancels pending requests; requests in flight finish in the background.

        Raises:
            RouterInputError: A path does not exist or is not audio, or a directory does not
                contain audio files; raised immediately, before any request.
            RouterError: A recording failed; see ``on_error``. The Documents of earlier
                recordings are yielded first.
        """
        run = self._create_run()
        items = iter_items(self.source, check=run.processor.check_item)
        return run.iter_documents(items, self._open_progress_bar)

    def alazy_load(self) -> AsyncIterator[Document]:
        """Async version of ``lazy_load``.

        Individual paths are checked before this method returns; all other work does not block the
        event loop. Stopping iteration or cancelling the task also ends requests in flight.
        """
        run = self._create_run()
        items = iter_items(self.source, check=run.processor.check_item)
        return run.aiter_documents(items, self._open_progress_bar)

    @contextmanager
    def _open_progress_bar(self) -> Iterator[OnLoaded | None]:
        """Open a progress bar if it is enabled, and yield the function that adds a recording."""
        if not self.show_progress:
            yield None
            return
        from tqdm.auto import tqdm  # noqa: PLC0415 - optional dependency

        total = len(self.source) if isinstance(self.source, (list, tuple)) else None
        minutes, error_count = 0.0, 0

        def update(file: LoadedFile) -> None:
            nonlocal minutes, error_count
            minutes += (file.duration_seconds or 0.0) / 60
            error_count += file.error_count
            bar.set_postfix_str(f"{minutes:.1f} min audio, {error_count} errors")
            bar.update()

        with tqdm(total=total, unit="file") as bar:
            yield update


class OrqTranscriptionLoader(AudioLoader, TranscriptionParams):
    """Load recordings as text with a speech model of the orq.ai AI Router.

    Recordings may be of any length and number. Large ones are split into chunks and their
    transcripts are merged, several requests are sent concurrently, and Documents are returned in
    the order of the source. Files are streamed from disk, so memory does not grow with their size
    or number.

    The metadata of Documents is described in ``OrqAudioParser``.

    Raises:
        pydantic.ValidationError: An argument is invalid.
        RouterError: Loading failed; see ``on_error``.

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
    """Load recordings in any language as English text.

    Works like ``OrqTranscriptionLoader``, but uses the translation endpoint of the router, which
    does not accept ``language`` and ``timestamp_granularities``. Of OpenAI's models, only
    ``whisper-1`` supports translation.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"openai/whisper-1": "Good day."})
    >>> loader = OrqTranslationLoader(
    ...     source=b"ID3...", model="openai/whisper-1", client=router.client()
    ... )
    >>> loader.load()[0].page_content
    'Good day.'
    """

    fixed_task: ClassVar[Task] = "translate"
