"""The endpoint POST /responses with stored responses and v1/responses/compact.

Choices where the documentation is silent:

* Providers receive the earlier turns as items, never the id of a stored response.
* Instructions apply to one request only.
* Variables are substituted in the instructions only.
* Providers answer a background request immediately; each GET then reveals one more status.
* A stream that breaks is not stored.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orq_router_integrations.testing.answering.prompt import (
    find_orphan_result,
    list_items,
    read_message,
)
from orq_router_integrations.testing.answering.script import Answer, AnswerScript
from orq_router_integrations.testing.answering.text_endpoint import EPOCH, TextEndpoint
from orq_router_integrations.testing.models import ModelRegistry
from orq_router_integrations.testing.responses.response import (
    USD_PER_INPUT_TOKEN,
    build_answer_fields,
    build_unfinished_response,
    create_response,
)
from orq_router_integrations.testing.responses.schema import CompactionRequest, ResponsesRequest
from orq_router_integrations.testing.routing.endpoint import RouterResponse, validate_body
from orq_router_integrations.testing.routing.error_responses import HTTPError, reject_field
from orq_router_integrations.wire.controls import (
    DEFAULT_RETRY_STATUSES,
    RouterControls,
    RouterRetry,
)
from orq_router_integrations.wire.endpoints import RESPONSES

Item = dict[str, Any]


class ResponsesEndpoint(TextEndpoint[ResponsesRequest]):
    """Handler of responses, with the state that is kept between requests."""

    endpoint = RESPONSES
    schema = ResponsesRequest
    field_with_variables = "instructions"
    default_retry = RouterRetry(
        count=2, on_codes=tuple(code for code in DEFAULT_RETRY_STATUSES if code != 408)
    )

    def __init__(self, script: AnswerScript, models: ModelRegistry) -> None:
        super().__init__(script)
        self._models = models
        # The states of each response that a GET has not revealed yet; the last one is the final one
        self._states: dict[str, list[dict[str, Any]]] = {}

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> ResponsesRequest:
        """Validate a body without its controls and load the conversation it continues."""
        request = super().parse(body, controls, lenient=lenient)
        fields = {**request.prompt.body, "metadata": controls.metadata or {}}
        conversation = self._load_conversation(fields)
        if request.previous_response_id is not None:
            fields["input"] = conversation
        return ResponsesRequest.model_validate(fields)

    def build_response(
        self, request: ResponsesRequest, model: str, answer: Answer
    ) -> RouterResponse:
        number = next(self._numbers)
        fields = build_answer_fields(answer, request, number)
        return create_response(request, model, number, **fields)

    def create_error_chunk(self, number: int, error: Any) -> Any:
        """Create the error event of a broken stream from an error body.

        It contains the details twice: flat as at OpenAI, and in an object as in the vendor's SDK.
        """
        details = _read_error(error)
        if details is None:
            return error  # a scripted body in another format
        return {"type": "error", "sequence_number": number, **details, "error": details}

    def finalize(self, request: ResponsesRequest, response: RouterResponse) -> RouterResponse:
        """Store a complete response if requested; return background responses as queued."""
        if response.status != 200 and request.background:
            error = _read_error(response.body) or {"code": "server_error", "message": "failed"}
            fields = {"status": "failed", "error": error}
            response = create_response(request, request.model, next(self._numbers), **fields)
        if response.status != 200 or not response.is_complete:
            return response
        body = response.body if response.chunks is None else response.chunks[-1]["response"]
        if request.store is not False:
            self._states[body["id"]] = [body]
        if not request.background or request.is_streamed:
            return response
        queued, started = (build_unfinished_response(body, it) for it in ("queued", "in_progress"))
        self._states[body["id"]] = [started, body]
        return replace(response, body=queued)

    def get_stored(self, id_: str) -> dict[str, Any]:
        """Return a response. A background response is first returned as in progress."""
        states = self._states.get(id_)
        if states is None:
            raise HTTPError(404, f"response {id_!r} is not stored", param="response_id")
        return states.pop(0) if len(states) > 1 else states[0]

    def compact(self, body: Mapping[str, Any], *, lenient: bool) -> dict[str, Any]:
        """Replace everything before the last message of the user by a compaction item."""
        request = validate_body(CompactionRequest, body, lenient=lenient)
        self._models.check_enabled(request.model)
        items = self._load_conversation(request.model_dump(exclude_unset=True))
        users = [index for index, item in enumerate(items) if item.get("role") == "user"]
        start = users[-1] if users else len(items)
        number = next(self._numbers)
        compaction = {
            "type": "compaction",
            "id": f"cmp_offline_{number:06}",
            "encrypted_content": f"{start} items, compacted by the offline router",
        }
        tokens = sum(read_message(item).tokens for item in items)
        return {
            "id": f"resp_compaction_{number:06}",
            "object": "response.compaction",
            "created_at": EPOCH + number,
            "output": [compaction, *items[start:]],
            "usage": {
                "input_tokens": tokens,
                "output_tokens": 0,
                "total_tokens": tokens,
                "total_cost": tokens * USD_PER_INPUT_TOKEN,
            },
        }

    def _load_conversation(self, fields: Mapping[str, Any]) -> list[Item]:
        """Return the items of a request, preceded by those of the response that it continues."""
        previous = fields.get("previous_response_id")
        if previous is None and not fields.get("input"):
            reject_field("input", "is required unless previous_response_id is set")
        states = self._states.get(previous or "", [])
        if previous is not None and (len(states) != 1 or states[0]["status"] == "failed"):
            message = f"response {previous!r} is not stored or not completed"
            reject_field("previous_response_id", message)
        earlier = [*states[0]["input"], *states[0]["output"]] if states else []
        items = list_items(fields)
        orphan = find_orphan_result(map(read_message, [*earlier, *items]))
        if orphan is not None:
            param = f"input[{orphan - len(earlier)}].call_id"
            reject_field(param, "does not match any call in an earlier item")
        return [*earlier, *items]


def _read_error(body: Any) -> dict[str, Any] | None:
    """Return code and message of an error body in the format of the router."""
    details = body.get("error") if isinstance(body, dict) else None
    if not isinstance(details, dict):
        return None
    return {"code": details.get("code") or "server_error", "message": details.get("message")}
