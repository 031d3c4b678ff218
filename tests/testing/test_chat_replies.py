"""The shape of replies, whole and streamed, and what they count."""

import base64

import pytest

from orq_router_integrations.testing import Answer, ToolCall
from orq_router_integrations.testing.media.audio_info import read_audio_info

GPT = "openai/gpt-4o"


def joined(chunks):
    """The message that the chunks of a stream add up to, choice by choice."""
    messages = {}
    for chunk in chunks:
        for choice in chunk["choices"] if chunk != "[DONE]" else ():
            _add(messages.setdefault(choice["index"], {}), choice["delta"])
    return messages


def _add(whole, delta):
    for name, value in delta.items():
        if name == "tool_calls":
            for piece in value:
                call = whole.setdefault(name, {}).setdefault(piece["index"], {})
                _add(call, {k: v for k, v in piece.items() if k != "index"})
        elif isinstance(value, dict):
            _add(whole.setdefault(name, {}), value)
        else:
            whole[name] = whole[name] + value if name in whole else value


ANSWERS = {
    "text": Answer("Several words of text, with \u2028 and ü."),
    "reasoned": Answer("So.", reasoning="Well, let me see.", reasoning_signature="seal"),
    "refused": Answer(refusal="I would rather not."),
    "calls": Answer(tool_calls=(ToolCall("a", {"long": "x" * 60}), ToolCall("b"))),
    "both": Answer("Let me look.", tool_calls=(ToolCall("a", {"b": 1}),)),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_whole_and_streamed_answers_agree(create_chat, kind):
    whole = create_chat(answers={GPT: ANSWERS[kind]}).complete()
    chunks = create_chat(answers={GPT: ANSWERS[kind]}).stream()
    message = whole["choices"][0]["message"]
    streamed = joined(chunks)[0]
    if "tool_calls" in streamed:
        streamed["tool_calls"] = [call for _, call in sorted(streamed["tool_calls"].items())]
    wanted = {name: value for name, value in message.items() if value is not None}
    assert {name: value for name, value in streamed.items() if value} == wanted
    assert chunks[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert {chunk["id"] for chunk in chunks[:-1]} == {whole["id"]}


class TestStream:
    def test_it_begins_with_the_role_and_ends_with_reason_and_done(self, create_chat):
        chunks = create_chat().stream()
        assert chunks[0]["choices"] == [
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        ]
        assert chunks[0]["object"] == "chat.completion.chunk"
        assert chunks[-2]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
        assert chunks[-1] == "[DONE]"
        assert len(chunks) > 5

    def test_its_media_type(self, create_chat):
        reply = create_chat().post(stream=True)
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["x-orq-offline"] == "1"

    def test_usage_comes_last_and_only_when_asked_for(self, create_chat):
        assert not [chunk for chunk in create_chat().stream()[:-1] if "usage" in chunk]
        *chunks, last, done = create_chat().stream(stream_options={"include_usage": True})
        assert done == "[DONE]"
        assert {chunk["usage"] for chunk in chunks} == {None}
        assert last["choices"] == []
        assert last["usage"] == create_chat().complete()["usage"]

    def test_arguments_come_in_at_least_three_fragments_after_the_name(self, create_chat):
        chat = create_chat(answers={GPT: Answer(tool_calls=(ToolCall("f", {}),))})
        pieces = [
            call
            for chunk in chat.stream()[:-1]
            for call in chunk["choices"][0]["delta"].get("tool_calls", ())
        ]
        assert set(pieces[0]) == {"index", "id", "type", "function"}
        assert pieces[0]["function"] == {"name": "f", "arguments": ""}
        assert all(set(piece) == {"index", "function"} for piece in pieces[1:])
        assert len(pieces) >= 4


class TestReply:
    def test_its_members(self, create_chat):
        reply = create_chat().complete()
        assert set(reply) == {
            "id",
            "object",
            "created",
            "model",
            "system_fingerprint",
            "choices",
            "usage",
        }
        assert (reply["object"], reply["system_fingerprint"]) == ("chat.completion", "offline")

    def test_the_model_is_the_providers_name_of_it(self, create_chat):
        assert create_chat().complete(model="google-ai/models/gemini")["model"] == "models/gemini"

    def test_ids_differ(self, create_chat):
        chat = create_chat()
        assert chat.complete()["id"] != chat.complete()["id"]


class TestLimits:
    def test_stop_cuts_before_the_first_sequence(self, create_chat):
        chat = create_chat(answers={GPT: "one two three"})
        for stop in ("two", ["three", "two"]):
            (choice,) = chat.complete(stop=stop)["choices"]
            assert choice["message"]["content"] == "one "
            assert choice["finish_reason"] == "stop"

    @pytest.mark.parametrize("member", ["max_tokens", "max_completion_tokens"])
    def test_the_token_limit_cuts_at_four_characters_per_token(self, create_chat, member):
        reply = create_chat(answers={GPT: "one two three"}).complete(**{member: 2})
        (choice,) = reply["choices"]
        assert choice["message"]["content"] == "one two "
        assert choice["finish_reason"] == "length"
        assert reply["usage"]["completion_tokens"] == 2
        roomy = create_chat(answers={GPT: "one two "}).complete(**{member: 2})
        assert roomy["choices"][0]["finish_reason"] == "stop"

    CALLS = Answer("abcd", tool_calls=(ToolCall("f", {"a": "x" * 20}), ToolCall("g", "{}")))

    @pytest.mark.parametrize(
        ("limit", "wanted"),
        [
            (1, []),
            (3, ['{"a":"xx']),
            (7, ['{"a":"xxxxxxxxxxxxxxxxxx']),
            (8, ['{"a":"xxxxxxxxxxxxxxxxxxxx"}']),
            (9, ['{"a":"xxxxxxxxxxxxxxxxxxxx"}', "{}"]),
        ],
    )
    def test_it_cuts_the_arguments_of_calls_behind_the_text(self, create_chat, limit, wanted):
        chat = create_chat(answers={GPT: self.CALLS})
        reply, chunks = chat.complete(max_tokens=limit), chat.stream(max_tokens=limit)
        (choice,) = reply["choices"]
        streamed = joined(chunks)[0]
        calls = choice["message"].get("tool_calls", [])
        assert [call["function"]["arguments"] for call in calls] == wanted
        assert [call for _, call in sorted(streamed.get("tool_calls", {}).items())] == calls
        reason = "tool_calls" if limit == 9 else "length"
        assert choice["finish_reason"] == reason
        assert chunks[-2]["choices"][0]["finish_reason"] == reason

    def test_so_it_does_in_responses(self, create_responses):
        chat = create_responses(answers={GPT: self.CALLS})
        *events, last, _ = chat.stream(max_output_tokens=3)
        for response in (chat.complete(max_output_tokens=3), last["response"]):
            assert response["status"] == "incomplete"
            assert response["incomplete_details"] == {"reason": "max_output_tokens"}
            call = response["output"][-1]
            assert (call["arguments"], call["status"]) == ('{"a":"xx', "incomplete")
        kind = "response.function_call_arguments.delta"
        deltas = [event["delta"] for event in events if event["type"] == kind]
        assert "".join(deltas) == '{"a":"xx'

    def test_n_choices_whole_and_streamed(self, create_chat):
        whole = create_chat().complete(n=3)
        assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
        assert len(joined(create_chat().stream(n=3))) == 3


class TestLogprobs:
    def test_there_are_as_many_as_tokens_with_the_alternatives_asked_for(self, create_chat):
        chat = create_chat(answers={GPT: "one two"})
        (choice,) = chat.complete(logprobs=True, top_logprobs=2)["choices"]
        first, second = choice["logprobs"]["content"]
        assert (first["token"], second["token"]) == ("one ", "two")
        assert len(first["top_logprobs"]) == 2
        assert bytes(first["bytes"]) == b"one "
        streamed = [
            token
            for chunk in chat.stream(logprobs=True, top_logprobs=2)[:-1]
            for token in chunk["choices"][0].get("logprobs", {}).get("content", ())
        ]
        assert streamed == [first, second]

    def test_scripted_ones_are_used(self, create_chat):
        chat = create_chat(answers={GPT: Answer("a b", logprobs=({"token": "a "}, {"token": "b"}))})
        (choice,) = chat.complete(logprobs=True)["choices"]
        assert choice["logprobs"]["content"] == [{"token": "a "}, {"token": "b"}]

    def test_otherwise_there_are_none(self, create_chat):
        assert "logprobs" not in create_chat().complete()["choices"][0]


class TestReasoning:
    @pytest.mark.parametrize(
        "members",
        [
            {"reasoning_effort": "low"},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"thinking": {"type": "adaptive"}},
        ],
    )
    def test_it_is_there_when_asked_for(self, create_chat, members):
        reply = create_chat().complete(**members)
        assert reply["choices"][0]["message"]["reasoning"]
        assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
        assert joined(create_chat().stream(**members))[0]["reasoning"]

    @pytest.mark.parametrize(
        "members", [{}, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}]
    )
    def test_otherwise_it_is_not(self, create_chat, members):
        reply = create_chat().complete(**members)
        assert "reasoning" not in reply["choices"][0]["message"]
        assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


