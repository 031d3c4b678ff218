"""POST /responses: its answers and the response object (contract 2.13)."""

import pytest

from orq_router_integrations.testing import Answer, ToolCall

CLAUDE = "anthropic/claude-sonnet-4-5"
CITATION = {
    "type": "url_citation",
    "url": "https://example.com/",
    "title": "Example",
    "start_index": 0,
    "end_index": 3,
}
REQUIRED = """
    background completed_at created_at error frequency_penalty id incomplete_details input
    instructions max_output_tokens max_tool_calls metadata model object output parallel_tool_calls
    presence_penalty previous_response_id prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning safety_identifier service_tier status store temperature text
    tool_choice tools top_logprobs top_p truncation usage user
"""


class TestResponseObject:
    def test_every_member_that_the_schema_requires_is_there(self, respond):
        response = respond().answer()
        assert set(REQUIRED.split()) <= set(response)
        assert response["id"].startswith("resp_offline_")
        assert (response["object"], response["status"]) == ("response", "completed")
        assert response["model"] == "gpt-4o"
        assert response["tool_choice"] == "auto"
        assert response["text"] == {"format": {"type": "text"}}
        assert response["completed_at"] >= response["created_at"]

    def test_the_settings_are_echoed(self, respond, flat_tool):
        settings = {
            "instructions": "Be brief.",
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 7,
            "max_output_tokens": 500,
            "parallel_tool_calls": False,
            "metadata": {"a": "b"},
            "tools": [flat_tool("look_up", "Looks up", word={"type": "string"})],
            "tool_choice": {"type": "function", "name": "look_up"},
            "reasoning": {"effort": "low", "summary": "auto"},
            "store": False,
            "service_tier": "flex",
            "safety_identifier": "s",
            "conversation": {"id": "c"},
            "prompt_cache_options": {"mode": "implicit"},
        }
        response = respond().answer(**settings)
        assert {name: response[name] for name in settings} == settings

    def test_input_is_echoed_as_items(self, respond):
        assert respond().answer(input="hi")["input"] == [{"role": "user", "content": "hi"}]

    def test_keys_of_mcp_servers_are_not_echoed(self, respond):
        tool = {"type": "mcp", "server_url": "https://x", "headers": {"Authorization": "secret"}}
        assert respond().answer(tools=[tool])["tools"] == [
            {"type": "mcp", "server_url": "https://x"}
        ]

    def test_telemetry_holds_the_trace_of_the_header(self, respond):
        reply = respond().post()
        telemetry = reply.json()["telemetry"]
        assert telemetry["trace_id"] == reply.headers["x-orq-trace-id"]
        assert len(telemetry["span_id"]) == 16

    def test_usage_with_its_costs(self, respond):
        usage = respond().answer(input="x" * 400)["usage"]
        assert usage["input_tokens"] == 103
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["input_tokens_details"]["cached_tokens"] == 0
        assert usage["output_tokens_details"] == {"reasoning_tokens": 0}
        assert usage["input_cost"] == pytest.approx(103e-6)
        assert usage["total_cost"] == pytest.approx(usage["input_cost"] + usage["output_cost"])

    def test_replies_differ_in_their_ids(self, respond):
        here = respond()
        one, two = here.answer(), here.answer()
        assert one["id"] != two["id"]
        assert one["output"][0]["id"] != two["output"][0]["id"]


