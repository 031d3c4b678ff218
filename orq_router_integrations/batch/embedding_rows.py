"""``EmbeddingRows``: vectors of a column of texts."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.load import dumps

from orq_router_integrations.batch.rows import Row, Rows, get_pool
from orq_router_integrations.batch.store import ResultStore
from orq_router_integrations.embeddings import OrqEmbeddings
from orq_router_integrations.errors import RouterInputError


class EmbeddingRows(Rows):
    """Embed a column of texts.

    The texts of a batch share requests. Texts that occur more than once are embedded once.

    Args:
        embeddings: The ``OrqEmbeddings``. Its ``max_concurrency`` bounds the requests of a batch.
        text: Name of the column of texts.
        embedding: Name of the new column of vectors.
        store: Where to keep vectors, so that no text is billed twice.

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
    ) -> None:
        super().__init__(input_column=text, output_column=embedding, store=store, max_concurrency=1)
        if not isinstance(embeddings, OrqEmbeddings):
            raise RouterInputError(
                f"embeddings: Expected OrqEmbeddings, got {type(embeddings).__name__}."
            )
        self.embeddings = embeddings

    def _run_batch(self, inputs: Sequence[Any], pool: ThreadPoolExecutor) -> list[Row]:  # noqa: ARG002
        rows, missing = self._find_rows(inputs)
        try:
            self._raise_fatal_error()
            result = self.embeddings.embed(list(missing))
        except Exception as error:  # noqa: BLE001 - a failed item is a row
            return self._fill_rows(rows, inputs, self._create_error_row(error, None))
        return self._add_vectors(rows, inputs, missing, result)

    async def _arun_batch(self, inputs: Sequence[Any]) -> list[Row]:
        rows, missing = await asyncio.to_thread(self._find_rows, inputs)
        try:
            self._raise_fatal_error()
            result = await self.embeddings.aembed(list(missing))
        except Exception as error:  # noqa: BLE001 - a failed item is a row
            return self._fill_rows(rows, inputs, self._create_error_row(error, None))
        return await asyncio.to_thread(self._add_vectors, rows, inputs, missing, result)

    def _find_rows(self, inputs: Sequence[Any]) -> tuple[dict[Any, Row], dict[str, str]]:
        """Return the rows that need no request, and the keys of the texts that need one."""
        rows: dict[Any, Row] = {}
        keys: dict[str, str] = {}
        for value in inputs:
            try:
                text = self._prepare(value)
                keys[text] = self._compute_key(text) if self.store else ""
            except RouterInputError as error:
                rows[repr(value)] = self._create_error_row(error, None)
        if self.store:
            stored = self.store.mget(list(keys.values()))
            found = {t: data for t, data in zip(keys, stored, strict=True) if data is not None}
            rows |= {text: self._load_row(data) for text, data in found.items()}
            keys = {text: key for text, key in keys.items() if text not in found}
        return rows, keys

    def _fill_rows(self, rows: dict[Any, Row], inputs: Sequence[Any], other: Row) -> list[Row]:
        """Return the rows in the order of the inputs, with ``other`` for those without one."""
        return [
            rows.get(value if isinstance(value, str) else repr(value), rows.get(repr(value), other))
            for value in inputs
        ]

    def _add_vectors(
        self, rows: dict[Any, Row], inputs: Sequence[Any], missing: Mapping[str, str], result: Any
    ) -> list[Row]:
        for (text, key), vector in zip(missing.items(), result.vectors, strict=True):
            row = {
                self.output_column: vector,
                "answering_model": next(iter(result.answering_models), None),
                "attempts": result.attempts,
            }
            rows[text] = self._store_row(key, row)
        return self._fill_rows(rows, inputs, {})

    def _call(self, value: Any) -> Row:
        return self._run_batch([value], get_pool(self.id, 1))[0]

    async def _acall(self, value: Any) -> Row:
        return (await self._arun_batch([value]))[0]

    def _describe_settings(self) -> str:
        return (
            dumps(self.embeddings, sort_keys=True) + self.embeddings.resolved_client.fingerprint()
        )
