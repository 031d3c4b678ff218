"""The list to beat: what the chat models of other packages can, and the test that we can it too.

``PROVEN`` names the tests elsewhere, ``LEFT_OUT`` says why a row has none, and the rest is below.
"""

import ast
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool
from langchain_core.tracers import BaseTracer, Run
from pydantic import BaseModel, SecretStr

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer

GPT = "openai/gpt-4o"
TESTS = Path(__file__).parents[1]

PROVEN: dict[str, tuple[str, ...]] = {
    # construction, client, security
    "a key may be a function": (
        "test_a_function_may_give_the_key",
        "test_an_async_function_may_give_the_key_to_async_calls",
    ),
    "a missing key is told at once": ("test_a_client_needs_a_key",),
    "base_url from the environment": ("test_without_a_url_it_is_the_vendors", "test_init_from_env"),
    "a timeout in seconds": ("test_a_timeout_is_a_number_above_zero",),
    "injected httpx clients": ("test_injected_clients_are_used_and_left_open",),
    "shared connections": (
        "test_all_clients_and_threads_of_a_process_share_their_connections",
        "test_a_new_model_opens_nothing",
    ),
    "TCP keepalive": (
        "test_a_silent_connection_is_kept_alive_by_probes",
        "test_so_is_an_async_one",
    ),
    "an explicit proxy": ("test_a_proxy_of_the_callers_own_is_used",),
    "close and aclose": (
        "test_a_closed_client_opens_anew",
        "test_async_closing_waits_for_the_calls_under_way",
    ),
    "default headers and query": ("test_default_headers_and_query_go_with_every_call",),
    "no header and no key in any dump": (
        "test_no_dump_holds_a_secret",
        "test_no_way_to_show_a_client_shows_its_secrets",
    ),
    "serialisable, with lc_secrets": (
        "test_a_model_survives_langchains_serialisation",
        "test_a_dumped_model_loads_and_answers_alike",
    ),
    "a typing error in a keyword is told": (
        "test_an_argument_of_the_model_is_refused_before_any_request",
        "test_an_argument_of_a_call_is_refused_before_any_request",
    ),
    "extra_body": ("test_further_members_go_with_the_body",),
    "pickle and deepcopy": (
        "test_copies_of_every_kind_work_on",
        "test_a_pickle_holds_no_secret_and_reads_the_key_anew",
    ),
    # calls, retries, errors
    "native async": (
        "test_four_doors_lead_to_the_same_message",
        "test_an_awaited_stream_is_the_same_stream",
    ),
    "retries of 429, 5xx and connections": (
        "test_a_failure_that_may_pass_is_tried_three_times",
        "test_a_broken_connection_is_tried_three_times",
        "test_the_number_of_retries_can_be_set",
    ),
    "a retry after the time the server names": ("test_the_router_decides_how_long_to_wait",),
    "opening a stream is retried": ("test_a_stream_is_tried_again_before_its_first_item",),
    "LangChain's model errors": ("test_every_failure_has_its_class_and_says_whether_to_try_again",),
    "ContextOverflowError": (
        "test_a_conversation_that_is_too_long_is_langchains_context_overflow",
        "test_too_much_input_is_seen_by_its_text",
    ),
    "an error inside a stream": ("test_an_error_in_a_stream_is_an_error",),
    "a stream that is cut off": ("test_a_stream_without_an_end_is_broken",),
    "a silent stream": ("test_a_stream_that_falls_silent_is_a_timeout_with_the_text_so_far",),
    "missing optional members": ("test_what_the_reply_does_not_say_is_not_made_up",),
    "one instance over several loops": (
        "test_one_client_serves_several_event_loops_one_after_another",
    ),
    "a fresh instance per loop": ("test_each_event_loop_has_connections_of_its_own",),
    # output and metadata
    "usage of a stream by default": ("test_a_stream_asks_for_its_usage_and_reports_it_once",),
    "cache_read, cache_creation, reasoning and audio tokens": (
        "test_usage_is_counted_with_its_details",
    ),
    "which upstream answered": (
        "test_the_provider_is_told_where_exactly_one_candidate_fits",
        "test_a_fallback_is_named_wherever_it_was_set",
    ),
    "what the headers say": (
        "test_an_answer_tells_how_its_call_went",
        "test_the_platforms_limits_are_told",
    ),
    "reasoning text": (
        "test_whole_and_streamed_answers_have_the_same_blocks",
        "test_a_stream_ends_in_the_message_of_a_whole_reply",
    ),
    "reasoning goes back on tool turns": (
        "test_the_provider_that_thought_gets_its_seal_back",
        "test_the_providers_seal_goes_back_with_the_thought",
        "test_an_agent_resumes_in_a_second_turn",
    ),
    "images in answers": ("test_images_are_image_blocks",),
    "citations": ("test_annotations_are_citations_of_the_text",),
    "refusals": (
        "test_a_refusal_is_a_block",
        "test_a_refusal_is_an_error_that_gives_the_reason",
    ),
    "spoken answers, and their id sent back": (
        "test_a_spoken_answer_is_an_audio_block",
        "test_an_earlier_answer_is_sent_again",
    ),
    "several answers": (
        "test_several_answers_share_one_usage",
        "test_a_stream_of_several_answers_is_refused",
    ),
    "standard blocks": ("test_under_v1_the_content_is_the_blocks",),
    "service tiers in usage": ("test_a_service_tier_with_prices_of_its_own_is_counted_apart",),
    "events of the third version": ("test_the_third_version_of_events_is_valid_to_the_letter",),
    "native events": ("test_events_end_in_the_message_of_a_whole_reply",),
    # input
    "audio formats, images with detail or without type, files by URL and id, plain text": (
        "test_every_spelling_becomes_the_routers_part",
    ),
    "prompt cache marks": ("test_every_spelling_becomes_the_routers_part",),
    "what the wire does not take is named": (
        "test_what_the_router_does_not_take_is_refused_with_its_place_and_a_hint",
    ),
    "Anthropic's blocks": (
        "test_a_call_in_anthropics_block_is_sent_too",
        "test_an_earlier_answer_is_sent_again",
    ),
    "media in a tool's answer": (
        "test_a_tools_media_go_where_the_setting_says",
        "test_a_tools_media_can_stay_in_its_answer",
    ),
    "ids and extra members of text blocks": (
        "test_what_langchain_keeps_on_a_text_block_stays_at_home",
    ),
    "names of messages": ("test_names_are_sent",),
    "the developer role": ("test_a_developer_tuple_is_a_developer_message",),
    "unicode arguments": ("test_unicode_arguments_are_sent_unescaped",),
    "malformed earlier calls": ("test_an_earlier_call_is_sent_again",),
    # tools and structured output
    "strict": ("test_strict_goes_with_every_tool",),
    "parallel_tool_calls": ("test_parallel_calls_are_sent_as_said",),
    "every tool choice": ("test_every_tool_choice_has_its_wire_form",),
    "response_format beside tools": (
        "test_a_response_format_goes_beside_the_tools",
        "test_a_response_format_goes_beside_bound_tools",
        "test_the_provider_holds_the_answer_to_a_class",
    ),
    "three methods of structured output": (
        "test_a_class_gives_objects_and_other_schemas_give_dicts",
        "test_json_schema_is_the_default",
    ),
    "include_raw": ("test_the_raw_answer_can_be_had_beside_the_parsed",),
    "the structure in traces": ("test_tracers_see_the_schema_and_the_wire_does_not",),
    "extras of a tool": (
        "test_extras_that_the_responses_api_knows_go_with_a_tool",
        "test_of_a_tools_extras_a_chat_completion_knows_strict",
    ),
    "disabled_params": (
        "test_a_parameter_can_be_left_out_for_good",
        "test_a_parameter_can_be_left_out_with_some_values",
    ),
    # profiles, tokens, tracing
    "profiles of prefixed ids": (
        "test_an_agent_uses_native_structured_output_where_the_profile_says_so",
        "test_agents_can_ask_these_for_structured_output_directly",
    ),
    "token counts without a download": (
        "test_tokens_are_counted_without_a_tokenizer",
        "test_a_conversation_comes_near_what_the_api_counted",
    ),
    "tracing parameters": (
        "test_tracers_learn_the_model_and_its_parameters",
        "test_tracers_learn_the_model_and_never_a_secret",
    ),
    "fallbacks and retries of LangChain": (
        "test_langchains_fallback_middleware_takes_the_next_model",
        "test_langchains_retry_middleware_repeats_what_is_worth_it_and_swallows_nothing_else",
    ),
}

