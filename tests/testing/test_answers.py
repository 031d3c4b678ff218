"""Which answer a request gets: the scripted one, or one that obeys the request."""

import json

import pytest

from orq_router_integrations.testing import Answer, OfflineRouter, ToolCall

GPT, CLAUDE = "openai/gpt-4o", "anthropic/claude-sonnet-4-5"


class TestScripted:
    def test_by_model_and_before_that_by_last_user_text(self, desk):
        here = desk(answers={GPT: "from the model", "ping": "pong"})
        assert here.message()["content"] == "from the model"
        assert here.message(text="ping")["content"] == "pong"
        assert "Offline answer" in here.message(model=CLAUDE)["content"]

    def test_by_the_model_that_answers_in_the_end(self, desk):
        here = desk(answers={CLAUDE: "fallback here"}, faults={GPT: 503})
        assert here.message(fallbacks=[{"model": CLAUDE}])["content"] == "fallback here"

    def test_a_list_is_used_up_in_turn_and_its_last_repeats(self, desk):
        here = desk(answers={GPT: ["one", Answer("two")]})
        assert [here.message()["content"] for _ in range(3)] == ["one", "two", "two"]

    def test_a_function_sees_the_providers_body_and_the_full_id(self, desk):
        bodies = []

        def answer(body):
            bodies.append(body)
            return "short" if "max_tokens" in body else None

        here = desk(answers=answer)
        assert here.message(max_tokens=50, retry={"count": 1})["content"] == "short"
        assert "Offline answer" in here.message()["content"]
        assert set(bodies[0]) == {"model", "messages", "max_tokens"}
        assert bodies[0]["model"] == GPT

    def test_an_answer_may_have_every_part(self, desk):
        call = ToolCall("f", {"a": "ü"}, id="call_1")
        answer = Answer(
            "text",
            tool_calls=(call, ToolCall("g", "not json")),
            reasoning="why",
            reasoning_signature="seal",
            usage={"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}, "cost": 1},
        )
        reply = desk(answers={GPT: answer}).answer()
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

    def test_finish_reason_and_refusal(self, desk):
        choice = desk(answers={GPT: Answer(refusal="no", finish_reason="content_filter")}).answer()[
            "choices"
        ][0]
        assert choice["finish_reason"] == "content_filter"
        assert (choice["message"]["content"], choice["message"]["refusal"]) == (None, "no")

    def test_an_empty_list_is_refused(self):
        with pytest.raises(ValueError, match="openai/gpt-4o"):
            OfflineRouter(answers={GPT: []})


class TestText:
    def test_it_says_who_answers_and_what_was_asked(self, desk):
        content = desk().message(text="What is\n up?")["content"]
        assert content == "Offline answer from openai/gpt-4o to 'What is up?'."

    def test_it_describes_what_was_really_sent(self, desk, chart, report, question):
        parts = [{"type": "text", "text": "What is this?"}, chart, report, question]
        system = {"role": "system", "content": "Be brief."}
        content = desk().message(messages=[system, {"role": "user", "content": parts}])["content"]
        assert "to 'What is this?'. I was sent: 1 system message; " in content
        assert "an image (PNG, 640 x 400 pixels, 6612 bytes)" in content
        assert "a PDF report.pdf (1 page; text: 'Quarterly report" in content
        assert "audio (WAV, 3.1 seconds, 16000 Hz, mono)" in content

    def test_what_is_named_by_address_is_not_fetched(self, desk):
        parts = [
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
            {"type": "file", "file": {"uri": "gs://bucket/a.pdf"}},
        ]
        content = desk().message(messages=[{"role": "user", "content": parts}])["content"]
        assert "an image by URL (https://example.com/cat.png; not fetched)" in content
        assert "a file by reference (gs://bucket/a.pdf; not fetched)" in content

    def test_the_same_request_has_the_same_answer(self, desk):
        assert desk().message(text="x") == desk().message(text="x")


def called(message):
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    ]


