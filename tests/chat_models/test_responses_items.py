"""Output items of the Responses API are emitted once in streams, and sent back unchanged."""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from support.chat_responses import EVENT_STREAM, create_model, encode_event
from support.response_events import create_event

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models import tool_calls
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.errors import RouterError, RouterInputError
from orq_router_integrations.wire.json import loads_arguments
from orq_router_integrations.wire.responses_request import build_responses_body

RESPONSE = {"id": "resp_1", "model": "gpt-4o", "status": "completed", "output": []}
both_modes = pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])
both_versions = pytest.mark.parametrize("version", ["v0", "v1"])


def reasoning(item_id: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": f"Hm {item_id}."}]
    return {
        "type": "reasoning",
        "id": item_id,
        "summary": summary,
        "encrypted_content": f"x{item_id}",
    }


def call(item_id: str, call_id: str = "c1", name: str = "look") -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": item_id,
        "call_id": call_id,
        "name": name,
        "arguments": '{"a":1}',
    }


def text(item_id: str, content: str = "Hi") -> dict[str, Any]:
    parts = [{"type": "output_text", "text": content, "annotations": []}]
    return {"type": "message", "id": item_id, "role": "assistant", "content": parts}


def stream_items(items: list[Any]) -> list[dict[str, Any]]:
    """Create the events of a stream in which each item comes as one finished item."""
    item_events = [
        create_event("output_item.done", output_index=index, item=item)
        for index, item in enumerate(items)
    ]
    return [*item_events, create_event("completed", response={**RESPONSE, "output": items})]


def answer_with(*items: Any, stream: bool = False, version: str = "v0") -> AIMessage:
    """Return the answer of a model that receives these output items."""
    if stream:
        content = b"".join(map(encode_event, stream_items(list(items))))
    else:
        content = orjson.dumps({**RESPONSE, "output": items})
    content_type = EVENT_STREAM if stream else "application/json"
    model = create_model(content, content_type, api="responses", output_version=version)
    answer = model.invoke("Hi", stream=stream)
    assert isinstance(answer, AIMessage)
    return answer


def replay(answer: AIMessage, *following: Any) -> list[dict[str, Any]]:
    """Return the input items of the next request, after the first message."""
    messages = [HumanMessage("Hi"), answer, *following]
    body = {"messages": convert_messages(messages, api="responses", provider="openai")}
    items: list[dict[str, Any]] = build_responses_body(body)["input"]
    return items[1:]


TEXT_DELTA = {"item_id": "m1", "content_index": 0, "delta": "Hi"}
CALL_ADDED = {**call("f1"), "arguments": ""}


def streamed_text(index: int | None, done_index: int | None, **fields: Any) -> list[Any]:
    return [
        create_event("output_text.delta", output_index=index, **TEXT_DELTA),
        create_event("output_item.done", output_index=done_index, item={**text("m1"), **fields}),
    ]


def streamed_call(done_index: int | None, done_item: dict[str, Any], **delta: Any) -> list[Any]:
    arguments = create_event(
        "function_call_arguments.delta", output_index=0, delta='{"a":1}', **delta
    )
    return [
        create_event("output_item.added", output_index=0, item=CALL_ADDED),
        arguments,
        create_event("output_item.done", output_index=done_index, item=done_item),
    ]


