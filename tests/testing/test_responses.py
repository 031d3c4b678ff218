"""POST /responses: the response object and its output."""

import pytest

from orq_router_integrations.testing import Answer

CLAUDE = "anthropic/claude-sonnet-4-5"
CITATION = {
    "type": "url_citation",
    "url": "https://example.com/",
    "title": "Example",
    "start_index": 0,
    "end_index": 3,
}
REQUIRED_FIELDS = """
    background completed_at created_at error frequency_penalty id incomplete_details input
    instructions max_output_tokens max_tool_calls metadata model object output parallel_tool_calls
    presence_penalty previous_response_id prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning safety_identifier service_tier status store temperature text
    tool_choice tools top_logprobs top_p truncation usage user
"""


class TestResponseObject:
    def test_required_fields(self, create_responses):
        response = create_responses().complete()
        assert set(REQUIRED_FIELDS.split()) <= set(response)
        assert response["id"].startswith("resp_offline_")
        assert (response["object"], response["status"]) == ("response", "completed")
        assert response["model"] == "gpt-4o"
        assert response["tool_choice"] == "auto"
        assert response["text"] == {"format": {"type": "text"}}
        assert response["completed_at"] >= response["created_at"]

    def test_settings_are_echoed(self, create_responses, create_responses_tool):
        settings = {
            "instructions": "Be brief.",
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 7,
            "max_output_tokens": 500,
            "parallel_tool_calls": False,
            "metadata": {"a": "b"},
            "tools": [create_responses_tool("look_up", "Looks up", word={"type": "string"})],
            "tool_choice": {"type": "function", "name": "look_up"},
            "reasoning": {"effort": "low", "summary": "auto"},
            "store": False,
            "service_tier": "flex",
            "safety_identifier": "s",
            "conversation": {"id": "c"},
            "prompt_cache_options": {"mode": "implicit"},
        }
        response = create_responses().complete(**settings)
        assert {name: response[name] for name in settings} == settings

    def test_text_input_is_echoed_as_an_item(self, create_responses):
        assert create_responses().complete(input="hi")["input"] == [
            {"role": "user", "content": "hi"}
        ]

    def test_mcp_headers_are_not_echoed(self, create_responses):
        tool = {"type": "mcp", "server_url": "https://x", "headers": {"Authorization": "secret"}}
        assert create_responses().complete(tools=[tool])["tools"] == [
            {"type": "mcp", "server_url": "https://x"}
        ]

    def test_tokens_and_costs_are_added_up(self, create_responses):
        usage = create_responses().complete(input="x" * 400)["usage"]
        assert usage["input_tokens"] == 103
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["input_tokens_details"]["cached_tokens"] == 0
        assert usage["output_tokens_details"]["reasoning_tokens"] == 0
        assert usage["input_cost"] == pytest.approx(103e-6)
        assert usage["total_cost"] == pytest.approx(usage["input_cost"] + usage["output_cost"])

    def test_ids_are_unique(self, create_responses):
        client = create_responses()
        first, second = client.complete(), client.complete()
        assert first["id"] != second["id"]
        assert first["output"][0]["id"] != second["output"][0]["id"]


