"""One value for each control as a user writes it, and what the contract says goes on the wire."""

GIVEN = {
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

ON_THE_WIRE = {
    "fallbacks": [{"model": "anthropic/claude-sonnet-4-5"}, {"model": "mistral/voxtral"}],
    "fallback_on_codes": [429, 503],
    "retry": {"count": 3, "on_codes": [429, 500]},
    "load_balancer": {
        "type": "weight_based",
        "models": [{"model": "openai/a", "weight": 0.7}, {"model": "azure/b", "weight": 0.5}],
    },
    "cache": {"type": "exact_match", "ttl": 60},
    "timeout": {"call_timeout": 30_000},
    "name": "my trace",
    "identity": {"id": "user-17"},
    "thread": {"id": "thread-1", "tags": ["support"]},
    "metadata": {"team": "search"},
    "guardrails": [{"id": "orq_pii_detection", "execute_on": "input"}],
    "plugins": [{"id": "pii_redaction", "entities": ["EMAIL"]}],
    "variables": {"city": "Utrecht", "count": 2},
}

AS_LIST = [{"model": "openai/a", "weight": 0.7}, {"model": "azure/b", "weight": 0.5}]

AS_HEADERS = {
    "identity": {"X-ORQ-IDENTITY-ID": "user-17"},
    "metadata": {"X-ORQ-METADATA-TEAM": "search"},
}
