"""Scripted answers, and default answers that follow from the request."""

import json

import pytest
from langchain_core.messages import AIMessage

from orq_router_integrations.testing import Answer, OfflineRouter

GPT, CLAUDE = "openai/gpt-4o", "anthropic/claude-sonnet-4-5"


class TestScripted:
    def test_user_text_takes_precedence_over_model(self, create_chat):
        chat = create_chat(answers={GPT: "from the model", "ping": "pong"})
        assert chat.get_message()["content"] == "from the model"
        assert chat.get_message(text="ping")["content"] == "pong"
        assert "Offline answer" in chat.get_message(model=CLAUDE)["content"]

    def test_fallback_uses_the_answer_of_its_model(self, create_chat):
        chat = create_chat(answers={CLAUDE: "fallback here"}, faults={GPT: 503})
        assert chat.get_message(fallbacks=[{"model": CLAUDE}])["content"] == "fallback here"

    def test_last_answer_of_list_repeats(self, create_chat):
        chat = create_chat(answers={GPT: ["one", Answer("two")]})
        assert [chat.get_message()["content"] for _ in range(3)] == ["one", "two", "two"]

    def test_answer_function_gets_provider_body(self, create_chat):
        bodies = []

        def answer(body):
            bodies.append(body)
            return "short" if "max_tokens" in body else None

        chat = create_chat(answers=answer)
        assert chat.get_message(max_tokens=50, retry={"count": 1})["content"] == "short"
        assert "Offline answer" in chat.get_message()["content"]
        assert set(bodies[0]) == {"model", "messages", "max_tokens"}
        assert bodies[0]["model"] == GPT

    def test_fields_of_an_answer_are_sent(self, create_chat):
        call = {"name": "f", "args": {"a": "ü"}, "id": "call_1"}
        answer = Answer(
            "text",
            tool_calls=[call, {"name": "g", "args": "not json"}],
            reasoning="why",
            reasoning_signature="sig",
            usage={"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}, "cost": 1},
        )
        response = create_chat(answers=lambda _: answer).complete()
        (choice,) = response["choices"]
        assert choice["finish_reason"] == "tool_calls"
        message = choice["message"]
        assert (message["content"], message["reasoning"]) == ("text", "why")
        assert message["reasoning_signature"] == "sig"
        assert message["tool_calls"][0]["id"] == "call_1"
        functions = [item["function"] for item in message["tool_calls"]]
        assert functions[0] == {"name": "f", "arguments": '{"a":"ü"}'}
        assert functions[1] == {"name": "g", "arguments": "not json"}
        assert response["usage"]["prompt_tokens"] == 7
        assert response["usage"]["prompt_tokens_details"] == {
            "cached_tokens": 5,
            "cache_creation_tokens": 0,
            "audio_tokens": 0,
        }
        assert response["usage"]["cost"] == 1

    def test_finish_reason_and_refusal_are_sent(self, create_chat):
        choice = create_chat(
            answers={GPT: Answer(refusal="no", finish_reason="content_filter")}
        ).complete()["choices"][0]
        assert choice["finish_reason"] == "content_filter"
        assert (choice["message"]["content"], choice["message"]["refusal"]) == (None, "no")

    def test_finish_reason_of_another_provider_is_not_sent(self, create_chat):
        message = AIMessage("Hi", response_metadata={"finish_reason": "end_turn"})
        choice = create_chat(answers={GPT: message}).complete()["choices"][0]
        assert choice["finish_reason"] == "stop"

    def test_empty_list_raises(self):
        with pytest.raises(ValueError, match="openai/gpt-4o"):
            OfflineRouter(answers={GPT: []})


class TestText:
    def test_default_text_names_model_and_question(self, create_chat):
        content = create_chat().get_message(text="What is\n up?")["content"]
        assert content == "Offline answer from openai/gpt-4o to 'What is up?'."

    def test_default_text_describes_media(self, create_chat, image_part, file_part, audio_part):
        parts = [{"type": "text", "text": "What is this?"}, image_part, file_part, audio_part]
        system = {"role": "system", "content": "Be brief."}
        content = create_chat().get_message(messages=[system, {"role": "user", "content": parts}])[
            "content"
        ]
        assert "to 'What is this?'. I was sent: 1 system message; " in content
        assert "image (6612 bytes); " in content
        assert "file report.pdf (1335 bytes); " in content
        assert "audio (100232 bytes)." in content

    def test_urls_are_not_fetched(self, create_chat):
        parts = [
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
            {"type": "file", "file": {"uri": "gs://bucket/a.pdf"}},
        ]
        content = create_chat().get_message(messages=[{"role": "user", "content": parts}])[
            "content"
        ]
        assert "image at https://example.com/cat.png" in content
        assert "file at gs://bucket/a.pdf" in content

    def test_answer_is_deterministic(self, create_chat):
        assert create_chat().get_message(text="x") == create_chat().get_message(text="x")


def get_calls(message):
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    ]


