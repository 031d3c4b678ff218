"""Validation of chat requests, and the field that an error names."""

import base64

import pytest

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
PDF = "data:application/pdf;base64,JVBERi0="


def user(*parts, **fields):
    return [{"role": "user", "content": list(parts), **fields}]


def call(**fields):
    return {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}} | fields


class TestAccepted:
    @pytest.mark.parametrize(
        "fields",
        [
            {"temperature": 0, "top_p": 1.0, "top_k": 40, "seed": 7, "verbosity": "low"},
            {"frequency_penalty": -2, "presence_penalty": 2, "n": 1},
            {"stop": "x"},
            {"stop": ["a", "b", "c", "d"]},
            {"max_tokens": 10},
            {"max_completion_tokens": 10},
            {"temperature": None, "top_p": None, "stop": None, "n": None, "max_tokens": None},
            {"logprobs": True, "top_logprobs": 20},
            {"response_format": {"type": "text"}},
            {"reasoning_effort": "xhigh"},
            {"thinking": {"type": "enabled", "budget_tokens": 1024, "thinking_level": "low"}},
            {"thinking": {"type": "adaptive"}},
            {"thinking": {"type": "disabled"}},
            {"cache_control": {"type": "ephemeral", "ttl": "1h"}, "prompt_cache_key": "k"},
            {"stream_options": {"include_usage": True}, "parallel_tool_calls": False},
            {"modalities": ["text"], "metadata": {"a": "b"}, "name": "trace"},
        ],
    )
    def test_documented_fields_are_accepted(self, create_chat, fields):
        assert create_chat().complete(**fields)

    @pytest.mark.parametrize(
        "message",
        [
            {"role": "system", "content": "s", "name": "n"},
            {"role": "developer", "content": [{"type": "text", "text": "t"}]},
            {"role": "user", "content": "u", "name": "n"},
            {"role": "user", "content": [IMAGE | {"cache_control": {"type": "ephemeral"}}]},
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
            {
                "role": "user",
                "content": [{"type": "file", "file": {"uri": "gs://b/f", "mimeType": "a/b"}}],
            },
            {"role": "assistant", "content": None, "refusal": "no", "reasoning_content": "r"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "reasoning", "reasoning": "r", "signature": "s"},
                    {"type": "redacted_reasoning", "data": "d"},
                    {"type": "text", "text": "t"},
                ],
            },
            {"role": "assistant", "audio": {"id": "a"}},
            {"role": "assistant", "tool_calls": [call(thought_signature="t")]},
            {
                "role": "assistant",
                "tool_calls": [call(extra_content={"google": {"thought_signature": "t"}})],
            },
        ],
    )
    def test_messages_of_every_role_are_accepted(self, create_chat, message):
        assert create_chat().complete(messages=[message, {"role": "user", "content": "go on"}])

    def test_tool_results_are_accepted(self, create_chat):
        tool = {"role": "tool", "content": "3", "tool_call_id": "c1"}
        cached = tool | {
            "cache_control": {"type": "ephemeral"},
            "content": [{"type": "text", "text": "3"}],
        }
        assistant = {"role": "assistant", "tool_calls": [call()]}
        for result in (tool, cached, tool | {"tool_call_id": None}):
            assert create_chat().complete(
                messages=[{"role": "user", "content": "q"}, assistant, result]
            )

    def test_result_without_a_call_is_rejected(self, create_chat):
        result = {"role": "tool", "content": "x", "tool_call_id": "never"}
        error = create_chat().get_error(400, messages=[{"role": "user", "content": "q"}, result])
        assert error["message"] == "no tool call 'never' precedes its result"

    def test_results_of_several_calls_are_accepted(self, create_chat):
        calls = [{"role": "assistant", "tool_calls": [call(id=name)]} for name in "ab"]
        results = [{"role": "tool", "content": "x", "tool_call_id": name} for name in "ab"]
        assert create_chat().complete(messages=[*calls, *results])

    def test_tool_parameters_may_use_json_schema_keywords(self, create_chat, create_tool):
        nested = create_tool("f", a={"anyOf": [{"type": "string"}, {"$ref": "#/$defs/A"}]})
        nested["function"]["parameters"] |= {
            "$defs": {"A": {"type": "null"}},
            "title": "F",
        }
        assert create_chat().complete(tools=[nested], tool_choice="required")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "id": "1"}]}, "messages[0].id"),
        ({"messages": [{"role": "system", "content": [IMAGE]}]}, "messages[0].content[0]"),
        ({"messages": user({"type": "video"})}, "messages[0].content[0]"),
        ({"messages": user({"type": "text"})}, "messages[0].content[0].text"),
        ({"messages": user({"type": "text", "text": 5})}, "messages[0].content[0].text"),
        (
            {"messages": user(IMAGE, {"type": "image_url", "image_url": {}})},
            "messages[0].content[1].image_url.url",
        ),
        (
            {"messages": user({"type": "image_url", "image_url": "https://a/b.png"})},
            "messages[0].content[0].image_url",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, None),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"n": 0}, "n"),
        ({"n": 1.5}, "n"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"stop": list("abcde")}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1000}}, "thinking.budget_tokens"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 2048},
            "thinking.budget_tokens",
        ),
        ({"response_format": {"type": "xml"}}, "response_format"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}},
            "response_format.json_schema.name",
        ),
        ({"modalities": ["audio"]}, "audio"),
        ({"messages": [{"role": "assistant", "audio": {}}]}, "messages[0].audio.id"),
        ({"audio": {"voice": "brian", "format": "wav"}}, "audio.voice"),
        ({"cache_control": {"type": "ephemeral", "ttl": "1d"}}, "cache_control.ttl"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"user": "user-17"}, "user"),
        ({"logit_bias": {}}, "logit_bias"),
    ],
)
def test_invalid_request_names_the_field(create_chat, fields, param):
    client = create_chat()
    error = client.get_error(400, **fields)
    assert client.router.log == []
    assert error["type"] == "invalid_request_error"
    if param:
        assert error["param"] == param
        assert error["message"].startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"type": "string"}, "type 'object'"),
        ({"type": "object"}, "properties"),
        ({"type": "object", "properties": {}, "additionalProperties": {}}, "boolean"),
    ],
)
def test_invalid_tool_parameters_are_rejected(create_chat, parameters, message):
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    error = create_chat().get_error(400, tools=[tool])
    assert error["param"] == "tools[0].function.parameters"
    assert message in error["message"]


