"""The router's doors and the order of its checks."""

import asyncio

import httpx
import pytest

from orq_router_integrations.testing import OfflineRouter

CHAT = "/v3/router/chat/completions"
BODY = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def test_every_reply_says_that_it_is_offline_and_has_its_own_trace(create_chat):
    replies = [
        create_chat().post(),
        create_chat().post(model="bare"),
        create_chat().http.get("/nowhere"),
    ]
    assert [reply.status_code for reply in replies] == [200, 400, 404]
    assert {reply.headers["x-orq-offline"] for reply in replies} == {"1"}

    one = create_chat()
    traces = [one.post().headers["x-orq-trace-id"] for _ in range(3)]
    assert traces == [f"{number:032x}" for number in (1, 2, 3)]


@pytest.mark.parametrize("prefix", ["v3/router", "v2/router", "v2/gateway", "v2/proxy"])
def test_all_four_prefixes_are_served_on_any_host_and_below_any_folder(create_chat, prefix):
    chat = create_chat()
    assert chat.post(prefix=prefix).status_code == 200
    assert chat.post(prefix=f"some/folder/{prefix}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("POST", "/v3/router/videos"),
        ("POST", "/v3/router/models"),
        ("GET", "/v2/router/models"),
        ("POST", "/v1/chat/completions"),
    ],
)
def test_what_is_not_served_is_a_404_that_says_what_is(create_chat, method, path):
    reply = create_chat().http.request(method, path)
    assert reply.status_code == 404
    assert set(reply.json()["error"]) == {"message", "type", "code", "param"}
    assert "router" in reply.json()["error"]["message"]


class TestKeys:
    @pytest.mark.parametrize("header", ["", "Bearer ", "Basic abc", "Bearer"])
    def test_a_request_without_a_key_is_a_401(self, create_chat, header):
        reply = create_chat().http.post(CHAT, json=BODY, headers={"Authorization": header})
        assert reply.status_code == 401
        assert reply.json()["error"]["code"] == "authentication_required"

    def test_any_key_will_do_unless_some_are_named(self, create_chat):
        assert create_chat().post().status_code == 200
        error = create_chat(api_keys={"another-key"}).get_error(401)
        assert error["code"] == "invalid_api_key"
        assert create_chat(api_keys=["any-key"]).post().status_code == 200


class TestOrderOfChecks:
    def test_address_then_key_then_limit_then_body(self, create_chat):
        chat = create_chat(requests_per_minute=1)
        no_key = {"Authorization": ""}
        assert chat.http.post("/nowhere", headers=no_key).status_code == 404
        assert chat.http.post(CHAT, headers=no_key).status_code == 401
        assert chat.http.post(CHAT, content=b"{").status_code == 400
        assert chat.http.post(CHAT, content=b"{").status_code == 429

    def test_controls_and_schema_come_before_the_model(self, create_chat):
        chat = create_chat()
        assert chat.get_error(400, model="bare", temperature=9)["param"] == "temperature"
        assert chat.get_error(400, model="bare", retry={"count": 9})["param"] == "retry.count"

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b'{"model": NaN}'])
    def test_a_body_must_be_a_json_object(self, create_chat, content):
        assert create_chat().http.post(CHAT, content=content).status_code == 400


class TestModels:
    @pytest.mark.parametrize("model", ["gpt-4o", "/gpt-4o", "openai/", ""])
    def test_a_bare_model_name_is_an_invalid_format(self, create_chat, model):
        assert "invalid model format" in create_chat().get_error(400, model=model)["message"]

    def test_an_unknown_provider_is_a_404_before_anyone_is_asked_or_fallen_back_on(
        self, create_chat
    ):
        chat = create_chat()
        error = chat.get_error(404, model="nobody/gpt-4o", fallbacks=[{"model": "openai/gpt-4o"}])
        assert "nobody/gpt-4o" in error["message"]
        assert chat.router.log == []

    def test_only_the_enabled_models_answer_where_some_are_named(self, create_chat):
        chat = create_chat(models=["acme/small"])
        assert chat.post(model="acme/small").status_code == 200
        chat.get_error(404, model="openai/gpt-4o")

    def test_an_enabled_model_must_name_its_provider(self):
        with pytest.raises(ValueError, match="gpt-4o"):
            OfflineRouter(models=["gpt-4o"])

    def test_the_list_has_openai_shape(self, create_chat):
        reply = create_chat(models=["acme/small"]).http.get("/v3/router/models").json()
        entry = {"id": "acme/small", "object": "model", "created": 0, "owned_by": "acme"}
        assert reply == {"object": "list", "data": [entry]}

    def test_by_default_the_list_names_some_of_what_is_enabled(self, create_chat):
        chat = create_chat()
        for entry in chat.http.get("/v3/router/models").json()["data"]:
            assert chat.post(model=entry["id"]).status_code == 200