class TestScriptedAnswers:
    def test_text(self, respond):
        message = respond(answers={"hi": "Hello!"}).message()
        assert message["role"] == "assistant"
        text = {"type": "output_text", "text": "Hello!", "annotations": [], "logprobs": []}
        assert message["content"] == [text]

    def test_one_list_of_answers_serves_both_endpoints(self, desk):
        here = desk(answers={"hi": ["one", "two"]})
        assert here.message()["content"] == "one"
        body = {"model": "openai/gpt-4o", "input": "hi"}
        response = here.http.post("/v3/router/responses", json=body).json()
        assert response["output"][0]["content"][0]["text"] == "two"

    def test_tool_calls(self, respond):
        calls = (ToolCall("a", {"x": 1}), ToolCall("b", "not JSON", id="call_b"))
        output = respond(answers={"hi": Answer(tool_calls=calls)}).answer()["output"]
        assert [item["type"] for item in output] == ["function_call"] * 2
        assert [item["arguments"] for item in output] == ['{"x":1}', "not JSON"]
        assert output[0]["call_id"].startswith("call_")
        assert output[1]["call_id"] == "call_b"
        assert len({item["id"] for item in output}) == 2

    def test_reasoning_comes_first_with_its_seal(self, respond):
        answer = Answer("done", reasoning="hm", reasoning_signature="seal")
        first, second = respond(answers={"hi": answer}).answer()["output"]
        assert first["summary"] == [{"type": "summary_text", "text": "hm"}]
        assert first["encrypted_content"] == "seal"
        assert second["type"] == "message"

    def test_sealed_reasoning_may_have_no_text(self, respond):
        here = respond(answers={"hi": Answer("done", reasoning_signature="seal")})
        assert here.item("reasoning")["summary"] == []

    def test_a_refusal(self, respond):
        message = respond(answers={"hi": Answer(refusal="No.")}).message()
        assert message["content"] == [{"type": "refusal", "refusal": "No."}]

    def test_annotations_here_and_on_chat(self, respond, desk):
        answers = {"hi": Answer("abc", annotations=[CITATION])}
        assert respond(answers=answers).message()["content"][0]["annotations"] == [CITATION]
        inner = {name: CITATION[name] for name in CITATION if name != "type"}
        expected = [{"type": "url_citation", "url_citation": inner}]
        assert desk(answers=answers).message()["annotations"] == expected
        (delta,) = [
            chunk["choices"][0]["delta"]
            for chunk in desk(answers=answers).chunks()[:-1]
            if "annotations" in chunk["choices"][0]["delta"]
        ]
        assert delta["annotations"] == expected

    def test_annotations_may_be_scripted_as_chat_has_them(self, desk):
        nested = {"type": "url_citation", "url_citation": {"url": "u"}}
        here = desk(answers={"hi": Answer("abc", annotations=[nested])})
        assert here.message()["annotations"] == [nested]

    @pytest.mark.parametrize(
        "usage",
        [
            {"input_tokens": 1000, "output_tokens_details": {"reasoning_tokens": 9}},
            {"prompt_tokens": 1000, "completion_tokens_details": {"reasoning_tokens": 9}},
        ],
    )
    def test_usage_in_the_words_of_either_endpoint(self, respond, desk, usage):
        answers = {"hi": Answer("a", usage=usage)}
        found = respond(answers=answers).answer()["usage"]
        assert (found["input_tokens"], found["input_cost"]) == (1000, pytest.approx(1e-3))
        assert found["output_tokens_details"] == {"reasoning_tokens": 9}
        chat = desk(answers=answers).answer()["usage"]
        assert chat["prompt_tokens"] == 1000
        assert chat["completion_tokens_details"]["reasoning_tokens"] == 9

    def test_costs_can_be_scripted(self, respond):
        here = respond(answers={"hi": Answer("a", usage={"total_cost": 7.0})})
        assert here.answer()["usage"]["total_cost"] == 7.0

    @pytest.mark.parametrize(
        ("finish", "reason"),
        [("length", "max_output_tokens"), ("content_filter", "content_filter")],
    )
    def test_an_answer_that_was_cut_is_incomplete(self, respond, finish, reason):
        response = respond(answers={"hi": Answer("a", finish_reason=finish)}).answer()
        assert response["status"] == "incomplete"
        assert response["incomplete_details"] == {"reason": reason}
        assert response["output"][-1]["status"] == "incomplete"
        assert response["completed_at"] is None

    def test_a_function_sees_the_earlier_turns(self, respond):
        seen = []
        here = respond(answers=lambda body: seen.append(body) or "ok")
        first = here.answer(input="one")
        here.answer(input="two", previous_response_id=first["id"], store=False)
        assert seen[0] == {"model": "openai/gpt-4o", "input": "one"}
        assert [item["role"] for item in seen[1]["input"]] == ["user", "assistant", "user"]
        assert set(seen[1]) == {"model", "input"}

    def test_a_call_of_a_custom_tool(self, respond):
        here = respond(answers={"hi": Answer(tool_calls=(ToolCall("sql", "select 1"),))})
        item = here.item("custom_tool_call", tools=[{"type": "custom", "name": "sql"}])
        assert (item["name"], item["input"]) == ("sql", "select 1")

    @pytest.mark.parametrize("arguments", ["rain", {"query": "rain"}])
    def test_a_search_by_the_router_itself(self, respond, arguments):
        call = ToolCall("orq:web_search", arguments)
        here = respond(answers={"hi": Answer("It rains.", tool_calls=(call,))})
        response = here.answer(tools=[{"type": "orq:web_search"}])
        search, message = response["output"]
        assert search["type"] == "web_search_call"
        assert search["action"] == {"type": "search", "query": "rain"}
        assert message["content"][0]["text"] == "It rains."
        assert response["usage"]["server_tool_use"] == {"web_search_requests": 1}

    def test_logprobs_where_they_are_asked_for(self, respond):
        here = respond(answers={"hi": "a b"})
        include = ["message.output_text.logprobs"]
        (part,) = here.message(include=include, top_logprobs=2)["content"]
        assert [item["token"] for item in part["logprobs"]] == ["a ", "b"]
        assert len(part["logprobs"][0]["top_logprobs"]) == 2


