"""Structured output: parsers for what comes back."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from operator import itemgetter
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import (
    BaseOutputParser,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    PydanticOutputParser,
    PydanticToolsParser,
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
from pydantic import ValidationError

from orq_router_integrations.chat_models.schemas import (
    OutputSchema,
    StructuredOutputMethod,
    get_schema_name,
)
from orq_router_integrations.chat_models.tool_calls import strip_invalid_suffix
from orq_router_integrations.errors import RefusalError

_FENCE = re.compile(r"```(?:json)?(.*)```", re.DOTALL)
_SHOWN = 200


def create_output_parser(
    schema: OutputSchema | None, method: StructuredOutputMethod, *, return_errors: bool = False
) -> BaseOutputParser[Any]:
    """The parser for the answers to a method: a pydantic object for a class, else a dict.

    With ``errors_told`` an error is handed on as the result instead of raised.
    """
    model = schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
    if method == "function_calling" and schema is not None:
        if model is not None:
            return _PydanticCall(tools=[model], first_tool_only=True, errors_told=return_errors)
        name = get_schema_name(schema)
        return _JsonCall(key_name=name, first_tool_only=True, errors_told=return_errors)
    if model is not None:
        return _PydanticAnswer(pydantic_object=model, errors_told=return_errors)
    return _JsonAnswer(errors_told=return_errors)


class _Honest(BaseOutputParser[Any]):
    """Raises where LangChain's parsers would hand on nothing, or half of something.

    At the end of an answer (also of a streamed one): a refusal is told as one, no structure is an
    error, and so is an unfinished one.
    """

    dicts_only: bool = False
    in_text: bool = False
    errors_told: bool = False

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        message = result[0].message if isinstance(result[0], ChatGeneration) else None
        ended = not partial or getattr(message, "chunk_position", None) == "last"
        if not ended:
            return super().parse_result(result, partial=True)
        try:
            return self._final(result, message)
        except (ValueError, RefusalError) as error:
            if self.errors_told:
                return error
            raise

    def _final(self, result: list[Generation], message: BaseMessage | None) -> Any:
        if message is not None and (refusal := message.additional_kwargs.get("refusal")):
            raise RefusalError(str(refusal))
        text = result[0].text or _cut_call(message)
        if self.in_text and not _is_whole(text):
            raise _refused(f"the answer is not whole JSON: {_start(text)}", text, message)
        try:
            parsed = super().parse_result(result, partial=False)
        except ValidationError as error:
            raise _refused(str(error), text, message) from None
        if parsed is None or (self.dicts_only and not isinstance(parsed, dict)):
            said = f"the answer has not the structure asked for: {_start(text)}"
            raise _refused(said, text, message)
        return parsed


def _refused(said: str, text: str, message: BaseMessage | None) -> OutputParserException:
    """LangChain's error for such an answer, with the reason where the router told one."""
    if message is not None and message.response_metadata.get("finish_reason") == "length":
        said += "; it was cut off at the limit of its tokens: raise max_tokens"
    return OutputParserException(said, llm_output=text)


def _cut_call(message: BaseMessage | None) -> str:
    """The arguments of the first call that came out invalid."""
    invalid = getattr(message, "invalid_tool_calls", None) or [{}]
    return strip_invalid_suffix(invalid[0].get("args") or "")


def _start(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _is_whole(text: str) -> bool:
    """LangChain's parsers complete JSON that was cut off; half an answer must not pass as one."""
    fenced = _FENCE.search(text)
    for candidate in (text, fenced[1] if fenced else ""):
        try:
            json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        return True
    return False


class _JsonAnswer(_Honest, JsonOutputParser):
    """A dict."""

    dicts_only: bool = True
    in_text: bool = True


class _PydanticAnswer(_Honest, PydanticOutputParser[Any]):
    """An object of a pydantic class."""

    in_text: bool = True


class _JsonCall(_Honest, JsonOutputKeyToolsParser):
    """The arguments of the forced tool."""

    dicts_only: bool = True


class _PydanticCall(_Honest, PydanticToolsParser):
    """The arguments of the forced tool as an object of a pydantic class."""


def include_raw_output(model: Runnable[Any, Any], output: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Answer with ``raw``, ``parsed`` and ``parsing_error`` instead of raising on bad output.

    ``output`` must be a parser that tells its errors.
    """
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | output, parsing_error=lambda _: None
    )
    return RunnableMap(raw=model) | parsed | RunnableGenerator(_told, _atold)


def _told(chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Put an error that stands for a result in its own place."""
    yield from map(_sorted, chunks)


async def _atold(chunks: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async for chunk in chunks:
        yield _sorted(chunk)


def _sorted(chunk: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(error := chunk.get("parsed"), Exception):
        return chunk
    return AddableDict({**chunk, "parsed": None, "parsing_error": error})
