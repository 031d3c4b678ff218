"""Connection settings: validation, environment variables, and hidden secrets."""

import json
import pickle
import traceback
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from support.loopback_server import Loopback, complete_response
from support.scripted_router import ANSWER, KEY, Script, both_callers, create_call, create_client

from orq_router_integrations import ChatOrq, RouterClient, RouterError
from orq_router_integrations.settings import RouterSettings, is_loopback

HOST = "https://my.orq.ai/v3/router"


def get_error_message(**settings: Any) -> str:
    """Create a client with invalid settings, and return the error message."""
    with pytest.raises(ValidationError) as raised:
        RouterClient(**{"api_key": KEY} | settings)
    assert isinstance(raised.value, ValueError)
    assert KEY not in "".join(traceback.format_exception(raised.value))
    return str(raised.value)


def get_base_url(value: str, **settings: Any) -> str:
    return RouterClient(api_key=KEY, base_url=value, **settings).base_url


def test_missing_key_raises():
    for arguments in ({}, {"api_key": None}, {"api_key": ""}, {"api_key": " \t\n"}):
        with pytest.raises(ValidationError, match=r"No API key. Pass api_key= or set ORQ_API_KEY"):
            RouterClient(**arguments)


@pytest.mark.parametrize("value", ["", "   "])
def test_empty_key_in_the_environment_raises(monkeypatch, value):
    monkeypatch.setenv("ORQ_API_KEY", value)
    with pytest.raises(ValidationError, match="No API key"):
        RouterClient()


@pytest.mark.parametrize("name", ["timeout", "deadline", "stream_chunk_timeout"])
def test_timeout_may_be_a_timedelta(name):
    client = RouterClient(api_key=KEY, **{name: timedelta(minutes=1)})
    assert getattr(client, name) == 60.0
    assert name in get_error_message(**{name: timedelta(days=2)})


def test_key_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("ORQ_API_KEY", f" {KEY}\n")
    assert RouterClient().api_key.get_secret_value() == KEY
    assert RouterClient(api_key="another").api_key.get_secret_value() == "another"


@pytest.mark.parametrize(
    ("key", "position"),
    [
        ("sk-\norq", 4),
        ("sk-\r\norq", 4),
        ("sk-orq\0", 7),
        ("\u00a0sk-orq", 1),
        ("sk orq", 3),
        ("sk-\u00f6rq", 4),
        ("sk-\U0001f511", 4),
        ("sk-\x7forq", 4),
        ("sk-\udc80", 4),
    ],
)
def test_invalid_character_in_a_key_is_named_by_position(key, position):
    message = get_error_message(api_key=key)
    assert "api_key" in message
    assert f"Character {position} of {len(key)}" in message
    assert key not in message


@pytest.mark.parametrize(("length", "is_valid"), [(4096, True), (4097, False)])
def test_too_long_key_raises(length, is_valid):
    if is_valid:
        assert RouterClient(api_key="k" * length)
    else:
        assert "4097 characters" in get_error_message(api_key="k" * length)


@pytest.mark.parametrize("key", [7, ["list"], {"a": 1}, True])
def test_key_must_be_a_str_or_function(key):
    assert "api_key" in get_error_message(api_key=key)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("my.orq.ai", HOST),
        ("my.orq.ai/", HOST),
        ("https://my.orq.ai", HOST),
        ("https://my.orq.ai/v3/router", HOST),
        ("https://my.orq.ai/v3/router/", HOST),
        ("my.orq.ai/v3/router//", HOST),
        ("my.orq.ai:8443", "https://my.orq.ai:8443/v3/router"),
        ("localhost:8000", "https://localhost:8000/v3/router"),
        ("https://gate.firm.example/llm/v2/gateway", "https://gate.firm.example/llm/v2/gateway"),
    ],
)
@pytest.mark.parametrize("source", ["argument", "environment"])
def test_url_is_completed(monkeypatch, source, value, expected):
    if source == "argument":
        assert get_base_url(value) == expected
    else:
        monkeypatch.setenv("ORQ_BASE_URL", value)
        assert RouterClient(api_key=KEY).base_url == expected


