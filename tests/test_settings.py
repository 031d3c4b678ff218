"""Where the router is and how to talk to it: what is accepted, what is refused, what is shown."""

import json
import pickle
import traceback
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError
from support.loopback_server import Loopback, whole
from support.scripted_router import ANSWER, KEY, Script, both_doors, chat, client_of

from orq_router_integrations import ChatOrq, RouterClient, RouterError
from orq_router_integrations.settings import RouterSettings, is_loopback

HOST = "https://my.orq.ai/v3/router"


def refusal(**settings: Any) -> str:
    """What the error of construction says."""
    with pytest.raises(ValidationError) as raised:
        RouterClient(**{"api_key": KEY} | settings)
    assert isinstance(raised.value, ValueError)
    assert KEY not in "".join(traceback.format_exception(raised.value))
    return str(raised.value)


def base_url(given: str, **settings: Any) -> str:
    return RouterClient(api_key=KEY, base_url=given, **settings).base_url


def test_a_client_needs_a_key():
    for nothing in ({}, {"api_key": None}, {"api_key": ""}, {"api_key": " \t\n"}):
        with pytest.raises(ValidationError, match=r"No API key. Pass api_key= or set ORQ_API_KEY"):
            RouterClient(**nothing)


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_key_in_the_environment_is_none(monkeypatch, value):
    monkeypatch.setenv("ORQ_API_KEY", value)
    with pytest.raises(ValidationError, match="No API key"):
        RouterClient()


def test_the_key_comes_from_the_environment(monkeypatch):
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
def test_a_bad_character_in_a_key_is_named_by_its_position(key, position):
    told = refusal(api_key=key)
    assert "api_key" in told
    assert f"character {position} of {len(key)}" in told
    assert key not in told


@pytest.mark.parametrize(("length", "good"), [(4096, True), (4097, False)])
def test_a_key_has_a_longest_length(length, good):
    if good:
        assert RouterClient(api_key="k" * length)
    else:
        assert "4097 characters" in refusal(api_key="k" * length)


@pytest.mark.parametrize("key", [7, ["list"], {"a": 1}, True])
def test_a_key_is_text_or_a_function(key):
    assert "api_key" in refusal(api_key=key)


@pytest.mark.parametrize(
    ("given", "full"),
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
def test_a_url_may_be_given_short_or_in_full(monkeypatch, source, given, full):
    if source == "argument":
        assert base_url(given) == full
    else:
        monkeypatch.setenv("ORQ_BASE_URL", given)
        assert RouterClient(api_key=KEY).base_url == full


def test_without_a_url_it_is_the_vendors():
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
        ("https://my.orq.ai:99999", "port"),
        ("https://my.orq.ai:port", "port"),
        ("my.orq.ai:-1", "port"),
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
def test_a_bad_url_is_refused_with_the_reason(url, reason):
    told = refusal(base_url=url)
    assert "base_url" in told
    assert reason in told


@both_doors
@pytest.mark.parametrize("host", ["\u2603\u2603.com", "xn--"])
def test_a_host_that_no_url_can_have_is_a_clear_error(door, host):
    with pytest.raises((ValidationError, RouterError)):
        door.send(client_of(Script(), base_url=f"https://{host}"), chat())


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64 + ".com"])
def test_a_host_that_cannot_be_looked_up_is_a_clear_error(host):
    with pytest.raises((ValidationError, RouterError)):
        RouterClient(api_key=KEY, base_url=f"https://{host}", max_retries=0).send(chat())


