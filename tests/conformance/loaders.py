"""A suite for ``BaseLoader``s that bring things from somewhere else.

Subclass ``LoaderConformance`` and give it a ``subject`` fixture; every test then runs against your
loader. A subject has several items, the second of which can be made to fail.
"""

import copy
import pickle
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from conformance.documents import check_metadata, texts


@dataclass(frozen=True, kw_only=True)
class LoaderSubject:
    """A loader under test.

    Attributes:
        make: makes the loader; takes ``on_error`` where the loader has such a thing, and
            ``broken=True`` for a second item that fails.
        expected: the texts of all Documents, item by item.
        fetched: how many items were fetched so far.
        error: what a failing item raises.
        policies: the values of ``on_error`` that go on after a failure.
        remarks: whether a policy leaves a Document in the place of a failed item, by its name.
    """

    make: Callable[..., BaseLoader]
    expected: Sequence[Sequence[str]]
    fetched: Callable[[], int]
    error: type[Exception]
    policies: Sequence[str] = ()
    remarks: frozenset[str] = frozenset()

    @property
    def all(self) -> list[str]:
        return [text for item in self.expected for text in item]


class LoaderConformance:
    """Laziness, order, sync and async alike, safe metadata, errors, pickles."""

    @pytest.fixture
    def subject(self) -> LoaderSubject:
        raise NotImplementedError

    def test_it_is_a_loader_that_leaves_load_alone(self, subject: LoaderSubject) -> None:
        loader = subject.make()
        assert isinstance(loader, BaseLoader)
        assert type(loader).load is BaseLoader.load
        assert type(loader).aload is BaseLoader.aload

    def test_documents_come_in_order(self, subject: LoaderSubject) -> None:
        documents = subject.make().load()
        assert all(isinstance(document, Document) for document in documents)
        assert texts(documents) == subject.all

    async def test_async_gives_what_sync_gives(self, subject: LoaderSubject) -> None:
        loader = subject.make()
        assert await loader.aload() == loader.load()

    def test_nothing_is_fetched_before_it_is_wanted(self, subject: LoaderSubject) -> None:
        documents = subject.make().lazy_load()
        assert isinstance(documents, Iterator)
        assert subject.fetched() == 0
        next(documents)
        assert subject.fetched() >= 1

    async def test_nor_in_async(self, subject: LoaderSubject) -> None:
        documents = subject.make().alazy_load()
        assert isinstance(documents, AsyncIterator)
        assert subject.fetched() == 0
        await anext(documents)
        await documents.aclose()

    def test_one_at_a_time_fetches_no_more_than_was_asked_for(self, subject: LoaderSubject) -> None:
        documents = subject.make(max_concurrency=1).lazy_load()
        next(documents)
        assert subject.fetched() == 1
        documents.close()

    def test_it_loads_as_often_as_one_likes(self, subject: LoaderSubject) -> None:
        loader = subject.make()
        assert loader.load() == loader.load()

    def test_two_passes_do_not_mix(self, subject: LoaderSubject) -> None:
        loader = subject.make()
        pairs = list(zip(loader.lazy_load(), loader.lazy_load(), strict=True))
        assert all(one == other for one, other in pairs)

    def test_metadata_is_safe_for_vector_stores(self, subject: LoaderSubject) -> None:
        documents = subject.make().load()
        check_metadata(documents)
        assert all("source" in document.metadata for document in documents)

    def test_documents_do_not_share_their_metadata(self, subject: LoaderSubject) -> None:
        first, second, *_ = subject.make().load()
        first.metadata["mine"] = True
        assert "mine" not in second.metadata

    @pytest.mark.parametrize("limit", [1, 3])
    def test_a_failure_loses_no_document_that_came_before(
        self, subject: LoaderSubject, limit: int
    ) -> None:
        documents = subject.make(broken=True, max_concurrency=limit).lazy_load()
        kept = [next(documents).page_content for _ in subject.expected[0]]
        assert kept == list(subject.expected[0])
        with pytest.raises(subject.error):
            next(documents)

    async def test_nor_does_it_in_async(self, subject: LoaderSubject) -> None:
        documents = subject.make(broken=True).alazy_load()
        kept = [(await anext(documents)).page_content for _ in subject.expected[0]]
        assert kept == list(subject.expected[0])
        with pytest.raises(subject.error):
            await anext(documents)

    async def test_policies_go_on_and_are_alike_in_async(self, subject: LoaderSubject) -> None:
        for policy in subject.policies:
            loader = subject.make(broken=True, on_error=policy)
            documents = loader.load()
            assert await loader.aload() == documents
            check_metadata(documents)
            failed = [document for document in documents if "error" in document.metadata]
            assert bool(failed) is (policy in subject.remarks)
            good = [text for item in (subject.expected[0], *subject.expected[2:]) for text in item]
            assert texts([d for d in documents if "error" not in d.metadata]) == good

    def test_a_pass_can_be_left_early(self, subject: LoaderSubject) -> None:
        loader = subject.make()
        documents = loader.lazy_load()
        next(documents)
        documents.close()
        assert texts(loader.load()) == subject.all


class PicklingConformance:
    """For loaders and parsers that can be sent to other processes."""

    @pytest.fixture
    def picklable(self) -> Any:
        raise NotImplementedError

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_it_survives_a_pickle(self, picklable: Any, protocol: int) -> None:
        again = pickle.loads(pickle.dumps(picklable, protocol))
        assert type(again) is type(picklable)
        assert again == picklable

    def test_a_pickle_holds_no_key(self, picklable: Any) -> None:
        key = picklable.api_key.get_secret_value()
        assert key.encode() not in pickle.dumps(picklable)
        assert key not in repr(picklable)

    def test_it_can_be_copied(self, picklable: Any) -> None:
        assert copy.deepcopy(picklable) == picklable