def test_default_url():
    assert RouterClient(api_key=KEY).base_url == "https://api.orq.ai/v3/router"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "empty"),
        (" ", "whitespace"),
        ("https://my.orq.ai/v3/router\n", "control character"),
        ("https://my orq.ai", "whitespace"),
        ("https://my\0.orq.ai", "control character"),
        ("ftp://my.orq.ai", "scheme"),
        ("ws://my.orq.ai", "scheme"),
        ("https://my.orq.ai:99999", "Port"),
        ("https://my.orq.ai:port", "Port"),
        ("my.orq.ai:-1", "Port"),
        (f"https://user:{KEY}@my.orq.ai", "user or password"),
        (f"https://{KEY}@my.orq.ai", "user or password"),
        (f"https://my.orq.ai/v3/router?key={KEY}", "query"),
        ("https://my.orq.ai/v3/router#top", "fragment"),
        ("https:///v3/router", "host"),
        ("https://:443/v3/router", "host"),
        ("https://[::1/v3/router", "IPv6"),
        ("https://my.orq.ai/v1", "path"),
        ("https://my.orq.ai/v3/router/chat/completions", "path"),
        ("https://my.orq.ai/xv3/router", "path"),
    ],
)
def test_invalid_url_raises(url, reason):
    message = get_error_message(base_url=url)
    assert "base_url" in message
    assert reason in message


@both_callers
@pytest.mark.parametrize("host", ["\u2603\u2603.com", "xn--"])
def test_invalid_host_name_raises(caller, host):
    with pytest.raises((ValidationError, RouterError)):
        caller.send(create_client(Script(), base_url=f"https://{host}"), create_call())


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64 + ".com"])
def test_unresolvable_host_name_raises(host):
    with pytest.raises((ValidationError, RouterError)):
        RouterClient(api_key=KEY, base_url=f"https://{host}", max_retries=0).send(create_call())