class TestScriptedAnswers:
    def test_text_becomes_a_message(self, create_responses):
        message = create_responses(answers={"hi": "Hello!"}).get_message()
        assert message["role"] == "assistant"
        text = {"type": "output_text", "text": "Hello!", "annotations": [], "logprobs": []}
        assert message["content"] == [text]

    def test_answers_are_shared_with_chat(self, create_chat):
        client = create_chat(answers={"hi": ["one", "two"]})
        assert client.get_message()["content"] == "one"
        body = {"model": "openai/gpt-4o", "input": "hi"}
        response = client.http.post("/v3/router/responses", json=body).json()
        assert response["output"][0]["content"][0]["text"] == "two"

    def test_tool_calls_become_items(self, create_responses):
        calls = ({"name": "a", "args": {"x": 1}}, {"name": "b", "args": "not JSON", "id": "call_b"})
        output = create_responses(answers=lambda _: Answer(tool_calls=calls)).complete()["output"]
        assert [item["type"] for item in output] == ["function_call"] * 2
        assert [item["arguments"] for item in output] == ['{"x":1}', "not JSON"]
        assert output[0]["call_id"].startswith("call_")
        assert output[1]["call_id"] == "call_b"
        assert len({item["id"] for item in output}) == 2

    def test_reasoning_precedes_the_message(self, create_responses):
        answer = Answer("done", reasoning="hm", reasoning_signature="signature")
        first, second = create_responses(answers={"hi": answer}).complete()["output"]
        assert first["summary"] == [{"type": "summary_text", "text": "hm"}]
        assert first["encrypted_content"] == "signature"
        assert second["type"] == "message"

    def test_signature_without_text_has_an_empty_summary(self, create_responses):
        client = create_responses(answers={"hi": Answer("done", reasoning_signature="signature")})
        assert client.get_item("reasoning")["summary"] == []

    def test_refusal_becomes_a_part(self, create_responses):
        message = create_responses(answers={"hi": Answer(refusal="No.")}).get_message()
        assert message["content"] == [{"type": "refusal", "refusal": "No."}]

    def test_annotations_are_sent_on_both_endpoints(self, create_responses, create_chat):
        answers = {"hi": Answer("abc", annotations=[CITATION])}
        assert create_responses(answers=answers).get_message()["content"][0]["annotations"] == [
            CITATION
        ]
        fields = {name: CITATION[name] for name in CITATION if name != "type"}
        expected = [{"type": "url_citation", "url_citation": fields}]
        assert create_chat(answers=answers).get_message()["annotations"] == expected
        (delta,) = [
            chunk["choices"][0]["delta"]
            for chunk in create_chat(answers=answers).stream()[:-1]
            if "annotations" in chunk["choices"][0]["delta"]
        ]
        assert delta["annotations"] == expected

    @pytest.mark.parametrize(
        "usage",
        [
            {"input_tokens": 1000, "output_tokens_details": {"reasoning_tokens": 9}},
            {"prompt_tokens": 1000, "completion_tokens_details": {"reasoning_tokens": 9}},
        ],
        ids=["responses", "chat"],
    )
    def test_usage_may_have_either_format(self, create_responses, create_chat, usage):
        answers = {"hi": Answer("a", usage=usage)}
        responses = create_responses(answers=answers).complete()["usage"]
        assert (responses["input_tokens"], responses["input_cost"]) == (1000, pytest.approx(1e-3))
        assert responses["output_tokens_details"]["reasoning_tokens"] == 9
        chat = create_chat(answers=answers).complete()["usage"]
        assert chat["prompt_tokens"] == 1000
        assert chat["completion_tokens_details"]["reasoning_tokens"] == 9

    def test_scripted_costs_are_sent(self, create_responses):
        client = create_responses(answers={"hi": Answer("a", usage={"total_cost": 7.0})})
        assert client.complete()["usage"]["total_cost"] == 7.0

    @pytest.mark.parametrize(
        ("finish", "reason"),
        [("length", "max_output_tokens"), ("content_filter", "content_filter")],
    )
    def test_truncated_answer_is_incomplete(self, create_responses, finish, reason):
        response = create_responses(answers={"hi": Answer("a", finish_reason=finish)}).complete()
        assert response["status"] == "incomplete"
        assert response["incomplete_details"] == {"reason": reason}
        assert response["output"][-1]["status"] == "incomplete"
        assert response["completed_at"] is None

    def test_answer_function_receives_earlier_turns(self, create_responses):
        bodies = []
        client = create_responses(answers=lambda body: bodies.append(body) or "ok")
        first = client.complete(input="one")
        client.complete(input="two", previous_response_id=first["id"], store=False)
        assert bodies[0] == {"model": "openai/gpt-4o", "input": "one"}
        assert [item["role"] for item in bodies[1]["input"]] == ["user", "assistant", "user"]
        assert set(bodies[1]) == {"model", "input"}

    def test_custom_tool_call_becomes_an_item(self, create_responses):
        client = create_responses(
            answers={"hi": Answer(tool_calls=({"name": "sql", "args": "select 1"},))}
        )
        item = client.get_item("custom_tool_call", tools=[{"type": "custom", "name": "sql"}])
        assert (item["name"], item["input"]) == ("sql", "select 1")

    def test_logprobs_are_sent_on_request(self, create_responses):
        logprobs = [{"token": "a "}, {"token": "b"}]
        client = create_responses(answers={"hi": Answer("a b", logprobs=logprobs)})
        for fields in ({"include": ["message.output_text.logprobs"]}, {"top_logprobs": 2}):
            (part,) = client.get_message(**fields)["content"]
            assert part["logprobs"] == logprobs
        assert client.get_message()["content"][0]["logprobs"] == []


