"""Pickles and copies of a client: without secrets, and none that could change."""

import copy
import pickle

import httpx
import pytest
from support.scripted_router import ANSWER, KEY, Script, chat, client_of

from orq_router_integrations import RouterClient
from orq_router_integrations.errors import RouterInputError


def test_pickle_contains_no_secrets(monkeypatch):
    secret = {"default_headers": {"X-Token": "hush"}, "default_query": {"token": "hush"}}
    client = RouterClient(api_key=KEY, timeout=9.0, controls={"name": "tour"}, **secret)
    data = pickle.dumps(client)
    assert KEY.encode() not in data
    assert b"hush" not in data
    monkeypatch.setenv("ORQ_API_KEY", "of-the-other-machine")
    twin = pickle.loads(data)
    assert (twin.timeout, twin.controls, twin.http_client) == (9.0, client.controls, None)
    assert twin.api_key.get_secret_value() == "of-the-other-machine"


def test_client_with_own_httpx_client_cannot_be_pickled():
    with pytest.raises(pickle.PicklingError, match="cannot be pickled"):
        pickle.dumps(client_of(Script()))


@pytest.mark.parametrize("key", ["", " ", "sk-orq\nX-Evil: 1", "sk-örq"])
def test_unpickled_client_validates_key_from_environment(monkeypatch, key):
    data = pickle.dumps(RouterClient(api_key=KEY, base_url="http://127.0.0.1:9", max_retries=0))
    monkeypatch.setenv("ORQ_API_KEY", key)
    with pytest.raises(RouterInputError, match="key") as raised:
        pickle.loads(data).send(chat())
    assert not key.strip() or key not in str(raised.value)


def test_unpickled_client_strips_key_from_environment(monkeypatch):
    data = pickle.dumps(RouterClient(api_key=KEY))
    monkeypatch.setenv("ORQ_API_KEY", " sk-orq-padded \n")
    script = Script()
    http = httpx.Client(transport=httpx.MockTransport(script))
    pickle.loads(data).model_copy(update={"http_client": http}).send(chat())
    assert script.headers("authorization") == ["Bearer sk-orq-padded"]


def test_deep_copy_works():
    script = Script()
    twin = copy.deepcopy(client_of(script))
    assert twin.send(chat()) == ANSWER


def test_client_is_immutable():
    headers = {"X-Team": "blue"}
    script = Script()
    client = client_of(script, default_headers=headers)
    headers["X-Team"] = "red"
    with pytest.raises(ValueError, match="frozen"):
        client.max_retries = 9
    client.send(chat())
    assert script.headers("x-team") == ["blue"]


def test_copies_share_retry_budget():
    client = client_of(Script())
    client.send(chat())
    assert RouterClient(**dict(client)).max_retries == client.max_retries
    assert client.model_copy().retry_budget is client.retry_budget
