"""Test suite for LangChain loaders that fetch their data lazily.

Subclass ``LoaderConformance`` and define a ``subject`` fixture. The loader under test must have at
least three items, the second of which can be made to fail.
"""

import copy
import pickle
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from conformance.documents import check_metadata, get_texts


@dataclass(frozen=True, kw_only=True)
class LoaderSubject:
    """A loader under test.

    Attributes:
        create: Creates the loader. Accepts ``max_concurrency``, ``broken=True`` for a second item
            that fails, and ``on_error`` if the loader has error policies.
        expected: Texts of the Documents of each item.
        count_fetched: Returns how many items have been fetched.
        error: Type of the error that a failing item raises.
        continuing_policies: Values of ``on_error`` that continue after a failure.
        marking_policies: Those that return a Document for a failed item.
    """

    create: Callable[..., BaseLoader]
    expected: Sequence[Sequence[str]]
    count_fetched: Callable[[], int]
    error: type[Exception]
    continuing_policies: Sequence[str] = ()
    marking_policies: Sequence[str] = ()

    @property
    def expected_texts(self) -> list[str]:
        return [text for item in self.expected for text in item]


class LoaderConformance:
    """Laziness, order, equality of sync and async, metadata and errors."""

    @pytest.fixture
    def subject(self) -> LoaderSubject:
        raise NotImplementedError

    def test_load_and_aload_are_inherited(self, subject: LoaderSubject) -> None:
        loader = subject.create()
        assert isinstance(loader, BaseLoader)
        assert type(loader).load is BaseLoader.load
        assert type(loader).aload is BaseLoader.aload

    def test_documents_are_in_order(self, subject: LoaderSubject) -> None:
        documents = subject.create().load()
        assert all(isinstance(document, Document) for document in documents)
        assert get_texts(documents) == subject.expected_texts

    async def test_async_equals_sync(self, subject: LoaderSubject) -> None:
        loader = subject.create()
        assert await loader.aload() == loader.load()

    def test_lazy_load_fetches_on_first_next(self, subject: LoaderSubject) -> None:
        documents = subject.create().lazy_load()
        assert isinstance(documents, Iterator)
        assert subject.count_fetched() == 0
        next(documents)
        assert subject.count_fetched() >= 1

    async def test_alazy_load_fetches_on_first_anext(self, subject: LoaderSubject) -> None:
        documents = subject.create().alazy_load()
        assert isinstance(documents, AsyncIterator)
        assert subject.count_fetched() == 0
        await anext(documents)
        await documents.aclose()

    def test_without_concurrency_nothing_is_fetched_ahead(self, subject: LoaderSubject) -> None:
        documents = subject.create(max_concurrency=1).lazy_load()
        next(documents)
        assert subject.count_fetched() == 1
        documents.close()

    def test_load_can_be_repeated(self, subject: LoaderSubject) -> None:
        loader = subject.create()
        assert loader.load() == loader.load()

    def test_interleaved_passes_are_independent(self, subject: LoaderSubject) -> None:
        loader = subject.create()
        pairs = list(zip(loader.lazy_load(), loader.lazy_load(), strict=True))
        assert all(first == second for first, second in pairs)

    def test_metadata_is_accepted_by_vector_stores(self, subject: LoaderSubject) -> None:
        documents = subject.create().load()
        check_metadata(documents)
        assert all("source" in document.metadata for document in documents)

    def test_documents_do_not_share_metadata(self, subject: LoaderSubject) -> None:
        first, second, *_ = subject.create().load()
        first.metadata["changed"] = True
        assert "changed" not in second.metadata

    @pytest.mark.parametrize("max_concurrency", [1, 3])
    def test_documents_before_a_failure_are_yielded(
        self, subject: LoaderSubject, max_concurrency: int
    ) -> None:
        documents = subject.create(broken=True, max_concurrency=max_concurrency).lazy_load()
        texts = [next(documents).page_content for _ in subject.expected[0]]
        assert texts == list(subject.expected[0])
        with pytest.raises(subject.error):
            next(documents)

    async def test_documents_before_a_failure_are_yielded_in_async(
        self, subject: LoaderSubject
    ) -> None:
        documents = subject.create(broken=True).alazy_load()
        texts = [(await anext(documents)).page_content for _ in subject.expected[0]]
        assert texts == list(subject.expected[0])
        with pytest.raises(subject.error):
            await anext(documents)

    async def test_error_policies_continue(self, subject: LoaderSubject) -> None:
        for policy in subject.continuing_policies:
            loader = subject.create(broken=True, on_error=policy)
            documents = loader.load()
            assert await loader.aload() == documents
            check_metadata(documents)
            failed = [document for document in documents if "error" in document.metadata]
            assert bool(failed) is (policy in subject.marking_policies)
            succeeded = [document for document in documents if "error" not in document.metadata]
            expected_items = (subject.expected[0], *subject.expected[2:])
            assert get_texts(succeeded) == [text for item in expected_items for text in item]

    def test_iteration_can_be_stopped(self, subject: LoaderSubject) -> None:
        loader = subject.create()
        documents = loader.lazy_load()
        next(documents)
        documents.close()
        assert get_texts(loader.load()) == subject.expected_texts


class PicklingConformance:
    """Pickles and copies of loaders and parsers. Define a ``picklable`` fixture with a key."""

    @pytest.fixture
    def picklable(self) -> Any:
        raise NotImplementedError

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle_restores_an_equal_object(self, picklable: Any, protocol: int) -> None:
        restored = pickle.loads(pickle.dumps(picklable, protocol))
        assert type(restored) is type(picklable)
        assert restored == picklable

    def test_pickle_and_repr_do_not_contain_the_key(self, picklable: Any) -> None:
        key = picklable.api_key.get_secret_value()
        assert key.encode() not in pickle.dumps(picklable)
        assert key not in repr(picklable)

    def test_deep_copy_is_equal(self, picklable: Any) -> None:
        assert copy.deepcopy(picklable) == picklable