class TestDefaultAnswer:
    def test_it_says_what_arrived(self, respond):
        text = respond().text(input="Who are you?", instructions="Be brief.")
        assert text.startswith("Offline answer from openai/gpt-4o to 'Who are you?'.")
        assert "1 system message" in text

    def test_a_forced_function(self, respond, flat_tool):
        tools = [flat_tool("other"), flat_tool("add", x={"type": "integer"})]
        choice = {"type": "function", "name": "add"}
        item = respond().item("function_call", input="7 apples", tools=tools, tool_choice=choice)
        assert (item["name"], item["arguments"]) == ("add", '{"x":7}')

    def test_required_and_none(self, respond, flat_tool):
        tools = [flat_tool("add", x={"type": "integer"})]
        here = respond()
        assert here.item("function_call", input="add 1", tools=tools, tool_choice="required")
        assert here.message(input="add 1", tools=tools, tool_choice="none")

    def test_a_custom_tool_takes_the_users_words(self, respond):
        tools = [{"type": "custom", "name": "query_sql"}]
        item = respond().item("custom_tool_call", input="query it", tools=tools)
        assert item["input"] == "query it"

    def test_server_tools_are_not_the_models_to_call(self, respond):
        tools = [{"type": "orq:web_search"}, {"type": "mcp", "key": "k"}]
        assert respond().text(input="web search", tools=tools, tool_choice="required")

    def test_a_schema(self, respond):
        schema = {
            "type": "object",
            "properties": {"n": {"type": "integer"}},
            "required": ["n"],
        }
        wanted = {"type": "json_schema", "name": "out", "schema": schema, "strict": True}
        assert respond().text(input="I have 3", text={"format": wanted}) == '{"n":3}'

    def test_a_schema_that_is_none_is_refused(self, respond):
        wanted = {"type": "json_schema", "name": "out", "schema": {"required": 3, "type": "object"}}
        assert respond().error(400, text={"format": wanted})["param"] == "text.format"

    def test_stops_and_the_token_limit(self, respond):
        here = respond(answers={"hi": "one two STOP three"})
        assert here.text(stop_sequences=["END", "STOP"]) == "one two "
        response = here.answer(max_output_tokens=1)
        assert response["output"][0]["content"][0]["text"] == "one "
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}

    @pytest.mark.parametrize(
        ("members", "wanted"),
        [
            ({"reasoning": {"effort": "high"}}, "high"),
            ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "enabled"),
            ({"thinking": {"type": "adaptive"}}, "adaptive"),
        ],
    )
    def test_reasoning_where_it_is_asked_for(self, respond, members, wanted):
        assert wanted in respond().item("reasoning", **members)["summary"][0]["text"]

    @pytest.mark.parametrize(
        "members", [{"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}]
    )
    def test_no_reasoning_where_it_is_not(self, respond, members):
        assert [item["type"] for item in respond().answer(**members)["output"]] == ["message"]

    def test_media(self, respond, chart, report):
        image = {"type": "input_image", "image_url": chart["image_url"]["url"], "detail": "high"}
        file = {"type": "input_file", **report["file"]}
        by_id = {"type": "input_image", "file_id": "file-1"}
        address = {"type": "input_file", "file_url": "https://example.com/a.pdf"}
        words = {"type": "input_text", "text": "See."}
        parts = [words, image, file, by_id, address]
        text = respond().text(input=[{"role": "user", "content": parts}])
        assert "to 'See.'" in text
        assert "an image (PNG" in text
        assert "a PDF report.pdf" in text
        assert "file-1; not fetched" in text
        assert "https://example.com/a.pdf; not fetched" in text

    def test_an_image_costs_its_tiles(self, respond, chart):
        image = {"type": "input_image", "image_url": chart["image_url"]["url"], "detail": "low"}
        here = respond()
        usage = here.answer(input=[{"role": "user", "content": [image]}])["usage"]
        assert usage["input_tokens"] == 3 + 85

    @pytest.mark.parametrize(
        "mark",
        [
            {"cache_control": {"type": "ephemeral"}},
            {"prompt_cache_breakpoint": {"mode": "explicit"}},
        ],
    )
    def test_the_providers_prompt_cache(self, respond, mark):
        part = {"type": "input_text", "text": "long " * 50, **mark}
        asked = {"input": [{"role": "user", "content": [part]}]}
        here = respond()
        first, second = [here.answer(**asked)["usage"]["input_tokens_details"] for _ in range(2)]
        assert (first["cached_tokens"], first["cache_write_tokens"]) == (0, 66)
        assert (second["cached_tokens"], second["cache_write_tokens"]) == (66, 0)

    def test_variables_fill_the_instructions_but_secrets_do_not(self, respond):
        here = respond()
        variables = {"name": "Ada", "key": {"secret": True, "value": "s3cret"}}
        here.answer(instructions="Greet {{name}} with {{key}} and {{no}}", variables=variables)
        assert here.router.log[0].body["instructions"] == "Greet Ada with {{key}} and {{no}}"