STREAMS: dict[str, tuple[list[Any], str, int]] = {
    "text with another index when done": (streamed_text(0, 1), "Hi", 0),
    "text without an index when done": (streamed_text(0, None), "Hi", 0),
    "text with another id when done": (streamed_text(0, 0, id="m9"), "Hi", 0),
    "finished text twice": ([*streamed_text(0, 0), *streamed_text(0, 0)[1:]], "Hi", 0),
    "text at the index of a finished item": (
        [
            create_event("output_item.done", output_index=0, item=reasoning("r1")),
            *streamed_text(0, 0),
        ],
        "Hi",
        0,
    ),
    "finished text with another index": (
        [
            create_event("output_text.delta", output_index=0, **TEXT_DELTA),
            create_event("output_text.done", output_index=3, item_id="m1", text="Hi"),
        ],
        "Hi",
        0,
    ),
    "call with another index when done": (streamed_call(1, call("f1"), item_id="f1"), "", 1),
    "call without an index when done": (streamed_call(None, call("f1"), item_id="f1"), "", 1),
    "call without item ids, with another index": (
        streamed_call(1, {**call("f1"), "id": None}),
        "",
        1,
    ),
    "call with another id when done": (streamed_call(0, call("f9")), "", 1),
    "two calls at one index": (
        [
            *streamed_call(0, call("f1"), item_id="f1"),
            create_event("output_item.done", output_index=0, item=call("f2", "c2")),
        ],
        "",
        2,
    ),
    "second call only in the response": (
        [
            *streamed_call(0, call("f1"), item_id="f1"),
            create_event(
                "completed", response={**RESPONSE, "output": [call("f1"), call("f2", "c2")]}
            ),
        ],
        "",
        2,
    ),
}


def stream_answer(events: list[Any]) -> AIMessage:
    """Return the answer of a model that receives these events."""
    end = create_event("completed", response={**RESPONSE, "output": []})
    stream = b"".join(map(encode_event, [*events, end]))
    answer = create_model(stream, EVENT_STREAM, api="responses", streaming=True).invoke("Hi")
    assert isinstance(answer, AIMessage)
    return answer


@pytest.mark.parametrize(("events", "content", "count"), STREAMS.values(), ids=STREAMS)
def test_streamed_item_is_emitted_once(events: list[Any], content: str, count: int) -> None:
    answer = stream_answer(events)
    assert answer.text == content
    assert [item["args"] for item in answer.tool_calls] == [{"a": 1}] * count


def test_fragments_of_calls_at_one_index_are_not_mixed() -> None:
    second_call = {**call("f2", "c2"), "arguments": ""}
    fragments = [("f1", '{"a"'), ("f2", '{"b"'), ("f1", ":1}"), ("f2", ":2}")]
    events = [
        create_event("output_item.added", output_index=0, item=CALL_ADDED),
        create_event("output_item.added", output_index=0, item=second_call),
        *(
            create_event(
                "function_call_arguments.delta", output_index=0, item_id=item_id, delta=delta
            )
            for item_id, delta in fragments
        ),
    ]
    calls = stream_answer(events).tool_calls
    assert [item["args"] for item in calls] == [{"a": 1}, {"b": 2}]


SHARED_ID_EVENTS: dict[str, tuple[str, ...]] = {
    "one after the other": ("added 0", "delta 0", "done 0", "added 1", "delta 1", "done 1"),
    "interleaved": ("added 0", "added 1", "delta 0", "delta 1", "done 1", "done 0"),
    "without finished items": ("added 0", "delta 0", "added 1", "delta 1"),
    "without starts": ("delta 0", "done 0", "delta 1", "done 1"),
    "without deltas": ("added 0", "done 0", "added 1", "done 1"),
    "only finished items": ("done 0", "done 1"),
    "first item only": ("added 0", "delta 0", "done 0"),
    "only the response": (),
}
PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'


