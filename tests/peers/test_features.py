"""Features of other chat model packages, and the tests which show that ``ChatOrq`` has them."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]

TESTED: dict[str, tuple[str, ...]] = {
    # construction, client, security
    "a key may be a function": (
        "test_key_function_is_called",
        "test_async_key_function_works_for_async_calls",
    ),
    "a missing key is told at once": ("test_a_client_needs_a_key",),
    "base_url from the environment": ("test_without_a_url_it_is_the_vendors", "test_init_from_env"),
    "a timeout in seconds": ("test_a_timeout_is_a_number_above_zero",),
    "injected httpx clients": ("test_own_httpx_clients_are_used_and_left_open",),
    "shared connections": (
        "test_clients_and_threads_share_one_sender",
        "test_a_new_model_opens_nothing",
    ),
    "TCP keepalive": (
        "test_sync_connection_uses_tcp_keepalive",
        "test_async_connection_uses_tcp_keepalive",
    ),
    "an explicit proxy": ("test_proxy_of_own_httpx_client_is_used",),
    "close and aclose": (
        "test_closed_client_can_be_used_again",
        "test_aclose_waits_for_running_calls",
    ),
    "default headers and query": ("test_default_headers_and_query_are_sent",),
    "no header and no key in any dump": (
        "test_no_dump_contains_a_secret",
        "test_no_way_to_show_a_client_shows_its_secrets",
    ),
    "serialisable, with lc_secrets": (
        "test_serialized_model_can_be_loaded",
        "test_serialized_model_can_be_loaded",
    ),
    "a typing error in a keyword is told": (
        "test_invalid_model_argument_raises_before_a_request",
        "test_invalid_call_argument_raises_before_a_request",
    ),
    "extra_body": ("test_extra_body_is_sent",),
    "pickle and deepcopy": (
        "test_copies_work",
        "test_pickle_contains_no_secret_and_reads_key_from_environment",
    ),
    # calls, retries, errors
    "native async": (
        "test_all_modes_return_the_same_message",
        "test_async_stream_has_the_same_chunks",
    ),
    "retries of 429, 5xx and connections": (
        "test_transient_status_is_retried",
        "test_lost_connection_is_retried",
        "test_max_retries_is_respected",
    ),
    "a retry after the time the server names": ("test_retry_after_headers_are_respected",),
    "opening a stream is retried": ("test_stream_is_retried_before_first_item",),
    "LangChain's model errors": ("test_failures_have_a_class_and_is_retryable",),
    "ContextOverflowError": (
        "test_context_overflow_error",
        "test_too_much_input_is_seen_by_its_text",
    ),
    "an error inside a stream": ("test_error_in_a_stream_raises",),
    "a stream that is cut off": ("test_stream_without_an_end_raises",),
    "a silent stream": ("test_silent_stream_times_out_with_partial_text",),
    "missing optional members": ("test_unknown_values_are_left_out",),
    "one instance over several loops": ("test_client_works_in_several_event_loops",),
    "a fresh instance per loop": ("test_each_event_loop_has_its_own_sender",),
    # output and metadata
    "usage of a stream by default": ("test_stream_requests_usage_and_reports_it_once",),
    "cache_read, cache_creation, reasoning and audio tokens": ("test_usage_metadata_has_details",),
    "which upstream answered": (
        "test_model_name_has_its_provider_if_one_candidate_matches",
        "test_fallback_is_named_at_every_level_of_controls",
    ),
    "what the headers say": (
        "test_metadata_describes_the_call",
        "test_rate_limits_are_reported",
    ),
    "reasoning text": (
        "test_complete_and_streamed_answers_have_the_same_blocks",
        "test_stream_produces_the_message_of_a_complete_response",
    ),
    "reasoning goes back on tool turns": (
        "test_provider_receives_its_own_signature",
        "test_provider_receives_its_own_signature",
        "test_agent_remembers_the_first_turn",
    ),
    "images in answers": ("test_image_is_an_image_block",),
    "citations": ("test_url_citations_are_citations_of_the_text",),
    "refusals": (
        "test_refusal_is_a_non_standard_block",
        "test_refusal_raises_with_reason",
    ),
    "spoken answers, and their id sent back": (
        "test_audio_is_an_audio_block_with_its_transcript",
        "test_answer_is_converted",
    ),
    "several answers": (
        "test_usage_is_on_the_first_of_several_choices",
        "test_streaming_several_answers_raises",
    ),
    "standard blocks": ("test_content_is_blocks_in_v1",),
    "service tiers in usage": ("test_tokens_of_a_separately_priced_tier_are_named_after_it",),
    "events of the third version": ("test_stream_events_v3",),
    "native events": ("test_events_produce_the_message_of_invoke",),
    # input
    "audio formats, images with detail or without type, files by URL and id, plain text": (
        "test_block_is_converted",
    ),
    "prompt cache marks": ("test_block_is_converted",),
    "what the wire does not take is named": ("test_invalid_block_raises_with_its_position",),
    "Anthropic's blocks": (
        "test_tool_use_block_without_tool_calls_is_sent_as_a_call",
        "test_answer_is_converted",
    ),
    "media in a tool's answer": (
        "test_media_in_tool_results",
        "test_media_can_stay_in_the_tool_message",
    ),
    "ids and extra members of text blocks": ("test_langchain_fields_of_a_text_block_are_not_sent",),
    "names of messages": ("test_name_is_sent",),
    "the developer role": ("test_developer_tuple_is_a_developer_message",),
    "unicode arguments": ("test_answer_is_converted",),
    "malformed earlier calls": ("test_answer_is_converted",),
    # tools and structured output
    "strict": ("test_strict_is_sent_with_every_tool",),
    "parallel_tool_calls": ("test_parallel_tool_calls_is_sent",),
    "every tool choice": ("test_tool_choice_is_converted",),
    "response_format beside tools": (
        "test_response_format_is_sent_with_tools",
        "test_bind_tools_with_response_format",
        "test_provider_strategy",
    ),
    "three methods of structured output": (
        "test_output_is_instance_or_dict",
        "test_json_schema_is_the_default",
    ),
    "include_raw": ("test_include_raw",),
    "the structure in traces": ("test_schema_is_traced_and_not_sent",),
    "extras of a tool": (
        "test_responses_api_receives_supported_tool_extras",
        "test_chat_completions_only_receives_strict_from_tool_extras",
    ),
    "disabled_params": (
        "test_param_can_be_disabled",
        "test_param_can_be_disabled_for_some_values",
    ),
    # profiles, tokens, tracing
    "profiles of prefixed ids": (
        "test_agent_uses_native_structured_output_if_the_profile_allows",
        "test_structured_output_is_supported",
    ),
    "token counts without a download": (
        "test_tokens_are_estimated",
        "test_is_close_to_the_count_of_the_api",
    ),
    "tracing parameters": (
        "test_langsmith_params",
        "test_traces_contain_params_and_no_secret",
    ),
    "fallbacks and retries of LangChain": (
        "test_fallback_middleware",
        "test_retry_middleware_retries_only_retryable_errors",
    ),
}

NOT_SUPPORTED = {
    "a clock for idle content": "timeout is for the next byte, and a sign of life is one",
    "video": "the router's schema has no video part",
    "built-in tools of OpenAI": "the router has tools of its own, orq:* and mcp",
    "automatic downgrade of the structured method": "no peer knows it but by the model's name",
    "LangSmith's gateway": "another vendor's router",
    "counting by the provider's endpoint": "the router has none",
}

TESTS_ELSEWHERE = {"test_init_from_env"}
"""Tests that ``langchain-tests`` defines."""


def test_listed_tests_exist() -> None:
    names = set(TESTS_ELSEWHERE)
    for path in TESTS.rglob("test_*.py"):
        names.update(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    missing = {name for tests in TESTED.values() for name in tests if name not in names}
    assert sorted(missing) == []


def test_features_are_listed_once() -> None:
    assert not TESTED.keys() & NOT_SUPPORTED.keys()
