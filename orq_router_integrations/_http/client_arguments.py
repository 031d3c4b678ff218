"""Types of the arguments of ``RouterClient``, for type checkers."""

from collections.abc import Mapping
from datetime import timedelta

from typing_extensions import TypedDict

from orq_router_integrations._http.http_clients import AsyncHttpClient, SyncHttpClient
from orq_router_integrations._http.pace import Pace
from orq_router_integrations.settings import ApiKey
from orq_router_integrations.wire.controls import RouterControls, RouterControlsDict


class ClientArguments(TypedDict, total=False):
    """Arguments of ``RouterClient``: the key may be a str, the controls a dict."""

    api_key: str | ApiKey | None
    base_url: str
    allow_insecure: bool
    timeout: float | timedelta | None
    deadline: float | timedelta | None
    stream_chunk_timeout: float | timedelta
    max_retries: int
    default_headers: Mapping[str, str]
    default_query: Mapping[str, str]
    controls: RouterControls | RouterControlsDict
    http_client: SyncHttpClient
    http_async_client: AsyncHttpClient
    trace_calls: bool
    pace: Pace | None