@pytest.mark.parametrize("second_arguments", [ROME, PARIS], ids=["other", "equal"])
@pytest.mark.parametrize("has_output", [True, False], ids=["with output", "without output"])
@pytest.mark.parametrize(
    ("item_ids", "indices"),
    [
        (("f0", "f1"), (0, 1)),
        (("f0", "f1"), (0, 0)),
        (("f0", "f1"), (None, None)),
        (("", ""), (0, 1)),
        (("f", "f"), (0, 1)),
    ],
    ids=["ids and indices", "one index", "only ids", "only indices", "one item id"],
)
@pytest.mark.parametrize(
    "call_ids",
    [("look", "look"), ("c0", "c1"), (None, None)],
    ids=["one call id", "call ids", "no call ids"],
)
@pytest.mark.parametrize("names", SHARED_ID_EVENTS.values(), ids=SHARED_ID_EVENTS)
def test_calls_that_share_ids_are_not_merged(
    names: tuple[str, ...],
    call_ids: Any,
    item_ids: Any,
    indices: Any,
    has_output: bool,
    second_arguments: str,
) -> None:
    """Some providers use one item id, or the name of the tool as the id of each call."""
    items = [
        {**call(item_id, call_id), "arguments": arguments}
        for item_id, call_id, arguments in zip(
            item_ids, call_ids, [PARIS, second_arguments], strict=True
        )
    ]
    events = []
    for name in names:
        kind, item = name.split()[0], items[int(name[-1])]
        index = indices[int(name[-1])]
        if kind == "delta":
            for delta in (item["arguments"][:5], item["arguments"][5:]):
                place = {"output_index": index, "item_id": item["id"], "delta": delta}
                events.append(create_event("function_call_arguments.delta", **place))
        else:
            item = item if kind == "done" else {**item, "arguments": ""}
            events.append(create_event(f"output_item.{kind}", output_index=index, item=item))
    is_complete = any(name.endswith("1") for name in names)
    output = items if has_output or not is_complete else []
    events.append(create_event("completed", response={**RESPONSE, "output": output}))
    complete, answer = answer_with(*items), stream_answer(events)
    assert [item["args"] for item in answer.tool_calls] == [
        item["args"] for item in complete.tool_calls
    ]
    assert len({item["id"] for item in answer.tool_calls}) == 2
    assert not answer.invalid_tool_calls


def create_argument_deltas(*deltas: str, **place: Any) -> list[Any]:
    return [create_event("function_call_arguments.delta", delta=delta, **place) for delta in deltas]


def test_arguments_after_a_complete_object_belong_to_another_call() -> None:
    """Without useful ids and indices, only the arguments say where the second call starts."""
    added = create_event("output_item.added", item=CALL_ADDED)
    deltas = create_argument_deltas('{"a"', ":1}", '{"b":{"', 'c":2}}', item_id="f1")
    done_events = [
        create_event("output_item.done", item={**call("f1"), "arguments": arguments})
        for arguments in ('{"a":1}', '{"b":{"c":2}}')
    ]
    calls = stream_answer([added, *deltas, *done_events]).tool_calls
    assert [item["args"] for item in calls] == [{"a": 1}, {"b": {"c": 2}}]


