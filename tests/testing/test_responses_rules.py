"""POST /responses: what it takes, what it keeps, and how it is routed (contract 2.13, 4)."""

import pytest

from orq_router_integrations.testing import Answer, Fault, ToolCall

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
            {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "seal"},
            {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
            CALL,
            {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
            {"type": "compaction", "encrypted_content": "seal"},
            {"type": "mcp_list_tools", "server_label": "s", "tools": []},
        ],
    )
    def test_input_items(self, create_responses, item):
        assert create_responses().complete(input=[item])

    def test_outputs_of_tools_may_show_images(self, create_responses, image_part):
        image = {"type": "input_image", "image_url": image_part["image_url"]["url"]}
        shown = RESULT | {"output": [{"type": "input_text", "text": "seen"}, image]}
        text = create_responses().get_text(input=[USER, CALL, shown])
        assert "f: seen" in text
        assert "an image (PNG" in text

    @pytest.mark.parametrize(
        "members",
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
    def test_members_of_the_contract(self, create_responses, members):
        assert create_responses().complete(**members)

    @pytest.mark.parametrize(
        ("members", "param"),
        [
            ({"nonsense": 1}, "nonsense"),
            ({"truncation": "auto"}, "truncation"),
            ({"messages": []}, "messages"),
            ({"max_tokens": 5}, "max_tokens"),
            ({"input": None}, "input"),
            ({"input": []}, "input"),
            ({"input": [{"role": "tool", "content": "x"}]}, "input[0]"),
            ({"input": [{"type": "nonsense"}]}, "input[0].type"),
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
            ({"input": [RESULT]}, "input[0].call_id"),
            ({"input": [RESULT, CALL]}, "input[0].call_id"),
            ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].id"),
            ({"previous_response_id": "resp_x"}, "previous_response_id"),
            ({"background": True, "store": False}, "background"),
            ({"temperature": 3}, "temperature"),
            ({"metadata": {"a": 1}}, "metadata.a"),
            ({"text": {"format": {"type": "json_object"}}}, "text.format"),
            ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
            ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
            ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
            ({"tools": [{"name": "f"}]}, "tools[0]"),
            ({"tools": ["f"]}, "tools[0]"),
            ({"tool_choice": "required"}, "tool_choice"),
            ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice.name"),
            ({"orq": {"retry": {"count": 1}}}, "orq.retry"),
            ({"retry": {}}, "retry.count"),
            ({"retry": {"count": 6}}, "retry.count"),
            (
                {"load_balancer": {"type": "round_robin", "models": [{"model": GPT}]}},
                "load_balancer.models[0].weight",
            ),
        ],
    )
    def test_what_is_wrong_is_a_400_that_names_it(self, create_responses, members, param):
        assert create_responses().get_error(400, **members)["param"] == param

    def test_lenient_ignores_what_the_contract_does_not_know(self, create_responses):
        responses = create_responses(lenient=True)
        assert responses.complete(truncation="auto", input=[USER | {"phase": "final_answer"}])

    def test_agents_do_not_exist_here(self, create_responses):
        error = create_responses().get_error(404, model="agent/helper")
        assert error["param"] == "model"
        assert "no agents" in error["message"]

    @pytest.mark.parametrize("prefix", ["v2/router", "v2/gateway", "v2/proxy"])
    def test_the_path_exists_under_v3_only(self, create_responses, prefix):
        responses = create_responses()
        assert "v3/router only" in responses.get_error(404, prefix=prefix)["message"]
        assert responses.http.get(f"/{prefix}/responses/x").status_code == 404

    def test_a_404_names_what_is_served(self, create_responses):
        message = create_responses().http.post("/v3/router/nowhere").json()["error"]["message"]
        for served in ("POST /chat/completions", "POST /responses", "GET /responses/{id}"):
            assert served in message


class TestState:
    def test_a_response_can_be_fetched(self, create_responses):
        responses = create_responses()
        response = responses.complete()
        assert responses.get_stored(response["id"]).json() == response

    def test_streams_are_stored_too(self, create_responses):
        responses = create_responses()
        response = responses.stream()[-2]["response"]
        assert responses.get_stored(response["id"]).json() == response

    def test_unless_it_is_not_to_be_stored(self, create_responses):
        responses = create_responses()
        id_ = responses.complete(store=False)["id"]
        reply = responses.get_stored(id_)
        assert reply.status_code == 404
        assert set(reply.json()["error"]) == {"message", "type", "code", "param"}
        assert responses.get_error(400, previous_response_id=id_)["param"] == "previous_response_id"

    def test_fetching_wants_a_key_and_takes_no_parameters(self, create_responses):
        responses = create_responses()
        path = f"/v3/router/responses/{responses.complete()['id']}"
        assert responses.http.get(path, headers={"Authorization": ""}).status_code == 401
        assert responses.http.get(f"{path}?stream=true").status_code == 400

    def test_a_conversation_goes_on(self, create_responses, image_part):
        responses = create_responses()
        image = {"type": "input_image", "image_url": image_part["image_url"]["url"]}
        one = responses.complete(
            input=[{"role": "user", "content": [image]}], instructions="Be brief."
        )
        two = responses.complete(input="And now?", previous_response_id=one["id"])
        three = responses.get_text(input="Again?", previous_response_id=two["id"])
        assert two["previous_response_id"] == one["id"]
        assert "to 'Again?'" in three
        assert "an image (PNG" in three
        assert "system message" not in three  # instructions hold for one request only
        roles = [item["role"] for item in responses.router.log[-1].body["input"]]
        assert roles == ["user", "assistant"] * 2 + ["user"]

    def test_a_tools_output_answers_a_call_of_the_stored_response(self, create_responses):
        call = ToolCall("f", "{}", id="c")
        responses = create_responses(answers={"hi": [Answer(tool_calls=(call,)), "It is done."]})
        first = responses.complete()
        assert responses.get_text(input=[RESULT], previous_response_id=first["id"]) == "It is done."

    def test_a_reference_stands_for_a_stored_item(self, create_responses):
        call = ToolCall("f", "{}", id="c")
        responses = create_responses(answers={"hi": [Answer(tool_calls=(call,)), "ok"]})
        (made,) = responses.complete()["output"]
        responses.complete(input=[USER, {"type": "item_reference", "id": made["id"]}, RESULT])
        assert responses.router.log[-1].body["input"][1] == made


