"""Too much input: each provider says it in its own words, and the router hands them on."""

import json

import pytest
from langchain_core.exceptions import ContextOverflowError

from orq_router_integrations.errors import BadRequestError, ContextLengthError, create_error
from orq_router_integrations.wire.call import Response


def error(status: int, message: str) -> Exception:
    content = json.dumps({"error": {"message": message}}).encode()
    return create_error(Response(status, {}, content), "/chat/completions")


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 8192 tokens",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input exceeds the context window",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "Too many input tokens",
        "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
        "Input is too long for requested model.",
        "Please reduce the length of the messages or completion.",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    ],
)
def test_too_much_input_is_seen_by_its_text(status: int, text: str) -> None:
    found = error(status, text)
    assert type(found) is ContextLengthError
    assert isinstance(found, ContextOverflowError)


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens is too large: 20000. This model supports at most 16384 completion tokens",
        "stop: at most 4 texts",
        "tools[0].function.description is too long",
    ],
)
def test_other_limits_are_no_full_context(text: str) -> None:
    assert type(error(400, text)) is BadRequestError