@pytest.mark.parametrize(
    ("start", "delta", "end"),
    [('{"rows":[', '{"id":1},', '{"id":2}]}'), ('{"a":"}', "{x}", '"}')],
    ids=["objects", "braces in a string"],
)
def test_arguments_are_not_parsed_for_each_delta(
    start: str, delta: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed_lengths = []

    def record_length(arguments: str, **options: Any) -> Any:
        parsed_lengths.append(len(arguments))
        return loads_arguments(arguments, **options)

    monkeypatch.setattr(tool_calls, "loads_arguments", record_length)
    deltas = [start, *[delta] * 500, end]
    item = {**call("f1"), "arguments": "".join(deltas)}
    added = create_event("output_item.added", output_index=0, item=CALL_ADDED)
    item_done = create_event("output_item.done", output_index=0, item=item)
    position = {"output_index": 0, "item_id": "f1"}
    answer = stream_answer([added, *create_argument_deltas(*deltas, **position), item_done])
    assert len(answer.tool_calls) == 1
    assert sum(parsed_lengths) < 5 * len(item["arguments"])


def test_item_id_may_change_with_every_event() -> None:
    ids = iter("abcdefgh")
    events = []
    for arguments in ('{"a":', '{"b":1}}'), ("{}",):
        item = call(next(ids))
        events.append(create_event("output_item.added", item={**item, "arguments": ""}))
        for delta in arguments:
            events += create_argument_deltas(delta, item_id=next(ids))
        done_item = {**item, "id": next(ids), "arguments": "".join(arguments)}
        events.append(create_event("output_item.done", item=done_item))
    answer = stream_answer(events)
    assert [item["args"] for item in answer.tool_calls] == [{"a": {"b": 1}}, {}]
    assert not answer.invalid_tool_calls


def test_item_id_identifies_the_call_without_an_index() -> None:
    """The call with this item id started before another one, which already has arguments."""
    events = [
        create_event("output_item.added", item=CALL_ADDED),
        create_event("output_item.added", item={**call("f2", "c2"), "arguments": ""}),
        *create_argument_deltas("{", item_id="f2"),
        *create_argument_deltas('{"a":1}', item_id="f1"),
        *create_argument_deltas("}", item_id="f2"),
    ]
    calls = stream_answer(events).tool_calls
    assert [item["args"] for item in calls] == [{"a": 1}, {}]


def test_call_without_received_arguments_is_invalid() -> None:
    """A tool may have no parameters, but then the arguments are an empty object."""
    answer = stream_answer([create_event("output_item.added", output_index=0, item=CALL_ADDED)])
    assert not answer.tool_calls
    assert [item["name"] for item in answer.invalid_tool_calls] == ["look"]


def test_arguments_may_be_omitted_when_the_call_is_finished() -> None:
    events = streamed_call(0, {**call("f1"), "arguments": None}, item_id="f1")
    assert [item["args"] for item in stream_answer(events).tool_calls] == [{"a": 1}]


def test_calls_without_call_ids_are_emitted_once() -> None:
    events: list[Any] = []
    for index, arguments in enumerate(['{"a":1}', "{}", "{}"]):
        item = {"type": "function_call", "id": f"f{index}", "name": "look", "arguments": arguments}
        place = {"output_index": index, "item_id": item["id"]}
        events += [
            create_event("output_item.added", output_index=index, item={**item, "arguments": ""}),
            create_event("function_call_arguments.delta", delta=arguments, **place),
            create_event("output_item.done", output_index=index, item=item),
        ]
    calls = stream_answer(events).tool_calls
    assert [item["args"] for item in calls] == [{"a": 1}, {}, {}]


def test_call_names_are_taken_from_the_finished_response() -> None:
    items = [{**call(f"f{n}", f"c{n}", f"tool_{n}"), "arguments": f'{{"a":{n}}}'} for n in (1, 2)]
    events = [
        create_event("function_call_arguments.delta", output_index=index, delta=item["arguments"])
        for index, item in enumerate(items)
    ]
    events.append(create_event("completed", response={**RESPONSE, "output": items}))
    calls = stream_answer(events).tool_calls
    assert [(item["name"], item["args"]) for item in calls] == [
        ("tool_1", {"a": 1}),
        ("tool_2", {"a": 2}),
    ]


def test_missing_end_of_arguments_is_emitted() -> None:
    events = [
        create_event("output_item.added", output_index=0, item=CALL_ADDED),
        create_event("function_call_arguments.delta", output_index=0, delta='{"a"'),
        create_event("output_item.done", output_index=0, item=call("f1")),
    ]
    assert [item["args"] for item in stream_answer(events).tool_calls] == [{"a": 1}]


@both_modes
@both_versions
def test_order_and_ids_of_items_are_sent_back(stream: bool, version: str) -> None:
    items = [
        reasoning("r1"),
        call("f1"),
        reasoning("r2"),
        call("f2", "c2"),
        text("m1"),
    ]
    answer = answer_with(*items, stream=stream, version=version)
    results = [ToolMessage("1", tool_call_id="c1"), ToolMessage("2", tool_call_id="c2")]
    sent_items = replay(answer, *results)
    assert [item.get("id") for item in sent_items] == ["r1", "f1", "r2", "f2", "m1", None, None]
    assert [item["encrypted_content"] for item in sent_items if item["type"] == "reasoning"] == [
        "xr1",
        "xr2",
    ]


def test_reasoning_before_an_answer_without_calls_keeps_the_search() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    answer = answer_with(reasoning("r1"), search, text("m1"))
    assert [item.get("id") for item in replay(answer)] == ["r1", "ws", "m1"]


def test_reasoning_at_the_end_is_left_out() -> None:
    """The API rejects it. The two messages of the answer have become one."""
    answer = answer_with(reasoning("r1"), text("m1"), reasoning("r2"), text("m2"))
    assert [item.get("id") for item in replay(answer)] == ["r1", "m1"]


def test_ids_are_left_out_if_the_reasoning_cannot_be_sent() -> None:
    """The API rejects the id of a call whose reasoning is missing."""
    unsigned = {"type": "reasoning", "id": "r1", "summary": []}
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    answer = answer_with(unsigned, search, call("f1"))
    (sent_call, _) = replay(answer, ToolMessage("1", tool_call_id="c1"))
    assert sent_call == {k: v for k, v in call("f1").items() if k != "id"}


def test_call_added_by_the_caller_comes_last() -> None:
    answer = answer_with(reasoning("r1"), call("f1"))
    answer.tool_calls.append({"name": "look", "args": {}, "id": "c9", "type": "tool_call"})
    assert [item.get("call_id") for item in replay(answer)] == [None, "c1", "c9"]


def test_items_are_not_sent_to_chat_completions() -> None:
    answer = answer_with(reasoning("r1"), call("f1"), {"type": "compaction", "id": "k"})
    (payload,) = convert_messages([answer])
    assert payload.keys() == {"role", "content", "tool_calls"}


def test_items_are_not_sent_to_another_provider() -> None:
    answer = answer_with(reasoning("r1"), {"type": "compaction", "id": "k"}, call("f1"))
    body = {"messages": convert_messages([answer], api="responses", provider="anthropic")}
    (sent_call,) = build_responses_body(body)["input"]
    assert sent_call["type"] == "function_call"
    assert "id" not in sent_call


REQUEST = {
    "type": "mcp_approval_request",
    "id": "mcpr_1",
    "name": "delete",
    "arguments": "{}",
    "server_label": "files",
}
COMPACTION = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}


