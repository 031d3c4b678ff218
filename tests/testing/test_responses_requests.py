"""POST /responses: validation, stored responses, background mode and routing."""

import pytest

from orq_router_integrations.testing import Answer, Fault

GPT, CLAUDE, MISTRAL = "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "mistral/mistral-large"
MODELS = (GPT, CLAUDE, MISTRAL)
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "done"}
USER = {"role": "user", "content": "hi"}


def user(**part):
    return [{"role": "user", "content": [part]}]


class TestSchema:
    @pytest.mark.parametrize(
        "item",
        [
            {"role": "user", "content": "hi"},
            {"type": "message", "role": "developer", "content": "Be brief."},
            {"role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"role": "assistant", "content": "earlier", "id": "msg_1", "status": "completed"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "earlier"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "assistant", "content": [{"type": "input_text", "text": "earlier"}]},
            {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "signature"},
            {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
            CALL,
            {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
            {"type": "compaction", "encrypted_content": "signature"},
            {"type": "mcp_list_tools", "server_label": "s", "tools": []},
            {"type": "web_search_call", "id": "w", "status": "failed"},
        ],
    )
    def test_input_items_are_accepted(self, create_responses, item):
        assert create_responses().complete(input=[item])

    def test_tool_output_may_contain_an_image(self, create_responses, image_part):
        image = {"type": "input_image", "image_url": image_part["image_url"]["url"]}
        result = RESULT | {"output": [{"type": "input_text", "text": "seen"}, image]}
        text = create_responses().get_text(input=[USER, CALL, result])
        assert "f: 'seen'" in text
        assert "image (6612 bytes)" in text

    @pytest.mark.parametrize(
        "fields",
        [
            {"include": ["reasoning.encrypted_content"]},
            {"text": {"verbosity": "low", "format": {"type": "text"}}},
            {"reasoning": {"effort": "instant", "summary": "detailed", "context": "auto"}},
            {"thinking": {"type": "between_tools", "budget_tokens": None, "display": "updates"}},
            {"frequency_penalty": -2, "presence_penalty": 2, "max_tool_calls": 3},
            {"stream_options": {"include_obfuscation": False}, "speed": "fast"},
            {"memory": {"entity_id": "e"}, "limits": {"max_cost": 1.5}, "integration_id": "i"},
            {"security": {"mask": ["a"]}, "context_management": [{"type": "compaction"}]},
            {"template_engine": "jinja", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"tools": [{"type": "orq:advisor", "model": CLAUDE}]},
            {"tools": [{"type": "orq:subagent", "model": CLAUDE, "system_prompt": "p"}]},
            {"tools": [{"type": "orq:code_interpreter", "network": {"mode": "disabled"}}]},
            {"tools": [{"type": "mcp", "key": "k", "allowed_tools": {"tool_names": ["a"]}}]},
        ],
    )
    def test_documented_fields_are_accepted(self, create_responses, fields):
        assert create_responses().complete(**fields)

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"nonsense": 1}, "nonsense"),
            ({"truncation": "auto"}, "truncation"),
            ({"messages": []}, "messages"),
            ({"max_tokens": 5}, "max_tokens"),
            ({"input": None}, "input"),
            ({"input": []}, "input"),
            ({"input": [{"role": "tool", "content": "x"}]}, "input[0]"),
            ({"input": [{"type": "nonsense"}]}, "input[0]"),
            ({"input": user(type="text", text="x")}, "input[0].content[0]"),
            ({"input": user(type="input_text", text="x", a=1)}, "input[0].content[0].a"),
            ({"input": user(type="output_text", text="x")}, "input[0].content[0]"),
            ({"input": user(type="input_audio", input_audio={})}, "input[0].content[0]"),
            ({"input": user(type="input_image")}, "input[0].content[0]"),
            (
                {"input": user(type="input_image", image_url={"url": "https://x"})},
                "input[0].content[0].image_url",
            ),
            ({"input": user(type="input_file", file_data="Zm9v")}, "input[0].content[0].file_data"),
            (
                {"input": user(type="input_file", file_data="data:application/pdf;base64,Zm9v")},
                "input[0].content[0]",
            ),
            ({"previous_response_id": "resp_x"}, "previous_response_id"),
            ({"background": True, "store": False}, "background"),
            ({"temperature": 3}, "temperature"),
            ({"metadata": {"a": 1}}, "metadata.a"),
            ({"text": {"format": {"type": "json_object"}}}, "text.format"),
            ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
            ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
            ({"tools": [{"type": "web_search"}]}, "tools[0]"),
            ({"tools": [{"name": "f"}]}, "tools[0]"),
            ({"tools": ["f"]}, "tools[0]"),
            ({"tool_choice": "any"}, "tool_choice"),
            ({"orq": {"retry": {"count": 1}}}, "orq.retry"),
            ({"retry": {}}, "retry.count"),
            ({"retry": {"count": 6}}, "retry.count"),
        ],
    )
    def test_invalid_request_names_the_field(self, create_responses, fields, param):
        assert create_responses().get_error(400, **fields)["param"] == param

    @pytest.mark.parametrize("items", [[RESULT], [RESULT, CALL]], ids=["no call", "later call"])
    def test_result_without_an_earlier_call_is_rejected(self, create_responses, items):
        message = create_responses().get_error(400, input=items)["message"]
        assert message == "no tool call 'c' precedes its result"

    def test_lenient_router_ignores_undocumented_fields(self, create_responses):
        client = create_responses(lenient=True)
        assert client.complete(truncation="auto", input=[USER | {"phase": "final_answer"}])

    def test_agent_is_not_found(self, create_responses):
        error = create_responses().get_error(404, model="agent/helper")
        assert error["param"] == "model"
        assert "agent/helper" in error["message"]

    @pytest.mark.parametrize("prefix", ["v2/router", "v2/gateway", "v2/proxy"])
    def test_endpoint_exists_only_under_v3(self, create_responses, prefix):
        client = create_responses()
        assert "Use v3/router" in client.get_error(404, prefix=prefix)["message"]
        assert client.http.get(f"/{prefix}/responses/x").status_code == 404


