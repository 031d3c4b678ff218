"""``ResultStore``: results of paid calls in a directory or an object store."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from itertools import chain, repeat
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.messages import message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.stores import BaseStore

from orq_router_integrations._concurrency import StepGenerator, aperform_steps, perform_steps
from orq_router_integrations._integration import CACHE_CLAIMS
from orq_router_integrations.batch.claims import PARTIAL_PREFIX, Claims, create_file
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import IDEMPOTENCY_SEED, IdempotencySeed

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

MAX_NAME_CHARS = 150  # longer keys are hashed, because file names are limited
MAX_CLAIM_SECONDS = 86_400

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
        if not isinstance(claim_seconds, int | float) or not 0 < claim_seconds <= MAX_CLAIM_SECONDS:
            raise RouterInputError(
                f"claim_seconds: Expected a number above 0 and up to {MAX_CLAIM_SECONDS}, "
                f"got {claim_seconds!r:.40}."
            )
        if not isinstance(url, str | os.PathLike) or not os.fspath(url):
            raise RouterInputError(f"url: Expected a directory or URL, got {url!r:.40}.")
        self.url = os.fspath(url)
        self.claim_seconds = claim_seconds
        self._storage_options = storage_options
        self._files, root = _open_file_system(self.url, storage_options)
        self._root = root.rstrip("/")
        if "file" in self._files.protocol and os.path.exists(root) and not os.path.isdir(root):
            raise RouterInputError(f"url: {self.url!r} is not a directory. Choose another path.")
        self._claims = Claims(self._files, claim_seconds)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> Any:
        arguments = {"claim_seconds": self.claim_seconds, **self._storage_options}
        # Workers may have another working directory.
        url = self._root if "file" in self._files.protocol else self.url
        return partial(ResultStore, url, **arguments), ()

    # LangChain's store

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of the keys; ``None`` for missing ones."""
        return [self._read(key, bytes) for key in keys]

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
            name = path.rpartition("/")[2]
            if ".claim." in name or name.startswith(PARTIAL_PREFIX):
                continue
            if (key := unquote(name)).startswith(prefix or ""):
                yield key

    # LangChain's cache

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Return the stored answer to a prompt. Calls of ``ChatOrq`` wait for other workers."""
        return perform_steps(self._look_up(_start_lookup(prompt, llm_string)), _reject_step)

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Return the stored answer to a prompt; see ``lookup``."""
        return await aperform_steps(self._look_up(_start_lookup(prompt, llm_string)), _reject_step)

    def _look_up(self, key: str) -> StepGenerator[RETURN_VAL_TYPE | None]:
        claims, pauses = CACHE_CLAIMS.get(), iter_pauses()
        while True:
            # Only calls of ``ChatOrq`` release their claims if they fail. A call that has claimed
            # the key already would wait for itself.
            if claims is None or key in claims.releases:
                return self._read(key, _parse_generations)
            value, is_claimed = self.try_claim(key, _parse_generations)
            if is_claimed:
                claims.add(key, partial(self.release, key))
            if value is not None or is_claimed:
                return value
            yield next(pauses)

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Store the answer to a prompt."""
        data = json.dumps([_dump_generation(generation) for generation in return_val])
        self.mset([(_hash_prompt(prompt, llm_string), data.encode())])

    def clear(self, **_: Any) -> None:
        """Delete all results."""
        self.mdelete(list(self.yield_keys()))

    # Claims

    def get_or_claim(self, key: str) -> bytes | None:
        """Return the value of a key, or ``None`` if the caller should compute it.

        If another worker is computing it, this waits for the result. After ``None``, call
        ``mset`` or, if the computation failed, ``release``.
        """
        return perform_steps(self.wait_for_claim(key, bytes), _reject_step)

    def wait_for_claim(
        self, key: str, parse: Callable[[bytes], T | None]
    ) -> StepGenerator[T | None]:
        """Return the parsed value of a key, or ``None``; see ``get_or_claim``.

        Yields the seconds to wait before the next check, so that it does not occupy a thread.
        """
        pauses = iter_pauses()
        while True:
            value, is_claimed = self.try_claim(key, parse)
            if value is not None or is_claimed:
                return value
            yield next(pauses)

    def try_claim(self, key: str, parse: Callable[[bytes], T | None]) -> tuple[T | None, bool]:
        """Return the parsed value of a key, and whether the caller should compute it.

        ``(None, False)`` means that another worker is computing it. A value that cannot be parsed
        is deleted, as is one for which ``parse`` returns ``None``.
        """
        value = self._read(key, parse)
        if value is not None or not self._claims.acquire(self._get_path(key)):
            return value, False
        value = self._read(key, parse, delete=True)  # another worker may have just stored it
        if value is not None:
            self.release(key)
        return value, value is None

    def release(self, key: str) -> None:
        """Give up a claim, so that another worker may compute the value."""
        self._claims.release(self._get_path(key))

    # Files

    def _get_path(self, key: str) -> str:
        digest = sha256(key.encode()).hexdigest()
        name = quote(key, safe="")
        return f"{self._root}/{digest[:2]}/{name if len(name) <= MAX_NAME_CHARS else digest}"

    def _read(
        self, key: str, parse: Callable[[bytes], T | None], *, delete: bool = False
    ) -> T | None:
        """Return a parsed value; ``delete`` removes one that is unusable."""
        path = self._get_path(key)
        try:
            data = self._files.cat_file(path)
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - file systems raise errors of any type
            _LOG.warning("store: Cannot read from %s: %s", self.url, error)
            return None
        try:
            value = parse(data)
        except Exception as error:  # noqa: BLE001 - the file may contain anything
            _LOG.warning("store: Cannot use a result in %s: %s", self.url, error)
            value = None
        if value is None and delete:
            with suppress(Exception):  # if this fails, the new result cannot be stored either
                self.mdelete([key])
        return value

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


def iter_pauses() -> Iterator[float]:
    """Yield the seconds to wait before each check for a result of another worker."""
    return chain(POLL_SECONDS, repeat(POLL_SECONDS[-1]))


def _reject_step(step: Any) -> Any:
    raise AssertionError(f"unreachable: a store only waits, got {step!r}")


def _start_lookup(prompt: str, llm_string: str) -> str:
    """Return the key of an answer, from which the Idempotency-Key of the call is derived."""
    key = _hash_prompt(prompt, llm_string)
    if CACHE_CLAIMS.get() is not None:
        IDEMPOTENCY_SEED.set(IdempotencySeed(key))
    return key


def _hash_prompt(prompt: str, llm_string: str) -> str:
    return sha256(f"{llm_string}\0{prompt}".encode()).hexdigest()


def _dump_generation(generation: Generation) -> dict[str, Any]:
    data: dict[str, Any] = {"text": generation.text, "info": generation.generation_info}
    if isinstance(generation, ChatGeneration):
        data["message"] = message_to_dict(generation.message)
    return data


def _parse_generations(data: bytes) -> RETURN_VAL_TYPE:
    return [_parse_generation(item) for item in json.loads(data)]


def _parse_generation(data: dict[str, Any]) -> Generation:
    if "message" in data:
        (message,) = messages_from_dict([data["message"]])
        return ChatGeneration(message=message, generation_info=data["info"])
    return Generation(text=data["text"], generation_info=data["info"])
