"""The endpoint POST /responses: parse requests, answer provider calls and store responses.

Choices where the documentation is silent:

* Providers receive the earlier turns as items, never the id of a stored response.
* Instructions apply to one request only.
* Variables are substituted in the instructions only, and secret variables are not substituted.
* Providers answer a background request immediately; each GET then reveals one more status.
* A stream that breaks is not stored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orq_router_integrations.testing.answering.prompt import (
    JsonOutput,
    Prompt,
    ToolSpec,
    substitute_variables,
)
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.answering.text_endpoint import TextEndpoint
from orq_router_integrations.testing.chat.messages import Message, SystemMessage
from orq_router_integrations.testing.responses.events import create_error_event, iter_events
from orq_router_integrations.testing.responses.items import (
    Item,
    ItemReference,
    UserItem,
    convert_items,
    find_orphan_output,
)
from orq_router_integrations.testing.responses.response_builder import (
    ResponseBuilder,
    build_unfinished,
    build_usage,
)
from orq_router_integrations.testing.responses.schema import (
    ChosenFunction,
    ResponsesRequest,
    SchemaFormat,
    check_combinations,
)
from orq_router_integrations.testing.responses.store import ResponseStore, StoredResponse
from orq_router_integrations.testing.routing.endpoint import (
    Chunks,
    EndpointRequest,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError, reject_field
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.schema_validation import validate_body
from orq_router_integrations.wire.controls import (
    RouterControls,
    RouterRetry,
)
from orq_router_integrations.wire.endpoints import RESPONSES
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


class ResponsesCall(EndpointRequest):
    """A request with the conversation that it continues."""

    body: ResponsesRequest
    metadata: dict[str, str]
    input_items: list[Any]
    conversation: tuple[Any, ...]

    @property
    def is_streamed(self) -> bool:
        return bool(self.body.stream)

    @property
    def is_cacheable(self) -> bool:
        return not self.body.stream and not self.body.background

    def build_provider_body(self, model: str) -> dict[str, Any]:
        """Return the body with the earlier turns and without the fields of the router."""
        body = self.body.model_dump(exclude_unset=True, by_alias=True, exclude=_ROUTER_FIELDS)
        body["model"] = get_provider_model_name(model)
        if not isinstance(self.body.input, str) or self.body.previous_response_id:
            body["input"] = [
                item.model_dump(exclude_unset=True, by_alias=True) for item in self.conversation
            ]
        return body


class ResponsesEndpoint(TextEndpoint[ResponsesCall]):
    """Handler of responses, with the state that is kept between requests."""

    endpoint = RESPONSES
    default_retry = RouterRetry(
        count=2, on_codes=tuple(code for code in DEFAULT_RETRY_STATUSES if code != 408)
    )

    def __init__(self, script: AnswerScript, *, trace_id: Callable[[], str]) -> None:
        super().__init__(script)
        self._create_trace_id = trace_id
        self.store = ResponseStore()

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> ResponsesCall:
        """Validate a body without its controls and load the conversation it continues."""
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
        return ResponsesCall.model_construct(
            model=request.model,
            body=request,
            metadata=controls.metadata or {},
            input_items=content,
            conversation=self.collect_items(request),
        )

    def respond(self, request: ResponsesCall, model: str) -> RouterResponse:
        """Return the scripted or the default answer, truncated to the request's limits."""
        prompt = build_prompt(request.body, convert_items(request.conversation))
        answer = prompt.truncate(self._choose_answer(request, prompt, model))
        answer = replace(answer, audio=None)  # this endpoint returns the transcript only
        usage = build_usage(self._count_usage(prompt, [answer], model), answer)
        response = self._create_builder(request, model).build(answer, usage)
        return RouterResponse(response, chunks=self._iter_events(request, response))

    def create_error_chunk(self, number: int, error: Any) -> Any:
        return create_error_event(number, error)

    def finalize(self, request: ResponsesCall, response: RouterResponse) -> RouterResponse:
        """Store a complete response if requested; return background responses as queued."""
        if response.status != 200 and request.body.background:
            response = self._build_failed_response(request, response)
        if response.status != 200 or not response.is_complete:
            return replace(response, has_event_names=True)
        body = response.body if response.chunks is None else response.chunks[-1]["response"]
        is_queued = bool(request.body.background) and not request.is_streamed
        if request.body.is_stored:
            statuses = ["in_progress"] if is_queued else []
            self.store.save(StoredResponse(body, request.conversation, statuses))
        if is_queued:
            response = replace(response, body=build_unfinished(body, "queued"))
        return replace(response, has_event_names=True)

    def _iter_events(self, request: ResponsesCall, response: dict[str, Any]) -> Chunks | None:
        return iter_events(response) if request.is_streamed else None

    def _build_failed_response(
        self, request: ResponsesCall, response: RouterResponse
    ) -> RouterResponse:
        """Convert an error to a response with the status ``failed``."""
        error = create_error_event(0, response.body)
        code, message = error.get("code"), error.get("message")
        body = self._create_builder(request, request.model).build_failed(
            str(code or "server_error"), str(message or f"every model failed: {response.status}")
        )
        return RouterResponse(body, chunks=self._iter_events(request, body))

    def _create_builder(self, request: ResponsesCall, model: str) -> ResponseBuilder:
        return ResponseBuilder(
            number=self._count_response(),
            model=get_provider_model_name(model),
            request=request.body,
            input_items=request.input_items,
            metadata=request.metadata,
            trace_id=self._create_trace_id(),
            turn=len(request.conversation),
        )

    def collect_items(self, request: ResponsesRequest) -> tuple[Item, ...]:
        """Return the items of the conversation, including those of earlier responses."""
        earlier: list[Item] = []
        if request.previous_response_id is not None:
            earlier = self.store.get_conversation(request.previous_response_id)
        items = self._resolve_references(request)
        index = find_orphan_output(earlier, items)
        if index is not None:
            reject_field(f"input[{index}].call_id", "does not match any call in an earlier item")
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