@both_modes
@pytest.mark.parametrize("item", [COMPACTION, REQUEST], ids=lambda item: item["type"])
def test_item_is_sent_back_unchanged(item: dict[str, Any], stream: bool) -> None:
    answer = answer_with(item, text("m1"), stream=stream)
    assert replay(answer)[0] == item


APPROVAL = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}


def test_approval_is_an_input_item(router: OfflineRouter) -> None:
    model = ChatOrq(model="openai/gpt-4o", api="responses", client=router.client())
    answer = answer_with(REQUEST)
    model.invoke([HumanMessage("Hi"), answer, HumanMessage([APPROVAL])])
    assert router.requests[-1].body["input"][1:] == [REQUEST, APPROVAL]


def test_approval_with_text_keeps_the_text() -> None:
    sent_items = replay(answer_with(REQUEST), HumanMessage([APPROVAL, "Go on."]))
    assert sent_items[1] == APPROVAL
    assert sent_items[2]["content"] == [{"type": "input_text", "text": "Go on."}]


def test_approval_in_a_tool_result_is_text() -> None:
    [_, output] = replay(answer_with(call("f")), ToolMessage([APPROVAL], tool_call_id="c1"))
    assert output["type"] == "function_call_output"
    assert orjson.loads(output["output"]) == APPROVAL


@pytest.mark.parametrize(
    "fields",
    [
        {"approve": True},
        {"approval_request_id": "mcpr_1"},
        {**APPROVAL, "approve": "yes"},
        {**APPROVAL, "approval_request_id": 5},
    ],
    ids=["no id", "no decision", "decision str", "id int"],
)
def test_incomplete_approval_raises(router: OfflineRouter, fields: dict[str, Any]) -> None:
    model = ChatOrq(model="openai/gpt-4o", api="responses", client=router.client())
    block = {"type": "mcp_approval_response", **fields}
    with pytest.raises(
        RouterInputError, match=r"messages\[0\]\.content\[0\]: .*'approval_request_id'"
    ):
        model.invoke([HumanMessage([block])])
    assert router.requests == []


def test_approval_needs_the_responses_api(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match="api='responses'"):
        model.invoke([HumanMessage([APPROVAL])])


