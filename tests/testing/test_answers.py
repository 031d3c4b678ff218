"""Which answer a request gets: the scripted one, or one that obeys the request."""

import json

import pytest

from orq_router_integrations.testing import Answer, OfflineRouter

GPT, CLAUDE = "openai/gpt-4o", "anthropic/claude-sonnet-4-5"


class TestScripted:
    def test_by_model_and_before_that_by_last_user_text(self, create_chat):
        chat = create_chat(answers={GPT: "from the model", "ping": "pong"})
        assert chat.get_message()["content"] == "from the model"
        assert chat.get_message(text="ping")["content"] == "pong"
        assert "Offline answer" in chat.get_message(model=CLAUDE)["content"]

    def test_by_the_model_that_answers_in_the_end(self, create_chat):
        chat = create_chat(answers={CLAUDE: "fallback here"}, faults={GPT: 503})
        assert chat.get_message(fallbacks=[{"model": CLAUDE}])["content"] == "fallback here"

    def test_a_list_is_used_up_in_turn_and_its_last_repeats(self, create_chat):
        chat = create_chat(answers={GPT: ["one", Answer("two")]})
        assert [chat.get_message()["content"] for _ in range(3)] == ["one", "two", "two"]

    def test_a_function_sees_the_providers_body_and_the_full_id(self, create_chat):
        bodies = []

        def answer(body):
            bodies.append(body)
            return "short" if "max_tokens" in body else None

        chat = create_chat(answers=answer)
        assert chat.get_message(max_tokens=50, retry={"count": 1})["content"] == "short"
        assert "Offline answer" in chat.get_message()["content"]
        assert set(bodies[0]) == {"model", "messages", "max_tokens"}
        assert bodies[0]["model"] == GPT

    def test_an_answer_may_have_every_part(self, create_chat):
        call = {"name": "f", "args": {"a": "ü"}, "id": "call_1"}
        answer = Answer(
            "text",
            tool_calls=[call, {"name": "g", "args": "not json"}],
            reasoning="why",
            reasoning_signature="seal",
            usage={"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}, "cost": 1},
        )
        reply = create_chat(answers={GPT: answer}).complete()
        (choice,) = reply["choices"]
        assert choice["finish_reason"] == "tool_calls"
        message = choice["message"]
        assert (message["content"], message["reasoning"]) == ("text", "why")
        assert message["reasoning_signature"] == "seal"
        assert message["tool_calls"][0]["id"] == "call_1"
        functions = [item["function"] for item in message["tool_calls"]]
        assert functions[0] == {"name": "f", "arguments": '{"a":"ü"}'}
        assert functions[1] == {"name": "g", "arguments": "not json"}
        assert reply["usage"]["prompt_tokens"] == 7
        assert reply["usage"]["prompt_tokens_details"] == {
            "cached_tokens": 5,
            "cache_creation_tokens": 0,
            "audio_tokens": 0,
        }
        assert reply["usage"]["cost"] == 1

    def test_finish_reason_and_refusal(self, create_chat):
        choice = create_chat(
            answers={GPT: Answer(refusal="no", finish_reason="content_filter")}
        ).complete()["choices"][0]
        assert choice["finish_reason"] == "content_filter"
        assert (choice["message"]["content"], choice["message"]["refusal"]) == (None, "no")

    def test_an_empty_list_is_refused(self):
        with pytest.raises(ValueError, match="openai/gpt-4o"):
            OfflineRouter(answers={GPT: []})


class TestText:
    def test_it_says_who_answers_and_what_was_asked(self, create_chat):
        content = create_chat().get_message(text="What is\n up?")["content"]
        assert content == "Offline answer from openai/gpt-4o to 'What is up?'."

    def test_it_describes_what_was_really_sent(
        self, create_chat, image_part, file_part, audio_part
    ):
        parts = [{"type": "text", "text": "What is this?"}, image_part, file_part, audio_part]
        system = {"role": "system", "content": "Be brief."}
        content = create_chat().get_message(messages=[system, {"role": "user", "content": parts}])[
            "content"
        ]
        assert "to 'What is this?'. I was sent: 1 system message; " in content
        assert "an image (PNG, 640 x 400 pixels, 6612 bytes)" in content
        assert "a PDF report.pdf (1 page; text: 'Quarterly report" in content
        assert "audio (WAV, 3.1 seconds, 16000 Hz, mono)" in content

    def test_what_is_named_by_address_is_not_fetched(self, create_chat):
        parts = [
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
            {"type": "file", "file": {"uri": "gs://bucket/a.pdf"}},
        ]
        content = create_chat().get_message(messages=[{"role": "user", "content": parts}])[
            "content"
        ]
        assert "an image by URL (https://example.com/cat.png; not fetched)" in content
        assert "a file by reference (gs://bucket/a.pdf; not fetched)" in content

    def test_the_same_request_has_the_same_answer(self, create_chat):
        assert create_chat().get_message(text="x") == create_chat().get_message(text="x")


def called(message):
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    ]


def loop(create_chat, text, *tools, **members):
    """Run an agent's loop with results "ok" and return the tools called, in order."""
    chat = create_chat()
    messages = [{"role": "user", "content": text}]
    names = []
    for _ in range(len(tools)):
        message = chat.get_message(messages=messages, tools=list(tools), **members)
        if not message.get("tool_calls"):
            break
        (call,) = message["tool_calls"]
        names.append(call["function"]["name"])
        result = {"role": "tool", "content": "ok", "tool_call_id": call["id"]}
        messages += [{"role": "assistant", "tool_calls": [call]}, result]
    return names