class TestDefaultAnswer:
    def test_text_summarizes_the_request(self, create_responses):
        text = create_responses().get_text(input="Who are you?", instructions="Be brief.")
        assert text.startswith("Offline answer from openai/gpt-4o to 'Who are you?'.")
        assert "1 system message" in text

    def test_forced_function_is_called(self, create_responses, create_responses_tool):
        tools = [
            create_responses_tool("other"),
            create_responses_tool("add", x={"type": "integer"}),
        ]
        choice = {"type": "function", "name": "add"}
        item = create_responses().get_item(
            "function_call", input="7 apples", tools=tools, tool_choice=choice
        )
        assert (item["name"], item["arguments"]) == ("add", '{"x":7}')

    def test_tool_choice_is_followed(self, create_responses, create_responses_tool):
        tools = [create_responses_tool("add", x={"type": "integer"})]
        client = create_responses()
        assert client.get_item("function_call", input="add 1", tools=tools, tool_choice="required")
        assert client.get_message(input="add 1", tools=tools, tool_choice="none")

    def test_custom_tool_receives_the_user_text(self, create_responses):
        tools = [{"type": "custom", "name": "query_sql"}]
        item = create_responses().get_item("custom_tool_call", input="query it", tools=tools)
        assert item["input"] == "query it"

    def test_server_tools_are_not_called(self, create_responses):
        tools = [{"type": "orq:web_search"}, {"type": "mcp", "key": "k"}]
        assert create_responses().get_text(input="web search", tools=tools, tool_choice="required")

    def test_values_match_the_json_schema(self, create_responses):
        schema = {
            "type": "object",
            "properties": {"n": {"type": "integer"}},
            "required": ["n"],
        }
        format_ = {"type": "json_schema", "name": "out", "schema": schema, "strict": True}
        assert create_responses().get_text(input="I have 3", text={"format": format_}) == '{"n":3}'

    def test_invalid_json_schema_is_rejected(self, create_responses):
        format_ = {
            "type": "json_schema",
            "name": "out",
            "schema": {"required": 3, "type": "object"},
        }
        assert create_responses().get_error(400, text={"format": format_})["param"] == "text.format"

    def test_stop_sequences_and_token_limit_end_the_text(self, create_responses):
        client = create_responses(answers={"hi": "one two STOP three"})
        assert client.get_text(stop_sequences=["END", "STOP"]) == "one two "
        response = client.complete(max_output_tokens=1)
        assert response["output"][0]["content"][0]["text"] == "one "
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}

    @pytest.mark.parametrize(
        ("fields", "label"),
        [
            ({"reasoning": {"effort": "high"}}, "high"),
            ({"reasoning": {"effort": ["odd"]}}, "odd"),
            ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "enabled"),
            ({"thinking": {"type": "adaptive"}}, "adaptive"),
        ],
        ids=["effort", "undocumented effort", "enabled", "adaptive"],
    )
    def test_reasoning_is_sent_on_request(self, create_responses, fields, label):
        assert label in create_responses().get_item("reasoning", **fields)["summary"][0]["text"]

    @pytest.mark.parametrize(
        "fields",
        [{"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}],
        ids=["effort", "thinking"],
    )
    def test_no_reasoning_if_disabled(self, create_responses, fields):
        assert [item["type"] for item in create_responses().complete(**fields)["output"]] == [
            "message"
        ]

    def test_text_describes_images_and_files(self, create_responses, image_part, file_part):
        image = {
            "type": "input_image",
            "image_url": image_part["image_url"]["url"],
            "detail": "high",
        }
        file = {"type": "input_file", **file_part["file"]}
        image_id = {"type": "input_image", "file_id": "file-1"}
        file_url = {"type": "input_file", "file_url": "https://example.com/a.pdf"}
        text_part = {"type": "input_text", "text": "See."}
        parts = [text_part, image, file, image_id, file_url]
        text = create_responses().get_text(input=[{"role": "user", "content": parts}])
        assert "to 'See.'" in text
        assert "image (6612 bytes)" in text
        assert "file report.pdf (1335 bytes)" in text
        assert "image at file-1" in text
        assert "https://example.com/a.pdf" in text

    def test_image_counts_as_85_tokens(self, create_responses, image_part):
        image = {
            "type": "input_image",
            "image_url": image_part["image_url"]["url"],
            "detail": "low",
        }
        client = create_responses()
        usage = client.complete(input=[{"role": "user", "content": [image]}])["usage"]
        assert usage["input_tokens"] == 3 + 85

    def test_variables_in_instructions_are_substituted(self, create_responses):
        client = create_responses()
        variables = {"name": "Ada", "key": {"secret": True, "value": "s3cret"}}
        client.complete(instructions="Greet {{name}} with {{key}} and {{no}}", variables=variables)
        assert client.router.log[0].body["instructions"] == "Greet Ada with {{key}} and {{no}}"
