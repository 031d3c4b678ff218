"""POST /responses as a stream: its events, faults in it, and the stock openai client."""

import threading
import time
from itertools import count

import openai
import pytest
import uvicorn
from pydantic import BaseModel

from orq_router_integrations.testing import Answer, Fault, OfflineRouter, ToolCall
from orq_router_integrations.testing.asgi import create_asgi_app

GPT = "openai/gpt-4o"
CITATION = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}


def kinds(stream):
    """The events' types, each run of equal ones once."""
    found = [event["type"] for event in stream[:-1]]
    runs = [kind for kind, before in zip(found, [None, *found], strict=False) if kind != before]
    return [kind.removeprefix("response.") for kind in runs]


class TestEvents:
    def test_text(self, create_responses):
        stream = create_responses(
            answers={"hi": Answer("one two", annotations=[CITATION])}
        ).stream()
        assert kinds(stream) == [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
        assert stream[-1] == "[DONE]"
        deltas = [event["delta"] for event in stream[:-1] if "delta" in event]
        assert deltas == ["one ", "two"]
        (noted,) = [event for event in stream[:-1] if "annotation" in event]
        assert (noted["annotation"], noted["annotation_index"]) == (CITATION, 0)

    def test_every_event_is_numbered_and_named(self, create_responses):
        reply = create_responses().post(stream=True)
        assert reply.headers["content-type"].startswith("text/event-stream")
        blocks = reply.text.strip().split("\n\n")
        assert blocks.pop() == "data: [DONE]"
        for number, block in zip(count(), blocks):
            name, data = block.split("\n")
            kind = name.removeprefix("event: ")
            assert data.startswith(f'data: {{"type":"{kind}","sequence_number":{number},')

    @pytest.mark.parametrize("reasoning", [None, "I think so"])
    def test_reasoning(self, create_responses, reasoning):
        answer = Answer("ok", reasoning=reasoning, reasoning_signature="seal")
        stream = create_responses(answers={"hi": answer}).stream()
        summary = [kind for kind in kinds(stream) if kind.startswith("reasoning")]
        parts = ["reasoning_summary_part.added", "reasoning_summary_text.delta"]
        parts += ["reasoning_summary_text.done", "reasoning_summary_part.done"]
        assert summary == (parts if reasoning else [])
        done = [event["item"] for event in stream[:-1] if event["type"].endswith("item.done")]
        assert done[0]["encrypted_content"] == "seal"
        text = "".join(e["delta"] for e in stream[:-1] if e["type"].endswith("summary_text.delta"))
        assert text == (reasoning or "")

    def test_a_refusal(self, create_responses):
        stream = create_responses(answers={"hi": Answer(refusal="No, I will not.")}).stream()
        assert [kind for kind in kinds(stream) if "refusal" in kind] == [
            "refusal.delta",
            "refusal.done",
        ]
        added = next(e for e in stream[:-1] if e["type"] == "response.content_part.added")
        assert added["part"] == {"type": "refusal", "refusal": ""}

    def test_function_calls_come_in_fragments(self, create_responses):
        calls = (ToolCall("a", {"x": 1}), ToolCall("b"))
        stream = create_responses(answers={"hi": Answer("Well.", tool_calls=calls)}).stream()
        for index, arguments in ((1, '{"x":1}'), (2, "{}")):
            own = [event for event in stream[:-1] if event.get("output_index") == index]
            deltas = [event["delta"] for event in own if "delta" in event]
            assert len(deltas) >= 3
            assert "".join(deltas) == arguments == own[-2]["arguments"]
            assert own[0]["item"]["arguments"] == ""
            assert {event["item_id"] for event in own[1:-1]} == {own[0]["item"]["id"]}

    def test_custom_tools_and_searches(self, create_responses):
        calls = (ToolCall("sql", "select 1"), ToolCall("orq:web_search", "rain"))
        responses = create_responses(answers={"hi": Answer(tool_calls=calls)})
        found = kinds(responses.stream(tools=[{"type": "custom", "name": "sql"}]))
        assert found[3:6] == [
            f"web_search_call.{s}" for s in ("in_progress", "searching", "completed")
        ]
        assert found[8:10] == ["custom_tool_call_input.delta", "custom_tool_call_input.done"]

    def test_the_last_event_holds_what_the_whole_reply_would(self, create_responses):
        answer = Answer("a b", reasoning="c", tool_calls=(ToolCall("d", {"e": 1}),))
        streamed = create_responses(answers={"hi": answer}).stream()[-2]["response"]
        assert streamed == create_responses(answers={"hi": answer}).complete()

    def test_the_first_events_hold_an_empty_response(self, create_responses):
        created = create_responses().stream()[0]["response"]
        assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)

    def test_an_incomplete_response_says_so(self, create_responses):
        stream = create_responses().stream(max_output_tokens=1)
        assert stream[-2]["type"] == "response.incomplete"
        assert stream[-2]["response"]["status"] == "incomplete"

    def test_logprobs_go_with_their_words(self, create_responses):
        stream = create_responses(answers={"hi": "a b"}).stream(top_logprobs=1)
        deltas = [event for event in stream[:-1] if event["type"].endswith("text.delta")]
        assert [d["logprobs"][0]["token"] for d in deltas] == [d["delta"] for d in deltas]


