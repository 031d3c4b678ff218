"""Connection settings, shared by the client and all integrations."""

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Self, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.arguments import check_header, warn_caller
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.deferred_model import CoercedField, DeferredModel, optional
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.html_table import format_table

DEFAULT_BASE_URL = "https://api.orq.ai/v3/router"
API_KEY_ENV = "ORQ_API_KEY"
BASE_URL_ENV = "ORQ_BASE_URL"

MASK = "**********"  # replaces secrets in dumps and error messages
MAX_TIMEOUT_SECONDS = 86_400.0
"""One day: a longer timeout is a mistake, and sockets reject very long ones."""

MAX_KEY_CHARS = 4096

ApiKey = SecretStr | Callable[[], str | Awaitable[str]]

Seconds = Annotated[
    float,
    Field(strict=True, gt=0, le=MAX_TIMEOUT_SECONDS, allow_inf_nan=False),
    BeforeValidator(lambda value: value.total_seconds() if isinstance(value, timedelta) else value),
]
"""A duration in seconds; a ``timedelta`` is converted."""

_INVALID_KEY_CHARACTER = re.compile(r"[^!-~]")
_RESERVED_HEADERS = {
    "authorization", "content-length", "content-type", "cookie", "host", "idempotency-key",
    "transfer-encoding", "x-retry-count",
}  # fmt: skip

CONTROL_HINTS = {
    name: f"It is a router control: use controls=RouterControls({name}=...)."
    for name in RouterControls.model_fields
}
"""Replacements for controls that were passed as separate arguments."""

CONNECTION_HINTS = {
    **CONTROL_HINTS,
    "api_base": "base_url",
    "openai_api_base": "base_url",
    "openai_api_key": "api_key",
    "request_timeout": "timeout",
    "fallback": "controls={'fallbacks': [...]}",
    **dict.fromkeys(
        ("organization", "openai_organization"),
        "Not supported by the router: the API key selects the workspace.",
    ),
}
"""Replacements for the connection settings of other packages."""


def validate_api_key(key: object) -> str:
    """Return an API key that fits into an HTTP header, without surrounding whitespace.

    Errors name the position of an invalid character, never the key.
    """
    if not isinstance(key, str):
        raise ValueError(f"api_key: The function must return a str, not {type(key).__name__}.")
    key = key.strip(" \t\r\n")
    if not key:
        raise ValueError(f"No API key. Pass api_key= or set {API_KEY_ENV}.")
    if len(key) > MAX_KEY_CHARS:
        raise ValueError(f"api_key has {len(key)} characters. At most {MAX_KEY_CHARS} are allowed.")
    if match := _INVALID_KEY_CHARACTER.search(key):
        raise ValueError(
            f"api_key: Character {match.start() + 1} of {len(key)} is "
            f"U+{ord(match.group()):04X}, which an API key cannot contain. Copy the key again."
        )
    return key


def _convert_api_key(key: Any) -> ApiKey | None:
    """Check the argument ``api_key`` without showing it in errors."""
    value = key.get_secret_value() if isinstance(key, SecretStr) else key
    if isinstance(value, str):
        valid_key = validate_api_key(value)
        if isinstance(key, SecretStr) and value == valid_key:
            return key  # every call compares it, which is fast for the same object
        return SecretStr(valid_key)
    if key is None or callable(key):
        return cast("ApiKey | None", key)
    raise ValueError(f"Expected a str, a SecretStr or a function, got {type(key).__name__}.")


@lru_cache(maxsize=64)
def _normalize_url(url: str) -> str:
    """Return a full router URL: a bare host gets ``https`` and the path of the current router."""
    if not url.isprintable() or " " in url or not url:
        raise ValueError("base_url is empty, or contains whitespace or control characters.")
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in {"https", "http"}:
        raise ValueError(f"base_url: The scheme must be https or http, not {parts.scheme!r}.")
    if "@" in parts.netloc:
        raise ValueError("base_url contains a user or password. Pass the key as api_key=.")
    if parts.query or parts.fragment:
        raise ValueError("base_url contains a query or fragment. Pass default_query= instead.")
    _ = parts.port  # raises ValueError if it is out of range
    if not (parts.hostname or "").strip("."):
        raise ValueError("base_url: The host name is missing. Add it.")
    path = parts.path.rstrip("/") or "/" + Dialect.V3_ROUTER.value
    full_url = f"{parts.scheme}://{parts.netloc}{path}"
    Dialect.from_base_url(full_url)  # raises an error for an unknown path
    return full_url


def _validate_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        check_header(name, value)
        if name.lower() in _RESERVED_HEADERS:
            raise ValueError(f"The client sets {name} itself. Leave it out.")
    return headers


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_api_key_from_env() -> SecretStr | None:
    value = os.environ.get(API_KEY_ENV)
    return SecretStr(value) if value else None


