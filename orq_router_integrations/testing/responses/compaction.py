"""The endpoint POST /v1/responses/compact, which is not below the path of the router.

The newest turn, from the last message of the user on, is returned unchanged. The compaction item
replaces everything before it.
"""

import base64
import json

import httpx

from orq_router_integrations.testing.answering.prompt import estimate_tokens
from orq_router_integrations.testing.answering.text_endpoint import EPOCH
from orq_router_integrations.testing.responses.endpoint import ResponsesEndpoint
from orq_router_integrations.testing.responses.schema import InputItem
from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.testing.routing.http_adapter import parse_request_body
from orq_router_integrations.testing.routing.model_registry import ModelRegistry
from orq_router_integrations.testing.routing.schema_validation import RequestModel, validate_body
from orq_router_integrations.wire.endpoints import RESPONSE_COMPACTION

COMPACTION_TOKENS = 20


class CompactionRequest(RequestModel):
    model: str
    input: str | list[InputItem] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None


class CompactionEndpoint:
    def __init__(self, responses: ResponsesEndpoint, models: ModelRegistry) -> None:
        self._responses = responses
        self._models = models
        self._count = 0

    def respond(self, http_request: httpx.Request, *, lenient: bool) -> RouterResponse:
        body = parse_request_body(http_request, RESPONSE_COMPACTION)
        request = validate_body(CompactionRequest, body, lenient=lenient)
        self._models.check_enabled(request.model)
        if not request.input and request.previous_response_id is None:
            reject_field("input", "is required unless previous_response_id is set")
        fields = request.model_dump(exclude_unset=True, by_alias=True)
        items = self._responses.load_conversation(fields)
        users = [index for index, item in enumerate(items) if item.get("role") == "user"]
        start = users[-1] if users else len(items)
        self._count += 1
        summary = f"{start} items, compacted by the offline router".encode()
        compaction = {
            "type": "compaction",
            "id": f"cmp_offline_{self._count:06}",
            "encrypted_content": base64.b64encode(summary).decode(),
        }
        tokens = estimate_tokens(json.dumps(items))
        usage = {
            "input_tokens": tokens,
            "output_tokens": COMPACTION_TOKENS,
            "total_tokens": tokens + COMPACTION_TOKENS,
            "total_cost": tokens / 1_000_000,
        }
        return RouterResponse(
            {
                "id": f"resp_compaction_{self._count:06}",
                "object": "response.compaction",
                "created_at": EPOCH + self._count,
                "output": [compaction, *items[start:]],
                "usage": usage,
            }
        )
