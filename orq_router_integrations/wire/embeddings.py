"""Parameters and responses of ``POST /embeddings``.

See ``tests/contract/http_api.md`` for sources. Items of a response may arrive in any order, and as
base64 or as numbers regardless of the requested encoding.
"""

import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from orq_router_integrations.wire.call import MalformedResponseError, Response, get_array
from orq_router_integrations.wire.json import (
    as_dict,
    as_dicts,
    as_int,
    as_str,
    decode_base64,
    strip_data_prefix,
)
from orq_router_integrations.wire.model_names import get_base_name

EncodingFormat = Literal["base64", "float"]
Vector = list[float]

MAX_DIMENSIONS = 65_536

_KNOWN_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "embed-english-v3.0": 1024,
    "embed-multilingual-v3.0": 1024,
    "jina-embeddings-v3": 1024,
    "mistral-embed": 1024,
}
"""Maximum number of dimensions of well-known models."""

_BYTES_PER_TOKEN = 3  # a low value: English has about four bytes per token


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsResponse:
    """The vectors of one request, in the order of its texts and all of the same length."""

    vectors: list[Vector]
    model: str | None  # as named in the response, usually without its provider
    tokens: int | None  # number of input tokens, if the response contains it
    response: Response


def check_dimensions(model: str, dimensions: int | None) -> None:
    """Reject more dimensions than a well-known model supports."""
    maximum = _KNOWN_DIMENSIONS.get(get_base_name(model))
    if dimensions is not None and maximum is not None and dimensions > maximum:
        raise ValueError(
            f"dimensions: {model} has at most {maximum} dimensions, not {dimensions}. Use a "
            "smaller number or another model."
        )


def split_batches(texts: Sequence[str], max_texts: int, max_tokens: int) -> Iterator[list[str]]:
    """Divide texts into batches for one request each.

    Tokens are estimated, on the high side. A text with more than ``max_tokens`` tokens gets its own
    batch.
    """
    batch: list[str] = []
    batch_tokens = 0
    for text in texts:
        tokens = math.ceil(len(text.encode()) / _BYTES_PER_TOKEN)
        if batch and (len(batch) == max_texts or batch_tokens + tokens > max_tokens):
            yield batch
            batch, batch_tokens = [], 0
        batch.append(text)
        batch_tokens += tokens
    if batch:
        yield batch


def parse_embeddings(
    response: Response, count: int, dimensions: int | None = None
) -> EmbeddingsResponse:
    """Parse a response to ``count`` texts and order its vectors."""
    body = response.json_object()
    data = get_array(body, "data")
    vectors: dict[int | None, Vector] = {
        # Go's JSON encoder may omit zero values
        as_int(item.get("index", 0)): decode_vector(item.get("embedding"))
        for item in as_dicts(data)
    }
    if len(data) != count or vectors.keys() != set(range(count)):
        raise MalformedResponseError(
            f"expected one embedding for each of {count} texts, got {len(data)} with the indices "
            f"{[as_dict(item).get('index') for item in data]!s:.100}"
        )
    ordered = [vectors[index] for index in range(count)]
    check_lengths(ordered, dimensions)
    usage = as_dict(body.get("usage"))
    tokens = as_int(usage.get("prompt_tokens", usage.get("total_tokens")))
    return EmbeddingsResponse(
        vectors=ordered,
        model=as_str(body.get("model")) or None,
        tokens=tokens,
        response=replace(response, content=b""),  # frees the body, which is large
    )


def check_lengths(vectors: Sequence[Vector], dimensions: int | None = None) -> None:
    """Check that all vectors have the requested length, or the length of the first one."""
    if not vectors:
        return
    expected = dimensions or len(vectors[0])
    for vector in vectors:
        if len(vector) != expected:
            raise MalformedResponseError(
                f"expected vectors of {expected} dimensions, got one of {len(vector)}. The model "
                "may not support 'dimensions', or another model has answered"
            )


def decode_vector(value: Any) -> Vector:
    """Decode a vector from a JSON array of numbers, or from base64 of little-endian floats.

    >>> decode_vector("AACAPwAAAMAAAGBAAAAAPg==")
    [1.0, -2.0, 3.5, 0.125]
    """
    try:
        if isinstance(value, str):
            data = strip_data_prefix(value).rstrip("=")
            data += "=" * (-len(data) % 4)
            numbers = array("f", decode_base64(data.encode()))
            if sys.byteorder == "big":
                numbers.byteswap()
        else:
            numbers = array("d", value)
    except (TypeError, ValueError, OverflowError) as error:
        raise MalformedResponseError(f"an embedding cannot be decoded ({error})") from None
    vector = numbers.tolist()
    # The sum of finite numbers may overflow, but checking it first is much faster.
    if not vector or not (math.isfinite(sum(vector)) or all(map(math.isfinite, vector))):
        raise MalformedResponseError("an embedding is empty or contains NaN or infinity")
    return vector