class TestState:
    def test_stored_response_can_be_read(self, create_responses):
        client = create_responses()
        response = client.complete()
        assert client.get_stored(response["id"]).json() == response

    def test_streamed_response_is_stored(self, create_responses):
        client = create_responses()
        response = client.stream()[-2]["response"]
        assert client.get_stored(response["id"]).json() == response

    def test_response_is_not_stored_if_store_is_false(self, create_responses):
        client = create_responses()
        id_ = client.complete(store=False)["id"]
        response = client.get_stored(id_)
        assert response.status_code == 404
        assert set(response.json()["error"]) == {"message", "type", "code", "param"}
        assert client.get_error(400, previous_response_id=id_)["param"] == "previous_response_id"

    def test_get_requires_a_key(self, create_responses):
        client = create_responses()
        path = f"/v3/router/responses/{client.complete()['id']}"
        assert client.http.get(path, headers={"Authorization": ""}).status_code == 401

    def test_previous_response_id_continues_the_conversation(self, create_responses, image_part):
        client = create_responses()
        image = {"type": "input_image", "image_url": image_part["image_url"]["url"]}
        first = client.complete(
            input=[{"role": "user", "content": [image]}], instructions="Be brief."
        )
        second = client.complete(input="And now?", previous_response_id=first["id"])
        third = client.get_text(input="Again?", previous_response_id=second["id"])
        assert second["previous_response_id"] == first["id"]
        assert "to 'Again?'" in third
        assert "image (6612 bytes)" in third
        assert "system message" not in third  # instructions apply to one request only
        roles = [item["role"] for item in client.router.log[-1].body["input"]]
        assert roles == ["user", "assistant"] * 2 + ["user"]

    def create_client(self, create_responses, *answers):
        remaining = iter(answers)
        return create_responses(answers=lambda _: next(remaining))

    def test_tool_output_may_answer_a_stored_call(self, create_responses):
        call = {"name": "f", "args": "{}", "id": "c"}
        client = self.create_client(create_responses, Answer(tool_calls=(call,)), "It is done.")
        first = client.complete()
        assert client.get_text(input=[RESULT], previous_response_id=first["id"]) == "It is done."


