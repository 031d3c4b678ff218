"""Pickles and copies of a client."""

import copy
import pickle

import httpx
import pytest
from support.scripted_router import ANSWER, KEY, Script, create_call, create_client

from orq_router_integrations import RouterClient
from orq_router_integrations.errors import RouterInputError


def test_pickle_contains_no_secrets(monkeypatch):
    secrets = {"default_headers": {"X-Token": "hidden"}, "default_query": {"token": "hidden"}}
    client = RouterClient(api_key=KEY, timeout=9.0, controls={"name": "tour"}, **secrets)
    data = pickle.dumps(client)
    assert KEY.encode() not in data
    assert b"hidden" not in data
    monkeypatch.setenv("ORQ_API_KEY", "key-of-other-machine")
    unpickled = pickle.loads(data)
    assert (unpickled.timeout, unpickled.controls) == (9.0, client.controls)
    assert unpickled.http_client is None
    assert unpickled.api_key.get_secret_value() == "key-of-other-machine"


def test_client_with_own_httpx_client_cannot_be_pickled():
    with pytest.raises(pickle.PicklingError, match="cannot be pickled"):
        pickle.dumps(create_client(Script()))


@pytest.mark.parametrize("key", ["", " ", "sk-orq\nX-Evil: 1", "sk-örq"])
def test_unpickled_client_validates_key_from_environment(monkeypatch, key):
    data = pickle.dumps(RouterClient(api_key=KEY, base_url="http://127.0.0.1:9", max_retries=0))
    monkeypatch.setenv("ORQ_API_KEY", key)
    with pytest.raises(RouterInputError, match=r"(?i)key") as raised:
        pickle.loads(data)
    assert not key.strip() or key not in str(raised.value)


def test_unpickled_client_strips_key_from_environment(monkeypatch):
    data = pickle.dumps(RouterClient(api_key=KEY))
    monkeypatch.setenv("ORQ_API_KEY", " sk-orq-padded \n")
    script = Script()
    http = httpx.Client(transport=httpx.MockTransport(script))
    pickle.loads(data).model_copy(update={"http_client": http}).send(create_call())
    assert script.headers("authorization") == ["Bearer sk-orq-padded"]


def test_deep_copy_sends_requests():
    assert copy.deepcopy(create_client(Script())).send(create_call()) == ANSWER


def test_client_is_immutable():
    headers = {"X-Team": "blue"}
    script = Script()
    client = create_client(script, default_headers=headers)
    headers["X-Team"] = "red"
    with pytest.raises(ValueError, match="frozen"):
        client.max_retries = 9
    client.send(create_call())
    assert script.headers("x-team") == ["blue"]


def test_copies_share_retry_tokens_and_pace():
    client = create_client(Script())
    client.send(create_call())
    assert RouterClient(**dict(client)).max_retries == client.max_retries
    assert client.model_copy()._state is client._state
