"""The base class of the blob parsers."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from orq_router_integrations.document_loaders.loader_run import LoaderRun
from orq_router_integrations.document_loaders.sources import SourceItem, iter_items
from orq_router_integrations.errors import RouterInputError


class BlobParser(BaseBlobParser):
    """Parses blobs with the requests of a ``LoaderRun``."""

    @abstractmethod
    def _create_run(self) -> LoaderRun: ...

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """Parse a blob lazily.

        Raises:
            RouterInputError: The blob has an unsupported type; raised before iteration.
            RouterError: A request failed; see ``on_error``.
        """
        run = self._create_run()
        return run.iter_documents(self._iter_blob(blob, run))

    def alazy_parse(self, blob: Blob) -> AsyncIterator[Document]:
        """Async version of ``lazy_parse``."""
        run = self._create_run()
        return run.aiter_documents(self._iter_blob(blob, run))

    async def aparse(self, blob: Blob) -> list[Document]:
        """Async version of ``parse``."""
        return [document async for document in self.alazy_parse(blob)]

    @staticmethod
    def _iter_blob(blob: Blob, run: LoaderRun) -> Iterator[SourceItem]:
        if not isinstance(blob, Blob):
            raise RouterInputError(f"blob: Expected a Blob, got {type(blob).__name__}.")
        return iter_items(blob, check=run.processor.check_item)
