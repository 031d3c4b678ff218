"""Endpoints of the router, the order of its checks, and its limits."""

import asyncio

import httpx
import pytest

from orq_router_integrations.testing import OfflineRouter

CHAT = "/v3/router/chat/completions"
BODY = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def test_every_response_has_the_offline_header_and_a_trace_id(create_chat):
    responses = [
        create_chat().post(),
        create_chat().post(model="bare"),
        create_chat().http.get("/nowhere"),
    ]
    assert [response.status_code for response in responses] == [200, 400, 404]
    assert {response.headers["x-orq-offline"] for response in responses} == {"1"}

    chat = create_chat()
    traces = [chat.post().headers["x-orq-trace-id"] for _ in range(3)]
    assert traces == [f"{number:032x}" for number in (1, 2, 3)]


@pytest.mark.parametrize("prefix", ["v3/router", "v2/router", "v2/gateway", "v2/proxy"])
def test_endpoints_are_served_under_every_prefix(create_chat, prefix):
    chat = create_chat()
    assert chat.post(prefix=prefix).status_code == 200
    assert chat.post(prefix=f"some/folder/{prefix}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("POST", "/v3/router/videos"),
        ("POST", "/v3/router/models"),
        ("GET", "/v2/gateway/models"),
        ("POST", "/v1/chat/completions"),
    ],
)
def test_unknown_endpoint_returns_404(create_chat, method, path):
    response = create_chat().http.request(method, path)
    assert response.status_code == 404
    assert set(response.json()["error"]) == {"message", "type", "code", "param"}
    message = response.json()["error"]["message"]
    assert "Use v3/router with POST /responses, /chat/completions" in message
    assert "/ocr" not in message  # only under v2/router


class TestKeys:
    @pytest.mark.parametrize("header", ["", "Bearer ", "Basic abc", "Bearer"])
    def test_missing_key_returns_401(self, create_chat, header):
        response = create_chat().http.post(CHAT, json=BODY, headers={"Authorization": header})
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "authentication_required"

    def test_other_api_keys_are_rejected(self, create_chat):
        assert create_chat().post().status_code == 200
        error = create_chat(api_keys={"another-key"}).get_error(401)
        assert error["code"] == "invalid_api_key"
        assert create_chat(api_keys=["any-key"]).post().status_code == 200


class TestOrderOfChecks:
    def test_path_key_rate_limit_and_body_are_checked_in_order(self, create_chat):
        chat = create_chat(requests_per_minute=1)
        no_key = {"Authorization": ""}
        assert chat.http.post("/nowhere", headers=no_key).status_code == 404
        assert chat.http.post(CHAT, headers=no_key).status_code == 401
        assert chat.http.post(CHAT, content=b"{").status_code == 400
        assert chat.http.post(CHAT, content=b"{").status_code == 429

    def test_schema_is_checked_before_the_model(self, create_chat):
        chat = create_chat()
        assert chat.get_error(400, model="bare", temperature=9)["param"] == "temperature"
        assert chat.get_error(400, model="bare", retry={"count": 9})["param"] == "retry.count"

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b'{"model": NaN}'])
    def test_body_must_be_json_object(self, create_chat, content):
        assert create_chat().http.post(CHAT, content=content).status_code == 400


class TestModels:
    @pytest.mark.parametrize("model", ["gpt-4o", "/gpt-4o", "openai/", ""])
    def test_model_without_provider_returns_400(self, create_chat, model):
        assert "invalid model format" in create_chat().get_error(400, model=model)["message"]

    def test_unknown_provider_returns_404(self, create_chat):
        chat = create_chat()
        error = chat.get_error(404, model="nobody/gpt-4o", fallbacks=[{"model": "openai/gpt-4o"}])
        assert "nobody/gpt-4o" in error["message"]
        assert chat.router.log == []

    def test_disabled_model_returns_404(self, create_chat):
        chat = create_chat(models=["acme/small"])
        assert chat.post(model="acme/small").status_code == 200
        chat.get_error(404, model="openai/gpt-4o")

    def test_available_models_are_listed(self, create_chat):
        response = create_chat(models=["acme/small"]).http.get("/v3/router/models").json()
        entry = {"id": "acme/small", "object": "model", "created": 0, "owned_by": "acme"}
        assert response == {"object": "list", "data": [entry]}

    def test_default_model_list(self, create_chat):
        chat = create_chat()
        for entry in chat.http.get("/v3/router/models").json()["data"]:
            assert chat.post(model=entry["id"]).status_code == 200


