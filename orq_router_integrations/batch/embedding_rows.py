"""``EmbeddingRows``: vectors of a column of texts."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from orq_router_integrations._concurrency import StepGenerator, agather, gather
from orq_router_integrations.batch.rows import (
    Row,
    Rows,
    check_type,
    derive_idempotency_key,
    get_pool,
    load_row,
)
from orq_router_integrations.batch.store import ResultStore, iter_pauses
from orq_router_integrations.embeddings import EmbeddingsResult, OrqEmbeddings
from orq_router_integrations.errors import RouterInputError, raise_input_errors
from orq_router_integrations.wire.arguments import check_text
from orq_router_integrations.wire.embeddings import split_batches
from orq_router_integrations.wire.endpoints import EMBEDDINGS

STORE_THREADS = 16  # number of texts that are looked up or stored at the same time


class EmbeddingRows(Rows):
    """Embed a column of texts.

    The texts of a batch share requests. Texts that occur more than once are embedded once.

    Args:
        embeddings: The ``OrqEmbeddings``. Its ``max_concurrency`` bounds the requests of a batch.
        text: Name of the column of texts.
        embedding: Name of the new column of vectors.
        store: Where to keep vectors, so that no text is billed twice.
        metadata_prefix: Start of the names of the other new columns, such as ``cost``.

    >>> from orq_router_integrations import OfflineRouter, OrqEmbeddings
    >>> client = OfflineRouter().client()
    >>> rows = EmbeddingRows(OrqEmbeddings("openai/text-embedding-3-small", client=client))
    >>> len(rows({"text": ["a red boat"]})["embedding"][0])
    1536
    """

    def __init__(
        self,
        embeddings: OrqEmbeddings,
        *,
        text: str = "text",
        embedding: str = "embedding",
        store: ResultStore | None = None,
        metadata_prefix: str = "",
    ) -> None:
        super().__init__(
            input_column=text,
            output_column=embedding,
            store=store,
            metadata_prefix=metadata_prefix,
        )
        check_type("embeddings", embeddings, OrqEmbeddings)
        self.embeddings = self._subject = embeddings

    def _run_batch(self, inputs: Sequence[Any]) -> list[Row]:
        return self._run(self._process_batch(inputs))

    async def _arun_batch(self, inputs: Sequence[Any]) -> list[Row]:
        return await self._arun(self._process_batch(inputs))

    def _process_batch(self, inputs: Sequence[Any]) -> StepGenerator[list[Row]]:
        """Process a batch. Yields the texts of each request, with their keys."""
        items: list[str | Row] = []  # texts, and the rows of invalid inputs
        for value in inputs:
            try:
                items.append(self._prepare(value))
            except RouterInputError as error:
                items.append(self._create_error_row(error))
        texts = dict.fromkeys(item for item in items if isinstance(item, str))
        keys = {text: self._compute_key(text) if self.store else "" for text in texts}
        rows: dict[str, Row] = {}
        pauses = iter_pauses()
        while missing := {text: key for text, key in keys.items() if text not in rows}:
            stored, claimed = self._claim(missing)
            rows |= stored
            if claimed:
                rows |= yield from self._embed(claimed)
            elif not stored:  # other workers are computing the rest; no claim is held meanwhile
                yield next(pauses)
        return [rows[item] if isinstance(item, str) else item for item in items]

    def _prepare(self, value: Any) -> Any:
        text = super()._prepare(value)
        with raise_input_errors(EMBEDDINGS.path):
            check_text(text, self.input_column)  # an invalid text would fail a shared request
        return text

    def _claim(self, keys: Mapping[str, str]) -> tuple[dict[str, Row], dict[str, str]]:
        """Return the stored rows by text, and the keys of the texts to embed."""
        if self.store is None:
            return {}, dict(keys)
        try_claim = partial(self.store.try_claim, parse=load_row)
        pool = get_pool("store", STORE_THREADS)
        states = dict(zip(keys, pool.map(try_claim, keys.values()), strict=True))
        stored = {text: row for text, (row, _) in states.items() if row is not None}
        return stored, {text: keys[text] for text, (_, is_claimed) in states.items() if is_claimed}

    def _embed(self, keys: Mapping[str, str]) -> StepGenerator[dict[str, Row]]:
        """Embed texts. Each request succeeds or fails independently."""
        rows: dict[str, Row] = {}
        chunk_size, max_tokens = self.embeddings.chunk_size, self.embeddings.max_batch_tokens
        try:
            batches = list(split_batches(list(keys), chunk_size, max_tokens))
            groups = [{text: keys[text] for text in batch} for batch in batches]
            results = yield groups, None  # each request derives its own idempotency key
            for group, result in zip(groups, results, strict=True):
                rows |= self._create_rows(group, result)
        except BaseException:
            self._release(*keys.values())
            raise
        return rows

    def _create_rows(
        self, keys: Mapping[str, str], result: EmbeddingsResult | Exception
    ) -> dict[str, Row]:
        if isinstance(result, Exception):
            return dict.fromkeys(keys, self._create_error_row(result, *keys.values()))
        metadata = {
            "answering_model": next(iter(result.answering_models), None),
            "attempts": result.attempts,
        }
        rows = ({self.output_column: vector, **metadata} for vector in result.vectors)
        stored = get_pool("store", STORE_THREADS).map(self._store_row, keys.values(), rows)
        return dict(zip(keys, stored, strict=True))

    def _call(self, value: list[dict[str, str]]) -> list[EmbeddingsResult | Exception]:
        def embed(keys: Mapping[str, str]) -> EmbeddingsResult | Exception:
            try:
                self._raise_fatal_error()
                with derive_idempotency_key("".join(keys.values()) or None):
                    return self.embeddings.embed(list(keys))
            except Exception as error:  # noqa: BLE001 - a failed item is a row
                self._record_fatal_error(error)
                return error

        tasks = [partial(embed, keys) for keys in value]
        return gather(tasks, self.embeddings.max_concurrency)

    async def _acall(self, value: list[dict[str, str]]) -> list[EmbeddingsResult | Exception]:
        async def embed(keys: Mapping[str, str]) -> EmbeddingsResult | Exception:
            try:
                self._raise_fatal_error()
                with derive_idempotency_key("".join(keys.values()) or None):
                    return await self.embeddings.aembed(list(keys))
            except Exception as error:  # noqa: BLE001 - a failed item is a row
                self._record_fatal_error(error)
                return error

        tasks = [partial(embed, keys) for keys in value]
        return await agather(tasks, self.embeddings.max_concurrency)