class TestBackground:
    def test_each_look_takes_it_a_step_on(self, create_responses):
        responses = create_responses(answers={"hi": "done"})
        queued = responses.complete(background=True)
        assert (queued["status"], queued["output"], queued["usage"]) == ("queued", [], None)
        looks = [responses.get_stored(queued["id"]).json() for _ in range(3)]
        assert [look["status"] for look in looks] == ["in_progress", "completed", "completed"]
        assert looks[-1]["output"][0]["content"][0]["text"] == "done"

    def test_a_failure_is_a_status(self, create_responses):
        responses = create_responses(faults={GPT: Fault(status=503, message="busy")})
        queued = responses.complete(background=True)
        responses.get_stored(queued["id"])
        failed = responses.get_stored(queued["id"]).json()
        assert failed["status"] == "failed"
        assert failed["error"] == {"code": "provider_overloaded", "message": "busy"}
        assert responses.get_error(400, previous_response_id=queued["id"])

    def test_it_cannot_be_continued_before_it_is_done(self, create_responses):
        responses = create_responses()
        queued = responses.complete(background=True)
        assert (
            "not completed"
            in responses.get_error(400, previous_response_id=queued["id"])["message"]
        )

    def test_a_stream_of_it(self, create_responses):
        responses = create_responses(faults={GPT: [400]})
        failed, good = responses.stream(background=True), responses.stream(background=True)
        assert [event["type"] for event in failed[:-1]] == [
            "response.created",
            "response.queued",
            "response.in_progress",
            "response.failed",
        ]
        assert good[-2]["type"] == "response.completed"
        assert responses.get_stored(failed[0]["response"]["id"]).json()["status"] == "failed"

    def test_the_cache_has_no_part_in_it(self, create_responses):
        responses = create_responses()
        asked = {"background": True, "cache": {"type": "exact_match"}}
        assert responses.complete(**asked)["id"] != responses.complete(**asked)["id"]


class TestRouting:
    def test_two_retries_unless_told_otherwise(self, create_responses):
        responses = create_responses(faults={GPT: 503})
        responses.get_error(503)
        assert [call.pause for call in responses.router.log] == [0, 1, 2]
        assert {call.path for call in responses.router.log} == {"/responses"}

    @pytest.mark.parametrize("count", [0, 5])
    def test_their_number_can_be_told(self, create_responses, count):
        responses = create_responses(faults={GPT: 503})
        responses.get_error(503, retry={"count": count})
        assert len(responses.router.log) == 1 + count

    def test_a_timeout_goes_straight_to_the_fallback(self, create_responses):
        responses = create_responses(faults={GPT: Fault(status=200, seconds=2)})
        fallbacks = [{"model": CLAUDE}]
        response = responses.complete(timeout={"call_timeout": 1000}, fallbacks=fallbacks)
        assert responses.provider_calls == [(GPT, 408), (CLAUDE, 200)]
        assert response["model"] == "claude-sonnet-4-5"

    @staticmethod
    def balance(kind):
        return {"type": kind, "models": [{"model": model, "weight": 0.5} for model in MODELS]}

    def test_round_robin_goes_in_order(self, create_responses):
        responses = create_responses()
        for _ in range(4):
            responses.complete(load_balancer=self.balance("round_robin"))
        assert [call.model for call in responses.router.log] == [*MODELS, GPT]

    def test_by_latency_the_quickest_that_was_seen(self, create_responses):
        slow = {
            model: Fault(status=200, seconds=seconds)
            for model, seconds in zip(MODELS, (3, 1, 2), strict=True)
        }
        responses = create_responses(faults=slow)
        for _ in range(5):
            responses.complete(load_balancer=self.balance("latency_based"))
        assert [call.model for call in responses.router.log] == [*MODELS, CLAUDE, CLAUDE]

    def test_by_weight_as_on_chat(self, create_responses):
        responses = create_responses()
        for _ in range(30):
            responses.complete(load_balancer=self.balance("weight_based"), model="agent/ignored")
        assert {call.model for call in responses.router.log} == set(MODELS)

    def test_guardrails_are_taken_and_not_enforced(self, create_responses):
        guardrails = [{"id": "hi", "execute_on": "both", "sample_rate": 1.0}]
        assert create_responses().complete(guardrails=guardrails)

    def test_the_cache(self, create_responses):
        responses = create_responses(answers={"hi": ["one", "two"]})
        kept = {"cache": {"type": "exact_match", "ttl": 60}}
        assert responses.complete(**kept) == responses.complete(**kept)
        assert responses.post(**kept).headers["x-orq-offline-cache"] == "hit"
        assert responses.get_text(**kept, temperature=1.0) == "two"

    def test_the_provider_sees_none_of_the_routers_members(self, create_responses):
        responses = create_responses()
        responses.complete(
            store=True, identity={"id": "u"}, name="n", limits={"max_depth": 1}, temperature=0.1
        )
        assert responses.router.log[0].body == {
            "model": "gpt-4o",
            "input": "hi",
            "temperature": 0.1,
        }