def run_agent(create_chat, text, *tools, **fields):
    """Run an agent whose tools return "ok", and return the names of the called tools."""
    chat = create_chat()
    messages = [{"role": "user", "content": text}]
    names = []
    for _ in range(len(tools)):
        message = chat.get_message(messages=messages, tools=list(tools), **fields)
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
    def test_named_tool_is_called(self, create_chat, magic, choice):
        message = create_chat().get_message(text=self.MAGIC, tools=[magic], tool_choice=choice)
        assert get_calls(message) == [("magic_function", {"input": 3})]
        assert message["content"] is None

    def test_error_names_tool_with_invalid_schema(self, create_chat, create_tool):
        tool = create_tool("magic_function", input={"type": "unknown"})
        error = create_chat().get_error(400, text=self.MAGIC, tools=[tool])
        assert error["message"].startswith("tools (magic_function): is not a valid JSON schema")

    def test_unnamed_tool_is_not_called(self, create_chat, magic, weather_tool):
        assert get_calls(create_chat().get_message(text="Hello!", tools=[magic])) == []
        assert (
            get_calls(create_chat().get_message(text=self.MAGIC, tools=[magic], tool_choice="none"))
            == []
        )
        assert (
            get_calls(create_chat().get_message(text="Get it, please", tools=[weather_tool])) == []
        )
        required = create_chat().get_message(
            text="Hello!", tools=[weather_tool, magic], tool_choice="required"
        )
        assert len(get_calls(required)) == 1

    def test_forced_tool_is_called(self, create_chat, magic, weather_tool):
        choice = {"type": "function", "function": {"name": "get_weather"}}
        message = create_chat().get_message(
            text=self.MAGIC, tools=[magic, weather_tool], tool_choice=choice
        )
        assert [name for name, _ in get_calls(message)] == ["get_weather"]

    def test_place_in_the_text_becomes_an_argument(self, create_chat, weather_tool):
        message = create_chat().get_message(
            text="What is the weather like in San Francisco, CA today?", tools=[weather_tool]
        )
        assert get_calls(message) == [("get_weather", {"location": "San Francisco, CA"})]

    def test_quoted_text_becomes_an_argument(self, create_chat, create_tool):
        create = create_tool("create_customer", customer_name={"type": "string"})
        text = "Create a customer named '你好啊集团' - it's a new one"
        message = create_chat().get_message(text=text, tools=[create])
        assert get_calls(message) == [("create_customer", {"customer_name": "你好啊集团"})]

    def test_tool_without_parameters_is_called(self, create_chat, create_tool):
        tool_dict = {"type": "function", "function": {"name": "magic"}}
        for tool in (tool_dict, create_tool("magic")):
            assert get_calls(create_chat().get_message(text="magic()", tools=[tool])) == [
                ("magic", {})
            ]

    @pytest.mark.parametrize(
        ("result", "quoted"),
        [("Sunny.", "'Sunny.'."), ("x" * 200, "x ...'.")],
    )
    def test_default_text_quotes_tool_results(self, create_chat, image_part, result, quoted):
        call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        question = {
            "role": "user",
            "content": [{"type": "text", "text": "What is it."}, image_part],
        }
        tool_message = {"role": "tool", "content": result, "tool_call_id": "c"}
        history = [question, {"role": "assistant", "tool_calls": [call]}, tool_message]
        content = create_chat().get_message(messages=history)["content"]
        assert "to 'What is it.'. The tools returned look: '" in content
        assert f"{quoted} I was sent: image" in content
        assert content.endswith("bytes).")

    def test_results_end_the_tool_loop(self, create_chat, weather_tool):
        chat = create_chat()
        question = {"role": "user", "content": "The weather in Paris?"}
        call = chat.get_message(messages=[question], tools=[weather_tool])["tool_calls"][0]
        result = {"role": "tool", "content": "It's sunny.", "tool_call_id": call["id"]}
        history = [question, {"role": "assistant", "tool_calls": [call]}, result]
        message = chat.get_message(messages=history, tools=[weather_tool])
        assert "The tools returned get_weather: 'It's sunny.'." in message["content"]
        next_turn = chat.get_message(messages=[*history, question], tools=[weather_tool])
        assert next_turn["tool_calls"][0]["id"] != call["id"]  # a new turn, a new call

    def test_auto_calls_each_named_tool_once(self, create_chat, create_tool):
        tools = [create_tool("send_mail"), create_tool("read_calendar"), create_tool("get_weather")]
        text = "Read my calendar and check the weather"
        assert run_agent(create_chat, text, *tools) == ["read_calendar", "get_weather"]

    def test_required_calls_relevant_tools_first(self, create_chat, create_tool):
        tools = [
            create_tool("WeatherReport", "weather"),
            create_tool("send_mail"),
            create_tool("get_weather"),
        ]
        names = run_agent(create_chat, "The weather, please", *tools, tool_choice="required")
        assert names == ["get_weather", "send_mail", "WeatherReport"]


