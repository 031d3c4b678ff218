"""Base classes of the loaders and blob parsers, which read many files with concurrent requests."""

import asyncio
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal

from langchain_core.document_loaders import BaseBlobParser, BaseLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.stores import BaseStore
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from orq_router_integrations._concurrency import (
    StepGenerator,
    amap_ordered,
    arun_steps,
    map_ordered,
    run_steps,
)
from orq_router_integrations._integration import ARGUMENT_HINTS, RouterIntegration
from orq_router_integrations.document_loaders.result_store import (
    compute_key,
    open_store,
    validate_store,
)
from orq_router_integrations.document_loaders.sources import (
    FileKind,
    Source,
    SourceItem,
    get_label,
    iter_items,
    validate_source,
)
from orq_router_integrations.errors import (
    AuthenticationError,
    BudgetExceededError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RouterError,
    RouterInputError,
    SavingError,
)
from orq_router_integrations.wire.call import Call, Upload
from orq_router_integrations.wire.deferred_model import optional

_LOG = logging.getLogger(__name__)

OnError = Literal["raise", "skip", "mark"]

FATAL_ERRORS = (
    AuthenticationError,
    BudgetExceededError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
)
"""Errors that would also occur for every other file. They are raised under every error policy."""


@dataclass(frozen=True, slots=True)
class LoadedFile:
    documents: list[Document]
    duration_seconds: float | None = None
    error_count: int = 0


class FileProcessor(ABC):
    """Reads files with the settings that the loader or parser had when loading started."""

    kind: ClassVar[FileKind]

    def __init__(self, settings: "FileIntegration", body: Mapping[str, Any]) -> None:
        self.body = body
        self.client = settings.resolved_client
        self.controls = settings.merge_controls()
        self.max_concurrency = settings.max_concurrency
        self.on_error = settings.on_error
        self.store = open_store(settings.store) if settings.store else None

    @abstractmethod
    def read(self, item: SourceItem) -> StepGenerator[LoadedFile]:
        """Load an item. Yields calls, and lists of steps that may run concurrently."""

    @abstractmethod
    def parse_stored(self, data: bytes) -> Any:
        """Parse a result from the store. If it is unusable, any error may be raised."""

    def load(self, item: SourceItem) -> StepGenerator[LoadedFile]:
        """Load an item, and apply the error policy if that fails."""
        label = get_label(item)
        try:
            return (yield from self.read(item))
        except RouterError as error:
            failure = error
        except OSError as error:
            failure = RouterInputError(f"source: Cannot read {label}: {error}")
        description = self.handle_error(failure, label)
        metadata = {"source": label, "model": self.body["model"], "error": description}
        marked = [Document("", metadata=metadata)] if self.on_error == "mark" else []
        return LoadedFile(marked, error_count=1)

    def check_item(self, item: SourceItem) -> None:
        """Check an item before the first request. Raises ``RouterInputError``."""
        self.kind.check(item)

    def handle_error(self, error: RouterError, label: str) -> str:
        """Raise the error of a file, or log it and return its text if other files may continue."""
        if self.on_error == "raise" or isinstance(error, (*FATAL_ERRORS, SavingError)):
            names_file = isinstance(error, (RouterInputError, SavingError))
            if not names_file and not error.message.startswith(label):
                error.args = (f"{label}: {error.message}",)
            raise error
        description = f"{type(error).__name__}: {error}"
        _LOG.warning("Could not load %s: %s", label, description)
        return description

    def get_or_send(self, call: Call[Any], upload: Upload) -> StepGenerator[Any]:
        """Return the stored result of a call for a file, or send the call if there is none.

        The body of the call may contain more than ``self.body``, such as the end of the previous
        transcript. Only ``self.body`` identifies the result.
        """
        if self.store is None:
            return (yield call)
        params = {"endpoint": call.endpoint.path, "url": self.client.base_url, **self.body}
        controls = self.client.controls.merge(self.controls).to_wire()
        if "load_balancer" in controls:
            params["load_balancer"] = controls["load_balancer"]
        key = compute_key(upload, params)
        result = yield from self.store.wait_for_claim(key, self.parse_stored)
        if result is None:
            try:
                result = yield replace(call, idempotency_seed=key)
            except BaseException:
                self.store.release(key)
                raise
            self.store.mset([(key, result.to_json())])
        return result


