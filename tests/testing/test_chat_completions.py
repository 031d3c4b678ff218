"""Chat completions of the offline router: bodies, streams and usage."""

import base64

import pytest

from orq_router_integrations.testing import Answer
from orq_router_integrations.testing.speech import transcribe

GPT = "openai/gpt-4o"


def merge_chunks(chunks):
    """Merge the deltas of a stream into one message per choice."""
    messages = {}
    for chunk in chunks:
        for choice in chunk["choices"] if chunk != "[DONE]" else ():
            _merge_delta(messages.setdefault(choice["index"], {}), choice["delta"])
    return messages


def _merge_delta(message, delta):
    for name, value in delta.items():
        if name == "tool_calls":
            for fragment in value:
                call = message.setdefault(name, {}).setdefault(fragment["index"], {})
                _merge_delta(call, {k: v for k, v in fragment.items() if k != "index"})
        elif isinstance(value, dict):
            _merge_delta(message.setdefault(name, {}), value)
        else:
            message[name] = message[name] + value if name in message else value


ANSWERS = {
    "text": Answer("Several words of text, with \u2028 and ü."),
    "reasoning": Answer("So.", reasoning="Well, let me see.", reasoning_signature="signature"),
    "refusal": Answer(refusal="I would rather not."),
    "tool calls": Answer(tool_calls=({"name": "a", "args": {"long": "x" * 60}}, {"name": "b"})),
    "text and tool call": Answer("Let me look.", tool_calls=({"name": "a", "args": {"b": 1}},)),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_stream_equals_response(create_chat, answer):
    body = create_chat(answers=lambda _: answer).complete()
    chunks = create_chat(answers=lambda _: answer).stream()
    message = body["choices"][0]["message"]
    streamed = merge_chunks(chunks)[0]
    if "tool_calls" in streamed:
        streamed["tool_calls"] = [call for _, call in sorted(streamed["tool_calls"].items())]
    expected = {name: value for name, value in message.items() if value is not None}
    assert {name: value for name, value in streamed.items() if value} == expected
    assert chunks[-2]["choices"][0]["finish_reason"] == body["choices"][0]["finish_reason"]
    assert {chunk["id"] for chunk in chunks[:-1]} == {body["id"]}


class TestStream:
    def test_first_chunk_has_the_role_and_last_the_finish_reason(self, create_chat):
        chunks = create_chat().stream()
        assert chunks[0]["choices"] == [
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        ]
        assert chunks[0]["object"] == "chat.completion.chunk"
        assert chunks[-2]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
        assert chunks[-1] == "[DONE]"
        assert len(chunks) > 5

    def test_headers_of_a_stream(self, create_chat):
        response = create_chat().post(stream=True)
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-orq-offline"] == "1"

    def test_usage_is_sent_on_request(self, create_chat):
        assert not [chunk for chunk in create_chat().stream()[:-1] if "usage" in chunk]
        *chunks, usage_chunk, end = create_chat().stream(stream_options={"include_usage": True})
        assert end == "[DONE]"
        assert {chunk["usage"] for chunk in chunks} == {None}
        assert usage_chunk["choices"] == []
        assert usage_chunk["usage"] == create_chat().complete()["usage"]

    def test_only_first_fragment_of_a_tool_call_names_it(self, create_chat):
        client = create_chat(answers=lambda _: Answer(tool_calls=({"name": "f", "args": {}},)))
        fragments = [
            call
            for chunk in client.stream()[:-1]
            for call in chunk["choices"][0]["delta"].get("tool_calls", ())
        ]
        assert set(fragments[0]) == {"index", "id", "type", "function"}
        assert fragments[0]["function"] == {"name": "f", "arguments": ""}
        assert all(set(fragment) == {"index", "function"} for fragment in fragments[1:])
        assert len(fragments) >= 4


class TestResponse:
    def test_response_has_the_documented_fields(self, create_chat):
        response = create_chat().complete()
        assert set(response) == {
            "id",
            "object",
            "created",
            "model",
            "system_fingerprint",
            "choices",
            "usage",
        }
        assert (response["object"], response["system_fingerprint"]) == (
            "chat.completion",
            "offline",
        )

    def test_model_is_returned_without_its_provider(self, create_chat):
        assert create_chat().complete(model="google-ai/models/gemini")["model"] == "models/gemini"

    def test_ids_are_unique(self, create_chat):
        client = create_chat()
        assert client.complete()["id"] != client.complete()["id"]


class TestLimits:
    def test_stop_sequence_ends_the_text(self, create_chat):
        client = create_chat(answers={GPT: "one two three"})
        for stop in ("two", ["three", "two"]):
            (choice,) = client.complete(stop=stop)["choices"]
            assert choice["message"]["content"] == "one "
            assert choice["finish_reason"] == "stop"

    @pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
    def test_token_limit_truncates_the_text(self, create_chat, field):
        response = create_chat(answers={GPT: "one two three"}).complete(**{field: 2})
        (choice,) = response["choices"]
        assert choice["message"]["content"] == "one two "
        assert choice["finish_reason"] == "length"
        assert response["usage"]["completion_tokens"] == 2
        exact = create_chat(answers={GPT: "one two "}).complete(**{field: 2})
        assert exact["choices"][0]["finish_reason"] == "stop"

    CALLS = Answer(
        "abcd", tool_calls=({"name": "f", "args": {"a": "x" * 20}}, {"name": "g", "args": "{}"})
    )

    @pytest.mark.parametrize(
        ("limit", "arguments"),
        [
            (1, []),
            (3, ['{"a":"xx']),
            (7, ['{"a":"xxxxxxxxxxxxxxxxxx']),
            (8, ['{"a":"xxxxxxxxxxxxxxxxxxxx"}']),
            (9, ['{"a":"xxxxxxxxxxxxxxxxxxxx"}', "{}"]),
        ],
    )
    def test_token_limit_truncates_tool_arguments(self, create_chat, limit, arguments):
        client = create_chat(answers=lambda _: self.CALLS)
        response, chunks = client.complete(max_tokens=limit), client.stream(max_tokens=limit)
        (choice,) = response["choices"]
        streamed = merge_chunks(chunks)[0]
        calls = choice["message"].get("tool_calls", [])
        assert [call["function"]["arguments"] for call in calls] == arguments
        assert [call for _, call in sorted(streamed.get("tool_calls", {}).items())] == calls
        reason = "tool_calls" if limit == 9 else "length"
        assert choice["finish_reason"] == reason
        assert chunks[-2]["choices"][0]["finish_reason"] == reason

    def test_token_limit_truncates_tool_arguments_of_responses(self, create_responses):
        client = create_responses(answers=lambda _: self.CALLS)
        *events, last, _ = client.stream(max_output_tokens=3)
        for response in (client.complete(max_output_tokens=3), last["response"]):
            assert response["status"] == "incomplete"
            assert response["incomplete_details"] == {"reason": "max_output_tokens"}
            call = response["output"][-1]
            assert (call["arguments"], call["status"]) == ('{"a":"xx', "incomplete")
        event_type = "response.function_call_arguments.delta"
        deltas = [event["delta"] for event in events if event["type"] == event_type]
        assert "".join(deltas) == '{"a":"xx'

    def test_n_is_the_number_of_choices(self, create_chat):
        body = create_chat().complete(n=3)
        assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
        assert len(merge_chunks(create_chat().stream(n=3))) == 3


class TestLogprobs:
    def test_scripted_logprobs_are_sent(self, create_chat):
        logprobs = [{"token": "a "}, {"token": "b"}]
        client = create_chat(answers={GPT: Answer("a b", logprobs=logprobs)})
        (choice,) = client.complete(logprobs=True)["choices"]
        assert choice["logprobs"]["content"] == logprobs
        streamed = [
            token
            for chunk in client.stream(logprobs=True)[:-1]
            for token in chunk["choices"][0].get("logprobs", {}).get("content", ())
        ]
        assert streamed == logprobs

    def test_no_logprobs_by_default(self, create_chat):
        assert "logprobs" not in create_chat().complete()["choices"][0]


class TestReasoning:
    @pytest.mark.parametrize(
        "fields",
        [
            {"reasoning_effort": "low"},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"thinking": {"type": "adaptive"}},
        ],
        ids=["effort", "enabled", "adaptive"],
    )
    def test_reasoning_is_sent_on_request(self, create_chat, fields):
        response = create_chat().complete(**fields)
        assert response["choices"][0]["message"]["reasoning"]
        assert response["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
        assert merge_chunks(create_chat().stream(**fields))[0]["reasoning"]

    @pytest.mark.parametrize(
        "fields",
        [{}, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}],
        ids=["default", "effort", "thinking"],
    )
    def test_no_reasoning_by_default(self, create_chat, fields):
        response = create_chat().complete(**fields)
        assert "reasoning" not in response["choices"][0]["message"]
        assert response["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


class TestAudio:
    def audio_request(self, format_):
        return {"modalities": ["text", "audio"], "audio": {"voice": "nova", "format": format_}}

    def test_wav_has_a_transcript(self, create_chat):
        response = create_chat(answers={GPT: "Good day"}).complete(**self.audio_request("wav"))
        message = response["choices"][0]["message"]
        assert message["content"] is None
        assert set(message["audio"]) == {"id", "expires_at", "data", "transcript"}
        assert message["audio"]["transcript"] == "Good day"
        assert transcribe(base64.b64decode(message["audio"]["data"])).text == "Good day"

    def test_streamed_audio_equals_response(self, create_chat):
        client = create_chat(answers={GPT: "Good day"})
        audio = client.get_message(**self.audio_request("pcm16"))["audio"]
        streamed = merge_chunks(client.stream(**self.audio_request("pcm16")))[0]["audio"]
        assert streamed["data"] == audio["data"]
        assert streamed["transcript"] == audio["transcript"]

    def test_scripted_audio_is_unchanged(self, create_chat):
        message = create_chat(answers={GPT: Answer("x", audio=b"abc")}).get_message()
        assert base64.b64decode(message["audio"]["data"]) == b"abc"


class TestUsage:
    def test_four_characters_count_as_a_token(self, create_chat):
        short = create_chat().complete(text="x" * 40)["usage"]
        long = create_chat().complete(text="x" * 80)["usage"]
        assert long["prompt_tokens"] - short["prompt_tokens"] == 10
        assert long["total_tokens"] == long["prompt_tokens"] + long["completion_tokens"]

    def prompt_tokens(self, create_chat, *parts):
        usage = create_chat().complete(messages=[{"role": "user", "content": list(parts)}])["usage"]
        return usage["prompt_tokens"]

    def test_images_and_files_count_as_85_tokens_each(self, create_chat, image_part, file_part):
        parts = [image_part, file_part]
        assert self.prompt_tokens(create_chat, *parts) - self.prompt_tokens(create_chat) == 2 * 85

    def test_audio_tokens_are_reported(self, create_chat, audio_part):
        usage = create_chat().complete(messages=[{"role": "user", "content": [audio_part]}])[
            "usage"
        ]
        assert usage["prompt_tokens_details"]["audio_tokens"] == 32

    def test_tools_count_as_tokens(self, create_chat, weather_tool):
        assert (
            create_chat().complete(tools=[weather_tool])["usage"]["prompt_tokens"]
            > create_chat().complete()["usage"]["prompt_tokens"]
        )