class TestStructuredOutput:
    def test_values_match_the_json_schema(self, create_chat):
        schema = {
            "type": "object",
            "properties": {"setup": {"type": "string"}, "rating": {"type": ["integer", "null"]}},
            "required": ["setup", "rating"],
        }
        response_format = {"type": "json_schema", "json_schema": {"name": "Joke", "schema": schema}}
        message = create_chat().get_message(text="A joke rated 7", response_format=response_format)
        assert json.loads(message["content"]) == {"setup": "offline setup", "rating": 7}

    def test_invalid_schema_returns_400(self, create_chat):
        schema = {"type": "integer", "minimum": "low"}
        response_format = {"type": "json_schema", "json_schema": {"name": "N", "schema": schema}}
        assert (
            create_chat().get_error(400, response_format=response_format)["param"]
            == "response_format"
        )

    def test_schema_in_the_text_is_followed(self, create_chat):
        """Clients without tools put the schema into a message; some ask for a code block."""
        text = 'Add 3. Schema: {"properties": {"a": {"type": "integer"}}}'
        message = create_chat().get_message(text=text, response_format={"type": "json_object"})
        assert message["content"] == '{"a":3}'
        message = create_chat().get_message(text=f"{text}. Answer with a ```json block.")
        assert message["content"] == '```json\n{"a":3}\n```'

    def test_json_object_has_quoted_keys(self, create_chat):
        response_format = {"type": "json_object"}
        text = "A joke as JSON with 'setup' and 'punchline' keys."
        message = create_chat().get_message(text=text, response_format=response_format)
        assert set(json.loads(message["content"])) == {"setup", "punchline"}
        message = create_chat().get_message(text="Some JSON", response_format=response_format)
        assert isinstance(json.loads(message["content"]), dict)
