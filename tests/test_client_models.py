"""Lists of models that the client reads."""

import asyncio

import pytest
from support.scripted_router import Script, create_client, respond

from orq_router_integrations import OfflineRouter
from orq_router_integrations.errors import InvalidResponseError, RouterInputError


def test_enabled_models():
    client = OfflineRouter(models=["openai/gpt-4o", "cohere/rerank-v3.5"]).client()
    ids = [model.id for model in client.list_models()]
    assert ids == ["openai/gpt-4o", "cohere/rerank-v3.5"]
    assert asyncio.run(client.alist_models()) == client.list_models()


def test_catalog():
    client = OfflineRouter().client()
    (model,) = client.list_catalog_models(search="gpt-4o-mini")
    assert (model.provider, model.context_window) == ("openai", 128_000)
    assert model.estimate_cost(1_000_000, 0) == 1.0
    assert asyncio.run(client.alist_catalog_models(search="gpt-4o-mini")) == [model]


def test_catalog_is_read_page_by_page():
    pages = [
        respond(json={"data": [{"id": "a/b"}], "has_more": True}),
        respond(json={"data": [{"id": "c/d"}], "has_more": False}),
    ]
    script = Script(*pages)
    client = create_client(script, default_query={"region": "eu"})
    assert [model.id for model in client.list_catalog_models(provider="a")] == ["a/b", "c/d"]
    assert [str(request.url) for request in script.requests] == [
        "https://api.orq.ai/v2/model-catalog?region=eu&provider=a",
        "https://api.orq.ai/v2/model-catalog?region=eu&provider=a&starting_after=a%2Fb",
    ]
    models = asyncio.run(create_client(Script(*pages)).alist_catalog_models())
    assert [model.id for model in models] == ["a/b", "c/d"]


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