SERVER_TOOLS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "web search": (
        {
            "type": "web_search_call",
            "id": "s",
            "status": "completed",
            "action": {"type": "search", "query": "owls"},
        },
        {"name": "web_search", "args": {"type": "search", "query": "owls"}},
        {"status": "success"},
    ),
    "file search": (
        {
            "type": "file_search_call",
            "id": "s",
            "status": "completed",
            "queries": ["owls"],
            "results": [{"file_id": "f"}],
        },
        {"name": "file_search", "args": {"queries": ["owls"]}},
        {"status": "success", "output": [{"file_id": "f"}]},
    ),
    "code": (
        {
            "type": "code_interpreter_call",
            "id": "s",
            "status": "failed",
            "code": "1",
            "outputs": None,
        },
        {"name": "code_interpreter", "args": {"code": "1"}},
        {"status": "error"},
    ),
    "MCP error": (
        {"type": "mcp_call", "id": "s", "name": "f", "arguments": "{}", "error": "no"},
        {"name": "mcp", "args": {"name": "f", "arguments": "{}"}},
        {"status": "error", "output": "no"},
    ),
}


@both_modes
@both_versions
@pytest.mark.parametrize(("item", "call_fields", "result"), SERVER_TOOLS.values(), ids=SERVER_TOOLS)
def test_server_side_tool_becomes_call_and_result(
    item: Any, call_fields: Any, result: Any, stream: bool, version: str
) -> None:
    blocks = answer_with(item, text("m1"), stream=stream, version=version).content_blocks
    assert {"type": "text", "text": "Hi"} in [
        {k: v for k, v in block.items() if k in {"type", "text"}} for block in blocks
    ]
    traces = [
        {k: v for k, v in block.items() if k != "index"}
        for block in blocks
        if block["type"].startswith("server_tool")
    ]
    assert traces == [
        {"type": "server_tool_call", "id": "s", **call_fields},
        {"type": "server_tool_result", "tool_call_id": "s", **result},
    ]


def test_server_side_tool_that_has_not_finished_has_no_result() -> None:
    item = {"type": "web_search_call", "id": "s", "status": "in_progress"}
    blocks = answer_with(item, text("m1")).content_blocks
    assert [block["type"] for block in blocks] == ["text", "server_tool_call"]


def test_type_that_is_not_a_str_is_unknown() -> None:
    item = {"type": ["x"], "id": "i"}
    message = text("m1")
    message["content"].append({"type": ["x"], "text": "!"})
    answer = answer_with(item, message)
    assert answer.text.endswith("!")
    assert answer.additional_kwargs["output_items"] == [item]


FAILURES: dict[str, tuple[Any, str]] = {
    "no error": ({}, "The response failed .reason: unknown"),
    "null error": ({"error": None}, "The response failed .reason: unknown"),
    "reason": (
        {"incomplete_details": {"reason": "server_overloaded"}},
        "failed .reason: server_overloaded",
    ),
    "error": ({"error": {"code": "x", "message": "out of owls"}}, "out of owls"),
}


@both_modes
@pytest.mark.parametrize(("fields", "message"), FAILURES.values(), ids=FAILURES)
def test_failed_response_has_a_readable_message(fields: Any, message: str, stream: bool) -> None:
    response = {**RESPONSE, "status": "failed", **fields}
    content = (
        encode_event(create_event("failed", response=response))
        if stream
        else orjson.dumps(response)
    )
    content_type = EVENT_STREAM if stream else "application/json"
    model = create_model(content, content_type, api="responses", streaming=stream)
    with pytest.raises(RouterError, match=message):
        model.invoke("Hi")


def test_empty_refusal_is_not_sent_back() -> None:
    answer = AIMessage("Hi", additional_kwargs={"refusal": ""})
    assert replay(answer) == [{"type": "message", "role": "assistant", "content": "Hi"}]


OUTPUTS: list[tuple[Any, str]] = [
    ("done", "done"),
    ([{"type": "input_text", "text": "done"}], "done"),
    (None, ""),
]


@pytest.mark.parametrize(("output", "content"), OUTPUTS, ids=["str", "parts", "None"])
def test_custom_tool_call_output_is_accepted(output: Any, content: str) -> None:
    block = {"type": "custom_tool_call_output", "output": output}
    (message,) = convert_messages([ToolMessage([block], tool_call_id="c1")])
    assert message["content"] == content
