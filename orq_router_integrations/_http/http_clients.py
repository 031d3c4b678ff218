"""Types of the HTTP clients that callers may supply."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import httpx
from pydantic import PlainValidator

if TYPE_CHECKING:
    import httpx2


def _validate_client(class_name: str, value: Any) -> Any:
    """Check the class of a client without importing httpx2, which need not be installed."""
    libraries = filter(None, map(sys.modules.get, ("httpx", "httpx2")))
    classes = tuple(getattr(library, class_name) for library in libraries)
    if value is not None and not isinstance(value, classes):
        names = f"httpx.{class_name} or httpx2.{class_name}"
        raise ValueError(f"Expected an {names}, got {type(value).__name__}.")
    return value


if TYPE_CHECKING:
    SyncHttpClient: TypeAlias = httpx.Client | httpx2.Client | None
    AsyncHttpClient: TypeAlias = httpx.AsyncClient | httpx2.AsyncClient | None
else:
    SyncHttpClient = Annotated[
        httpx.Client | None, PlainValidator(partial(_validate_client, "Client"))
    ]
    AsyncHttpClient = Annotated[
        httpx.AsyncClient | None, PlainValidator(partial(_validate_client, "AsyncClient"))
    ]
