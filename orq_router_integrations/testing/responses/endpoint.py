"""The endpoint /responses: its body, its state, and how one provider call is answered.

Where contract section 2.13 says nothing, one behaviour is chosen here and named: providers are
sent the earlier turns as items and never the id of a stored response; instructions hold for one
request; variables fill the instructions only, and secrets fill nothing; providers answer a
background response at once, and looking at it only shows this step by step; a stream that breaks
off is not stored.
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
    build_started,
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

_ROUTERS = {"background", "conversation", "integration_id", "limits", "memory", "security"} | {
    "previous_response_id",
    "store",
    "template_engine",
}
"""Members that the router keeps to itself."""


class ResponsesEndpoint:
    """Responses, with the state that lasts between requests.

    Args:
        script: the scripted answers.
        trace_id: of the request that is being answered.
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
        self.replies = 0

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> "ResponsesCall":
        """Check a body without its controls, and find what it continues.

        Raises:
            HTTPError: 400, naming the member at fault; 404 for an agent, of which there are none.
        """
        request = validate_body(ResponsesRequest, body, lenient=lenient)
        check_combinations(request)
        if request.model.startswith("agent/") and controls.load_balancer is None:
            message = f"the offline router has no agents, so not {request.model!r} either"
            raise HTTPError(404, message, param="model")
        if request.instructions is not None and controls.variables:
            text = substitute_variables(request.instructions, _reveal_secrets(controls.variables))
            request = request.model_copy(update={"instructions": text})
        raw = body.get("input") or []
        sent = [{"role": "user", "content": raw}] if isinstance(raw, str) else raw
        return ResponsesCall(
            self, request, controls.metadata or {}, sent, self._collect_items(request)
        )

    def get_stored(self, id_: str) -> dict[str, Any]:
        """A stored response as it is now.

        Raises:
            HTTPError: 404; there is none of this id.
        """
        return self.store.poll(id_)

    def _collect_items(self, request: ResponsesRequest) -> tuple[Item, ...]:
        """The whole conversation."""
        earlier: list[Item] = []
        if request.previous_response_id is not None:
            earlier = self.store.get_conversation(request.previous_response_id)
        sent = self._resolve_references(request)
        index = find_orphan_output(earlier, sent)
        if index is not None:
            param = f"input[{index}].call_id"
            raise HTTPError(400, f"{param}: answers no call of an earlier item", param=param)
        return (*earlier, *sent)

    def _resolve_references(self, request: ResponsesRequest) -> list[Item]:
        """The sent items, with those that references mean in place of these."""
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
    """One valid request.

    Attributes:
        service: whose request it is.
        request: the request.
        metadata: of the request.
        sent: the input items as they were sent.
        items: the whole conversation.
    """

    service: ResponsesEndpoint
    request: ResponsesRequest
    metadata: Mapping[str, str]
    sent: list[Any]
    items: tuple[Item, ...]

    @property
    def model(self) -> str:
        """The model id of the request."""
        return self.request.model

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is wanted as a stream."""
        return bool(self.request.stream)

    @property
    def is_cacheable(self) -> bool:
        """Whether the router's cache may hold the answer."""
        return not self.is_streamed and not self.request.background

    @property
    def prompt(self) -> Prompt:
        """The request, as the one who answers it sees it."""
        return build_prompt(self.request, convert_items(self.items))

    @property
    def guarded_text(self) -> None:
        """Nothing: guardrails are accepted and not enforced."""
        return

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider sees it: with the earlier turns, which only the router has."""
        body = self.request.model_dump(exclude_unset=True, by_alias=True, exclude=_ROUTERS)
        body["model"] = get_provider_model_name(model)
        if not isinstance(self.request.input, str) or self.request.previous_response_id:
            items = [item.model_dump(exclude_unset=True, by_alias=True) for item in self.items]
            body["input"] = items
        return body

    def answer(self, model: str) -> ProviderResponse:
        """The scripted answer, or the default one, within the request's limits."""
        prompt = self.prompt
        body = self.provider_body(model)
        scripted = self.service.script.take_answer(body, model, prompt.conversation.last_user_text)
        answer = prompt.truncate(scripted or create_default_answer(prompt, model))
        answer = replace(answer, audio=None)  # its transcript is the text; no sound comes here
        cached = self.service.prompt_cache.count_cached(model, prompt)
        usage = build_usage(count_usage(prompt, [answer], cached), answer)
        response = self._create_builder(model).build(answer, usage)
        return ProviderResponse(response, iter_events(response) if self.is_streamed else None)

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:
        """The events before the last one, which holds the whole response."""
        left = chunks[:-1][:after]
        return left if error is None else (*left, create_error_event(len(left), error))

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """The outcome, stored if it is to be; of a background response only that it is queued."""
        if outcome.status != 200 and self.request.background:
            outcome = self._build_failure(outcome)
        if outcome.status != 200 or not outcome.is_complete:
            return replace(outcome, has_event_names=True)
        response = outcome.body if outcome.chunks is None else outcome.chunks[-1]["response"]
        waits = bool(self.request.background) and not self.is_streamed
        if self.request.is_stored:
            steps = ["in_progress"] if waits else []
            self.service.store.save(StoredResponse(response, self.items, steps))
        body = build_started(response, "queued") if waits else outcome.body
        return replace(outcome, has_event_names=True, body=body)

    def _build_failure(self, outcome: RouterResponse) -> RouterResponse:
        """A failure as a response says it."""
        error = create_error_event(0, outcome.body)
        code, message = error.get("code"), error.get("message")
        response = self._create_builder(self.model).build_failed(
            str(code or "server_error"), str(message or f"every model failed: {outcome.status}")
        )
        return RouterResponse(
            status=200, body=response, chunks=iter_events(response) if self.is_streamed else None
        )

    def _create_builder(self, model: str) -> ResponseBuilder:
        self.service.replies += 1
        return ResponseBuilder(
            number=self.service.replies,
            model=get_provider_model_name(model),
            request=self.request,
            sent=self.sent,
            metadata=self.metadata,
            trace_id=self.service.trace_id(),
            turn=len(self.items),
        )


def _reveal_secrets(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables without the secrets, which only the router's own tools see."""
    return {
        name: value
        for name, value in variables.items()
        if not (isinstance(value, Mapping) and value.get("secret"))
    }
