"""Structured output: request parameters for each method, and the output parser."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from operator import itemgetter
from typing import Annotated, Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableMap, RunnablePassthrough
from langchain_core.runnables.utils import AddableDict
from langchain_core.utils.json import parse_json_markdown
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import SkipValidation

from orq_router_integrations.chat_models import response_metadata, tool_schemas
from orq_router_integrations.chat_models.fields import ChatOrqFields
from orq_router_integrations.chat_models.request_builder import build_tool_params
from orq_router_integrations.chat_models.tool_calls import strip_truncation_mark
from orq_router_integrations.chat_models.tool_schemas import WRAPPER_KEY, OutputSchema
from orq_router_integrations.errors import RefusalError
from orq_router_integrations.wire.json import loads_arguments

_CODE_FENCE = re.compile(r"```(?:json)?(.*)```", re.DOTALL)


def bind_structured_output(
    model: ChatOrqFields,
    schema: OutputSchema | None,
    method: tool_schemas.StructuredOutputMethod,
    *,
    include_raw: bool,
    strict: bool | None,
    kwargs: dict[str, Any],
) -> Runnable[Any, Any]:
    """Build the runnable that ``ChatOrq.with_structured_output`` returns."""
    json_schema, is_wrapped = _create_json_schema(schema, method)
    method_args = _build_method_args(json_schema, method, strict, model.api)
    if duplicates := sorted(method_args.keys() & kwargs.keys()):
        raise ValueError(f"{duplicates[0]!r} is set by method={method!r}. Remove the argument.")
    if json_schema:  # LangChain adds this argument to traces and does not send it
        texts = {"title": json_schema["name"], "description": json_schema.get("description", "")}
        method_args["ls_structured_output_format"] = {
            "kwargs": {"method": method, "strict": strict},
            "schema": {**json_schema["schema"], **texts},
        }
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    parser = _OutputParser(
        tool_name=json_schema["name"] if method == "function_calling" else None,
        model=schema if is_class else None,
        is_wrapped=is_wrapped,
        include_raw=include_raw,
    )
    bound = model.bind(**method_args, **kwargs)
    if not include_raw:
        return bound | parser
    parse = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    set_errors = RunnableGenerator(_set_parsing_errors, _aset_parsing_errors)
    return RunnableMap(raw=bound) | parse | set_errors


def _create_json_schema(schema: OutputSchema | None, method: str) -> tuple[dict[str, Any], bool]:
    """Create the schema of the answer, and return whether it is wrapped."""
    if method == "json_mode":
        with suppress(ValueError):  # the schema is not sent, so it may be missing or invalid
            return tool_schemas.create_output_schema(schema or {})[0], False
        return {}, False
    if schema is None:
        raise ValueError(f"method={method!r} needs a schema. Pass 'schema'.")
    return tool_schemas.create_output_schema(schema)


def _build_method_args(
    json_schema: dict[str, Any], method: str, strict: bool | None, api: str
) -> dict[str, Any]:
    match method:
        case "json_schema":
            return {"response_format": tool_schemas.build_response_format(json_schema, strict)}
        case "function_calling":
            function = {"description": "", **json_schema, "parameters": json_schema["schema"]}
            del function["schema"]
            tool_args = {
                "tools": [{"type": "function", "function": function}],
                "tool_choice": json_schema["name"],
                "parallel_tool_calls": False,
            }
            return build_tool_params(tool_args, api=api, strict=strict)
        case "json_mode" if strict is None:
            return {"response_format": {"type": "json_object"}}
        case "json_mode":
            raise ValueError("method='json_mode' does not support 'strict'. Use 'json_schema'.")
    raise ValueError(
        f"Unknown method {method!r}. Use 'json_schema', 'function_calling' or 'json_mode'."
    )


class _OutputParser(BaseCumulativeTransformOutputParser[Any]):
    """Parser that raises errors where LangChain's parsers return ``None`` or repair truncated JSON.

    The checks apply to complete answers and to the end of a stream: refusals, truncated answers
    and answers without the requested structure are errors.
    """

    tool_name: str | None = None  # ``None`` if the output is the text of the answer
    model: Annotated[Any, SkipValidation()] = None
    is_wrapped: bool = False
    include_raw: bool = False  # then errors are returned

    @property
    def OutputType(self) -> Any:  # noqa: N802 - the name is LangChain's
        return self.model or (Any if self.is_wrapped else dict[str, Any])

    def parse(self, text: str) -> Any:
        return self.parse_result([ChatGeneration(message=AIMessage(text))])

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        message: AIMessage = result[0].message
        if partial and getattr(message, "chunk_position", None) != "last":
            return self._parse_partial_answer(message)
        try:
            return self._parse_complete_answer(message)
        except (ValueError, RefusalError) as error:
            if self.include_raw:
                return error
            raise

    def _parse_partial_answer(self, message: AIMessage) -> Any:
        """Return what has been received so far, or ``None`` if it is not valid yet."""
        with suppress(ValueError):
            parsed = self._find_answer(message, parse_json_markdown)
            # An empty object may be the answer, unless it is a wrapper without its value.
            if parsed or (parsed is not None and not self.is_wrapped):
                return self._convert(parsed)
        return None

    def _parse_complete_answer(self, message: AIMessage) -> Any:
        reason = message.response_metadata.get("finish_reason")
        withheld = f"The answer was refused or filtered (finish reason {reason!r})."
        if (refusal := response_metadata.get_refusal(message)) is not None:
            raise RefusalError(refusal or withheld, raw_message=message)
        invalid_arguments = [call["args"] or "" for call in message.invalid_tool_calls]
        text = message.text or strip_truncation_mark("".join(invalid_arguments))
        try:
            parsed = self._find_answer(message, _parse_json)
            requires_dict = self.model is None and not self.is_wrapped
            if parsed is None or (requires_dict and not isinstance(parsed, dict)):
                raise ValueError(f"The answer does not match the schema: {text!r:.200}")
            return self._convert(parsed)
        except ValueError as error:
            if response_metadata.normalize_finish_reason(reason) == "content_filter":
                raise RefusalError(withheld, raw_message=message) from None
            problem = str(error)
            if reason == "length":
                problem += ". It was cut off at the token limit. Increase max_tokens."
            raise OutputParserException(problem, llm_output=text) from None

    def _find_answer(self, message: AIMessage, parse: Callable[[str], Any]) -> Any:
        """Return the parsed text, or the arguments of the first call of the tool."""
        if self.tool_name is None:
            return parse(message.text)
        calls = message.tool_calls
        return next((call["args"] for call in calls if call["name"] == self.tool_name), None)

    def _convert(self, parsed: Any) -> Any:
        """Unwrap a value and convert it to an instance of the model."""
        if self.is_wrapped and isinstance(parsed, dict) and parsed.keys() == {WRAPPER_KEY}:
            parsed = parsed[WRAPPER_KEY]
        if self.model is None:
            return parsed
        validate = getattr(self.model, "model_validate", None) or self.model.parse_obj
        return validate(parsed)


def _parse_json(text: str) -> Any:
    """Parse JSON text, or the code block in it, without repair.

    LangChain's parsers repair truncated JSON, so a truncated answer would look complete.
    """
    for candidate in (text, *_CODE_FENCE.findall(text)):
        with suppress(ValueError):
            return loads_arguments(candidate)
    raise ValueError(f"The answer is not complete JSON: {text!r:.200}")


def _set_parsing_errors(chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from map(_set_parsing_error, chunks)


async def _aset_parsing_errors(
    chunks: AsyncIterator[dict[str, Any]],
) -> AsyncIterator[dict[str, Any]]:
    async for chunk in chunks:
        yield _set_parsing_error(chunk)


def _set_parsing_error(chunk: dict[str, Any]) -> dict[str, Any]:
    """Move an error that the parser returned from ``parsed`` to ``parsing_error``."""
    if not isinstance(error := chunk.get("parsed"), Exception):
        return chunk
    return AddableDict({**chunk, "parsed": None, "parsing_error": error})
