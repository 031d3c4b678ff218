"""``ResultStore``: results of paid calls in a directory or an object store."""

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.messages import message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.stores import BaseStore

from orq_router_integrations.batch.claims import Claims, create_file
from orq_router_integrations.errors import RouterInputError

_LOG = logging.getLogger(__name__)

MAX_NAME_CHARS = 150
"""Longer keys are hashed, because file names are limited."""

POLL_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Delays between checks for a result of another worker; the last one repeats."""


class ResultStore(BaseStore[str, bytes], BaseCache):
    """Store results of paid calls where all workers can find them.

    The first result stored for a key is kept. A store is a LangChain store, for the ``store``
    of loaders and for ``CacheBackedEmbeddings``, and a LangChain cache, for the ``cache`` of
    ``ChatOrq``. It can be pickled.

    A store that cannot be reached does not stop a run: the problem is logged, results are computed
    again, and they are returned although they could not be stored.

    Args:
        url: A directory, or a URL that fsspec understands, such as ``s3://bucket/results``.
        claim_seconds: Seconds until the claim of a crashed worker expires, so that another one
            may compute the result. Running workers renew their claims.
        storage_options: Arguments of the file system, such as credentials. They are pickled.

    Raises:
        RouterInputError: The URL is invalid, or its driver is not installed.

    >>> import tempfile
    >>> store = ResultStore(tempfile.mkdtemp())
    >>> store.mset([("key", b"first")])
    >>> store.mset([("key", b"second")])
    >>> store.mget(["key", "other"])
    [b'first', None]
    """

    def __init__(
        self, url: str | os.PathLike[str], *, claim_seconds: float = 30.0, **storage_options: Any
    ) -> None:
        if claim_seconds <= 0:
            raise RouterInputError(
                f"claim_seconds: Expected a number above 0, got {claim_seconds}."
            )
        self.url = os.fspath(url)
        self.claim_seconds = claim_seconds
        self._storage_options = storage_options
        self._files, root = _open_file_system(self.url, storage_options)
        self._root = root.rstrip("/")
        self._claims = Claims(self._files, claim_seconds)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> Any:
        return _restore, (self.url, self.claim_seconds, self._storage_options)

    # LangChain's store

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of the keys; ``None`` for missing ones."""
        return [self._read(self._get_path(key)) for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Store values. A key that has a value keeps it."""
        for key, value in key_value_pairs:
            self._create(self._get_path(key), value)

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete keys; missing ones are ignored."""
        for key in keys:
            with suppress(FileNotFoundError):
                self._files.rm_file(self._get_path(key))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that start with a prefix. Keys of over 150 characters are hashed."""
        try:
            paths = self._files.find(self._root)
        except FileNotFoundError:
            return
        for path in paths:
            key = unquote(path.rpartition("/")[2])
            if ".claim." not in key and key.startswith(prefix or ""):
                yield key

    async def ayield_keys(self, *, prefix: str | None = None) -> AsyncIterator[str]:
        """Yield the keys that start with a prefix; see ``yield_keys``."""
        for key in await asyncio.to_thread(list, self.yield_keys(prefix=prefix)):
            yield key

    # LangChain's cache

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Return the stored answer to a prompt."""
        data = self._read(self._get_path(_hash_prompt(prompt, llm_string)))
        if data is None:
            return None
        try:
            return [_parse_generation(item) for item in json.loads(data)]
        except (ValueError, KeyError, TypeError) as error:
            _LOG.warning("store: Cannot use an answer in %s: %s", self.url, error)
            return None

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Store the answer to a prompt."""
        data = json.dumps([_dump_generation(generation) for generation in return_val])
        self._create(self._get_path(_hash_prompt(prompt, llm_string)), data.encode())

    def clear(self, **_: Any) -> None:
        """Delete all results."""
        self.mdelete(list(self.yield_keys()))

    # Claims

    def get_or_claim(self, key: str) -> bytes | None:
        """Return the value of a key, or ``None`` if the caller should compute it.

        If another worker is computing it, this waits for the result. After ``None``, call
        ``mset`` or, if the computation failed, ``release``.
        """
        for pause in _iter_pauses():
            value, must_wait = self._get_or_claim(key)
            if not must_wait:
                return value
            time.sleep(pause)
        raise AssertionError("unreachable: the pauses do not end")

    async def aget_or_claim(self, key: str) -> bytes | None:
        """Return the value of a key, or ``None``; see ``get_or_claim``."""
        for pause in _iter_pauses():
            attempt = asyncio.ensure_future(asyncio.to_thread(self._get_or_claim, key))
            try:
                value, must_wait = await asyncio.shield(attempt)
            except asyncio.CancelledError:  # the thread goes on, and may still get the claim
                attempt.add_done_callback(lambda done: self._release_unused(key, done))
                raise
            if not must_wait:
                return value
            await asyncio.sleep(pause)
        raise AssertionError("unreachable: the pauses do not end")

    def release(self, key: str) -> None:
        """Give up a claim, so that another worker may compute the value."""
        self._claims.release(self._get_path(key))

    def _release_unused(
        self, key: str, attempt: "asyncio.Future[tuple[bytes | None, bool]]"
    ) -> None:
        if (
            not attempt.cancelled()
            and not attempt.exception()
            and attempt.result() == (None, False)
        ):
            self.release(key)

    def _get_or_claim(self, key: str) -> tuple[bytes | None, bool]:
        """Return the value, and whether another worker is computing it."""
        path = self._get_path(key)
        value = self._read(path)
        if value is None and self._claims.acquire(path):
            value = self._read(path)  # another worker may have stored it before this claim
            if value is not None:
                self._claims.release(path)
            return value, False
        return value, value is None

    # Files

    def _get_path(self, key: str) -> str:
        digest = sha256(key.encode()).hexdigest()
        name = quote(key, safe="")
        return f"{self._root}/{digest[:2]}/{name if len(name) <= MAX_NAME_CHARS else digest}"

    def _read(self, path: str) -> bytes | None:
        try:
            data: bytes = self._files.cat_file(path)
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - file systems raise errors of any type
            _LOG.warning("store: Cannot read from %s: %s", self.url, error)
            return None
        return data

    def _create(self, path: str, data: bytes) -> None:
        try:
            create_file(self._files, path, data)
        except Exception as error:  # noqa: BLE001 - file systems raise errors of any type
            _LOG.warning("store: Cannot write to %s: %s", self.url, error)
        self._claims.release(path)


def _open_file_system(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415
    except ImportError:
        raise RouterInputError(
            "ResultStore requires fsspec. Install the extra 'scale', or run: pip install fsspec"
        ) from None
    try:
        files, root = url_to_fs(url, **options)
    except ImportError as error:
        raise RouterInputError(f"url: {url!r} needs a driver that is missing: {error}") from None
    except ValueError as error:
        raise RouterInputError(f"url: {url!r} is not supported: {error}") from None
    return files, root


def _restore(url: str, claim_seconds: float, options: dict[str, Any]) -> ResultStore:
    return ResultStore(url, claim_seconds=claim_seconds, **options)


def _iter_pauses() -> Iterator[float]:
    yield from POLL_SECONDS
    while True:
        yield POLL_SECONDS[-1]


def _hash_prompt(prompt: str, llm_string: str) -> str:
    return sha256(f"{llm_string}\0{prompt}".encode()).hexdigest()


def _dump_generation(generation: Generation) -> dict[str, Any]:
    data: dict[str, Any] = {"text": generation.text, "info": generation.generation_info}
    if isinstance(generation, ChatGeneration):
        data["message"] = message_to_dict(generation.message)
    return data


def _parse_generation(data: dict[str, Any]) -> Generation:
    if "message" in data:
        (message,) = messages_from_dict([data["message"]])
        return ChatGeneration(message=message, generation_info=data["info"])
    return Generation(text=data["text"], generation_info=data["info"])