def _drop_secrets(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables without the secret ones, which only the router's tools receive."""
    return {
        name: value
        for name, value in variables.items()
        if not (isinstance(value, Mapping) and value.get("secret"))
    }


def build_prompt(request: ResponsesRequest, messages: Sequence[Message]) -> Prompt:
    """Create the prompt of a request with these messages, without tools that the router runs."""
    choice = request.tool_choice
    instructions = request.instructions
    system = [] if instructions is None else [SystemMessage(role="system", content=instructions)]
    return Prompt(
        messages=[*system, *messages],
        tool_specs=_list_tool_specs(request),
        tools=request.tools or (),
        choice="required" if isinstance(choice, ChosenFunction) else choice or "auto",
        forced_tool=choice.name if isinstance(choice, ChosenFunction) else None,
        json_output=_get_json_output(request),
        reasoning=request.reasoning_label,
        stop_sequences=request.stop_sequences or (),
        token_limit=request.max_output_tokens,
        cache_key=request.prompt_cache_key,
        caches_everything=request.cache_control is not None,
    )


def _list_tool_specs(request: ResponsesRequest) -> list[ToolSpec]:
    function_specs = [
        ToolSpec(
            name=tool.name,
            description=tool.description or "",
            schema=tool.parameters or {"type": "object"},
        )
        for tool in request.functions
    ]
    custom_specs = [
        ToolSpec(name=tool.name, description=tool.description or "")
        for tool in request.custom_tools
    ]
    return function_specs + custom_specs


def _get_json_output(request: ResponsesRequest) -> JsonOutput | None:
    format_ = request.text.format if request.text else None
    return JsonOutput("text.format", format_.schema_) if isinstance(format_, SchemaFormat) else None
