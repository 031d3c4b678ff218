"""Where the router is and how to talk to it: the settings that the client and every face share."""

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    field_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from orq_router_integrations.wire.deferred_model import DeferredModel

if TYPE_CHECKING:
    from orq_router_integrations.wire.deferred_model import CoercedField
from orq_router_integrations.wire.endpoints import Dialect

DEFAULT_BASE_URL = "https://api.orq.ai/v3/router"
API_KEY_ENV = "ORQ_API_KEY"
BASE_URL_ENV = "ORQ_BASE_URL"

MASK = "**********"
"""What stands for a secret in dumps."""

MAX_TIMEOUT_SECONDS = 86_400.0
"""Seconds; more than a day is a mistake, and more than a machine can count in a socket."""

Seconds = Annotated[float, Field(strict=True, gt=0, le=MAX_TIMEOUT_SECONDS, allow_inf_nan=False)]

ApiKey = SecretStr | Callable[[], str | Awaitable[str]]

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
_NOT_IN_KEYS = re.compile(r"[^!-~]")
_RESERVED = {
    "authorization",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "x-retry-count",
}


def validate_api_key(key: object) -> str:
    """An API key that can travel in a header; blanks at its ends are taken off.

    Raises:
        ValueError: the key is empty, too long, or has a character that a header cannot hold; its
            position is named, the key never.
    """
    if not isinstance(key, str):
        raise ValueError(f"api_key: the function must return text, not {type(key).__name__}")
    key = key.strip(" \t\r\n")
    if not key:
        raise ValueError(f"no API key: pass api_key= or set {API_KEY_ENV}")
    if len(key) > 4096:
        raise ValueError(f"api_key: {len(key)} characters long; at most 4096")
    if wrong := _NOT_IN_KEYS.search(key):
        raise ValueError(
            f"api_key: character {wrong.start() + 1} of {len(key)} is "
            f"U+{ord(wrong.group()):04X}, which no key holds; was it copied whole?"
        )
    return key


def _checked_secret(key: ApiKey | None) -> ApiKey | None:
    if not isinstance(key, SecretStr):
        return key
    given = key.get_secret_value()
    checked = validate_api_key(given)
    return key if checked == given else SecretStr(checked)


@lru_cache(maxsize=64)
def _checked_url(url: str) -> str:
    """A full router URL; a bare host gets ``https`` and the path of the current router."""
    if not url.isprintable() or " " in url or not url:
        raise ValueError("base_url: it is empty, or has a blank or a control character in it")
    parts = urlsplit(url if "://" in url else f"https://{url}")
    _check_parts(parts)
    path = parts.path.rstrip("/") or "/" + Dialect.V3_ROUTER.value
    full = f"{parts.scheme}://{parts.netloc}{path}"
    Dialect.from_base_url(full)
    return full


def _check_parts(parts: SplitResult) -> None:
    if parts.scheme not in {"https", "http"}:
        raise ValueError(f"base_url: its scheme must be https (or http), not {parts.scheme!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url: it names a user or password; pass the key as api_key=")
    if parts.query or parts.fragment:
        raise ValueError("base_url: it has a query or fragment; pass default_query= instead")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("base_url: its port must be 0 to 65535") from None
    try:
        (parts.hostname or "").encode("idna")
    except UnicodeError:
        raise ValueError(f"base_url: its host {parts.hostname!r:.80} is not a host name") from None
    if not (parts.hostname or "").strip("."):
        raise ValueError("base_url: it names no host")


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if name.lower() in _RESERVED:
            raise ValueError(f"{name} is set by the client itself; leave it out")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(
                f"the value of {name} cannot be sent: ASCII, no line breaks, no blanks at the ends"
            )
    return headers


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_api_key_from_env() -> SecretStr | None:
    """The key in the environment, if there is one."""
    value = os.environ.get(API_KEY_ENV)
    return SecretStr(value) if value else None


def mask_input(error: ValidationError) -> ValidationError:
    """The same error with stars in the place of every input."""
    lines = [
        InitErrorDetails(
            type=PydanticCustomError(item["type"], "{said}", {"said": item["msg"]}),
            loc=item["loc"],
            input=MASK,
        )
        for item in error.errors(include_url=False, include_context=False)
    ]
    return ValidationError.from_exception_data(error.title, lines, hide_input=True)