class TestBackground:
    def test_each_get_advances_the_status(self, create_responses):
        client = create_responses(answers={"hi": "done"})
        queued = client.complete(background=True)
        assert (queued["status"], queued["output"], queued["usage"]) == ("queued", [], None)
        polls = [client.get_stored(queued["id"]).json() for _ in range(3)]
        assert [poll["status"] for poll in polls] == ["in_progress", "completed", "completed"]
        assert polls[-1]["output"][0]["content"][0]["text"] == "done"

    def test_failure_is_reported_as_status(self, create_responses):
        client = create_responses(faults={GPT: Fault(status=503, message="busy")})
        queued = client.complete(background=True)
        client.get_stored(queued["id"])
        failed = client.get_stored(queued["id"]).json()
        assert failed["status"] == "failed"
        assert failed["error"].items() >= {"code": "provider_overloaded", "message": "busy"}.items()
        assert client.get_error(400, previous_response_id=queued["id"])

    def test_pending_response_cannot_be_continued(self, create_responses):
        client = create_responses()
        queued = client.complete(background=True)
        assert (
            "not completed" in client.get_error(400, previous_response_id=queued["id"])["message"]
        )

    def test_background_response_can_be_streamed(self, create_responses):
        client = create_responses(faults={GPT: [400]})
        failed, completed = client.stream(background=True), client.stream(background=True)
        assert [event["type"] for event in failed[:-1]] == [
            "response.created",
            "response.in_progress",
            "response.failed",
        ]
        assert completed[-2]["type"] == "response.completed"
        assert client.get_stored(failed[0]["response"]["id"]).json()["status"] == "failed"


class TestRouting:
    def test_two_retries_by_default(self, create_responses):
        client = create_responses(faults={GPT: 503})
        client.get_error(503)
        assert [call.pause for call in client.router.log] == [0, 1, 2]
        assert {call.path for call in client.router.log} == {"/responses"}

    @pytest.mark.parametrize("count", [0, 5])
    def test_retry_count_can_be_set(self, create_responses, count):
        client = create_responses(faults={GPT: 503})
        client.get_error(503, retry={"count": count})
        assert len(client.router.log) == 1 + count

    def test_timeout_is_not_retried(self, create_responses):
        client = create_responses(faults={GPT: Fault(status=200, seconds=2)})
        fallbacks = [{"model": CLAUDE}]
        response = client.complete(timeout={"call_timeout": 1000}, fallbacks=fallbacks)
        assert client.provider_calls == [(GPT, 408), (CLAUDE, 200)]
        assert response["model"] == "claude-sonnet-4-5"

    @staticmethod
    def load_balancer(type_):
        return {"type": type_, "models": [{"model": model, "weight": 0.5} for model in MODELS]}

    @pytest.mark.parametrize("type_", ["weight_based", "round_robin", "latency_based"])
    def test_every_model_is_picked(self, create_responses, type_):
        client = create_responses()
        for _ in range(30):
            client.complete(load_balancer=self.load_balancer(type_), model="agent/ignored")
        assert {call.model for call in client.router.log} == set(MODELS)

    def test_guardrails_are_not_enforced(self, create_responses):
        guardrails = [{"id": "hi", "execute_on": "both", "sample_rate": 1.0}]
        assert create_responses().complete(guardrails=guardrails)

    def test_equal_request_is_answered_from_the_cache(self, create_responses):
        client = create_responses(answers={"hi": ["one", "two"]})
        cache = {"cache": {"type": "exact_match", "ttl": 60}}
        assert client.complete(**cache) == client.complete(**cache)
        assert client.post(**cache).headers["x-orq-offline-cache"] == "hit"
        assert client.get_text(**cache, temperature=1.0) == "two"

    def test_router_fields_are_not_sent_to_the_provider(self, create_responses):
        client = create_responses()
        client.complete(
            store=True, identity={"id": "u"}, name="n", limits={"max_depth": 1}, temperature=0.1
        )
        assert client.router.log[0].body == {"model": "gpt-4o", "input": "hi", "temperature": 0.1}
