"""``OrqDecisionModel``: typed answers about text, messages or structured state."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Self, cast

from langchain_core.runnables import RunnableConfig
from pydantic import Field, ValidationError, model_validator

from orq_router_integrations._integration import (
    ARGUMENT_HINTS,
    INTEGRATION_CONFIG,
    RouterIntegration,
)
from orq_router_integrations.errors import RefusalError, RouterInputError, raise_input_errors
from orq_router_integrations.wire.call import Call, MalformedResponseError, Response
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.decisions import REFUSAL, parse_decisions
from orq_router_integrations.wire.endpoints import DECISIONS
from orq_router_integrations.wire.json import as_dict, as_float, as_int, as_str
from orq_router_integrations.wire.request_encoding import check_dialect, place_controls

try:
    from langchain_core.decisions import (
        BaseDecisionModel,
        ClassifierRequest,
        ClassifierResponse,
        Question,
        State,
    )
except ImportError:
    raise ImportError(
        "OrqDecisionModel requires langchain-core 1.8 or later. "
        "Run: pip install -U 'langchain-core>=1.8'"
    ) from None

from orq_router_integrations._decision_request import build_decision_body

MAX_FALLBACKS = 10


class DecisionResponse(ClassifierResponse):
    """The answers of a decision model, and how they were created.

    Attributes:
        requested_model: The requested model. ``model`` is the one that answered.
        cost: Price in US dollars, if the router reports it.
        attempts: Number of requests that the client sent.
        offline: Whether the offline router created the answers.
    """

    requested_model: str
    cost: float | None = None
    attempts: int = 1
    offline: bool = False


class OrqDecisionModel(RouterIntegration, BaseDecisionModel):
    """Answer typed questions about a state with a decision model of the orq.ai AI Router.

    The input is LangChain's ``{"state": ..., "questions": ...}``. The state is text, JSON, or
    messages, and may contain images as base64. The result is a ``ClassifierResponse`` that also
    contains the cost. Middleware that accepts a ``BaseDecisionModel``, such as
    ``ModelRouterMiddleware`` and ``AutoModeMiddleware``, can use this class.

    Requires langchain-core 1.8 and a base URL that ends in ``v3/router``.

    Raises:
        pydantic.ValidationError: An argument of the constructor is invalid.
        RouterInputError: The state or a question is invalid. No request was sent.
        RefusalError: The model refused to answer a question. ``answers`` contains the others.
        RouterError: The call failed.

    >>> from langchain_core.decisions import Noul
    >>> from orq_router_integrations import OfflineRouter
    >>> model = OrqDecisionModel("openai/gpt-6-luna", client=OfflineRouter().client())
    >>> response = model.invoke({
    ...     "state": "Production is down!",
    ...     "questions": {"urgent": Noul(instructions="Is this urgent?")},
    ... })
    >>> 0 <= response.nouls["urgent"].noul <= 1
    True
    """

    model_config = INTEGRATION_CONFIG

    positional_field: ClassVar[str | None] = "model"
    argument_hints: ClassVar[Mapping[str, str]] = ARGUMENT_HINTS

    model: ModelId = Field(kw_only=False, description="The decision model, as `provider/model`")

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        controls = self.merge_controls()
        check_dialect(DECISIONS, self.resolved_client.dialect)
        place_controls(controls, DECISIONS, self.resolved_client.dialect)
        if len(self.collect_candidates(self.model, controls).fallbacks) > MAX_FALLBACKS:
            raise ValueError(f"controls.fallbacks: Use at most {MAX_FALLBACKS} models.")
        return self

    @property
    def _provider(self) -> str:
        return "orq"

    def invoke(
        self,
        input: ClassifierRequest,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> DecisionResponse:
        """Answer the questions of a request.

        Args:
            input: A dict with ``state`` and ``questions``.
            config: LangChain configuration, such as callbacks.
            kwargs: Not supported; set everything in the constructor.

        Raises:
            RouterError: See the class.
        """
        _check_request(input, kwargs)
        return cast("DecisionResponse", super().invoke(input, config))

    async def ainvoke(
        self,
        input: ClassifierRequest,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> DecisionResponse:
        """Answer the questions of a request; see ``invoke``."""
        _check_request(input, kwargs)
        return cast("DecisionResponse", await super().ainvoke(input, config))

    def _classify(self, state: State, questions: dict[str, Question]) -> DecisionResponse:
        return self.resolved_client.send(self._build_call(state, questions))

    async def _aclassify(self, state: State, questions: dict[str, Question]) -> DecisionResponse:
        return await self.resolved_client.asend(self._build_call(state, questions))

    def _build_call(
        self, state: State, questions: Mapping[str, Question]
    ) -> Call[DecisionResponse]:
        controls = self.merge_controls()
        candidates = self.collect_candidates(self.model, controls)
        with raise_input_errors(DECISIONS.path):
            body = build_decision_body(state, questions, candidates)
        return Call(
            endpoint=DECISIONS,
            body={"model": self.model, **body},
            controls=controls,
            parse=partial(_parse_response, model=self.model, questions=body["questions"]),
        )


def _check_request(request: Any, kwargs: Mapping[str, Any]) -> None:
    problem = None
    if kwargs:
        problem = f"Unknown argument {min(kwargs)!r}. Set it in the constructor."
    elif not isinstance(request, Mapping) or not request.keys() >= {"state", "questions"}:
        problem = "Expected a dict with the keys 'state' and 'questions'."
    elif not isinstance(request["questions"], Mapping) or not request["questions"]:
        problem = "questions: Expected a dict with at least one question, by id."
    if problem:
        raise RouterInputError(problem, endpoint=DECISIONS.path)


def _parse_response(
    response: Response, *, model: str, questions: Mapping[str, Mapping[str, Any]]
) -> DecisionResponse:
    """Parse the answers.

    Raises:
        RefusalError: The model refused to answer a question.
        MalformedResponseError: An answer is missing or incomplete.
    """
    body = parse_decisions(response, questions)
    refused = [name for name, answer in body["answers"].items() if answer["type"] == REFUSAL]
    usage = as_dict(body.get("usage"))
    fields = {
        "model": as_str(body.get("model")) or model,
        "answers": {name: body["answers"][name] for name in questions if name not in refused},
        "usage": _create_usage(usage) if usage else None,
        "request_id": as_str(as_dict(body.get("telemetry")).get("trace_id")) or response.trace_id,
        "requested_model": model,
        "cost": as_float(usage.get("total_cost")),
        "attempts": response.attempts,
        "offline": response.is_offline,
    }
    try:
        answers = DecisionResponse.model_validate(fields)
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        field = ".".join(map(str, details["loc"]))
        raise MalformedResponseError(f"{field}: {details['msg']}") from None
    if refused:
        raise RefusalError(
            f"The model refused to answer {', '.join(map(repr, refused))}.",
            endpoint=DECISIONS.path,
            attempts=response.attempts,
            status_code=response.status,
            trace_id=answers.request_id,
            answers=answers,
        )
    return answers


def _create_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    details = as_dict(usage.get("input_tokens_details"))
    input_details = {
        "cache_read": as_int(details.get("cached_tokens")),
        "cache_creation": as_int(details.get("cache_write_tokens")),
    }
    return {
        "input_tokens": as_int(usage.get("input_tokens")) or 0,
        "output_tokens": as_int(usage.get("output_tokens")) or 0,
        "input_token_details": {k: v for k, v in input_details.items() if v is not None},
    }
