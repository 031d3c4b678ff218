"""The router's endpoints, the dialects of its base URLs, and which endpoint takes which control.

Source: contract section 4.1 (schemas of the vendor's SDK 4.17.13) and section 6, which decides
where sources disagree. This is the only place in the package that knows it.
"""

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from urllib.parse import urlsplit


class Dialect(Enum):
    """How a base URL wants the router's controls; follows from the path of the URL.

    A control in the wrong place is ignored without a word (contract, trap 1), so the dialect is
    never a user's choice.
    """

    V3_ROUTER = "v3/router"
    V2_ROUTER = "v2/router"
    V2_GATEWAY = "v2/gateway"
    V2_PROXY = "v2/proxy"

    @property
    def nests_controls(self) -> bool:
        """Whether every control lives in one ``orq`` object (the dialects of 2025)."""
        return self in {Dialect.V2_GATEWAY, Dialect.V2_PROXY}

    @classmethod
    @lru_cache(maxsize=64)
    def from_base_url(cls, base_url: str) -> "Dialect":
        """The dialect of a base URL.

        Raises:
            ValueError: the path ends in none of the known prefixes.
        """
        path = urlsplit(base_url).path.rstrip("/")
        for dialect in cls:
            if path.endswith("/" + dialect.value):
                return dialect
        known = ", ".join(dialect.value for dialect in cls)
        raise ValueError(f"base_url: its path must end in one of {known}, not {path or '/'!r}")


class SchemaLocation(Enum):
    """Where a schema has a control: at top level (T), nested in ``orq`` (O), or both (TO)."""

    BOTH = "TO"
    TOP = "T"
    NESTED = "O"
    NESTED_TOP_ON_V3 = "O, v3: T"


_EVERYWHERE = dict.fromkeys(
    ("fallbacks", "fallback_on_codes", "retry", "load_balancer", "timeout", "name"),
    SchemaLocation.BOTH,
)


MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: its path under every prefix, its body, and the controls it takes.

    Attributes:
        path: path below the base URL.
        method: HTTP method; a GET has neither body nor controls.
        places: the controls it takes, and where its schema has them.
        multipart: whether the body is a form with files, not JSON.
        dialects: the base URLs under which the endpoint is evidenced.
        retry_counts: smallest and largest ``retry.count``.
        balancing: the ``load_balancer.type`` values it takes.
        longest_reply: bytes that a reply read as a whole may have, unpacked.
    """

    path: str
    control_locations: dict[str, SchemaLocation] = field(hash=False, compare=False)
    method: str = "POST"
    multipart: bool = False
    dialects: frozenset[Dialect] = frozenset(Dialect)
    retry_count_range: tuple[int, int] = (1, 5)
    load_balancer_types: frozenset[str] = frozenset({"weight_based"})
    max_response_bytes: int = 64 * MB


CHAT_COMPLETIONS = Endpoint(
    "/chat/completions",
    _EVERYWHERE
    | {
        "cache": SchemaLocation.BOTH,
        "identity": SchemaLocation.NESTED_TOP_ON_V3,
        "thread": SchemaLocation.NESTED_TOP_ON_V3,
        "metadata": SchemaLocation.TOP,
        "guardrails": SchemaLocation.TOP,
        "plugins": SchemaLocation.TOP,
        "variables": SchemaLocation.TOP,
    },
)
RESPONSES = Endpoint(
    "/responses",
    dict.fromkeys(
        (
            *_EVERYWHERE,
            "cache",
            "identity",
            "thread",
            "metadata",
            "guardrails",
            "plugins",
            "variables",
        ),
        SchemaLocation.TOP,
    ),
    dialects=frozenset({Dialect.V3_ROUTER}),
    retry_count_range=(0, 5),
    load_balancer_types=frozenset({"weight_based", "round_robin", "latency_based"}),
)
STORED_RESPONSE = Endpoint("/responses", {}, method="GET", dialects=RESPONSES.dialects)
IMAGE_GENERATIONS = Endpoint(
    "/images/generations",
    _EVERYWHERE
    | {
        "cache": SchemaLocation.BOTH,
        "identity": SchemaLocation.NESTED,
        "metadata": SchemaLocation.TOP,
        "plugins": SchemaLocation.TOP,
    },
    max_response_bytes=256 * MB,
)
IMAGE_EDITS = Endpoint(
    "/images/edits",
    _EVERYWHERE | {"cache": SchemaLocation.BOTH, "identity": SchemaLocation.NESTED},
    multipart=True,
    max_response_bytes=256 * MB,
)
IMAGE_VARIATIONS = Endpoint(
    "/images/variations", IMAGE_EDITS.control_locations, multipart=True, max_response_bytes=256 * MB
)
SPEECH = Endpoint(
    "/audio/speech",
    _EVERYWHERE | {"identity": SchemaLocation.NESTED, "thread": SchemaLocation.NESTED},
)
TRANSCRIPTIONS = Endpoint(
    "/audio/transcriptions", _EVERYWHERE | {"identity": SchemaLocation.NESTED}, multipart=True
)
TRANSLATIONS = Endpoint("/audio/translations", TRANSCRIPTIONS.control_locations, multipart=True)

ENDPOINTS = {
    endpoint.path: endpoint
    for endpoint in (
        CHAT_COMPLETIONS,
        RESPONSES,
        IMAGE_GENERATIONS,
        IMAGE_EDITS,
        IMAGE_VARIATIONS,
        SPEECH,
        TRANSCRIPTIONS,
        TRANSLATIONS,
    )
}
