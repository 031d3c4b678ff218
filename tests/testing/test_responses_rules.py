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
    def test_input_items(self, respond, item):
        assert respond().answer(input=[item])

    def test_outputs_of_tools_may_show_images(self, respond, chart):
        image = {"type": "input_image", "image_url": chart["image_url"]["url"]}
        shown = RESULT | {"output": [{"type": "input_text", "text": "seen"}, image]}
        text = respond().text(input=[USER, CALL, shown])
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
    def test_members_of_the_contract(self, respond, members):
        assert respond().answer(**members)

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
    def test_what_is_wrong_is_a_400_that_names_it(self, respond, members, param):
        assert respond().error(400, **members)["param"] == param

    def test_lenient_ignores_what_the_contract_does_not_know(self, respond):
        here = respond(lenient=True)
        assert here.answer(truncation="auto", input=[USER | {"phase": "final_answer"}])

    def test_agents_do_not_exist_here(self, respond):
        error = respond().error(404, model="agent/helper")
        assert error["param"] == "model"
        assert "no agents" in error["message"]

    @pytest.mark.parametrize("prefix", ["v2/router", "v2/gateway", "v2/proxy"])
    def test_the_path_exists_under_v3_only(self, respond, prefix):
        here = respond()
        assert "v3/router only" in here.error(404, prefix=prefix)["message"]
        assert here.http.get(f"/{prefix}/responses/x").status_code == 404

    def test_a_404_names_what_is_served(self, respond):
        message = respond().http.post("/v3/router/nowhere").json()["error"]["message"]
        for served in ("POST /chat/completions", "POST /responses", "GET /responses/{id}"):
            assert served in message


class TestState:
    def test_a_response_can_be_fetched(self, respond):
        here = respond()
        response = here.answer()
        assert here.get(response["id"]).json() == response

    def test_streams_are_stored_too(self, respond):
        here = respond()
        response = here.chunks()[-2]["response"]
        assert here.get(response["id"]).json() == response

    def test_unless_it_is_not_to_be_stored(self, respond):
        here = respond()
        id_ = here.answer(store=False)["id"]
        reply = here.get(id_)
        assert reply.status_code == 404
        assert set(reply.json()["error"]) == {"message", "type", "code", "param"}
        assert here.error(400, previous_response_id=id_)["param"] == "previous_response_id"

    def test_fetching_wants_a_key_and_takes_no_parameters(self, respond):
        here = respond()
        path = f"/v3/router/responses/{here.answer()['id']}"
        assert here.http.get(path, headers={"Authorization": ""}).status_code == 401
        assert here.http.get(f"{path}?stream=true").status_code == 400

    def test_a_conversation_goes_on(self, respond, chart):
        here = respond()
        image = {"type": "input_image", "image_url": chart["image_url"]["url"]}
        one = here.answer(input=[{"role": "user", "content": [image]}], instructions="Be brief.")
        two = here.answer(input="And now?", previous_response_id=one["id"])
        three = here.text(input="Again?", previous_response_id=two["id"])
        assert two["previous_response_id"] == one["id"]
        assert "to 'Again?'" in three
        assert "an image (PNG" in three
        assert "system message" not in three  # instructions hold for one request only
        roles = [item["role"] for item in here.router.log[-1].body["input"]]
        assert roles == ["user", "assistant"] * 2 + ["user"]

    def test_a_tools_output_answers_a_call_of_the_stored_response(self, respond):
        call = ToolCall("f", "{}", id="c")
        here = respond(answers={"hi": [Answer(tool_calls=(call,)), "It is done."]})
        first = here.answer()
        assert here.text(input=[RESULT], previous_response_id=first["id"]) == "It is done."

    def test_a_reference_stands_for_a_stored_item(self, respond):
        call = ToolCall("f", "{}", id="c")
        here = respond(answers={"hi": [Answer(tool_calls=(call,)), "ok"]})
        (made,) = here.answer()["output"]
        here.answer(input=[USER, {"type": "item_reference", "id": made["id"]}, RESULT])
        assert here.router.log[-1].body["input"][1] == made


