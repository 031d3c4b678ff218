"""Streams of POST /responses: events, faults and the openai client."""

from itertools import count, groupby

import openai
import pytest
from pydantic import BaseModel
from support.served_router import serve_router

from orq_router_integrations.testing import Answer, Fault, OfflineRouter

GPT = "openai/gpt-4o"
CITATION = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}


def list_event_types(stream):
    """List the types of the events, merging consecutive events of the same type."""
    types = groupby(event["type"] for event in stream[:-1])
    return [event_type.removeprefix("response.") for event_type, _ in types]


class TestEvents:
    def test_events_of_a_text(self, create_responses):
        answer = Answer("one two", annotations=[CITATION])
        stream = create_responses(answers={"hi": answer}).stream()
        assert list_event_types(stream) == [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
        assert stream[-1] == "[DONE]"
        deltas = [event["delta"] for event in stream[:-1] if "delta" in event]
        assert deltas == ["one ", "two"]
        (event,) = [event for event in stream[:-1] if event["type"].endswith("content_part.done")]
        assert event["part"]["annotations"] == [CITATION]

    def test_events_are_named_and_numbered(self, create_responses):
        response = create_responses().post(stream=True)
        assert response.headers["content-type"].startswith("text/event-stream")
        blocks = response.text.strip().split("\n\n")
        assert blocks.pop() == "data: [DONE]"
        for number, block in zip(count(), blocks):
            name, data = block.split("\n")
            event_type = name.removeprefix("event: ")
            assert data.startswith(f'data: {{"type":"{event_type}","sequence_number":{number},')

    @pytest.mark.parametrize("reasoning", [None, "I think so"], ids=["signature only", "text"])
    def test_events_of_reasoning(self, create_responses, reasoning):
        answer = Answer("ok", reasoning=reasoning, reasoning_signature="signature")
        stream = create_responses(answers={"hi": answer}).stream()
        summary = [name for name in list_event_types(stream) if name.startswith("reasoning")]
        parts = ["reasoning_summary_part.added", "reasoning_summary_text.delta"]
        parts += ["reasoning_summary_text.done", "reasoning_summary_part.done"]
        assert summary == (parts if reasoning else [])
        items = [event["item"] for event in stream[:-1] if event["type"].endswith("item.done")]
        assert items[0]["encrypted_content"] == "signature"
        text = "".join(e["delta"] for e in stream[:-1] if e["type"].endswith("summary_text.delta"))
        assert text == (reasoning or "")

    def test_events_of_a_refusal(self, create_responses):
        stream = create_responses(answers={"hi": Answer(refusal="No, I will not.")}).stream()
        assert [name for name in list_event_types(stream) if "refusal" in name] == [
            "refusal.delta",
            "refusal.done",
        ]
        added = next(e for e in stream[:-1] if e["type"] == "response.content_part.added")
        assert added["part"] == {"type": "refusal", "refusal": ""}

    def test_function_call_is_sent_in_fragments(self, create_responses):
        calls = ({"name": "a", "args": {"x": 1}}, {"name": "b"})
        stream = create_responses(answers=lambda _: Answer("Well.", tool_calls=calls)).stream()
        for index, arguments in ((1, '{"x":1}'), (2, "{}")):
            item_events = [event for event in stream[:-1] if event.get("output_index") == index]
            deltas = [event["delta"] for event in item_events if "delta" in event]
            assert len(deltas) >= 3
            assert "".join(deltas) == arguments == item_events[-2]["arguments"]
            assert item_events[0]["item"]["arguments"] == ""
            assert {event["item_id"] for event in item_events[1:-1]} == {
                item_events[0]["item"]["id"]
            }

    def test_events_of_a_custom_tool_call(self, create_responses):
        client = create_responses(answers=lambda _: Answer(tool_calls=({"name": "sql"},)))
        event_types = list_event_types(client.stream(tools=[{"type": "custom", "name": "sql"}]))
        assert event_types[3:5] == ["custom_tool_call_input.delta", "custom_tool_call_input.done"]

    def test_final_event_equals_response(self, create_responses):
        answer = Answer("a b", reasoning="c", tool_calls=({"name": "d", "args": {"e": 1}},))
        streamed = create_responses(answers=lambda _: answer).stream()[-2]["response"]
        assert streamed == create_responses(answers=lambda _: answer).complete()

    def test_first_event_has_an_empty_response(self, create_responses):
        created = create_responses().stream()[0]["response"]
        assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)

    def test_truncated_answer_ends_with_an_incomplete_response(self, create_responses):
        stream = create_responses().stream(max_output_tokens=1)
        assert stream[-2]["type"] == "response.incomplete"
        assert stream[-2]["response"]["status"] == "incomplete"

    def test_each_delta_has_its_logprobs(self, create_responses):
        logprobs = [{"token": "a "}, {"token": "b"}]
        answer = Answer("a b", logprobs=logprobs)
        stream = create_responses(answers={"hi": answer}).stream(top_logprobs=1)
        deltas = [event for event in stream[:-1] if event["type"].endswith("text.delta")]
        assert [d["logprobs"][0]["token"] for d in deltas] == [d["delta"] for d in deltas]