class TestRateLimit:
    def test_the_limit_shows_on_every_reply_and_heals_as_the_window_rolls(self, create_chat, clock):
        chat = create_chat(requests_per_minute=2, clock=clock)
        assert chat.post().headers["x-ratelimit-remaining"] == "1"
        clock.now += 20
        reply = chat.post()
        assert reply.headers["x-ratelimit-limit"] == "2"
        assert reply.headers["x-ratelimit-remaining"] == "0"
        assert reply.headers["x-ratelimit-reset"] == "40s"

        blocked = chat.post()
        assert blocked.status_code == 429
        assert blocked.json()["error"]["code"] == "rate_limit_exceeded"
        assert blocked.headers["retry-after"] == "40"
        clock.now += 40
        assert chat.post().status_code == 200
        assert chat.post().status_code == 429

    def test_without_a_limit_there_are_no_such_headers(self, create_chat):
        assert not [name for name in create_chat().post().headers if "ratelimit" in name]

    def test_a_limit_below_one_is_refused(self):
        with pytest.raises(ValueError, match="requests_per_minute"):
            OfflineRouter(requests_per_minute=0)


class TestGuardrails:
    GUARDRAILS = ({"id": "orq_pii_detection", "execute_on": "input"},)

    def test_an_input_guardrail_blocks_what_names_it(self, create_chat):
        chat = create_chat()
        error = chat.get_error(400, text="trip orq_pii_detection", guardrails=self.GUARDRAILS)
        assert error["code"] == "guardrail_error"
        assert set(error["failures"][0]) == {"id", "stage", "value", "outcome"}
        assert error["failures"][0]["id"] == "orq_pii_detection"
        assert chat.router.log == []

    def test_other_texts_and_output_guardrails_pass(self, create_chat):
        assert create_chat().post(guardrails=self.GUARDRAILS).status_code == 200
        output = [{"id": "orq_pii_detection", "execute_on": "output"}]
        assert create_chat().post(text="orq_pii_detection", guardrails=output).status_code == 200


def test_requests_are_kept_with_the_key_redacted(create_chat):
    chat = create_chat()
    chat.http.post(CHAT, json=BODY, headers={"X-ORQ-Identity-Id": "user-17"})
    (kept,) = chat.router.requests
    assert (kept.method, kept.path, kept.body) == ("POST", CHAT, BODY)
    assert kept.headers["x-orq-identity-id"] == "user-17"
    assert "any-key" not in str(kept)


async def test_one_transport_serves_async_clients_too_and_streams_take_turns():
    router = OfflineRouter(answers=lambda body: "one two three four")
    order: list[str] = []

    async def read(http: httpx.AsyncClient, name: str) -> None:
        headers = {"Authorization": "Bearer k"}
        body = BODY | {"stream": True}
        async with http.stream("POST", CHAT, json=body, headers=headers) as reply:
            async for chunk in reply.aiter_bytes():
                assert chunk
                order.append(name)

    async with httpx.AsyncClient(transport=router.transport, base_url="https://h") as http:
        await asyncio.gather(read(http, "a"), read(http, "b"))
    assert order.count("a") == order.count("b") > 4
    assert order != sorted(order)


def test_handle_is_the_core_that_needs_no_transport():
    request = httpx.Request(
        "POST", f"https://h{CHAT}", json=BODY, headers={"Authorization": "Bearer k"}
    )
    reply = OfflineRouter(answers={"hi": "hello"}).handle(request)
    assert reply.json()["choices"][0]["message"]["content"] == "hello"


def test_a_client_of_the_package_is_one_call_away():
    router = OfflineRouter(api_keys=["the-key"])
    client = router.client(base_url="https://my.orq.ai/v2/router")
    assert client.base_url == "https://my.orq.ai/v2/router"
    assert client.api_key.get_secret_value() == "the-key"
    body = BODY | {"model": "openai/gpt-4o-mini"}
    reply = client.http_client.post(
        f"{client.base_url}/chat/completions",
        json=body,
        headers={"Authorization": "Bearer the-key"},
    )
    assert reply.status_code == 200
    client.http_client.close()
