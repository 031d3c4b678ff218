"""Where each control is sent, by endpoint and base URL.

Written by hand from the documentation (see controls.md for the sources). Nothing is imported from
the package, so that a mistake in the code cannot hide here. Where the documentation leaves room:

- On v3, ``identity`` and ``thread`` are top-level fields of chat and responses only, the endpoints
  for which this was observed. Elsewhere the id of the identity is sent as a header, and a thread
  is not supported.
- ``metadata`` is sent as headers if the schema of the endpoint does not contain it.
- v2/gateway and v2/proxy nest every control of the ``orq`` schema. ``metadata`` is not part of it
  and stays at the top level. ``guardrails`` and ``plugins`` are newer and not supported.
- /responses and /decisions exist on v3 only.
"""

from typing import Any

DIALECTS = ("v3/router", "v2/router", "v2/gateway", "v2/proxy")

CHAT = ("/chat/completions",)
RESPONSES = ("/responses",)
GENERATION = ("/images/generations",)
EDITS = ("/images/edits", "/images/variations")
SPEECH = ("/audio/speech",)
TRANSCRIPTION = ("/audio/transcriptions", "/audio/translations")
EMBEDDINGS = ("/embeddings",)
RERANK = ("/rerank",)
MODERATIONS = ("/moderations",)
DECISIONS = ("/decisions",)

IMAGES = (*GENERATION, *EDITS)
AUDIO = (*SPEECH, *TRANSCRIPTION)
RETRIEVAL = (*EMBEDDINGS, *RERANK)
PATHS = (*CHAT, *RESPONSES, *IMAGES, *AUDIO, *RETRIEVAL, *MODERATIONS, *DECISIONS)
FORM_PATHS = (*EDITS, *TRANSCRIPTION)
V2_PATHS = (*CHAT, *IMAGES, *AUDIO, *RETRIEVAL, *MODERATIONS)
ROUTED = (*CHAT, *IMAGES, *AUDIO, *RETRIEVAL)

TOP = "top level of the body"
ORQ = "field of the orq object"
CONTACT = "field 'contact' of the orq object"
INPUTS = "field 'inputs' of the orq object"
ORQ_LIST = "field of the orq object, as a bare list of models"
HEADER = "header"
NO = "not supported"

ROWS = [
    # control, endpoints, v3/router, v2/router, v2/gateway, v2/proxy
    ("fallbacks", ROUTED, TOP, TOP, ORQ, ORQ),
    ("fallback_on_codes", CHAT + IMAGES + AUDIO + RERANK, TOP, TOP, ORQ, ORQ),
    ("fallback_on_codes", EMBEDDINGS, TOP, TOP, NO, NO),
    ("retry", ROUTED, TOP, TOP, ORQ, ORQ),
    ("load_balancer", ROUTED, TOP, TOP, ORQ_LIST, ORQ),
    ("cache", CHAT + IMAGES + RETRIEVAL, TOP, TOP, ORQ, ORQ),
    ("cache", AUDIO, NO, NO, NO, NO),
    ("timeout", ROUTED, TOP, TOP, ORQ, ORQ),
    ("name", ROUTED, TOP, TOP, ORQ, ORQ),
    ("identity", CHAT, TOP, ORQ, CONTACT, ORQ),
    ("identity", IMAGES + AUDIO + RETRIEVAL, HEADER, ORQ, CONTACT, ORQ),
    ("thread", CHAT, TOP, ORQ, ORQ, ORQ),
    ("thread", SPEECH, NO, ORQ, ORQ, ORQ),
    ("thread", IMAGES + TRANSCRIPTION + RETRIEVAL, NO, NO, NO, NO),
    ("metadata", CHAT + GENERATION, TOP, TOP, TOP, TOP),
    ("metadata", EDITS + AUDIO + RETRIEVAL, HEADER, HEADER, HEADER, HEADER),
    ("guardrails", CHAT, TOP, TOP, NO, NO),
    ("guardrails", IMAGES + AUDIO + RETRIEVAL, NO, NO, NO, NO),
    ("plugins", CHAT + GENERATION + RERANK, TOP, TOP, NO, NO),
    ("plugins", EDITS + AUDIO + EMBEDDINGS, NO, NO, NO, NO),
    ("variables", CHAT, TOP, TOP, INPUTS, INPUTS),
    ("identity", MODERATIONS, HEADER, HEADER, HEADER, HEADER),
    ("metadata", MODERATIONS, HEADER, HEADER, HEADER, HEADER),
    ("variables", IMAGES + AUDIO + RETRIEVAL, NO, NO, NO, NO),
    *(
        (control, MODERATIONS, NO, NO, NO, NO)
        for control in (
            *("fallbacks", "fallback_on_codes", "retry", "load_balancer", "cache", "timeout"),
            *("name", "thread", "guardrails", "plugins", "variables"),
        )
    ),
]