def loop(desk, text, *tools, **members):
    """Run an agent's loop with results "ok" and return the tools called, in order."""
    here = desk()
    messages = [{"role": "user", "content": text}]
    names = []
    for _ in range(len(tools)):
        message = here.message(messages=messages, tools=list(tools), **members)
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
    def magic(self, tool):
        return tool("magic_function", input={"type": "integer"})

    @pytest.mark.parametrize("choice", [None, "auto", "required"])
    def test_a_tool_that_the_text_names_is_called(self, desk, magic, choice):
        message = desk().message(text=self.MAGIC, tools=[magic], tool_choice=choice)
        assert called(message) == [("magic_function", {"input": 3})]
        assert message["content"] is None

    def test_others_are_not_unless_one_is_required(self, desk, magic, weather):
        assert called(desk().message(text="Hello!", tools=[magic])) == []
        assert called(desk().message(text=self.MAGIC, tools=[magic], tool_choice="none")) == []
        assert called(desk().message(text="Get it, please", tools=[weather])) == []
        required = desk().message(text="Hello!", tools=[weather, magic], tool_choice="required")
        assert len(called(required)) == 1

    def test_a_forced_tool_is_called_whatever_the_text(self, desk, magic, weather):
        choice = {"type": "function", "function": {"name": "get_weather"}}
        message = desk().message(text=self.MAGIC, tools=[magic, weather], tool_choice=choice)
        assert [name for name, _ in called(message)] == ["get_weather"]

    def test_a_place_is_found(self, desk, weather):
        message = desk().message(
            text="What is the weather like in San Francisco, CA today?", tools=[weather]
        )
        assert called(message) == [("get_weather", {"location": "San Francisco, CA"})]

    def test_quoted_text_is_found_in_any_script(self, desk, tool):
        create = tool("create_customer", customer_name={"type": "string"})
        text = "Create a customer named '你好啊集团' - it's a new one"
        message = desk().message(text=text, tools=[create])
        assert called(message) == [("create_customer", {"customer_name": "你好啊集团"})]

    def test_without_parameters_there_are_no_arguments(self, desk, tool):
        bare = {"type": "function", "function": {"name": "magic"}}
        for magic in (bare, tool("magic")):
            assert called(desk().message(text="magic()", tools=[magic])) == [("magic", {})]

    @pytest.mark.parametrize(
        ("result", "told"),
        [("Sunny.", "Sunny."), ("Sunny", "Sunny."), ("Why?", "Why?"), ("x" * 200, "x ...")],
    )
    def test_a_result_that_ends_a_sentence_ends_ours(self, desk, chart, result, told):
        call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        asked = {"role": "user", "content": [{"type": "text", "text": "What is it."}, chart]}
        answered = {"role": "tool", "content": result, "tool_call_id": "c"}
        history = [asked, {"role": "assistant", "tool_calls": [call]}, answered]
        content = desk().message(messages=history)["content"]
        assert "to 'What is it.'. The tools said: look: " in content
        assert f"{told} I was sent: an image" in content
        assert content.endswith("bytes).")

    def test_results_are_told_in_the_end(self, desk, weather):
        here = desk()
        first = {"role": "user", "content": "The weather in Paris?"}
        call = here.message(messages=[first], tools=[weather])["tool_calls"][0]
        result = {"role": "tool", "content": "It's sunny.", "tool_call_id": call["id"]}
        history = [first, {"role": "assistant", "tool_calls": [call]}, result]
        message = here.message(messages=history, tools=[weather])
        assert "The tools said: get_weather: It's sunny." in message["content"]
        again = here.message(messages=[*history, first], tools=[weather])
        assert again["tool_calls"][0]["id"] != call["id"]  # a new turn, a new call

    def test_auto_calls_each_relevant_tool_once(self, desk, tool):
        tools = [tool("send_mail"), tool("read_calendar"), tool("get_weather")]
        text = "Read my calendar and check the weather"
        assert loop(desk, text, *tools) == ["read_calendar", "get_weather"]

    def test_required_takes_relevant_tools_first_and_a_structured_output_last(self, desk, tool):
        tools = [tool("WeatherReport", "weather"), tool("send_mail"), tool("get_weather")]
        names = loop(desk, "The weather, please", *tools, tool_choice="required")
        assert names == ["get_weather", "send_mail", "WeatherReport"]


class TestStructuredOutput:
    def test_a_schema_is_obeyed(self, desk):
        schema = {
            "type": "object",
            "properties": {"setup": {"type": "string"}, "rating": {"type": ["integer", "null"]}},
            "required": ["setup", "rating"],
        }
        wanted = {"type": "json_schema", "json_schema": {"name": "Joke", "schema": schema}}
        message = desk().message(text="A joke rated 7", response_format=wanted)
        assert json.loads(message["content"]) == {"setup": "offline setup", "rating": 7}

    def test_what_is_no_schema_is_refused(self, desk):
        schema = {"type": "integer", "minimum": "low"}
        wanted = {"type": "json_schema", "json_schema": {"name": "N", "schema": schema}}
        assert desk().error(400, response_format=wanted)["param"] == "response_format"

    def test_a_json_object_has_the_keys_that_the_prompt_names(self, desk):
        wanted = {"type": "json_object"}
        text = "A joke as JSON with 'setup' and 'punchline' keys."
        message = desk().message(text=text, response_format=wanted)
        assert set(json.loads(message["content"])) == {"setup", "punchline"}
        message = desk().message(text="Some JSON", response_format=wanted)
        assert isinstance(json.loads(message["content"]), dict)
