"""Lists of models that the client reads."""

import asyncio

import pytest
from support.scripted_router import Script, create_client, respond

from orq_router_integrations import OfflineRouter
from orq_router_integrations.errors import InvalidResponseError, RouterInputError


def test_list_models_returns_the_enabled_models():
    client = OfflineRouter(models=["openai/gpt-4o", "cohere/rerank-v3.5"]).client()
    ids = [model.id for model in client.list_models()]
    assert ids == ["openai/gpt-4o", "cohere/rerank-v3.5"]
    assert asyncio.run(client.alist_models()) == client.list_models()


def test_catalog_entry_has_context_window_and_prices():
    client = OfflineRouter().client()
    (model,) = client.list_catalog_models(search="gpt-4o-mini")
    assert (model.fields["provider"]["id"], model.context_window) == ("openai", 128_000)
    assert model.estimate_cost(1_000_000, 0) == 1.0
    assert asyncio.run(client.alist_catalog_models(search="gpt-4o-mini")) == [model]


def test_catalog_request_has_query_and_filters():
    script = Script(respond(json={"data": [{"id": "a/b"}]}))
    client = create_client(script, default_query={"region": "eu"})
    assert [model.id for model in client.list_catalog_models(provider="a")] == ["a/b"]
    assert str(script.requests[0].url) == (
        "https://api.orq.ai/v2/model-catalog?region=eu&provider=a"
    )


def test_unknown_filter_raises_before_sending():
    script = Script()
    with pytest.raises(RouterInputError, match="Did you mean 'provider'"):
        create_client(script).list_catalog_models(providers="openai")
    with pytest.raises(RouterInputError, match="Did you mean 'provider'"):
        asyncio.run(create_client(script).alist_catalog_models(providers="openai"))
    assert script.sent == 0


@pytest.mark.parametrize("method", ["list_models", "list_catalog_models"])
def test_response_without_a_list_raises(method):
    client = create_client(Script(respond(json={"object": "list"})))
    with pytest.raises(InvalidResponseError, match="'data' must be an array"):
        getattr(client, method)()


def test_catalog_filter_accepts_a_list():
    script = Script(respond(json={"data": [], "has_more": False}))
    assert create_client(script).list_catalog_models(provider=["openai", "azure"]) == []
    assert script.requests[0].url.query == b"provider=openai&provider=azure"
    models = OfflineRouter().client().list_catalog_models(provider=["openai", "mistral"])
    assert {model.id.partition("/")[0] for model in models} == {"openai", "mistral"}


@pytest.mark.parametrize("value", [None, 5, [1], {"a": 1}], ids=["None", "int", "ints", "dict"])
def test_filter_of_another_type_raises_before_sending(value):
    script = Script()
    with pytest.raises(RouterInputError, match=r"provider.*: Expected a"):
        create_client(script).list_catalog_models(provider=value)
    assert script.sent == 0
