"""A suite for ``BaseBlobParser``s; see ``loaders`` for how to use it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from langchain_core.document_loaders import BaseBlobParser, BlobLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from conformance.documents import check_metadata, texts


@dataclass(frozen=True, kw_only=True)
class ParserSubject:
    """A parser under test.

    Attributes:
        make: makes the parser.
        blobs: blobs that it parses.
        expected: the texts of their Documents.
        bad: a blob that it cannot parse.
        error: what that raises.
        fetched: how often something was fetched so far.
    """

    make: Callable[[], BaseBlobParser]
    blobs: Sequence[Blob]
    expected: Sequence[Sequence[str]]
    bad: Blob
    error: type[Exception]
    fetched: Callable[[], int]


class Blobs(BlobLoader):
    """A blob loader over a list, which tells how many were taken."""

    def __init__(self, blobs: Sequence[Blob]) -> None:
        self.blobs = blobs
        self.taken = 0

    def yield_blobs(self) -> Iterator[Blob]:
        for blob in self.blobs:
            self.taken += 1
            yield blob


def generic_load(blobs: BlobLoader, parser: BaseBlobParser) -> Iterator[Document]:
    """What langchain-community's ``GenericLoader`` does with the two."""
    for blob in blobs.yield_blobs():
        yield from parser.lazy_parse(blob)


class ParserConformance:
    """Laziness, metadata of the blob, errors, and the way of the generic loader."""

    @pytest.fixture
    def subject(self) -> ParserSubject:
        raise NotImplementedError

    def test_it_is_a_parser_that_leaves_parse_alone(self, subject: ParserSubject) -> None:
        assert isinstance(subject.make(), BaseBlobParser)
        assert type(subject.make()).parse is BaseBlobParser.parse

    def test_each_blob_gives_its_documents(self, subject: ParserSubject) -> None:
        parser = subject.make()
        for blob, expected in zip(subject.blobs, subject.expected, strict=True):
            assert texts(parser.parse(blob)) == list(expected)

    async def test_async_gives_what_sync_gives(self, subject: ParserSubject) -> None:
        parser = subject.make()
        for blob in subject.blobs:
            assert await parser.aparse(blob) == parser.parse(blob)

    def test_nothing_is_fetched_before_it_is_wanted(self, subject: ParserSubject) -> None:
        documents = subject.make().lazy_parse(subject.blobs[0])
        assert isinstance(documents, Iterator)
        assert subject.fetched() == 0
        next(documents)
        assert subject.fetched() == 1

    def test_metadata_is_the_blobs_own_and_safe(self, subject: ParserSubject) -> None:
        blob = subject.blobs[0].model_copy(
            update={"metadata": {"topic": "x", "tags": ["a"], "none": None, "nan": float("nan")}}
        )
        documents = subject.make().parse(blob)
        check_metadata(documents)
        assert all(document.metadata["topic"] == "x" for document in documents)
        assert all("none" not in document.metadata for document in documents)

    def test_a_blob_is_left_as_it_was(self, subject: ParserSubject) -> None:
        before = subject.blobs[0].model_copy(deep=True)
        subject.make().parse(subject.blobs[0])
        assert subject.blobs[0] == before

    def test_a_bad_blob_is_refused_at_once(self, subject: ParserSubject) -> None:
        with pytest.raises(subject.error):
            subject.make().lazy_parse(subject.bad)
        with pytest.raises(subject.error):
            subject.make().alazy_parse(subject.bad)
        assert subject.fetched() == 0

    def test_the_generic_loader_works_with_it(self, subject: ParserSubject) -> None:
        blobs = Blobs(subject.blobs)
        documents = generic_load(blobs, subject.make())
        next(documents)
        assert blobs.taken == 1
        rest = texts(list(documents))
        assert len(rest) == sum(map(len, subject.expected)) - 1