class TestAudio:
    def asked(self, kind):
        return {"modalities": ["text", "audio"], "audio": {"voice": "nova", "format": kind}}

    def test_a_spoken_answer_is_a_real_wav_with_its_transcript(self, create_chat):
        reply = create_chat(answers={GPT: "Good day"}).complete(**self.asked("wav"))
        message = reply["choices"][0]["message"]
        assert message["content"] is None
        assert set(message["audio"]) == {"id", "expires_at", "data", "transcript"}
        assert message["audio"]["transcript"] == "Good day"
        assert read_audio_info(base64.b64decode(message["audio"]["data"])).seconds == 0.5
        assert reply["usage"]["completion_tokens_details"]["audio_tokens"] > 0

    def test_streamed_it_adds_up_to_the_same(self, create_chat):
        chat = create_chat(answers={GPT: "Good day"})
        whole = chat.get_message(**self.asked("pcm16"))["audio"]
        streamed = joined(chat.stream(**self.asked("pcm16")))[0]["audio"]
        assert streamed["data"] == whole["data"]
        assert streamed["transcript"] == whole["transcript"]

    def test_scripted_bytes_are_sent_as_they_are(self, create_chat):
        message = create_chat(answers={GPT: Answer("x", audio=b"abc")}).get_message()
        assert base64.b64decode(message["audio"]["data"]) == b"abc"