class TestFaults:
    def test_truncated_stream_has_no_final_event(self, create_responses):
        client = create_responses(faults={GPT: Fault(cut_after=2)})
        assert [event["type"] for event in client.stream()] == [
            "response.created",
            "response.in_progress",
        ]

    def test_truncated_stream_is_not_stored(self, create_responses):
        """A truncated stream never includes the final event, however late it breaks."""
        client = create_responses(faults={GPT: Fault(cut_after=999)})
        stream = client.stream()
        assert stream[-1]["type"] == "response.output_item.done"
        assert client.get_stored(stream[0]["response"]["id"]).status_code == 404

    def test_error_event_ends_the_stream(self, create_responses):
        stream = create_responses(
            faults={GPT: Fault(error_after=3, status=503, message="busy")}
        ).stream()
        assert len(stream) == 4
        details = {"code": "provider_overloaded", "message": "busy"}
        assert stream[-1].items() >= {"type": "error", "sequence_number": 3}.items()
        assert stream[-1]["error"].items() >= details.items()

    @pytest.mark.parametrize(
        ("body", "event"),
        [
            ({"odd": 1}, {"odd": 1}),
            ("<html>", "<html>"),
            ({"error": "odd"}, {"type": "error", "sequence_number": 1, "error": "odd"}),
        ],
        ids=["dict", "text", "error_text"],
    )
    def test_scripted_error_body_is_sent(self, create_responses, body, event):
        assert create_responses(faults={GPT: Fault(error_after=1, body=body)}).stream()[-1] == event

    def test_failure_before_the_first_event_is_retried(self, create_responses):
        client = create_responses(faults={GPT: [Fault(cut_after=0), 503]})
        assert client.stream()[-1] == "[DONE]"
        assert client.provider_calls == [(GPT, 502), (GPT, 503), (GPT, 200)]


@pytest.fixture
def client():
    """An openai client of a router that is served over HTTP."""
    router = OfflineRouter(
        answers={"Why?": Answer("Because.", reasoning="Hm.", reasoning_signature="signature")},
        faults={"openai/broken": Fault(error_after=4, status=503, message="busy")},
    )
    with (
        serve_router(router) as base_url,
        openai.OpenAI(api_key="any", base_url=base_url, max_retries=0) as client,
    ):
        yield client


class Person(BaseModel):
    """A person."""

    name: str
    age: int


class TestOpenAIClient:
    @pytest.mark.slow
    def test_response_can_be_created_and_retrieved(self, client):
        response = client.responses.create(model=GPT, input="Hello there")
        assert response.output_text.startswith("Offline answer from openai/gpt-4o")
        assert response.usage.total_tokens > 0
        assert client.responses.retrieve(response.id).output_text == response.output_text

    @pytest.mark.slow
    def test_stream_is_read(self, client):
        events = list(client.responses.create(model=GPT, input="Hello", stream=True))
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        assert events[-1].type == "response.completed"
        assert events[-1].response.output_text == text
        assert [event.sequence_number for event in events] == list(range(len(events)))

    @pytest.mark.slow
    def test_stream_helper_parses_arguments(self, client, create_responses_tool):
        tools = [create_responses_tool("magic", input={"type": "integer"}) | {"strict": True}]
        with client.responses.stream(
            model=GPT, input="magic 3", tools=tools, tool_choice="required"
        ) as stream:
            (call,) = stream.get_final_response().output
        assert (call.name, call.parsed_arguments) == ("magic", {"input": 3})

    @pytest.mark.slow
    def test_tool_loop_works_with_and_without_state(self, client, create_responses_tool):
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
        assert "get_weather: 'rain'" in stateful.output_text
        assert replayed.output_text == stateful.output_text

    @pytest.mark.slow
    def test_structured_output_is_parsed(self, client):
        response = client.responses.parse(
            model=GPT, input='The person "Ada" is 36.', text_format=Person
        )
        assert response.output_parsed == Person(name="Ada", age=36)

    @pytest.mark.slow
    def test_output_can_be_sent_back(self, client):
        first = client.responses.create(model=GPT, input="Why?")
        assert [item.type for item in first.output] == ["reasoning", "message"]
        follow_up = [*first.output, {"role": "user", "content": "Sure?"}]
        assert client.responses.create(model=GPT, input=follow_up).status == "completed"

    @pytest.mark.slow
    def test_errors_raise(self, client):
        with pytest.raises(openai.BadRequestError, match="input"):
            client.responses.create(model=GPT)
        with pytest.raises(openai.NotFoundError, match="'resp_x' is not stored"):
            client.responses.retrieve("resp_x")
        stream = client.responses.create(model="openai/broken", input="x", stream=True)
        with pytest.raises(openai.APIError, match="busy"):
            list(stream)

    @pytest.mark.slow
    def test_background_response_can_be_polled(self, client):
        response = client.responses.create(model=GPT, input="x", background=True)
        statuses = [response.status]
        while response.status in {"queued", "in_progress"}:
            response = client.responses.retrieve(response.id)
            statuses.append(response.status)
        assert statuses == ["queued", "in_progress", "completed"]
        assert response.output_text