class TestRateLimit:
    def test_requests_are_limited_in_a_rolling_window(self, create_chat, clock):
        chat = create_chat(requests_per_minute=2, clock=clock)
        assert chat.post().headers["x-ratelimit-remaining"] == "1"
        clock.now += 20
        response = chat.post()
        assert response.headers["x-ratelimit-limit"] == "2"
        assert response.headers["x-ratelimit-remaining"] == "0"
        assert response.headers["x-ratelimit-reset"] == "40s"

        rejected = chat.post()
        assert rejected.status_code == 429
        assert rejected.json()["error"]["code"] == "rate_limit_exceeded"
        assert rejected.headers["retry-after"] == "40"
        clock.now += 40
        assert chat.post().status_code == 200
        assert chat.post().status_code == 429

    def test_headers_belong_to_the_request(self, create_chat):
        """A function that sends another request does not change the headers of its own."""

        def answer(body):
            if body["messages"][0]["content"] == "outer":
                chat.post(text="inner")
            return "Done."

        chat = create_chat(requests_per_minute=5, answers=answer)
        assert chat.post(text="outer").headers["x-ratelimit-remaining"] == "4"
        assert chat.post(text="outer").headers["x-ratelimit-remaining"] == "2"

    def test_no_headers_without_limit(self, create_chat):
        assert not [name for name in create_chat().post().headers if "ratelimit" in name]


def test_recorded_request_has_no_key(create_chat):
    chat = create_chat()
    chat.http.post(CHAT, json=BODY, headers={"X-ORQ-Identity-Id": "user-17"})
    (recorded,) = chat.router.requests
    assert (recorded.method, recorded.path, recorded.body) == ("POST", CHAT, BODY)
    assert recorded.headers["x-orq-identity-id"] == "user-17"
    assert "any-key" not in str(recorded)


async def test_async_streams_are_served_concurrently():
    router = OfflineRouter(answers=lambda body: "one two three four")
    order: list[str] = []

    async def read(http: httpx.AsyncClient, name: str) -> None:
        headers = {"Authorization": "Bearer k"}
        body = BODY | {"stream": True}
        async with http.stream("POST", CHAT, json=body, headers=headers) as response:
            async for chunk in response.aiter_bytes():
                assert chunk
                order.append(name)

    async with httpx.AsyncClient(transport=router.transport, base_url="https://h") as http:
        await asyncio.gather(read(http, "a"), read(http, "b"))
    assert order.count("a") == order.count("b") > 4
    assert order != sorted(order)


def test_handle_answers_an_httpx_request():
    request = httpx.Request(
        "POST", f"https://h{CHAT}", json=BODY, headers={"Authorization": "Bearer k"}
    )
    response = OfflineRouter(answers={"hi": "hello"}).handle(request)
    assert response.json()["choices"][0]["message"]["content"] == "hello"


def test_client_has_the_base_url_and_an_accepted_key():
    router = OfflineRouter(api_keys=["the-key"])
    client = router.client(base_url="https://my.orq.ai/v2/router")
    assert client.base_url == "https://my.orq.ai/v2/router"
    assert client.api_key.get_secret_value() == "the-key"
    body = BODY | {"model": "openai/gpt-4o-mini"}
    response = client.http_client.post(
        f"{client.base_url}/chat/completions",
        json=body,
        headers={"Authorization": "Bearer the-key"},
    )
    assert response.status_code == 200
    client.http_client.close()


def test_repr_shows_counts_without_keys_and_texts():
    router = OfflineRouter(answers={"Hi": "Hello!"}, faults={"openai/gpt-4o": 503}, api_keys=["k1"])
    router.client().list_models()
    assert repr(router) == "OfflineRouter(answers=1, faults=1, requests=1)"
    router.script(answers=lambda _: "Hello!")
    assert repr(router) == "OfflineRouter(answers=function, faults=0, requests=1)"
    assert repr(OfflineRouter()) == "OfflineRouter(answers=0, faults=0, requests=0)"