class TestUsage:
    def test_text_counts_by_its_length(self, create_chat):
        short = create_chat().complete(text="x" * 40)["usage"]
        long = create_chat().complete(text="x" * 80)["usage"]
        assert long["prompt_tokens"] - short["prompt_tokens"] == 10
        assert long["total_tokens"] == long["prompt_tokens"] + long["completion_tokens"]

    def prompt_tokens(self, create_chat, *parts):
        usage = create_chat().complete(messages=[{"role": "user", "content": list(parts)}])["usage"]
        return usage["prompt_tokens"]

    def test_images_count_by_tile_or_once_in_low_detail(self, create_chat, image_part):
        low = {**image_part, "image_url": {**image_part["image_url"], "detail": "low"}}
        nothing = self.prompt_tokens(create_chat)
        assert (
            self.prompt_tokens(create_chat, image_part) - nothing == 85 + 2 * 170
        )  # 640 x 400 pixels
        assert self.prompt_tokens(create_chat, low) - nothing == 85

    def test_sound_counts_ten_per_second(self, create_chat, audio_part):
        usage = create_chat().complete(messages=[{"role": "user", "content": [audio_part]}])[
            "usage"
        ]
        assert usage["prompt_tokens_details"]["audio_tokens"] == 32

    def test_documents_and_tools_count(self, create_chat, file_part, weather_tool):
        assert self.prompt_tokens(create_chat, file_part) > 150
        assert (
            create_chat().complete(tools=[weather_tool])["usage"]["prompt_tokens"]
            > create_chat().complete()["usage"]["prompt_tokens"]
        )


class TestPromptCache:
    MARK = {"cache_control": {"type": "ephemeral"}}
    LONG = {"type": "text", "text": "long " * 100}

    def details(self, chat, **members):
        usage = chat.complete(**members)["usage"]
        details = usage["prompt_tokens_details"]
        assert sum(details.values()) <= usage["prompt_tokens"]
        return details["cached_tokens"], details["cache_creation_tokens"]

    def test_nothing_is_cached_unasked(self, create_chat):
        chat = create_chat()
        assert [self.details(chat) for _ in range(2)] == [(0, 0), (0, 0)]

    @pytest.mark.parametrize("members", [{"prompt_cache_key": "k"}, MARK])
    def test_a_prompt_is_written_first_and_read_afterwards(self, create_chat, members):
        chat = create_chat()
        read, written = self.details(chat, **members)
        assert read == 0 < written
        assert self.details(chat, **members) == (written, 0)

    def test_a_mark_caches_up_to_its_message_and_longer_prompts_read_it(self, create_chat):
        chat = create_chat()
        system = {"role": "system", "content": [self.LONG | self.MARK]}
        first = [system, {"role": "user", "content": "one"}]
        _, written = self.details(chat, messages=first)
        assert written > 100
        second = [system, {"role": "user", "content": "two, longer"}]
        assert self.details(chat, messages=second) == (written, 0)

    def test_each_model_and_key_has_its_own(self, create_chat):
        chat = create_chat()
        self.details(chat, prompt_cache_key="a")
        assert self.details(chat, prompt_cache_key="b")[0] == 0
        assert self.details(chat, prompt_cache_key="a", model="openai/gpt-4o-mini")[0] == 0