class TestBackground:
    def test_each_look_takes_it_a_step_on(self, respond):
        here = respond(answers={"hi": "done"})
        queued = here.answer(background=True)
        assert (queued["status"], queued["output"], queued["usage"]) == ("queued", [], None)
        looks = [here.get(queued["id"]).json() for _ in range(3)]
        assert [look["status"] for look in looks] == ["in_progress", "completed", "completed"]
        assert looks[-1]["output"][0]["content"][0]["text"] == "done"

    def test_a_failure_is_a_status(self, respond):
        here = respond(faults={GPT: Fault(status=503, message="busy")})
        queued = here.answer(background=True)
        here.get(queued["id"])
        failed = here.get(queued["id"]).json()
        assert failed["status"] == "failed"
        assert failed["error"] == {"code": "provider_overloaded", "message": "busy"}
        assert here.error(400, previous_response_id=queued["id"])

    def test_it_cannot_be_continued_before_it_is_done(self, respond):
        here = respond()
        queued = here.answer(background=True)
        assert "not completed" in here.error(400, previous_response_id=queued["id"])["message"]

    def test_a_stream_of_it(self, respond):
        here = respond(faults={GPT: [400]})
        failed, good = here.chunks(background=True), here.chunks(background=True)
        assert [event["type"] for event in failed[:-1]] == [
            "response.created",
            "response.queued",
            "response.in_progress",
            "response.failed",
        ]
        assert good[-2]["type"] == "response.completed"
        assert here.get(failed[0]["response"]["id"]).json()["status"] == "failed"

    def test_the_cache_has_no_part_in_it(self, respond):
        here = respond()
        asked = {"background": True, "cache": {"type": "exact_match"}}
        assert here.answer(**asked)["id"] != here.answer(**asked)["id"]


class TestRouting:
    def test_two_retries_unless_told_otherwise(self, respond):
        here = respond(faults={GPT: 503})
        here.error(503)
        assert [call.pause for call in here.router.log] == [0, 1, 2]
        assert {call.path for call in here.router.log} == {"/responses"}

    @pytest.mark.parametrize("count", [0, 5])
    def test_their_number_can_be_told(self, respond, count):
        here = respond(faults={GPT: 503})
        here.error(503, retry={"count": count})
        assert len(here.router.log) == 1 + count

    def test_a_timeout_goes_straight_to_the_fallback(self, respond):
        here = respond(faults={GPT: Fault(status=200, seconds=2)})
        fallbacks = [{"model": CLAUDE}]
        response = here.answer(timeout={"call_timeout": 1000}, fallbacks=fallbacks)
        assert here.asked == [(GPT, 408), (CLAUDE, 200)]
        assert response["model"] == "claude-sonnet-4-5"

    @staticmethod
    def balance(kind):
        return {"type": kind, "models": [{"model": model, "weight": 0.5} for model in MODELS]}

    def test_round_robin_goes_in_order(self, respond):
        here = respond()
        for _ in range(4):
            here.answer(load_balancer=self.balance("round_robin"))
        assert [call.model for call in here.router.log] == [*MODELS, GPT]

    def test_by_latency_the_quickest_that_was_seen(self, respond):
        slow = {
            model: Fault(status=200, seconds=seconds)
            for model, seconds in zip(MODELS, (3, 1, 2), strict=True)
        }
        here = respond(faults=slow)
        for _ in range(5):
            here.answer(load_balancer=self.balance("latency_based"))
        assert [call.model for call in here.router.log] == [*MODELS, CLAUDE, CLAUDE]

    def test_by_weight_as_on_chat(self, respond):
        here = respond()
        for _ in range(30):
            here.answer(load_balancer=self.balance("weight_based"), model="agent/ignored")
        assert {call.model for call in here.router.log} == set(MODELS)

    def test_guardrails_are_taken_and_not_enforced(self, respond):
        guardrails = [{"id": "hi", "execute_on": "both", "sample_rate": 1.0}]
        assert respond().answer(guardrails=guardrails)

    def test_the_cache(self, respond):
        here = respond(answers={"hi": ["one", "two"]})
        kept = {"cache": {"type": "exact_match", "ttl": 60}}
        assert here.answer(**kept) == here.answer(**kept)
        assert here.post(**kept).headers["x-orq-offline-cache"] == "hit"
        assert here.text(**kept, temperature=1.0) == "two"

    def test_the_provider_sees_none_of_the_routers_members(self, respond):
        here = respond()
        here.answer(
            store=True, identity={"id": "u"}, name="n", limits={"max_depth": 1}, temperature=0.1
        )
        assert here.router.log[0].body == {"model": "gpt-4o", "input": "hi", "temperature": 0.1}