class FileIntegration(RouterIntegration, ABC):
    """Base class of the loaders and blob parsers."""

    argument_hints: ClassVar[Mapping[str, str]] = {
        **ARGUMENT_HINTS,
        "path": "source",
        "file": "source",
        "file_path": "source",
        "folder": "source",
        "directory": "source",
        "resume": "store",
    }

    max_concurrency: Annotated[int, Field(strict=True, ge=1, le=64)] = Field(
        default=4,
        description="Maximum number of concurrent requests, counting all files and their chunks.",
    )
    on_error: OnError = Field(
        default="raise",
        description="What to do if a file, or a chunk of a recording, fails. `raise` raises the "
        "error, `skip` logs it and omits the text, and `mark` returns empty text with the reason "
        "as `error` in the metadata. Errors that affect all files, such as an invalid API key, "
        "are always raised.",
    )
    store: Annotated[
        str | os.PathLike[str] | BaseStore[str, bytes] | None, PlainValidator(validate_store)
    ] = optional(
        "Where to keep results so that nothing is sent and billed twice: the path of a SQLite "
        "file, which is created if missing, or a LangChain `BaseStore[str, bytes]`. Results are "
        "looked up by file contents and parameters. Runs and processes may share a store; a file "
        "that two of them send at the same time is billed twice, except with `batch.ResultStore`."
    )

    @abstractmethod
    def _create_processor(self) -> FileProcessor:
        """Create the processor of one call, with the current settings."""

    def _prepare(self, source: Source) -> tuple[FileProcessor, Iterator[SourceItem]]:
        """Return a processor, and the items of a source, which is checked before any request."""
        processor = self._create_processor()
        check_item = processor.check_item if self.on_error == "raise" else None
        return processor, iter_items(source, processor.kind, check_item)

    def _iter_documents(
        self, processor: FileProcessor, items: Iterator[SourceItem]
    ) -> Iterator[Document]:
        semaphore = threading.Semaphore(self.max_concurrency)

        def load(item: SourceItem) -> LoadedFile:
            return run_steps(processor.client, processor.load(item), semaphore)

        with self._open_progress_bar() as update:
            for file in map_ordered(load, items, self.max_concurrency):
                update(file)
                yield from file.documents

    async def _aiter_documents(
        self, processor: FileProcessor, items: Iterator[SourceItem]
    ) -> AsyncIterator[Document]:
        semaphore = asyncio.Semaphore(self.max_concurrency)

        def load(item: SourceItem) -> Awaitable[LoadedFile]:
            return arun_steps(processor.client, processor.load(item), semaphore)

        with self._open_progress_bar() as update:
            async with aclosing(amap_ordered(load, items, self.max_concurrency)) as files:
                async for file in files:
                    update(file)
                    for document in file.documents:
                        yield document

    def _open_progress_bar(self) -> AbstractContextManager[Callable[[LoadedFile], object]]:
        """Return a context manager for the function to call with each file."""
        return nullcontext(lambda _: None)


def require_tqdm(enabled: bool) -> bool:
    if enabled and find_spec("tqdm") is None:
        raise ValueError("show_progress: Requires tqdm. Install it with 'pip install tqdm'.")
    return enabled


class FileLoader(FileIntegration, BaseLoader):
    """Base class of the loaders."""

    positional_field: ClassVar[str | None] = "source"

    source: Annotated[Any, BeforeValidator(validate_source)] = Field(
        kw_only=False,
        repr=False,
        description="Files to load: a path, a directory (searched recursively), a glob pattern "
        "such as `calls/*.mp3`, bytes, base64 text, a data URL, a binary file object, a `Blob`, a "
        "list of these, or a `BlobLoader`. `OrqOCRLoader` also accepts an `https` URL, from which "
        "the provider downloads the file. Files of other types in directories and patterns are "
        "skipped, and the log names them.",
    )
    show_progress: Annotated[bool, AfterValidator(require_tqdm)] = Field(
        default=False,
        description="Show a progress bar with files, minutes of audio and errors (requires the "
        "extra `progress`).",
    )

    def lazy_load(self) -> Iterator[Document]:
        """Load files lazily, in the order of the source.

        Stopping iteration cancels pending requests; requests in flight end shortly afterwards.

        Raises:
            RouterInputError: A path does not exist or has an unsupported type, or a directory
                does not contain files of a supported type; raised before any request.
            RouterError: A file failed; see ``on_error``. The Documents of earlier files are
                yielded first.
        """
        return self._iter_documents(*self._prepare(self.source))

    def alazy_load(self) -> AsyncIterator[Document]:
        """Async version of ``lazy_load``.

        Individual paths are checked before this method returns; all other work does not block the
        event loop. Stopping iteration or cancelling the task also ends requests in flight.
        """
        return self._aiter_documents(*self._prepare(self.source))

    @contextmanager
    def _open_progress_bar(self) -> Iterator[Callable[[LoadedFile], object]]:
        if not self.show_progress:
            yield lambda _: None
            return
        from tqdm.auto import tqdm  # noqa: PLC0415 - optional dependency

        total = len(self.source) if isinstance(self.source, (list, tuple)) else None
        minutes, error_count = 0.0, 0

        def update(file: LoadedFile) -> None:
            nonlocal minutes, error_count
            minutes += (file.duration_seconds or 0.0) / 60
            error_count += file.error_count
            audio = f"{minutes:.1f} min audio, " if minutes else ""
            bar.set_postfix_str(f"{audio}{error_count} errors")
            bar.update()

        with tqdm(total=total, unit="file") as bar:
            yield update


class BlobParser(FileIntegration, BaseBlobParser):
    """Base class of the blob parsers."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """Parse a blob lazily.

        Raises:
            RouterInputError: The blob has an unsupported type; raised before iteration.
            RouterError: A request failed; see ``on_error``.
        """
        return self._iter_documents(*self._prepare(_check_blob(blob)))

    def alazy_parse(self, blob: Blob) -> AsyncIterator[Document]:
        """Async version of ``lazy_parse``."""
        return self._aiter_documents(*self._prepare(_check_blob(blob)))

    async def aparse(self, blob: Blob) -> list[Document]:
        """Async version of ``parse``."""
        return [document async for document in self.alazy_parse(blob)]


def _check_blob(blob: Blob) -> Blob:
    if not isinstance(blob, Blob):
        raise RouterInputError(f"blob: Expected a Blob, got {type(blob).__name__}.")
    return blob
