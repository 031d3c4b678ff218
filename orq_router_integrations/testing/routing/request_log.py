"""What the offline router remembers: what it received, and what each provider was asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """One call to a provider.

    Attributes:
        model: model id, ``provider/model``.
        path: endpoint, such as ``/chat/completions``.
        body: the body as that provider saw it: its own name of the model, no router controls,
            variables filled in; of files a description, never the bytes.
        status: what the provider answered; 408 where the router hung up.
        attempt: which try on this model, from 1.
        seconds: simulated time the call took.
        pause: simulated seconds the router waited before it.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> router = OfflineRouter()
    >>> _ = ChatOrq(model="openai/gpt-4o", client=router.client()).invoke("Hi")
    >>> router.log[0].model, router.log[0].body["model"], router.log[0].status
    ('openai/gpt-4o', 'gpt-4o', 200)
    """

    model: str
    path: str
    body: dict[str, Any]
    status: int
    attempt: int
    seconds: float
    pause: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One request as the router received it.

    Attributes:
        method: HTTP method.
        path: path of the URL.
        headers: names in lower case; the key is redacted.
        body: the JSON or the members of the form that was sent (of files name, type, size and
            digest); ``None`` where there was none.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