class RouterSettings(DeferredModel):
    """Where the router is and how to talk to it.

    Attributes:
        api_key: the router's key, or a function (also an async one) that returns it and is
            called for every request. Read from ``ORQ_API_KEY`` when not given.
        base_url: a router URL such as ``https://my.orq.ai/v3/router``, or a bare host. Read from
            ``ORQ_BASE_URL`` when not given. Its path decides where controls are put.
        allow_insecure: accept ``http://`` for a host that is not this machine.
        timeout: seconds to wait for the next byte. When not given, as long as the controls allow
            the router to take, or ten minutes.
        deadline: seconds for a whole call by the wall clock, its retries and pauses included; for
            a stream, until its first chunk. Bytes that drip do not prolong it. When not given, ten
            minutes, or ``timeout`` if that is longer.
        stream_chunk_timeout: seconds to wait for the next chunk of a stream. The keep-alives that
            a router sends meanwhile do not prolong it.
        max_retries: how often the client repeats a call that did not get through, 0 to 10. The
            router's own retries and fallbacks are set by ``controls``.
        default_headers: sent with every request; kept out of repr and dumps.
        default_query: query parameters for every request; kept out of repr and dumps.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        validate_default=True,
        hide_input_in_errors=True,  # the input may hold the key
    )

    if TYPE_CHECKING:
        api_key: CoercedField[str | ApiKey | None, ApiKey | None] = CoercedField()
    else:
        api_key: Annotated[ApiKey | None, AfterValidator(_checked_secret)] = Field(
            default_factory=read_api_key_from_env
        )
    base_url: Annotated[str, AfterValidator(_checked_url)] = Field(
        default_factory=lambda: os.environ.get(BASE_URL_ENV) or DEFAULT_BASE_URL
    )
    allow_insecure: bool = False
    timeout: Seconds | None = None
    deadline: Seconds | None = None
    stream_chunk_timeout: Seconds = 120.0
    max_retries: int = Field(default=2, strict=True, ge=0, le=10)
    default_headers: Annotated[Mapping[str, str], AfterValidator(_checked_headers)] = Field(
        default_factory=dict, repr=False, exclude=True
    )
    default_query: Mapping[str, str] = Field(default_factory=dict, repr=False, exclude=True)

    @field_serializer("api_key", when_used="json")
    def _hidden_key(self, key: ApiKey | None) -> str | None:
        """JSON shows a key, and a function that gives one, as stars."""
        return None if key is None else MASK

    @model_validator(mode="wrap")
    @classmethod
    def _tells_no_input(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Errors say what is wrong, and never show what was given: it may be the key."""
        try:
            return handler(data)
        except ValidationError as error:
            raise mask_input(error) from None

    @model_validator(mode="before")
    @classmethod
    def _no_url_is_none(cls, data: Any) -> Any:
        """A URL of ``None``, as of an environment without one, is as good as nothing."""
        if isinstance(data, dict) and data.get("base_url", "") is None:
            return {name: value for name, value in data.items() if name != "base_url"}
        return data

    @classmethod
    def _late(cls, name: str, value: Any) -> Any:
        """What is assigned, or given to a copy; pydantic does not look at it."""
        return SecretStr(value) if name == "api_key" and isinstance(value, str) else value

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, self._late(name, value))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values; of these the key is a secret all the same."""
        late = {name: self._late(name, value) for name, value in (update or {}).items()}
        return super().model_copy(update=late, deep=deep)

    def get_settings(self) -> dict[str, Any]:
        """These settings alone, as keywords for another object that has them."""
        return {name: getattr(self, name) for name in RouterSettings.model_fields}

    def __getstate__(self) -> dict[Any, Any]:
        """Pickles no key and no headers; the key is read anew from the environment."""
        state = super().__getstate__()
        secret = {"api_key": None} if isinstance(self.api_key, SecretStr) else {}
        members = {**state["__dict__"], "default_headers": {}, "default_query": {}, **secret}
        return {**state, "__dict__": members}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        members = state["__dict__"]
        found = {"api_key": members["api_key"] or read_api_key_from_env()}
        super().__setstate__({**state, "__dict__": {**members, **found}})

    @model_validator(mode="after")
    def _encrypts(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not (
            self.allow_insecure or is_loopback(parts.hostname or "")
        ):
            raise ValueError(
                "base_url: http:// would send the key in the clear; "
                "use https, or allow_insecure=True if you must"
            )
        return self
