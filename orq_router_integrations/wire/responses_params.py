"""Parameters that only ``POST /responses`` has (contract section 2.13)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orq_router_integrations.wire.chat_params import ReasoningEffort, StrictInt, WireModel
from orq_router_integrations.wire.deferred_model import DeferredModel

if TYPE_CHECKING:
    from orq_router_integrations.wire.deferred_model import CoercedField


class ReasoningOptions(WireModel):
    """How much a model reasons, and what it shows of that."""

    effort: ReasoningEffort | None = None
    context: str | None = None
    summary: Literal["concise", "detailed", "auto"] | None = None


class ResponsesParams(DeferredModel):
    """Parameters that only the Responses API has; sent only when set.

    Attributes:
        previous_response_id: continue a stored response (the ``id`` in ``response_metadata``);
            send only what is new since.
        store: whether the router keeps the response, which it does unless told otherwise.
        reasoning: effort, and the summary that becomes reasoning in the answer.
        background: whether the router answers at once and works on; ``invoke`` then asks until the
            response is there. Needs ``store``, and does not stream.
        include: further output to ask for, such as ``reasoning.encrypted_content``.
        max_tool_calls: most calls of server tools.
        service_tier: the provider's.
    """

    previous_response_id: Annotated[str, Field(min_length=1)] | None = None
    store: Annotated[bool, Field(strict=True)] | None = None
    background: Annotated[bool, Field(strict=True)] | None = None
    if TYPE_CHECKING:
        reasoning: CoercedField[
            ReasoningOptions | Mapping[str, str] | None, ReasoningOptions | None
        ] = CoercedField()
    else:
        reasoning: ReasoningOptions | None = None
    include: list[str] | None = None
    max_tool_calls: Annotated[StrictInt, Field(ge=1)] | None = None
    service_tier: str | None = None

    @model_validator(mode="after")
    def _background_is_stored(self) -> Self:
        if self.background and self.store is False:
            raise ValueError("background: needs store; a response that is not kept cannot be read")
        return self

    def build_responses_params(self) -> dict[str, Any]:
        """The parameters that are set, as they go on the wire."""
        members = vars(self)
        found = {name: members[name] for name in RESPONSES_PARAM_NAMES if members[name] is not None}
        if self.reasoning is not None:
            found["reasoning"] = self.reasoning.model_dump(exclude_none=True)
        return found


RESPONSES_PARAM_NAMES = tuple(ResponsesParams.model_fields)
"""The names of the parameters that the other API has not."""