class RouterSettings(DeferredModel):
    """Settings for the connection to the router."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        validate_default=True,
        hide_input_in_errors=True,  # the input may contain the key
    )

    argument_hints: ClassVar[Mapping[str, str]] = CONNECTION_HINTS
    error_input: ClassVar[str | None] = MASK

    api_key: CoercedField[
        str | ApiKey | None, Annotated[ApiKey | None, BeforeValidator(_convert_api_key)]
    ] = Field(
        default_factory=read_api_key_from_env,  # type: ignore[arg-type] # see CoercedField
        exclude=True,
        description="API key of the router, or a function (sync or async) that returns the "
        f"key and is called for every request. Read from `{API_KEY_ENV}` by default. Not included "
        "in dumps",
    )
    timeout: CoercedField[float | timedelta | None, Seconds | None] = optional(
        "Seconds to wait for the next byte, as a number or a `timedelta`. By default the longest "
        "time that the controls allow the router to take, or 600"
    )
    deadline: CoercedField[float | timedelta | None, Seconds | None] = optional(
        "Seconds for a whole call including its retries, as a number or a `timedelta`; for a "
        "stream, until the first chunk. By default 600, or `timeout` if that is longer"
    )
    stream_chunk_timeout: CoercedField[float | timedelta, Seconds] = Field(
        default=120.0,  # type: ignore[arg-type] # see CoercedField
        description="Seconds to wait for the next chunk of a stream, as a number or a "
        "`timedelta`. Keep-alive messages do not extend it",
    )
    base_url: Annotated[str, AfterValidator(_normalize_url)] = Field(
        default_factory=lambda: os.environ.get(BASE_URL_ENV) or DEFAULT_BASE_URL,
        description="URL of the router, such as `https://my.orq.ai/v3/router`, or a host name. "
        f"Read from `{BASE_URL_ENV}` by default, otherwise `{DEFAULT_BASE_URL}`",
    )
    allow_insecure: bool = Field(
        default=False, description="Accept `http://` for hosts other than this machine"
    )
    max_retries: int = Field(
        default=2,
        strict=True,
        ge=0,
        le=10,
        description="How often the client retries a failed call, 0 to 10. Retries and fallbacks "
        "within the router are set by `controls`",
    )
    default_headers: Annotated[Mapping[str, str], AfterValidator(_validate_headers)] = Field(
        default_factory=dict,
        repr=False,
        exclude=True,
        description="Headers of every request. Not included in dumps and `repr()`",
    )
    default_query: Mapping[str, str] = Field(
        default_factory=dict,
        repr=False,
        exclude=True,
        description="Query parameters of every request. Not included in dumps and `repr()`",
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_missing_url(cls, data: Any) -> Any:
        """Treat ``base_url=None`` like a missing argument."""
        if isinstance(data, dict) and data.get("base_url", "") is None:
            return {name: value for name, value in data.items() if name != "base_url"}
        return data

    @classmethod
    def _coerce_assigned(cls, name: str, value: Any) -> Any:
        """Convert a value that is assigned or passed to ``model_copy``, without validation."""
        return SecretStr(value) if name == "api_key" and isinstance(value, str) else value

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, self._coerce_assigned(name, value))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values; a new API key is wrapped as a secret."""
        items = (update or {}).items()
        coerced = {name: self._coerce_assigned(name, value) for name, value in items}
        return super().model_copy(update=coerced, deep=deep)

    def get_settings(self) -> dict[str, Any]:
        """Return the connection settings as keyword arguments, the API key included."""
        return {name: getattr(self, name) for name in RouterSettings.model_fields}

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Show the arguments that differ from their defaults."""
        return [
            (name, value)
            for name, value in super().__repr_args__()
            if value not in (None, RouterControls(), type(self).model_fields[str(name)].default)
        ]

    def _repr_html_(self) -> str:
        return format_table((type(self).__name__, ""), self.__repr_args__())

    def __getstate__(self) -> dict[Any, Any]:
        """Pickle without secrets, and warn about those that the other process has to provide."""
        if omitted := self._describe_omitted_settings():
            warn_caller(
                f"A pickle contains no secrets. The process that loads this {type(self).__name__} "
                f"needs: {'; '.join(omitted)}."
            )
        state = super().__getstate__()
        fields = {**state["__dict__"], "default_headers": {}, "default_query": {}}
        if isinstance(self.api_key, SecretStr):
            del fields["api_key"]
        return {**state, "__dict__": fields}

    def _describe_omitted_settings(self) -> list[str]:
        """Describe the settings that a pickle leaves out and the environment may not provide."""
        omitted = []
        if isinstance(self.api_key, SecretStr) and self.api_key != read_api_key_from_env():
            omitted.append(f"the environment variable {API_KEY_ENV}, because api_key was passed")
        for name in ("default_headers", "default_query"):
            if values := getattr(self, name):
                update = f"model_copy(update={{{name!r}: ...}})"
                omitted.append(f"{name} with {', '.join(sorted(values))} (use {update})")
        return omitted

    def __setstate__(self, state: dict[Any, Any]) -> None:
        fields = state["__dict__"]
        if "api_key" not in fields:
            key = os.environ.get(API_KEY_ENV, "")
            try:
                fields = {"api_key": SecretStr(validate_api_key(key)), **fields}
            except ValueError as error:
                raise RouterInputError(
                    f"A pickle does not contain the API key. Set {API_KEY_ENV} in the process that "
                    f"loads it{f' ({error})' if key else ''}."
                ) from None
        super().__setstate__({**state, "__dict__": fields})

    @model_validator(mode="after")
    def _check_encryption(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not (
            self.allow_insecure or is_loopback(parts.hostname or "")
        ):
            raise ValueError(
                "base_url: A URL with http:// would send the API key unencrypted. Use https://, "
                "or allow_insecure=True for a trusted network."
            )
        return self
