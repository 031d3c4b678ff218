"""Schema of the body of POST /responses, without the router's controls.

Objects whose fields are documented only in the vendor's SDK, such as ``reasoning`` and ``limits``,
may have any fields.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from orq_router_integrations.testing import chat
from orq_router_integrations.testing.answering.text_endpoint import TextRequest
from orq_router_integrations.testing.routing.endpoint import RequestModel
from orq_router_integrations.testing.routing.json_shapes import Fields, OneOf, Shape, Shapes
from orq_router_integrations.testing.routing.response import reject_field

JsonObject = dict[str, Any]

_PART: Fields = {**chat.CACHEABLE, "prompt_cache_breakpoint?": JsonObject | None}
_TEXT_PART: Fields = {"text": str, **_PART}
_USER_PARTS: Shapes = {
    "input_text": _TEXT_PART,
    "input_image": {
        "image_url?": chat.ImageSource | None,
        "file_id?": str | None,
        "detail?": chat.Detail,
        **_PART,
    },
    "input_file": {
        "file_data?": chat.DataURL | None,
        "file_url?": chat.FileURI | None,
        "file_id?": str | None,
        "filename?": str | None,
        "mime_type?": str | None,
        **_PART,
    },
}
_ASSISTANT_PARTS: Shapes = {
    "input_text": _TEXT_PART,
    "output_text": {
        "text": str,
        "annotations?": list[JsonObject] | None,
        "logprobs?": list[JsonObject] | None,
    },
    "refusal": chat.REFUSAL_PART,
}
SystemPart = Annotated[Any, OneOf("type", {"input_text": _TEXT_PART})]
UserPart = Annotated[Any, OneOf("type", _USER_PARTS), AfterValidator(chat.check_source)]
AssistantPart = Annotated[Any, OneOf("type", _ASSISTANT_PARTS)]

_ITEM: Fields = {
    "id?": str | None,
    "status?": Literal["in_progress", "completed", "incomplete"] | None,
}
_MESSAGE: Fields = {**_ITEM, "type?": Literal["message"]}
_MESSAGES: Shapes = {
    "system": {**_MESSAGE, "content": str | list[SystemPart]},
    "developer": {**_MESSAGE, "content": str | list[SystemPart]},
    "user": {**_MESSAGE, "content": str | list[UserPart]},
    "assistant": {**_MESSAGE, "content": str | list[AssistantPart]},
}

_CALL: Fields = {**_ITEM, "call_id": str, "name": str, "async?": bool | None}
_CALL_OUTPUT: Fields = {**_ITEM, "call_id": str, "output": str | list[UserPart]}
_UNSPECIFIED_ITEMS = (
    "reasoning shell_call shell_call_output local_shell_call local_shell_call_output computer_call "
    "computer_call_output apply_patch_call apply_patch_call_output mcp_call mcp_list_tools "
    "mcp_approval_request mcp_approval_response web_search_call tool_search_call "
    "tool_search_output program program_output additional_tools compaction configuration_update "
    "item_reference"
)
"""Items whose types are documented but whose fields are not."""

_ITEMS: Shapes = {
    "function_call": {**_CALL, "arguments": str},
    "custom_tool_call": {**_CALL, "input": str},
    "function_call_output": _CALL_OUTPUT,
    "custom_tool_call_output": _CALL_OUTPUT,
    **dict.fromkeys(_UNSPECIFIED_ITEMS.split(), JsonObject),
}
InputItem = Annotated[Any, OneOf("role", _MESSAGES)] | Annotated[Any, OneOf("type", _ITEMS)]

_UNSPECIFIED_TOOLS = (
    "mcp orq:web_search orq:google_search orq:web_fetch orq:web_scraper orq:http "
    "orq:query_knowledge_base orq:retrieve_knowledge_bases orq:search_models "
    "orq:code_interpreter orq:shell orq:apply_patch orq:function orq:mcp orq:advisor orq:subagent "
    "orq:sidekick orq:datetime orq:current_date orq:tool_search orq:image_generation orq:fusion"
)
"""Tools whose types are documented but whose fields are not."""

_TOOLS: Shapes = {
    "function": {
        **chat.FUNCTION,
        **chat.CACHEABLE,
        "parameters?": JsonObject | None,
        "async?": bool | None,
        "defer_loading?": bool | None,
    },
    "custom": {"name": chat.Name, "description?": str | None, "async?": bool | None},
    **dict.fromkeys(_UNSPECIFIED_TOOLS.split(), JsonObject),
}
ChosenTool = Annotated[Any, OneOf("type", {"function": {"name": str}})]

# Here, the schema is required, and ``json_object`` is not supported
_FORMATS: Shapes = {"text": {}, "json_schema": {**chat.JSON_SCHEMA, "schema": JsonObject}}
_TEXT: Fields = {
    "format?": Annotated[Any, OneOf("type", _FORMATS)] | None,
    "verbosity?": str | None,
}


class RouterFields(RequestModel):
    """Fields that the router does not pass on to providers."""

    previous_response_id: str | None = None
    conversation: JsonObject | None = None
    store: bool | None = True
    background: bool | None = False
    template_engine: str | None = None
    memory: JsonObject | None = None
    limits: JsonObject | None = None
    integration_id: str | None = None
    security: JsonObject | None = None
    metadata: dict[str, str] | None = None  # a control, which the response repeats


class ResponsesRequest(TextRequest, RouterFields):
    """The body of a request, with every documented field and limit, and with OpenAI's defaults.

    Its ``input`` is replaced by the complete conversation before providers are called.
    """

    input: str | list[InputItem] | None = None
    instructions: str | None = None
    include: list[str] | None = None
    stream_options: JsonObject | None = None
    top_k: int | None = None
    max_output_tokens: int | None = Field(default=None, gt=0)
    stop_sequences: list[str] | None = None
    text: Annotated[Any, Shape(_TEXT)] | None = Field(default={"format": {"type": "text"}})
    reasoning: JsonObject | None = None
    thinking: JsonObject | None = None
    tools: list[Annotated[Any, OneOf("type", _TOOLS)]] | None = Field(default=[])
    tool_choice: Literal["auto", "none", "required"] | ChosenTool | None = "auto"
    max_tool_calls: int | None = Field(default=None, ge=0)
    service_tier: str | None = "default"
    speed: str | None = None
    safety_identifier: str | None = None
    prompt_cache_options: JsonObject | None = None
    context_management: list[JsonObject] | None = None

    @model_validator(mode="after")
    def _check_background(self) -> Self:
        if self.background and self.store is False:
            reject_field("background", "requires a stored response. Omit store or set it to true")
        return self

    def build_provider_body(self, model: str) -> dict[str, Any]:
        body = super().build_provider_body(model)
        return {name: body[name] for name in body if name not in RouterFields.model_fields}