LOOPBACK = ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"]
ELSEWHERE = ["my.orq.ai", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_http_is_allowed_for_loopback(host):
    assert is_loopback(host.strip("[]"))
    assert get_base_url(f"http://{host}:8000") == f"http://{host}:8000/v3/router"


@pytest.mark.parametrize("host", ELSEWHERE)
def test_http_to_another_host_requires_allow_insecure(host):
    message = get_error_message(base_url=f"http://{host}/v3/router")
    assert "base_url" in message
    assert "allow_insecure=True" in message
    assert get_base_url(f"http://{host}", allow_insecure=True) == f"http://{host}/v3/router"


@pytest.mark.parametrize("name", ["timeout", "deadline", "stream_chunk_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, -0.0, float("nan"), float("inf"), "soon", "5", True])
def test_invalid_timeout_raises(name, seconds):
    assert name in get_error_message(**{name: seconds})


def is_rejected_or_works(caller: Any, **settings: Any) -> bool:
    """Return whether settings are rejected, or otherwise work on a real connection."""
    with Loopback(complete_response(json.dumps(ANSWER).encode())) as server:
        try:
            client = RouterClient(api_key=KEY, base_url=server.url, max_retries=0, **settings)
        except ValidationError:
            return True
        return caller.send(client, create_call()) == ANSWER


@both_callers
@pytest.mark.parametrize("timeout", [1e9, 1e10, 1e15])
def test_very_long_timeout_is_rejected_or_works(caller, timeout):
    assert is_rejected_or_works(caller, timeout=timeout)


@both_callers
def test_very_long_call_timeout_is_rejected_or_works(caller):
    assert is_rejected_or_works(caller, controls={"timeout": {"call_timeout": 10**15}})


@pytest.mark.parametrize("retries", [-1, 11, 1.5, 2.0, True, False, "2", float("nan")])
def test_invalid_max_retries_raises(retries):
    assert "max_retries" in get_error_message(max_retries=retries)


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Evil: 1", "a\0b", "\u20ac", "\x7f", "a\x0bb"])
def test_invalid_header_value_raises(value):
    message = get_error_message(default_headers={"X-Good": "1", "X-Bad": value})
    assert "default_headers" in message
    assert "X-Bad" in message


@pytest.mark.parametrize("name", ["", "X Bad", "X-Bad:", "X\n", "X-B\u00e4d", "(X)"])
def test_invalid_header_name_raises(name):
    assert "is not a header name" in get_error_message(default_headers={name: "1"})


@pytest.mark.parametrize(
    "name",
    ["Authorization", "authorization", "Host", "Content-Length", "TRANSFER-ENCODING", "Cookie"],
)
def test_reserved_header_raises(name):
    assert name in get_error_message(default_headers={name: f"Bearer {KEY}"})


@both_callers
@pytest.mark.parametrize("value", ["", "plain", " padded ", "\t", "caf\u00e9", "\u00a0"])
def test_unusual_header_value_is_rejected_or_works(caller, value):
    assert is_rejected_or_works(caller, default_headers={"X-Team": value})


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [("max_retry", "max_retries"), ("baseurl", "base_url"), ("api_keys", "api_key")],
)
def test_unknown_argument_raises(unknown, hint):
    message = get_error_message(**{unknown: KEY})
    assert f"Unknown argument '{unknown}'. Did you mean '{hint}'?" in message


def test_none_is_like_a_missing_argument(monkeypatch):
    monkeypatch.setenv("ORQ_BASE_URL", "https://my.host")
    assert RouterClient(api_key=KEY, base_url=None).base_url == "https://my.host/v3/router"
    client = RouterClient(api_key=KEY, base_url="https://another.host")
    none = dict.fromkeys(("api_key", "base_url", "timeout"))
    assert ChatOrq(model="openai/gpt-4o", client=client, **none).client is client


SECRETS = {
    "api_key": KEY,
    "default_headers": {"X-Token": "hidden-value"},
    "default_query": {"token": "hidden-value"},
}


@pytest.mark.parametrize(
    "dump",
    [
        repr,
        str,
        RouterClient.model_dump,
        RouterClient.model_dump_json,
        lambda client: client.model_dump(mode="json"),
        lambda client: repr(client.__getstate__()),
        lambda client: pickle.dumps(client).decode("latin-1"),
        lambda client: repr(vars(client)["api_key"]),
        lambda client: "".join(map(str, client.__rich_repr__())),
    ],
)
def test_secrets_are_hidden_in_dumps(dump):
    dumped = str(dump(RouterClient(**SECRETS)))
    assert KEY not in dumped
    assert "hidden-value" not in dumped


def test_key_of_a_function_is_not_in_dumps():
    client = RouterClient(api_key=lambda: KEY)
    assert KEY not in repr(client) + str(client.model_dump())


def test_client_from_settings_of_another_object():
    settings = RouterSettings(api_key=KEY, base_url="my.orq.ai", timeout=5.0, max_retries=1)
    client = RouterClient(**settings.get_settings())
    assert client.get_settings() == settings.get_settings()
    assert client.api_key.get_secret_value() == KEY


@pytest.mark.parametrize("api_key", [KEY, lambda: KEY, None], ids=["text", "function", "none"])
def test_key_is_left_out_of_dumps(api_key: Any) -> None:
    settings = RouterSettings(api_key=api_key)
    assert "api_key" not in json.loads(settings.model_dump_json())
    assert "api_key" not in settings.model_dump()


WRONG_SETTINGS: dict[str, dict[str, Any]] = {
    "a key with a line break": {"api_key": f"{KEY}\nx"},
    "an unknown keyword next to the key": {"api_key": KEY, "tiemout": 3},
    "a password in the URL": {"api_key": "k", "base_url": f"https://me:{KEY}@host/v3/router"},
    "a header of the client's own": {"api_key": "k", "default_headers": {"Authorization": KEY}},
}


@pytest.mark.parametrize("create", [RouterClient, partial(ChatOrq, model="openai/gpt-4o")])
@pytest.mark.parametrize("value", WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_validation_errors_do_not_contain_the_input(create: Any, value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        create(**value)
    details = caught.value.errors(include_url=False)
    message = f"{details} {caught.value.json()} {caught.value!r} {caught.value.__context__!r}"
    assert KEY not in message
    assert details[0]["msg"]


@pytest.mark.parametrize("key", [5, b"sk-orq-example", ["sk-orq-example"]])
def test_api_key_of_another_type_raises(key: Any) -> None:
    expected = f"Expected a str, a SecretStr or a function, got {type(key).__name__}."
    with pytest.raises(ValidationError, match=expected) as raised:
        RouterClient(api_key=key)
    assert "sk-orq" not in str(raised.value)


def test_valid_secret_is_not_copied() -> None:
    key = SecretStr(KEY)
    assert RouterClient(api_key=key).api_key is key
