"""Test suite for LangChain blob parsers.

Subclass ``ParserConformance`` and define a ``subject`` fixture.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from langchain_core.document_loaders import BaseBlobParser, BlobLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from conformance.documents import check_metadata, get_texts


@dataclass(frozen=True, kw_only=True)
class ParserSubject:
    """A parser under test.

    Attributes:
        create: Creates the parser.
        blobs: Blobs to parse.
        expected: Texts of the Documents of each blob.
        invalid_blob: Blob that cannot be parsed.
        error: Type of the error that it raises.
        count_fetched: Returns how often something has been fetched.
    """

    create: Callable[[], BaseBlobParser]
    blobs: Sequence[Blob]
    expected: Sequence[Sequence[str]]
    invalid_blob: Blob
    error: type[Exception]
    count_fetched: Callable[[], int]


class ListBlobLoader(BlobLoader):
    """Yields blobs of a list and counts them."""

    def __init__(self, blobs: Sequence[Blob]) -> None:
        self.blobs = blobs
        self.yielded_count = 0

    def yield_blobs(self) -> Iterator[Blob]:
        for blob in self.blobs:
            self.yielded_count += 1
            yield blob


def generic_load(blob_loader: BlobLoader, parser: BaseBlobParser) -> Iterator[Document]:
    """Load like ``GenericLoader`` of langchain-community."""
    for blob in blob_loader.yield_blobs():
        yield from parser.lazy_parse(blob)


class ParserConformance:
    """Laziness, metadata, errors, and use by a generic loader."""

    @pytest.fixture
    def subject(self) -> ParserSubject:
        raise NotImplementedError

    def test_parse_is_inherited(self, subject: ParserSubject) -> None:
        assert isinstance(subject.create(), BaseBlobParser)
        assert type(subject.create()).parse is BaseBlobParser.parse

    def test_parse_returns_the_documents_of_each_blob(self, subject: ParserSubject) -> None:
        parser = subject.create()
        for blob, expected in zip(subject.blobs, subject.expected, strict=True):
            assert get_texts(parser.parse(blob)) == list(expected)

    async def test_async_equals_sync(self, subject: ParserSubject) -> None:
        parser = subject.create()
        for blob in subject.blobs:
            assert await parser.aparse(blob) == parser.parse(blob)

    def test_lazy_parse_fetches_on_first_next(self, subject: ParserSubject) -> None:
        documents = subject.create().lazy_parse(subject.blobs[0])
        assert isinstance(documents, Iterator)
        assert subject.count_fetched() == 0
        next(documents)
        assert subject.count_fetched() == 1

    def test_metadata_of_the_blob_is_added_and_flattened(self, subject: ParserSubject) -> None:
        blob = subject.blobs[0].model_copy(
            update={"metadata": {"topic": "x", "tags": ["a"], "none": None, "nan": float("nan")}}
        )
        documents = subject.create().parse(blob)
        check_metadata(documents)
        assert all(document.metadata["topic"] == "x" for document in documents)
        assert all("none" not in document.metadata for document in documents)

    def test_the_blob_is_not_modified(self, subject: ParserSubject) -> None:
        original = subject.blobs[0].model_copy(deep=True)
        subject.create().parse(subject.blobs[0])
        assert subject.blobs[0] == original

    def test_an_invalid_blob_raises_before_iteration(self, subject: ParserSubject) -> None:
        with pytest.raises(subject.error):
            subject.create().lazy_parse(subject.invalid_blob)
        with pytest.raises(subject.error):
            subject.create().alazy_parse(subject.invalid_blob)
        assert subject.count_fetched() == 0

    def test_a_generic_loader_is_lazy(self, subject: ParserSubject) -> None:
        blob_loader = ListBlobLoader(subject.blobs)
        documents = generic_load(blob_loader, subject.create())
        next(documents)
        assert blob_loader.yielded_count == 1
        assert len(list(documents)) == sum(map(len, subject.expected)) - 1