LEFT_OUT = {
    "a clock for idle content": "timeout is for the next byte, and a sign of life is one",
    "video": "the router's schema has no video part",
    "built-in tools of OpenAI": "the router has tools of its own, orq:* and mcp",
    "automatic downgrade of the structured method": "no peer knows it but by the model's name",
    "LangSmith's gateway": "another vendor's router",
    "counting by the provider's endpoint": "the router has none",
}


def test_every_named_test_exists() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in TESTS.rglob("test_*.py")]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    there = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, kinds)}
    there |= {"test_init_from_env"}  # of LangChain's own suite
    missing = {name for names in PROVEN.values() for name in names} - there
    assert not missing


def test_no_row_is_both_proven_and_left_out() -> None:
    assert not PROVEN.keys() & LEFT_OUT.keys()


def orq(router: OfflineRouter, **kwargs: Any) -> ChatOrq:
    return ChatOrq(**{"model": GPT, "client": router.client(), **kwargs})


def test_the_key_is_a_secret() -> None:
    assert isinstance(ChatOrq(model=GPT, api_key="sk-a").api_key, SecretStr)


@pytest.mark.parametrize("stream", [False, True])
def test_the_cost_is_told_where_the_router_states_it(router: OfflineRouter, stream: bool) -> None:
    assert orq(router, api="responses", streaming=stream).invoke("Hi").response_metadata["cost"] > 0


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_are_told(router: OfflineRouter, api: str, stream: bool) -> None:
    asked = {"logprobs": True, "top_logprobs": 1}
    answer = orq(router, api=api, streaming=stream).invoke("Hi", **asked)
    assert answer.response_metadata["logprobs"]["content"]