class TestMedia:
    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("http://example.com/a.png", "should match pattern '^(https://|data:image/"),
            ("iVBORw0KGgo=", "should match pattern"),
            ("data:image/png,abc", "should match pattern"),
            ("data:image/png;base64,a*b", "base64"),
            ("data:image/png;base64,", "must not be empty"),
            ("data:image/tiff;base64,AAAA", "(jpeg|png|gif|webp)"),
            ("data:application/pdf;base64,AAAA", "data:image/"),
        ],
    )
    def test_invalid_image_url_is_rejected(self, create_chat, url, message):
        image = {"type": "image_url", "image_url": {"url": url}}
        error = create_chat().get_error(400, messages=user(image))
        assert error["param"] == "messages[0].content[0].image_url.url"
        assert message in error["message"]

    @pytest.mark.slow
    def test_image_above_20_mb_is_rejected(self, create_chat):
        data = base64.b64encode(bytes(20 * 1024 * 1024 + 1)).decode()
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        assert "20 MB" in create_chat().get_error(400, messages=user(image))["message"]

    @pytest.mark.parametrize(
        ("file", "param", "message"),
        [
            ({"file_data": PDF}, "", "filename is required"),
            ({"filename": "a.pdf"}, "", "exactly one"),
            ({"file_data": PDF, "filename": "a.pdf", "file_id": "file-1"}, "", "exactly one"),
            ({"file_data": "JVBERi0=", "filename": "a.pdf"}, ".file.file_data", "^data:"),
            ({"file_id": "01J"}, ".file.file_id", "gs://"),
            ({"uri": "ftp://x"}, ".file.uri", "(https|gs)://"),
            ({"file_url": "https://x"}, ".file.file_url", "not a documented field"),
        ],
    )
    def test_invalid_file_is_rejected(self, create_chat, file, param, message):
        error = create_chat().get_error(400, messages=user({"type": "file", "file": file}))
        assert error["param"] == f"messages[0].content[0]{param}"
        assert message in error["message"]

    @pytest.mark.parametrize("invalid", [{"data": "!"}, {"format": "ogg"}])
    def test_invalid_audio_is_rejected(self, create_chat, invalid):
        audio = {"data": "AAAA", "format": "wav"} | invalid
        error = create_chat().get_error(
            400, messages=user({"type": "input_audio", "input_audio": audio})
        )
        assert error["param"].startswith("messages[0].content[0].input_audio.")


class TestLenient:
    def test_unknown_fields_are_ignored(self, create_chat):
        client = create_chat(lenient=True)
        part = {"type": "text", "text": "x", "mark": 1}
        client.complete(
            user="u", store=True, messages=user(part, extra=1), retry={"count": 1, "x": 2}
        )
        assert client.router.log[0].body == {
            "model": "gpt-4o",
            "messages": user({"type": "text", "text": "x"}),
        }

    def test_invalid_values_are_still_rejected(self, create_chat):
        assert (
            create_chat(lenient=True).get_error(400, user="u", temperature=3)["param"]
            == "temperature"
        )


def test_reasoning_effort_drops_temperature_and_top_p(create_chat):
    client = create_chat()
    client.complete(temperature=0.5, top_p=0.5, reasoning_effort="none")
    client.complete(temperature=0.5)
    with_effort, without_effort = (call.body for call in client.router.log)
    assert not {"temperature", "top_p"} & set(with_effort)
    assert without_effort["temperature"] == 0.5