LOOPBACK = ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"]
ELSEWHERE = ["my.orq.ai", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_plain_http_is_for_this_machine(host):
    assert is_loopback(host.strip("[]"))
    assert base_url(f"http://{host}:8000") == f"http://{host}:8000/v3/router"


@pytest.mark.parametrize("host", ELSEWHERE)
def test_plain_http_to_elsewhere_must_be_asked_for(host):
    told = refusal(base_url=f"http://{host}/v3/router")
    assert "base_url" in told
    assert "allow_insecure=True" in told
    assert base_url(f"http://{host}", allow_insecure=True) == f"http://{host}/v3/router"


@pytest.mark.parametrize("name", ["timeout", "deadline", "stream_chunk_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, -0.0, float("nan"), float("inf"), "soon", "5", True])
def test_a_timeout_is_a_number_above_zero(name, seconds):
    assert name in refusal(**{name: seconds})


def accepted_then_sent(door: Any, **settings: Any) -> bool:
    """Whether settings are refused, or else work on a real connection."""
    with Loopback(whole(json.dumps(ANSWER).encode())) as server:
        try:
            client = RouterClient(api_key=KEY, base_url=server.url, max_retries=0, **settings)
        except ValidationError:
            return True
        return door.send(client, chat()) == ANSWER


@both_doors
@pytest.mark.parametrize("timeout", [1e9, 1e10, 1e15])
def test_a_long_timeout_is_refused_or_works(door, timeout):
    assert accepted_then_sent(door, timeout=timeout)


@both_doors
def test_a_long_call_timeout_is_refused_or_works(door):
    assert accepted_then_sent(door, controls={"timeout": {"call_timeout": 10**15}})


@both_doors
@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf")])
def test_a_calls_own_timeout_is_checked_too(door, timeout):
    client = RouterClient(api_key=KEY, base_url="http://127.0.0.1:9", max_retries=0)
    with pytest.raises(ValueError, match="timeout") as raised:
        door.send(client, chat(timeout=timeout))
    assert isinstance(raised.value, RouterError)


@pytest.mark.parametrize("retries", [-1, 11, 1.5, 2.0, True, False, "2", float("nan")])
def test_the_number_of_retries_is_0_to_10(retries):
    assert "max_retries" in refusal(max_retries=retries)


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Evil: 1", "a\0b", "\u20ac", "\x7f", "a\x0bb"])
def test_a_header_holds_one_line(value):
    told = refusal(default_headers={"X-Good": "1", "X-Bad": value})
    assert "default_headers" in told
    assert "X-Bad" in told


@pytest.mark.parametrize("name", ["", "X Bad", "X-Bad:", "X\n", "X-B\u00e4d", "(X)"])
def test_a_header_has_a_legal_name(name):
    assert "is not a header name" in refusal(default_headers={name: "1"})


@pytest.mark.parametrize(
    "name",
    ["Authorization", "authorization", "Host", "Content-Length", "TRANSFER-ENCODING", "Cookie"],
)
def test_a_header_that_is_the_clients_own_is_refused(name):
    assert name in refusal(default_headers={name: f"Bearer {KEY}"})


@both_doors
@pytest.mark.parametrize("value", ["", "plain", " padded ", "\t", "caf\u00e9", "\u00a0"])
def test_a_header_is_refused_or_can_be_sent(door, value):
    assert accepted_then_sent(door, default_headers={"X-Team": value})


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [("max_retry", "max_retries"), ("baseurl", "base_url"), ("api_keys", "api_key")],
)
def test_an_unknown_keyword_is_refused_with_the_nearest_known_one(unknown, hint):
    told = refusal(**{unknown: KEY})
    assert f"Unknown argument '{unknown}'. Did you mean '{hint}'?" in told


@pytest.mark.parametrize(
    ("elsewhere", "here"),
    {
        "api_base": "base_url",
        "request_timeout": "timeout",
        "fallback": "controls=",
        "use_responses_api": "api='responses'",
        "tools": "bind_tools",
        "response_format": "with_structured_output",
        "stop_sequences": "stop",
    }.items(),
)
def test_who_comes_from_another_package_is_told_the_name_here(elsewhere, here):
    with pytest.raises(ValidationError) as told:
        ChatOrq(model="openai/gpt-4o", api_key=KEY, **{elsewhere: "x"})
    assert f"Unknown argument '{elsewhere}'. Use " in str(told.value)
    assert here in str(told.value)


def test_so_is_who_gives_it_to_a_call():
    model = ChatOrq(model="openai/gpt-4o", api_key=KEY)
    with pytest.raises(
        RouterError, match=r"Unknown argument 'max_completion_tokens'. Use 'max_tokens'"
    ):
        model.invoke("Hi", max_completion_tokens=5)


def test_none_is_as_good_as_nothing(monkeypatch):
    monkeypatch.setenv("ORQ_BASE_URL", "https://my.host")
    assert RouterClient(api_key=KEY, base_url=None).base_url == "https://my.host/v3/router"
    client = RouterClient(api_key=KEY)
    none = dict.fromkeys(("api_key", "base_url", "timeout"))
    assert ChatOrq(model="openai/gpt-4o", client=client, **none).client is client


KEYIVE = {
    "api_key": KEY,
    "default_headers": {"X-Token": "hush-hush"},
    "default_query": {"token": "hush-hush"},
}


@pytest.mark.parametrize(
    "show",
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
def test_no_way_to_show_a_client_shows_its_secrets(show):
    shown = str(show(RouterClient(**KEYIVE)))
    assert KEY not in shown
    assert "hush-hush" not in shown


def test_a_client_whose_key_is_a_function_can_be_shown_too():
    client = RouterClient(api_key=lambda: KEY)
    assert KEY not in repr(client) + str(client.model_dump())


def test_settings_can_be_passed_on():
    settings = RouterSettings(api_key=KEY, base_url="my.orq.ai", timeout=5.0, max_retries=1)
    client = RouterClient(**settings.get_settings())
    assert client.get_settings() == settings.get_settings()
    assert client.api_key.get_secret_value() == KEY


@pytest.mark.parametrize("api_key", [KEY, lambda: KEY], ids=["text", "function"])
@pytest.mark.parametrize("kind", [RouterClient, RouterSettings])
def test_json_shows_stars_where_the_key_is(kind: type[RouterSettings], api_key: Any) -> None:
    assert json.loads(kind(api_key=api_key).model_dump_json())["api_key"] == "**********"


def test_json_of_settings_without_a_key_says_so() -> None:
    assert json.loads(RouterSettings(api_key=None).model_dump_json())["api_key"] is None


WRONG_SETTINGS: dict[str, dict[str, Any]] = {
    "a key with a line break": {"api_key": f"{KEY}\nx"},
    "an unknown keyword beside the key": {"api_key": KEY, "tiemout": 3},
    "a password in the URL": {"api_key": "k", "base_url": f"https://me:{KEY}@host/v3/router"},
    "a header of the client's own": {"api_key": "k", "default_headers": {"Authorization": KEY}},
}


@pytest.mark.parametrize("made", [RouterClient, partial(ChatOrq, model="openai/gpt-4o")])
@pytest.mark.parametrize("given", WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_the_details_of_an_error_hold_no_input(made: Any, given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        made(**given)
    details = caught.value.errors(include_url=False)
    told = f"{details} {caught.value.json()} {caught.value!r} {caught.value.__context__!r}"
    assert KEY not in told
    assert details[0]["msg"]
