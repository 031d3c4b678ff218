"""Chunks made without parsing equal those that LangChain's constructor makes."""

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.chat_models.response_conversion import (
    _EMPTY_CHUNK,
    _create_generation_chunk,
    _create_message_chunk,
)

AWKWARD = [
    "",
    "{",
    "{}",
    '{"a": 1',
    '{"a": 1}',
    " \n\t{",
    "\u00a0{",
    "\ufeff{",
    '"',
    '"}',
    "}",
    "]",
    "[",
    '[{"a": 1}]',
    "[" * 2000,
    " ",
    "null",
    "true",
    "12",
    "-",
    "NaN",
    "word ",
    "\\",
    '\\"',
    "\u2028",
    "é🙂",
    'b": {"c": 2}',
    ', "d": {}}',
    "x{}",
]


@pytest.mark.parametrize("arguments", AWKWARD)
@pytest.mark.parametrize("more", [(), ("more",), ("{",)], ids=["alone", "beside more", "and one"])
@pytest.mark.parametrize("name", [None, "search"])
def test_a_fragment_is_the_same_however_it_is_made(arguments, more, name):
    calls = [
        tool_call_chunk(name=name, args=text, id=name and "call_1", index=number)
        for number, text in enumerate([arguments, *more])
    ]
    ours = _create_message_chunk("text", calls, {"refusal": "no"})
    theirs = AIMessageChunk(
        content="text",
        tool_call_chunks=calls,
        additional_kwargs={"refusal": "no"},
        response_metadata={"model_provider": PROVIDER},
    )
    assert ours == theirs
    assert ours.model_dump() == theirs.model_dump()
    assert ours + ours == theirs + theirs


@pytest.mark.parametrize("text", ["", "word ", "\u2028", "{"])
def test_a_text_is_the_same_however_it_is_made(text):
    ours = _create_message_chunk(text, [], {})
    theirs = AIMessageChunk(content=text, response_metadata={"model_provider": PROVIDER})
    assert ours == theirs
    assert ours.model_dump() == theirs.model_dump()
    assert dumpd(ours) == dumpd(theirs)
    assert ours + ours == theirs + theirs


@pytest.mark.parametrize("logprobs", [None, {"content": []}])
def test_a_generation_is_the_same_however_it_is_made(logprobs):
    info = {"logprobs": logprobs} if logprobs else None
    ours = _create_generation_chunk("word ", [], {}, logprobs)
    theirs = ChatGenerationChunk(
        message=_create_message_chunk("word ", [], {}), generation_info=info
    )
    assert ours == theirs
    assert dumpd(ours) == dumpd(theirs)
    assert ours + ours == theirs + theirs


def test_fragments_share_nothing_that_can_be_changed():
    before = _EMPTY_CHUNK.model_dump()
    for _ in range(2):
        made = _create_message_chunk("", [tool_call_chunk(args="word ", index=0)], {})
        assert (made.additional_kwargs, made.tool_calls, len(made.invalid_tool_calls)) == (
            {},
            [],
            1,
        )
        made.additional_kwargs["x"] = made.response_metadata["x"] = 1
        made.tool_calls.append({"name": "x", "args": {}, "id": "x"})
        made.invalid_tool_calls.clear()
        made.tool_call_chunks.clear()
    assert _EMPTY_CHUNK.model_dump() == before
