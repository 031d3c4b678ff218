"""The endpoint POST /responses: parse requests, answer provider calls and store responses.

Choices where the documentation is silent:

* Providers receive the earlier turns as items, never the id of a stored response.
* Instructions apply to one request only.
* Variables are substituted in the instructions only, and secret variables are not substituted.
* Providers answer a background request immediately; each GET then reveals one more status.
* A stream that breaks is not stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orq_router_integrations.testing.answering.default_answer import create_default_answer
from orq_router_integrations.testing.answering.prompt import Prompt
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.answering.usage import PromptCache, count_usage
from orq_router_integrations.testing.answering.variables import substitute_variables
from orq_router_integrations.testing.responses.events import create_error_event, iter_events
from orq_router_integrations.testing.responses.items import (
    Item,
    ItemReference,
    UserItem,
    convert_items,
    find_orphan_output,
)
from orq_router_integrations.testing.responses.prompt import build_prompt
from orq_router_integrations.testing.responses.response_builder import (
    ResponseBuilder,
    build_unfinished,
)
from orq_router_integrations.testing.responses.schema import ResponsesRequest, check_combinations
from orq_router_integrations.testing.responses.store import ResponseStore, StoredResponse
from orq_router_integrations.testing.responses.usage import build_usage
from orq_router_integrations.testing.routing.endpoint import (
    Chunks,
    ProviderResponse,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.schema_validation import validate_body
from orq_router_integrations.wire.controls import (
    RouterControls,
    RouterRetry,
)
from orq_router_integrations.wire.endpoints import RESPONSES, Endpoint
from orq_router_integrations.wire.retry_defaults import DEFAULT_RETRY_STATUSES

_ROUTER_FIELDS = {
    "background",
    "conversation",
    "integration_id",
    "limits",
    "memory",
    "security",
} | {
    "previous_response_id",
    "store",
    "template_engine",
}
"""Fields that the router does not pass on to providers."""


class ResponsesEndpoint:
    """Handler of responses, with the state that is kept between requests.

    Args:
        script: scripted answers.
        trace_id: returns the trace id of the current request.
    """

    endpoint: Endpoint = RESPONSES
    default_retry: RouterRetry | None = RouterRetry(
        count=2, on_codes=tuple(code for code in DEFAULT_RETRY_STATUSES if code != 408)
    )

    def __init__(self, *, script: AnswerScript, trace_id: Callable[[], str]) -> None:
        self.script = script
        self.trace_id = trace_id
        self.prompt_cache = PromptCache()
        self.store = ResponseStore()
        self.response_count = 0

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> "ResponsesCall":
        """Validate a body without its controls and load the conversation it continues.

        Raises:
            HTTPError: 400, naming the invalid field; 404 for an agent.
        """
        request = validate_body(ResponsesRequest, body, lenient=lenient)
        check_combinations(request)
        if request.model.startswith("agent/") and controls.load_balancer is None:
            message = f"the offline router has no agents, got {request.model!r}. Send a model id"
            raise HTTPError(404, message, param="model")
        if request.instructions is not None and controls.variables:
            text = substitute_variables(request.instructions, _drop_secrets(controls.variables))
            request = request.model_copy(update={"instructions": text})
        content = body.get("input") or []
        if isinstance(content, str):
            content = [{"role": "user", "content": content}]
        return ResponsesCall(
            self, request, controls.metadata or {}, content, self._collect_items(request)
        )

    def get_stored(self, id_: str) -> dict[str, Any]:
        """Return the current state of a stored response.

        Raises:
            HTTPError: 404, no response with this id is stored.
        """
        return self.store.poll(id_)

    def _collect_items(self, request: ResponsesRequest) -> tuple[Item, ...]:
        """Return the items of the conversation, including those of earlier responses."""
        earlier: list[Item] = []
        if request.previous_response_id is not None:
            earlier = self.store.get_conversation(request.previous_response_id)
        items = self._resolve_references(request)
        index = find_orphan_output(earlier, items)
        if index is not None:
            param = f"input[{index}].call_id"
            message = f"{param}: does not match any call in an earlier item"
            raise HTTPError(400, message, param=param)
        return (*earlier, *items)

    def _resolve_references(self, request: ResponsesRequest) -> list[Item]:
        """Return the items of the request, replacing references by the stored items."""
        if isinstance(request.input, str):
            return [UserItem(role="user", content=request.input)]
        return [
            self.store.get_item(item.id, f"input[{index}].id")
            if isinstance(item, ItemReference)
            else item
            for index, item in enumerate(request.input or ())
        ]


@dataclass(frozen=True, slots=True)
class ResponsesCall:
    """A valid request for a response.

    Attributes:
        endpoint: the endpoint that received it.
        request: the body.
        metadata: metadata of the request, one of the controls.
        input_items: input items as sent by the client.
        conversation: items of the conversation, including those of earlier responses.
    """

    endpoint: ResponsesEndpoint
    request: ResponsesRequest
    metadata: Mapping[str, str]
    input_items: list[Any]
    conversation: tuple[Item, ...]

    @property
    def model(self) -> str:
        """Model id of the request."""
        return self.request.model

    @property
    def is_streamed(self) -> bool:
        """Whether the client asked for a stream."""
        return bool(self.request.stream)

    @property
    def is_cacheable(self) -> bool:
        """Whether the router may cache the answer."""
        return not self.is_streamed and not self.request.background

    @property
    def prompt(self) -> Prompt:
        """The request in the form shared by both text endpoints."""
        return build_prompt(self.request, convert_items(self.conversation))

    @property
    def guarded_text(self) -> None:
        """``None``: this endpoint accepts guardrails but does not enforce them."""
        return

    def provider_body(self, model: str) -> dict[str, Any]:
        """Return the body as the provider of ``model`` receives it, with the earlier turns."""
        body = self.request.model_dump(exclude_unset=True, by_alias=True, exclude=_ROUTER_FIELDS)
        body["model"] = get_provider_model_name(model)
        if not isinstance(self.request.input, str) or self.request.previous_response_id:
            items = [
                item.model_dump(exclude_unset=True, by_alias=True) for item in self.conversation
            ]
            body["input"] = items
        return body

    def answer(self, model: str) -> ProviderResponse:
        """Return the scripted or the default answer, truncated to the request's limits."""
        prompt = self.prompt
        body = self.provider_body(model)
        scripted = self.endpoint.script.take_answer(body, model, prompt.conversation.last_user_text)
        answer = prompt.truncate(scripted or create_default_answer(prompt, model))
        answer = replace(answer, audio=None)  # this endpoint returns the transcript only
        cached = self.endpoint.prompt_cache.count_cached(model, prompt)
        usage = build_usage(count_usage(prompt, [answer], cached), answer)
        response = self._create_builder(model).build(answer, usage)
        return ProviderResponse(response, iter_events(response) if self.is_streamed else None)

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:
        """Return the events that arrive before a stream breaks, never the final one."""
        events = chunks[:-1][:after]
        return events if error is None else (*events, create_error_event(len(events), error))

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """Store a complete response if requested; return background responses as queued."""
        if outcome.status != 200 and self.request.background:
            outcome = self._build_failed_response(outcome)
        if outcome.status != 200 or not outcome.is_complete:
            return replace(outcome, has_event_names=True)
        response = outcome.body if outcome.chunks is None else outcome.chunks[-1]["response"]
        is_queued = bool(self.request.background) and not self.is_streamed
        if self.request.is_stored:
            statuses = ["in_progress"] if is_queued else []
            self.endpoint.store.save(StoredResponse(response, self.conversation, statuses))
        body = build_unfinished(response, "queued") if is_queued else outcome.body
        return replace(outcome, has_event_names=True, body=body)

    def _build_failed_response(self, outcome: RouterResponse) -> RouterResponse:
        """Convert an error to a response with the status ``failed``."""
        error = create_error_event(0, outcome.body)
        code, message = error.get("code"), error.get("message")
        response = self._create_builder(self.model).build_failed(
            str(code or "server_error"), str(message or f"every model failed: {outcome.status}")
        )
        return RouterResponse(
            status=200, body=response, chunks=iter_events(response) if self.is_streamed else None
        )

    def _create_builder(self, model: str) -> ResponseBuilder:
        self.endpoint.response_count += 1
        return ResponseBuilder(
            number=self.endpoint.response_count,
            model=get_provider_model_name(model),
            request=self.request,
            input_items=self.input_items,
            metadata=self.metadata,
            trace_id=self.endpoint.trace_id(),
            turn=len(self.conversation),
        )


def _drop_secrets(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables without the secret ones, which only the router's tools receive."""
    return {
        name: value
        for name, value in variables.items()
        if not (isinstance(value, Mapping) and value.get("secret"))
    }
