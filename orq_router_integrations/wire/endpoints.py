"""The endpoints of the router, its API versions, and the controls each endpoint supports.

Taken from the schemas of the router's SDK 4.17.13. See ``tests/contract/controls.md`` for sources.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import urlsplit


class Dialect(Enum):
    """API version of a base URL, which determines where the router reads controls.

    The router silently ignores a control in the wrong location, so the dialect is always derived
    from the base URL.
    """

    V3_ROUTER = "v3/router"
    V2_ROUTER = "v2/router"
    V2_GATEWAY = "v2/gateway"
    V2_PROXY = "v2/proxy"

    @classmethod
    @lru_cache(maxsize=64)
    def from_base_url(cls, base_url: str) -> "Dialect":
        path = urlsplit(base_url).path.rstrip("/")
        for dialect in cls:
            if path.endswith("/" + dialect.value):
                return dialect
        paths = ", ".join(dialect.value for dialect in cls)
        raise ValueError(
            f"base_url: Unknown path {path or '/'!r}. Use a URL that ends in one of {paths}."
        )


def get_root_url(base_url: str) -> str:
    """Return the root of the platform, which is the base URL without its API version.

    >>> get_root_url("https://my.orq.ai/v3/router")
    'https://my.orq.ai'
    """
    dialect = Dialect.from_base_url(base_url)
    return base_url.rstrip("/").removesuffix("/" + dialect.value)


class ControlLocation(Enum):
    """The part of a request that contains a control."""

    TOP = "top level of the body"
    NESTED = "orq object of the body"
    HEADER = "header"


_LEGACY = (Dialect.V2_GATEWAY, Dialect.V2_PROXY)  # the base URLs of 2025
_TOP = dict.fromkeys((Dialect.V3_ROUTER, Dialect.V2_ROUTER), ControlLocation.TOP)
_NESTED_IN_LEGACY = _TOP | dict.fromkeys(_LEGACY, ControlLocation.NESTED)
_ALWAYS_TOP = dict.fromkeys(Dialect, ControlLocation.TOP)
_NESTED = dict.fromkeys((Dialect.V2_ROUTER, *_LEGACY), ControlLocation.NESTED)
_TOP_ON_V3 = _NESTED | {Dialect.V3_ROUTER: ControlLocation.TOP}

MB = 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """An endpoint of the router, and the controls that it supports."""

    path: str  # relative to the base URL; a resource id replaces "{id}" or is appended
    control_locations: dict[str, dict[Dialect, ControlLocation]]  # by control and API version
    method: str = "POST"  # a GET request has no body and no controls
    below_root: bool = False  # whether the path starts at the root of the platform
    multipart: bool = False  # whether the body is a form with files instead of JSON
    dialects: frozenset[Dialect] = frozenset(Dialect)
    min_retry_count: int = 1
    max_response_bytes: int = 64 * MB  # after decompression; does not apply to streams

    def locate_control(self, name: str, dialect: Dialect) -> ControlLocation | None:
        """Return the location of a control, or ``None`` if the endpoint does not support it."""
        location = self.control_locations.get(name, {}).get(dialect)
        if location is None and name in {"identity", "metadata"}:
            return ControlLocation.HEADER
        return location


_COMMON_CONTROLS = dict.fromkeys(
    ("fallbacks", "fallback_on_codes", "retry", "load_balancer", "timeout", "name"),
    _NESTED_IN_LEGACY,
)
_CACHED_CONTROLS = _COMMON_CONTROLS | {"cache": _NESTED_IN_LEGACY, "identity": _NESTED}

CHAT_COMPLETIONS = Endpoint(
    "/chat/completions",
    _COMMON_CONTROLS
    | {
        "cache": _NESTED_IN_LEGACY,
        "identity": _TOP_ON_V3,
        "thread": _TOP_ON_V3,
        "metadata": _ALWAYS_TOP,
        "guardrails": _TOP,
        "plugins": _TOP,
        "variables": _NESTED_IN_LEGACY,
    },
)
RESPONSES = Endpoint(
    "/responses",
    dict.fromkeys(CHAT_COMPLETIONS.control_locations, _TOP),
    dialects=frozenset({Dialect.V3_ROUTER}),
    min_retry_count=0,
)
RESPONSE_COMPACTION = Endpoint("/v1/responses/compact", {}, below_root=True)
STORED_RESPONSE = Endpoint("/responses", {}, method="GET", dialects=RESPONSES.dialects)
IMAGE_GENERATIONS = Endpoint(
    "/images/generations", _CACHED_CONTROLS | {"metadata": _ALWAYS_TOP, "plugins": _TOP}
)
IMAGE_EDITS = Endpoint("/images/edits", _CACHED_CONTROLS, multipart=True)
IMAGE_VARIATIONS = Endpoint("/images/variations", _CACHED_CONTROLS, multipart=True)
SPEECH = Endpoint("/audio/speech", _COMMON_CONTROLS | {"identity": _NESTED, "thread": _NESTED})
TRANSCRIPTIONS = Endpoint(
    "/audio/transcriptions", _COMMON_CONTROLS | {"identity": _NESTED}, multipart=True
)
TRANSLATIONS = Endpoint("/audio/translations", TRANSCRIPTIONS.control_locations, multipart=True)
EMBEDDINGS = Endpoint(
    "/embeddings",
    _CACHED_CONTROLS | {"fallback_on_codes": _TOP},
    min_retry_count=0,
    max_response_bytes=256 * MB,
)
RERANK = Endpoint("/rerank", _CACHED_CONTROLS | {"plugins": _TOP})
OCR = Endpoint("/v2/router/ocr", {}, below_root=True, max_response_bytes=256 * MB)
MODELS = Endpoint("/models", {}, method="GET", dialects=frozenset(_TOP))
MODEL_CATALOG = Endpoint("/v2/model-catalog", {}, method="GET", below_root=True)
KNOWLEDGE_SEARCH = Endpoint("/v2/knowledge/{id}/search", {}, below_root=True)
MODERATIONS = Endpoint("/moderations", {})
DECISIONS = Endpoint(
    "/decisions",
    dict.fromkeys({"cache", "identity", "metadata", *_COMMON_CONTROLS} - {"load_balancer"}, _TOP),
    dialects=frozenset({Dialect.V3_ROUTER}),
    min_retry_count=0,
)