def test_citations_of_the_responses_api_are_told() -> None:
    note = {"type": "url_citation", "url": "https://a.b", "title": "A", "start_index": 0}
    answer = Answer("Hi there", annotations=[{**note, "end_index": 2}])
    model = orq(OfflineRouter(answers=lambda _: answer), api="responses")
    (block,) = model.invoke("Hi").content_blocks
    assert block["annotations"][0]["url"] == "https://a.b"


SERVER_TOOLS = [
    {"type": "orq:web_search", "max_results": 3},
    {"type": "mcp", "server_url": "https://tools.example/mcp"},
]


@pytest.mark.parametrize("offered", SERVER_TOOLS, ids=lambda offered: offered["type"])
def test_tools_of_the_server_go_as_they_are(router: OfflineRouter, offered: Any) -> None:
    orq(router, api="responses").bind_tools([offered]).invoke("Hi")
    assert router.requests[0].body["tools"] == [offered]


class Traces(BaseTracer):
    told: str = ""

    def _persist_run(self, run: Run) -> None:
        self.told += run.model_dump_json()


def test_tracers_do_not_see_the_secrets_of_an_mcp_server(router: OfflineRouter) -> None:
    headers = {"Authorization": "Bearer MCP-SECRET"}
    offered = {"type": "mcp", "server_url": "https://tools.example/mcp", "headers": headers}
    traces = Traces()
    model = orq(router, api="responses").bind_tools([offered])
    model.invoke("Hi", config={"callbacks": [traces]})
    assert "tools.example" in traces.told
    assert "MCP-SECRET" not in traces.told


class City(BaseModel):
    """A city."""

    name: str


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_tools_go_beside_a_structured_output(router: OfflineRouter, api: str) -> None:
    structured = orq(router, api=api).with_structured_output(City, tools=[get_weather])
    assert isinstance(structured.invoke("Hi"), City)
    assert len(router.requests[0].body["tools"]) == 1


AT_ODDS: dict[str, dict[str, Any]] = {
    "tools": {"method": "function_calling", "tools": [get_weather]},
    "tool_choice": {"method": "function_calling", "tool_choice": "auto"},
    "parallel_tool_calls": {"method": "function_calling", "parallel_tool_calls": True},
    "response_format": {"response_format": {"type": "text"}},
}


@pytest.mark.parametrize(("name", "kwargs"), AT_ODDS.items(), ids=AT_ODDS)
def test_what_is_at_odds_with_a_structured_output_is_sent_or_refused_clearly(
    router: OfflineRouter, name: str, kwargs: Any
) -> None:
    try:
        orq(router).with_structured_output(City, **kwargs).invoke("Hi")
    except RouterInputError as error:
        assert name in str(error)  # noqa: PT017 - either is fine
    else:
        assert router.requests[0].body[name]
