"""``EmbeddingRows``: vectors of a column of texts."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.load import dumps

from orq_router_integrations.batch.rows import Row, Rows, get_pool
from orq_router_integrations.batch.store import ResultStore
from orq_router_integrations.embeddings import EmbeddingsResult, OrqEmbeddings
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
        items = [self._prepare_item(value) for value in inputs]
        rows, keys = self._find_rows(items)
        try:
            self._raise_fatal_error()
            rows |= self._create_rows(keys, self.embeddings.embed(list(keys)))
        except Exception as error:  # noqa: BLE001 - a failed item is a row
            rows |= dict.fromkeys(keys, self._create_error_row(error, None))
        return [rows[item] if isinstance(item, str) else item for item in items]

    async def _arun_batch(self, inputs: Sequence[Any]) -> list[Row]:
        items = [self._prepare_item(value) for value in inputs]
        rows, keys = await asyncio.to_thread(self._find_rows, items)
        try:
            self._raise_fatal_error()
            result = await self.embeddings.aembed(list(keys))
            rows |= await asyncio.to_thread(self._create_rows, keys, result)
        except Exception as error:  # noqa: BLE001 - a failed item is a row
            rows |= dict.fromkeys(keys, self._create_error_row(error, None))
        return [rows[item] if isinstance(item, str) else item for item in items]

    def _prepare_item(self, value: Any) -> str | Row:
        """Return the text to embed, or an error row."""
        try:
            text: str = self._prepare(value)
        except RouterInputError as error:
            return self._create_error_row(error, None)
        return text

    def _find_rows(self, items: Sequence[str | Row]) -> tuple[dict[str, Row], dict[str, str]]:
        """Return the stored rows by text, and the keys of the other texts."""
        texts = dict.fromkeys(item for item in items if isinstance(item, str))
        if self.store is None:
            return {}, dict.fromkeys(texts, "")
        keys = {text: self._compute_key(text) for text in texts}
        stored = dict(zip(keys, self.store.mget(list(keys.values())), strict=True))
        rows = {text: self._load_row(data) for text, data in stored.items() if data is not None}
        return rows, {text: key for text, key in keys.items() if text not in rows}

    def _create_rows(self, keys: Mapping[str, str], result: EmbeddingsResult) -> dict[str, Row]:
        metadata = {
            "answering_model": next(iter(result.answering_models), None),
            "attempts": result.attempts,
        }
        return {
            text: self._store_row(key, {self.output_column: vector, **metadata})
            for (text, key), vector in zip(keys.items(), result.vectors, strict=True)
        }

    def _call(self, value: Any) -> Row:
        return self._run_batch([value], get_pool(self.id, 1))[0]

    async def _acall(self, value: Any) -> Row:
        return (await self._arun_batch([value]))[0]

    def _describe_settings(self) -> str:
        return (
            dumps(self.embeddings, sort_keys=True) + self.embeddings.resolved_client.fingerprint()
        )
