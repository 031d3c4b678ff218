"""What notebooks show for results, logs and usage."""

from IPython.core.formatters import HTMLFormatter

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqEmbeddings,
    OrqImageTool,
    OrqModeration,
    Provenance,
    RouterClient,
    track_usage,
)
from orq_router_integrations.testing import ProviderCall
from orq_router_integrations.testing.routing.request_routing import CallLog


def show(value: object) -> str:
    """Return what a notebook shows, without styles of table cells."""
    html = HTMLFormatter()(value)
    assert html is not None
    return html.replace(' style="text-align: left"', "")


def test_log_is_a_table_of_calls() -> None:
    router = OfflineRouter(faults={"openai/gpt-4o": [503]})
    ChatOrq("openai/gpt-4o", client=router.client()).invoke("Hi")
    html = show(router.log)
    assert html.count("<tr>") == 3
    assert "<td>openai/gpt-4o</td><td>/chat/completions</td>" in html
    assert "<td>503</td></tr>" in html


def test_log_is_escaped() -> None:
    call = ProviderCall(
        model="<script>", path="/", body={}, status=200, attempt=1, seconds=0.0, pause=0.0
    )
    assert "<script>" not in show(CallLog([call]))


def test_usage_is_a_table_of_models() -> None:
    client = OfflineRouter().client()
    with track_usage() as usage:
        for name in ("openai/gpt-4o", "openai/gpt-4o-mini"):
            ChatOrq(name, client=client).invoke("Hi")
    html = show(usage)
    assert html.count("<tr>") == 3
    assert "<td>openai/gpt-4o-mini</td>" in html
    assert html.endswith("<small>calls: 2, fallbacks: 0, cost: unknown</small>")


def test_usage_shows_estimated_cost_if_there_is_one() -> None:
    client = OfflineRouter().client()
    with track_usage(client.list_catalog_models(endpoint="chat")) as usage:
        ChatOrq("openai/gpt-4o", client=client).invoke("Hi")
    assert f"estimated cost: {usage.estimated_cost:.6f}</small>" in show(usage)


def test_model_is_a_table_of_its_settings() -> None:
    html = show(ChatOrq("openai/gpt-4o", temperature=0.2, client=OfflineRouter().client()))
    assert "<th>ChatOrq</th>" in html
    assert "<td>model</td><td>openai/gpt-4o</td>" in html
    assert "<td>temperature</td><td>0.2</td>" in html


def test_client_is_a_table_without_its_key() -> None:
    html = show(RouterClient(api_key="sk-orq-secret", default_headers={"x-tenant": "hidden"}))
    assert "<td>base_url</td><td>https://api.orq.ai/v3/router</td>" in html
    assert "<td>controls</td>" not in html  # none are set
    assert "secret" not in html
    assert "hidden" not in html


def test_images_are_as_wide_as_the_page_allows() -> None:
    client = OfflineRouter().client()
    tool = OrqImageTool(
        model="openai/dall-e-2", n=2, size="256x256", return_format="b64_json", client=client
    )
    html = show(tool.generate("a boat"))
    assert html.count('width="256" style="max-width: 100%"') == 2


def test_provenance_is_a_table_of_known_values() -> None:
    message = ChatOrq("openai/gpt-4o", client=OfflineRouter().client()).invoke("Hi")
    html = show(Provenance.of(message))
    assert "<td>answering_model</td><td>openai/gpt-4o</td>" in html
    assert "cost" not in html


def test_embeddings_are_shown_by_size() -> None:
    embeddings = OrqEmbeddings("openai/text-embedding-3-small", client=OfflineRouter().client())
    result = embeddings.embed(["One", "Two"])
    assert "<td>vectors</td><td>2 x 1536</td>" in show(result)
    assert len(repr(result)) < 400


def test_moderation_is_a_table_of_categories() -> None:
    (result,) = OrqModeration(client=OfflineRouter().client()).invoke("I will hurt you")
    html = show(result)
    assert "<th>flagged</th>" in html
    assert "<td>violence</td><td>yes</td>" in html
