"""Output parsers for ``ChatOrq.with_structured_output``."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from operator import itemgetter
from typing import Annotated, Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import (
    BaseOutputParser,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
)
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import (
    Runnable,
    RunnableGenerator,
    RunnableMap,
    RunnablePassthrough,
)
from langchain_core.runnables.utils import AddableDict
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import SkipValidation

from orq_router_integrations.chat_models.json_schemas import WRAPPER_KEY
from orq_router_integrations.chat_models.request_builder import build_tool_params
from orq_router_integrations.chat_models.response_metadata import get_refusal, is_filtered
from orq_router_integrations.chat_models.tool_calls import strip_invalid_suffix
from orq_router_integrations.chat_models.tool_schemas import (
    OutputSchema,
    StructuredOutputMethod,
    build_response_format,
    create_output_schema,
    output_schema_to_tool,
)
from orq_router_integrations.errors import RefusalError
from orq_router_integrations.wire.json import loads

_CODE_FENCE = re.compile(r"```(?:json)?(.*)```", re.DOTALL)
_MAX_PREVIEW_CHARS = 200


def build_method_args(
    schema: OutputSchema | None, method: StructuredOutputMethod, strict: bool | None, api: str
) -> dict[str, Any]:
    """Build the call arguments that make a model answer with structured output."""
    if method not in ("json_schema", "function_calling", "json_mode"):
        raise ValueError(
            f"Unknown method {method!r}. Use 'json_schema', 'function_calling' or 'json_mode'."
        )
    if method == "json_mode":
        return _build_json_mode_args(schema, strict)
    if schema is None:
        raise ValueError(f"method={method!r} needs a schema. Pass 'schema'.")
    output_schema, _ = create_output_schema(schema)
    args = _create_trace_args(schema, output_schema, method, strict)
    if method == "json_schema":
        return {**args, "response_format": build_response_format(output_schema, strict)}
    tool_args = {
        "tools": [output_schema_to_tool(output_schema)],
        "tool_choice": output_schema["name"],
        "parallel_tool_calls": False,
    }
    return {**args, **build_tool_params(tool_args, api=api, strict=strict)}


def _build_json_mode_args(schema: OutputSchema | None, strict: bool | None) -> dict[str, Any]:
    if strict is not None:
        raise ValueError("method='json_mode' does not support 'strict'. Use 'json_schema'.")
    args: dict[str, Any] = {"response_format": {"type": "json_object"}}
    if schema is not None:
        with suppress(ValueError):  # a schema that is not sent need not be convertible
            output_schema, _ = create_output_schema(schema)
            args |= _create_trace_args(schema, output_schema, "json_mode", None)
    return args


def _create_trace_args(
    schema: OutputSchema, output_schema: dict[str, Any], method: str, strict: bool | None
) -> dict[str, Any]:
    """Create the argument that LangChain adds to traces and removes from the call.

    LangChain converts the schema again, which fails for some TypedDicts and JSON schemas.
    """
    if not isinstance(schema, type) or not is_basemodel_subclass(schema):
        schema = {"title": output_schema["name"], **output_schema["schema"]}
        if "description" in output_schema:
            schema["description"] = output_schema["description"]
    method_args = {"method": method, "strict": strict}
    return {"ls_structured_output_format": {"kwargs": method_args, "schema": schema}}


def create_output_parser(
    schema: OutputSchema | None, method: StructuredOutputMethod, *, return_errors: bool = False
) -> BaseOutputParser[Any]:
    """Create the parser for a structured output method.

    It returns an instance of ``schema`` if that is a pydantic class, else a dict.
    """
    options: dict[str, Any] = {"return_errors": return_errors}
    name = ""
    if schema is not None and method != "json_mode":
        output_schema, options["is_wrapped"] = create_output_schema(schema)
        name = output_schema["name"]
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        options["model"] = schema
    if method == "function_calling":
        return _ToolParser(key_name=name, first_tool_only=True, **options)
    return _TextParser(**options)


class _StrictOutputParser(BaseOutputParser[Any]):
    """Raises errors where LangChain's parsers return ``None`` or complete truncated JSON.

    The checks apply to complete answers and to the end of a stream: refusals, truncated answers
    and answers without the requested structure are errors.
    """

    parses_text: bool = False
    model: Annotated[Any, SkipValidation()] = None
    is_wrapped: bool = False
    return_errors: bool = False

    @property
    def OutputType(self) -> Any:  # noqa: N802 - the name is LangChain's
        return self.model or (Any if self.is_wrapped else dict[str, Any])

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        message = result[0].message if isinstance(result[0], ChatGeneration) else None
        if partial and getattr(message, "chunk_position", None) != "last":
            return self._parse_partial_result(result, message)
        try:
            return self._parse_complete_result(result, message)
        except (ValueError, RefusalError) as error:
            if self.return_errors:
                return error
            raise

    def _parse_partial_result(self, result: list[Generation], message: BaseMessage | None) -> Any:
        """Return what has been received so far, or ``None`` if it is not valid yet."""
        if message is not None and get_refusal(message) is not None:
            return None  # an error at the end of the stream, when the text is complete
        parsed = super().parse_result(result, partial=True)
        if parsed is None or (self.is_wrapped and not parsed):
            return None
        try:
            return self._convert(parsed)
        except ValueError:
            return None

    def _convert(self, parsed: Any) -> Any:
        """Unwrap a value and convert it to an instance of the model."""
        if self.is_wrapped and isinstance(parsed, dict) and parsed.keys() == {WRAPPER_KEY}:
            parsed = parsed[WRAPPER_KEY]
        if self.model is None:
            return parsed
        validate = getattr(self.model, "model_validate", None) or self.model.parse_obj
        return validate(parsed)

    def _parse_complete_result(self, result: list[Generation], message: BaseMessage | None) -> Any:
        if message is not None and (refusal := get_refusal(message)) is not None:
            raise RefusalError(refusal or _describe_filter(message), raw_message=message)
        text = result[0].text or _get_invalid_call_args(message)
        if self.parses_text and not _is_complete_json(text):
            raise _create_parser_error(
                f"The answer is not complete JSON: {_shorten(text)}", text, message
            )
        parsed = super().parse_result(result, partial=False)
        requires_dict = self.model is None and not self.is_wrapped
        if parsed is None or (requires_dict and not isinstance(parsed, dict)):
            raise _create_parser_error(
                f"The answer does not match the schema: {_shorten(text)}", text, message
            )
        try:
            return self._convert(parsed)
        except ValueError as error:
            raise _create_parser_error(str(error), text, message) from None


def _create_parser_error(
    problem: str, text: str, message: BaseMessage | None
) -> OutputParserException | RefusalError:
    reason = message.response_metadata.get("finish_reason") if message is not None else None
    if message is not None and is_filtered(reason):
        return RefusalError(_describe_filter(message), raw_message=message)
    if reason == "length":
        problem += ". It was cut off at the token limit. Increase max_tokens."
    return OutputParserException(problem, llm_output=text)


def _describe_filter(message: BaseMessage) -> str:
    reason = message.response_metadata.get("finish_reason")
    problem = "model refused to answer" if reason == "refusal" else "provider filtered the answer"
    return f"The {problem} (finish reason {reason!r})"


def _get_invalid_call_args(message: BaseMessage | None) -> str:
    """Return the arguments of the first invalid tool call, as the model wrote them."""
    invalid_calls = getattr(message, "invalid_tool_calls", None) or [{}]
    return strip_invalid_suffix(invalid_calls[0].get("args") or "")


def _shorten(text: str) -> str:
    return repr(text if len(text) <= _MAX_PREVIEW_CHARS else f"{text[:_MAX_PREVIEW_CHARS]}...")


def _is_complete_json(text: str) -> bool:
    """Return whether the text, or the code block in it, is JSON without any repair.

    LangChain's parsers repair truncated JSON, so a truncated answer would look complete.
    """
    code_block = _CODE_FENCE.search(text)
    for candidate in (text, code_block[1] if code_block else ""):
        try:
            loads(candidate)
        except ValueError:
            continue
        return True
    return False


class _TextParser(_StrictOutputParser, JsonOutputParser):
    parses_text: bool = True


class _ToolParser(_StrictOutputParser, JsonOutputKeyToolsParser):
    pass


def include_raw_output(model: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Return a runnable that outputs a dict with ``raw``, ``parsed`` and ``parsing_error``.

    The parser must have been created with ``return_errors=True``.
    """
    parse = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    return RunnableMap(raw=model) | parse | RunnableGenerator(_move_errors, _amove_errors)


def _move_errors(chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from map(_move_error, chunks)


async def _amove_errors(chunks: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async for chunk in chunks:
        yield _move_error(chunk)


def _move_error(chunk: dict[str, Any]) -> dict[str, Any]:
    """Move an error that the parser returned from ``parsed`` to ``parsing_error``."""
    if not isinstance(error := chunk.get("parsed"), Exception):
        return chunk
    return AddableDict({**chunk, "parsed": None, "parsing_error": error})
