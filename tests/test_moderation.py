"""``OrqModeration``: results, failed calls and invalid input."""

import json
from typing import Any

import httpx
import pytest
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from orq_router_integrations import OfflineRouter, OrqModeration, RouterClient
from orq_router_integrations.errors import InvalidResponseError, RouterError, RouterInputError

HARMLESS, HARMFUL = "Hello", "I will hurt you"


def create(router: OfflineRouter, **settings: Any) -> OrqModeration:
    return OrqModeration(client=router.client(max_retries=0), **settings)


class TestResults:
    def test_flagged_text_has_categories_and_scores(self) -> None:
        (result,) = create(OfflineRouter()).invoke(HARMFUL)
        assert result.flagged
        assert result.flagged_categories == ("violence",)
        assert result.scores["violence"] > 0.5
        assert result.model == "omni-moderation-latest"

    @pytest.mark.parametrize(
        "model", ["openai/omni-moderation-latest", "mistral/mistral-moderation"]
    )
    async def test_results_are_in_order_of_the_texts(self, model: str) -> None:
        moderation = create(OfflineRouter(), model=model, chunk_size=2)
        texts = [HARMFUL, HARMLESS, HARMLESS, HARMFUL, HARMLESS]
        expected = [True, False, False, True, False]
        assert [result.flagged for result in moderation.invoke(texts)] == expected
        assert [result.flagged for result in await moderation.ainvoke(texts)] == expected

    def test_texts_are_sent_in_batches(self) -> None:
        router = OfflineRouter()
        create(router, chunk_size=2).invoke(["a", "b", "c"])
        assert sorted(len(request.body["input"]) for request in router.requests) == [1, 2]

    def test_empty_list_makes_no_request(self) -> None:
        router = OfflineRouter()
        assert create(router).invoke([]) == []
        assert router.requests == []

    def test_moderation_in_a_chain(self) -> None:
        chain = create(OfflineRouter()) | RunnableLambda(lambda results: results[0].flagged)
        assert chain.invoke(HARMFUL) is True
        assert chain.batch([HARMFUL, HARMLESS]) == [True, False]


class TestFailures:
    @pytest.mark.parametrize("status", [400, 401, 429, 500])
    async def test_failed_call_raises(self, status: int) -> None:
        router = OfflineRouter(faults={"openai/omni-moderation-latest": status})
        with pytest.raises(RouterError):
            create(router).invoke(HARMLESS)
        with pytest.raises(RouterError):
            await create(router).ainvoke(HARMLESS)

    @pytest.mark.parametrize(
        "body",
        [
            {"model": "m", "results": []},
            {"model": "m"},
            {"results": [{"category_scores": {}}]},
            {"results": [None]},
            {"results": [{"flagged": False}, {"flagged": False}]},
        ],
    )
    def test_response_without_results_is_invalid(self, body: Any) -> None:
        http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=body)))
        client = RouterClient(api_key="sk-orq-example", http_client=http)
        with pytest.raises(InvalidResponseError):
            OrqModeration(client=client).invoke(HARMLESS)


class TestInvalidInput:
    @pytest.mark.parametrize(
        ("texts", "problem"),
        [
            ("", r"input\[0\]: The text is empty"),
            (["a", " "], r"input\[1\]: The text is empty"),
            (["a", 7], r"input\[1\]: Expected a str, got int"),
            (b"a", "got bytes"),
            (None, "got NoneType"),
        ],
    )
    def test_invalid_text_raises_before_sending(self, texts: Any, problem: str) -> None:
        router = OfflineRouter()
        with pytest.raises(RouterInputError, match=problem):
            create(router).invoke(texts)
        assert router.requests == []

    def test_argument_of_a_call_raises(self) -> None:
        with pytest.raises(RouterInputError, match="Unknown argument 'model'"):
            create(OfflineRouter()).invoke(HARMLESS, model="openai/other")

    def test_unsupported_controls_raise(self) -> None:
        with pytest.raises(ValidationError, match=r"controls\.fallbacks: Not supported"):
            create(OfflineRouter(), controls={"fallbacks": ["openai/other"]})


def test_model_is_always_sent() -> None:
    router = OfflineRouter()
    create(router).invoke(HARMLESS)
    assert json.loads(json.dumps(router.requests[0].body))["model"] == (
        "openai/omni-moderation-latest"
    )