class TestTools:
    MAGIC = "What is the value of magic_function(3)? Use the tool."

    @pytest.fixture
    def magic(self, create_tool):
        return create_tool("magic_function", input={"type": "integer"})

    @pytest.mark.parametrize("choice", [None, "auto", "required"])
    def test_a_tool_that_the_text_names_is_called(self, create_chat, magic, choice):
        message = create_chat().get_message(text=self.MAGIC, tools=[magic], tool_choice=choice)
        assert called(message) == [("magic_function", {"input": 3})]
        assert message["content"] is None

    def test_others_are_not_unless_one_is_required(self, create_chat, magic, weather_tool):
        assert called(create_chat().get_message(text="Hello!", tools=[magic])) == []
        assert (
            called(create_chat().get_message(text=self.MAGIC, tools=[magic], tool_choice="none"))
            == []
        )
        assert called(create_chat().get_message(text="Get it, please", tools=[weather_tool])) == []
        required = create_chat().get_message(
            text="Hello!", tools=[weather_tool, magic], tool_choice="required"
        )
        assert len(called(required)) == 1

    def test_a_forced_tool_is_called_whatever_the_text(self, create_chat, magic, weather_tool):
        choice = {"type": "function", "function": {"name": "get_weather"}}
        message = create_chat().get_message(
            text=self.MAGIC, tools=[magic, weather_tool], tool_choice=choice
        )
        assert [name for name, _ in called(message)] == ["get_weather"]

    def test_a_place_is_found(self, create_chat, weather_tool):
        message = create_chat().get_message(
            text="What is the weather like in San Francisco, CA today?", tools=[weather_tool]
        )
        assert called(message) == [("get_weather", {"location": "San Francisco, CA"})]

    def test_quoted_text_is_found_in_any_script(self, create_chat, create_tool):
        create = create_tool("create_customer", customer_name={"type": "string"})
        text = "Create a customer named '你好啊集团' - it's a new one"
        message = create_chat().get_message(text=text, tools=[create])
        assert called(message) == [("create_customer", {"customer_name": "你好啊集团"})]

    def test_without_parameters_there_are_no_arguments(self, create_chat, create_tool):
        bare = {"type": "function", "function": {"name": "magic"}}
        for magic in (bare, create_tool("magic")):
            assert called(create_chat().get_message(text="magic()", tools=[magic])) == [
                ("magic", {})
            ]

    @pytest.mark.parametrize(
        ("result", "told"),
        [("Sunny.", "Sunny."), ("Sunny", "Sunny."), ("Why?", "Why?"), ("x" * 200, "x ...")],
    )
    def test_a_result_that_ends_a_sentence_ends_ours(self, create_chat, image_part, result, told):
        call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        asked = {"role": "user", "content": [{"type": "text", "text": "What is it."}, image_part]}
        answered = {"role": "tool", "content": result, "tool_call_id": "c"}
        history = [asked, {"role": "assistant", "tool_calls": [call]}, answered]
        content = create_chat().get_message(messages=history)["content"]
        assert "to 'What is it.'. The tools said: look: " in content
        assert f"{told} I was sent: an image" in content
        assert content.endswith("bytes).")

    def test_results_are_told_in_the_end(self, create_chat, weather_tool):
        chat = create_chat()
        first = {"role": "user", "content": "The weather in Paris?"}
        call = chat.get_message(messages=[first], tools=[weather_tool])["tool_calls"][0]
        result = {"role": "tool", "content": "It's sunny.", "tool_call_id": call["id"]}
        history = [first, {"role": "assistant", "tool_calls": [call]}, result]
        message = chat.get_message(messages=history, tools=[weather_tool])
        assert "The tools said: get_weather: It's sunny." in message["content"]
        again = chat.get_message(messages=[*history, first], tools=[weather_tool])
        assert again["tool_calls"][0]["id"] != call["id"]  # a new turn, a new call

    def test_auto_calls_each_relevant_tool_once(self, create_chat, create_tool):
        tools = [create_tool("send_mail"), create_tool("read_calendar"), create_tool("get_weather")]
        text = "Read my calendar and check the weather"
        assert loop(create_chat, text, *tools) == ["read_calendar", "get_weather"]

    def test_required_takes_relevant_tools_first_and_a_structured_output_last(
        self, create_chat, create_tool
    ):
        tools = [
            create_tool("WeatherReport", "weather"),
            create_tool("send_mail"),
            create_tool("get_weather"),
        ]
        names = loop(create_chat, "The weather, please", *tools, tool_choice="required")
        assert names == ["get_weather", "send_mail", "WeatherReport"]


class TestStructuredOutput:
    def test_a_schema_is_obeyed(self, create_chat):
        schema = {
            "type": "object",
            "properties": {"setup": {"type": "string"}, "rating": {"type": ["integer", "null"]}},
            "required": ["setup", "rating"],
        }
        wanted = {"type": "json_schema", "json_schema": {"name": "Joke", "schema": schema}}
        message = create_chat().get_message(text="A joke rated 7", response_format=wanted)
        assert json.loads(message["content"]) == {"setup": "offline setup", "rating": 7}

    def test_what_is_no_schema_is_refused(self, create_chat):
        schema = {"type": "integer", "minimum": "low"}
        wanted = {"type": "json_schema", "json_schema": {"name": "N", "schema": schema}}
        assert create_chat().get_error(400, response_format=wanted)["param"] == "response_format"

    def test_a_json_object_has_the_keys_that_the_prompt_names(self, create_chat):
        wanted = {"type": "json_object"}
        text = "A joke as JSON with 'setup' and 'punchline' keys."
        message = create_chat().get_message(text=text, response_format=wanted)
        assert set(json.loads(message["content"])) == {"setup", "punchline"}
        message = create_chat().get_message(text="Some JSON", response_format=wanted)
        assert isinstance(json.loads(message["content"]), dict)