class TestFaults:
    def test_a_stream_that_is_cut(self, create_responses):
        responses = create_responses(faults={GPT: Fault(cut_after=2)})
        assert [event["type"] for event in responses.stream()] == [
            "response.created",
            "response.in_progress",
        ]

    def test_a_cut_never_shows_the_end_and_is_not_stored(self, create_responses):
        responses = create_responses(faults={GPT: Fault(cut_after=999)})
        stream = responses.stream()
        assert stream[-1]["type"] == "response.output_item.done"
        assert responses.get_stored(stream[0]["response"]["id"]).status_code == 404

    def test_an_error_in_the_stream(self, create_responses):
        stream = create_responses(
            faults={GPT: Fault(error_after=3, status=503, message="busy")}
        ).stream()
        assert len(stream) == 4
        details = {"code": "provider_overloaded", "message": "busy"}
        event = {"type": "error", "sequence_number": 3, "param": None, "error": details}
        assert stream[-1] == event | details

    @pytest.mark.parametrize(
        ("body", "event"),
        [
            ({"odd": 1}, {"odd": 1}),
            ("<html>", {"type": "error", "message": "<html>"}),
            ({"error": "odd"}, {"error": "odd"}),
        ],
    )
    def test_an_error_of_any_shape(self, create_responses, body, event):
        assert create_responses(faults={GPT: Fault(error_after=1, body=body)}).stream()[-1] == event

    def test_a_stream_that_does_not_begin_is_retried(self, create_responses):
        responses = create_responses(faults={GPT: [Fault(cut_after=0), 503]})
        assert responses.stream()[-1] == "[DONE]"
        assert responses.provider_calls == [(GPT, 502), (GPT, 503), (GPT, 200)]


@pytest.fixture
def client():
    """The stock client of a served router."""
    router = OfflineRouter(
        answers={"Why?": Answer("Because.", reasoning="Hm.", reasoning_signature="seal")},
        faults={"openai/broken": Fault(error_after=4, status=503, message="busy")},
    )
    config = uvicorn.Config(create_asgi_app(router), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    base_url = f"http://127.0.0.1:{port}/v3/router"
    with openai.OpenAI(api_key="any", base_url=base_url, max_retries=0) as client:
        yield client
    server.should_exit = True
    thread.join()


class Person(BaseModel):
    """A person."""

    name: str
    age: int


class TestOpenAIClient:
    def test_whole(self, client):
        response = client.responses.create(model=GPT, input="Hello there")
        assert response.output_text.startswith("Offline answer from openai/gpt-4o")
        assert response.usage.total_tokens > 0
        assert client.responses.retrieve(response.id).output_text == response.output_text

    def test_streamed(self, client):
        events = list(client.responses.create(model=GPT, input="Hello", stream=True))
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        assert events[-1].type == "response.completed"
        assert events[-1].response.output_text == text
        assert [event.sequence_number for event in events] == list(range(len(events)))

    def test_its_own_accumulation_of_a_stream(self, client, create_responses_tool):
        tools = [create_responses_tool("magic", input={"type": "integer"}) | {"strict": True}]
        with client.responses.stream(
            model=GPT, input="magic 3", tools=tools, tool_choice="required"
        ) as stream:
            (call,) = stream.get_final_response().output
        assert (call.name, call.parsed_arguments) == ("magic", {"input": 3})

    def test_a_loop_of_tools_with_and_without_state(self, client, create_responses_tool):
        tools = [create_responses_tool("get_weather", location={"type": "string"})]
        ask = [{"role": "user", "content": "What is the weather in Paris?"}]
        first = client.responses.create(model=GPT, input=ask, tools=tools)
        (call,) = first.output
        assert call.arguments == '{"location":"Paris"}'
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        stateful = client.responses.create(
            model=GPT, input=[result], tools=tools, previous_response_id=first.id
        )
        replayed = client.responses.create(model=GPT, input=[*ask, *first.output, result])
        assert "get_weather: rain" in stateful.output_text
        assert replayed.output_text == stateful.output_text

    def test_structured_output(self, client):
        response = client.responses.parse(
            model=GPT, input='The person "Ada" is 36.', text_format=Person
        )
        assert response.output_parsed == Person(name="Ada", age=36)

    def test_everything_it_returns_can_be_sent_back(self, client):
        first = client.responses.create(model=GPT, input="Why?")
        assert [item.type for item in first.output] == ["reasoning", "message"]
        again = [*first.output, {"role": "user", "content": "Sure?"}]
        assert client.responses.create(model=GPT, input=again).status == "completed"

    def test_errors(self, client):
        with pytest.raises(openai.BadRequestError, match="input"):
            client.responses.create(model=GPT)
        with pytest.raises(openai.NotFoundError, match="'resp_x' is not stored"):
            client.responses.retrieve("resp_x")
        stream = client.responses.create(model="openai/broken", input="x", stream=True)
        with pytest.raises(openai.APIError, match="busy"):
            list(stream)

    def test_background(self, client):
        response = client.responses.create(model=GPT, input="x", background=True)
        seen = [response.status]
        while response.status in {"queued", "in_progress"}:
            response = client.responses.retrieve(response.id)
            seen.append(response.status)
        assert seen == ["queued", "in_progress", "completed"]
        assert response.output_text