DECISION_CONTROLS = {
    *("fallbacks", "fallback_on_codes", "retry", "cache", "timeout", "name", "identity", "metadata")
}
"""The controls of /decisions, all at the top level."""

TABLE = {
    (path, dialect, control): location
    for control, paths, *locations in ROWS
    for path in paths
    for dialect, location in zip(DIALECTS, locations, strict=True)
}
TABLE |= {(path, "v3/router", control): TOP for path in RESPONSES for control, *_ in ROWS}
TABLE |= {
    (path, "v3/router", control): TOP if control in DECISION_CONTROLS else NO
    for path in DECISIONS
    for control, *_ in ROWS
}

CALLS = [
    (path, dialect)
    for path in PATHS
    for dialect in DIALECTS
    if path in V2_PATHS or dialect == "v3/router"
]

ARGUMENTS: dict[str, Any] = {
    "fallbacks": ["anthropic/claude-sonnet-4-5", {"model": "mistral/voxtral"}],
    "fallback_on_codes": [429, 503],
    "retry": {"count": 3, "on_codes": [429, 500]},
    "load_balancer": {"models": [{"model": "openai/a", "weight": 0.7}, {"model": "azure/b"}]},
    "cache": {"ttl": 60},
    "timeout": {"call_timeout": 30_000},
    "name": "my trace",
    "identity": "user-17",
    "thread": {"id": "thread-1", "tags": ["support"]},
    "metadata": {"team": "search"},
    "guardrails": [{"id": "orq_pii_detection", "execute_on": "input"}],
    "plugins": [{"id": "pii_redaction", "entities": ["EMAIL"]}],
    "variables": {"city": "Utrecht", "count": 2},
}
"""A value of each control as the user writes it."""

SERIALIZED: dict[str, Any] = {
    **ARGUMENTS,
    "fallbacks": [{"model": "anthropic/claude-sonnet-4-5"}, {"model": "mistral/voxtral"}],
    "load_balancer": {
        "type": "weight_based",
        "models": [{"model": "openai/a", "weight": 0.7}, {"model": "azure/b", "weight": 0.5}],
    },
    "cache": {"type": "exact_match", "ttl": 60},
    "identity": {"id": "user-17"},
}
"""The same values as JSON."""

HEADERS = {
    "identity": {"X-ORQ-IDENTITY-ID": "user-17"},
    "metadata": {"X-ORQ-METADATA-TEAM": "search"},
}


def get_supported_controls(path: str, dialect: str) -> list[str]:
    """Return the controls that an endpoint supports."""
    return [name for name in ARGUMENTS if TABLE[path, dialect, name] != NO]


def get_expected(path: str, dialect: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body fields and headers of a request with all supported controls."""
    top: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for control, value in SERIALIZED.items():
        location = TABLE[path, dialect, control]
        if location == TOP:
            top[control] = value
        elif location == HEADER:
            headers |= HEADERS[control]
        elif location != NO:
            name = {CONTACT: "contact", INPUTS: "inputs"}.get(location, control)
            nested[name] = value["models"] if location == ORQ_LIST else value
    return top | ({"orq": nested} if nested else {}), headers
