"""Structured output: schemas for ``response_format``, and parsers for what comes back."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.output_parsers import (
    BaseOutputParser,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    PydanticOutputParser,
    PydanticToolsParser,
)
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ValidationError

from orq_router_integrations.chat_models.tools import check_name
from orq_router_integrations.errors import RefusalError

Method = Literal["json_schema", "function_calling", "json_mode"]
Schema = dict[str, Any] | type


def response_format(schema: Schema, strict: bool | None) -> dict[str, Any]:
    """The ``response_format`` that asks for this schema.

    A finished ``response_format`` dict is passed on, its schema's name checked.

    Raises:
        ValueError: the schema cannot be converted, or its name cannot be sent.
    """
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(schema, Mapping) and kind in ("json_object", "text"):
        return dict(schema)
    if isinstance(schema, Mapping) and kind == "json_schema":
        inner = schema.get("json_schema")
        if not isinstance(inner, Mapping):
            raise ValueError("response_format: type json_schema needs json_schema.name and schema")
        inner = dict(inner)
    else:
        inner = _converted(schema, strict)
    check_name("response_format", inner.get("name"))
    return {"type": "json_schema", "json_schema": inner}


def _converted(schema: Schema, strict: bool | None) -> dict[str, Any]:
    try:
        function = convert_to_openai_tool(schema, strict=strict)["function"]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"schema: {schema!r:.80} cannot be converted: {error}") from None
    inner = {"name": function["name"], "schema": function.get("parameters", {"type": "object"})}
    if function.get("description"):
        inner["description"] = function["description"]
    return {**inner, "strict": strict} if strict is not None else inner


def tool_name(schema: Schema) -> str:
    """The name under which a schema is offered as a tool."""
    return str(convert_to_openai_tool(schema)["function"]["name"])


def parser(schema: Schema | None, method: Method) -> BaseOutputParser[Any]:
    """The parser for the answers to a method: a pydantic object for a class, else a dict."""
    model = schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
    if method == "function_calling" and schema is not None:
        if model is not None:
            return _PydanticCall(tools=[model], first_tool_only=True)
        return _JsonCall(key_name=tool_name(schema), first_tool_only=True)
    return _PydanticAnswer(pydantic_object=model) if model else _JsonAnswer()


class _Honest(BaseOutputParser[Any]):
    """Raises where LangChain's parsers would hand on nothing, or half of something.

    At the end of an answer (also of a streamed one): a refusal is told as one, no structure is an
    error, and so is an unfinished one.
    """

    dicts_only: bool = False

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        message = result[0].message if isinstance(result[0], ChatGeneration) else None
        ended = not partial or getattr(message, "chunk_position", None) == "last"
        if not ended:
            return super().parse_result(result, partial=True)
        if message is not None and (refusal := message.additional_kwargs.get("refusal")):
            raise RefusalError(str(refusal))
        try:
            parsed = super().parse_result(result, partial=False)
        except ValidationError as error:
            raise OutputParserException(str(error), llm_output=result[0].text) from None
        if parsed is None or (self.dicts_only and not isinstance(parsed, dict)):
            raise OutputParserException(
                f"the answer has not the structure asked for: {result[0].text[:200]!r}",
                llm_output=result[0].text,
            )
        return parsed


class _JsonAnswer(_Honest, JsonOutputParser):
    """A dict."""

    dicts_only: bool = True


class _PydanticAnswer(_Honest, PydanticOutputParser[Any]):
    """An object of a pydantic class."""


class _JsonCall(_Honest, JsonOutputKeyToolsParser):
    """The arguments of the forced tool."""

    dicts_only: bool = True


class _PydanticCall(_Honest, PydanticToolsParser):
    """The arguments of the forced tool as an object of a pydantic class."""


def with_raw(model: Runnable[Any, Any], output: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Answer with ``raw``, ``parsed`` and ``parsing_error`` instead of raising on bad output."""
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | output, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks(
        [failed],
        exceptions_to_handle=(OutputParserException, RefusalError, ValueError),
        exception_key="parsing_error",
    )
