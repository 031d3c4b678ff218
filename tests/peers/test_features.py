"""Features of other chat model packages, and the tests which show that ``ChatOrq`` has them."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]

TESTED: dict[str, tuple[str, ...]] = {
    # construction, client, security
    "key functions": (
        "test_key_function_is_called",
        "test_async_key_function_works_for_async_calls",
    ),
    "a missing key raises in the constructor": ("test_missing_key_raises",),
    "base_url from the environment": ("test_default_url", "test_init_from_env"),
    "a timeout in seconds": ("test_invalid_timeout_raises",),
    "injected httpx clients": ("test_own_httpx_clients_are_used_and_left_open",),
    "shared connections": (
        "test_clients_and_threads_share_one_sender",
        "test_new_model_opens_no_connection",
    ),
    "TCP keepalive": ("test_unacknowledged_data_ends_connection",),
    "an explicit proxy": ("test_proxy_of_own_httpx_client_is_used",),
    "close and aclose": (
        "test_closed_client_can_be_used_again",
        "test_calls_in_progress_finish_after_aclose",
    ),
    "default headers and query": ("test_default_headers_and_query_are_sent",),
    "no header and no key in dumps": (
        "test_no_dump_contains_a_secret",
        "test_secrets_are_hidden_in_dumps",
    ),
    "serialization with lc_secrets": ("test_serialized_model_can_be_loaded",),
    "misspelled arguments raise": (
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
    "retries of 429, 5xx and connection errors": (
        "test_transient_status_is_retried",
        "test_lost_connection_is_retried",
        "test_max_retries_is_respected",
    ),
    "Retry-After": ("test_retry_after_headers_are_respected",),
    "opening a stream is retried": ("test_stream_is_retried_before_first_item",),
    "LangChain's model errors": ("test_error_class_and_is_retryable",),
    "ContextOverflowError": (
        "test_context_overflow_raises_the_error_of_langchain",
        "test_context_length_error_is_detected_by_message",
    ),
    "errors inside a stream": ("test_error_in_a_stream_raises",),
    "truncated streams": ("test_stream_without_an_end_raises",),
    "silent streams": ("test_silent_stream_times_out_with_partial_text",),
    "missing optional fields": ("test_unknown_values_are_left_out",),
    "one instance in several event loops": ("test_client_works_in_several_event_loops",),
    "one instance per event loop": ("test_each_event_loop_has_its_own_sender",),
    # output and metadata
    "streams report usage by default": ("test_stream_requests_usage_and_reports_it_once",),
    "cache_read, cache_creation, reasoning and audio tokens": ("test_usage_metadata_has_details",),
    "the provider that answered": (
        "test_model_name_has_its_provider_if_one_candidate_matches",
        "test_fallback_is_named_at_every_level_of_controls",
    ),
    "trace id and rate limits from headers": (
        "test_metadata_describes_the_call",
        "test_rate_limits_are_reported",
    ),
    "reasoning text": (
        "test_complete_and_streamed_answers_have_the_same_blocks",
        "test_stream_produces_the_message_of_a_complete_response",
    ),
    "reasoning is sent back in tool turns": (
        "test_provider_receives_its_own_signature",
        "test_agent_remembers_the_first_turn",
    ),
    "images in answers": ("test_image_is_an_image_block",),
    "citations": ("test_url_citations_are_citations_of_the_text",),
    "refusals": (
        "test_complete_refusal_is_a_block",
        "test_refusal_raises_with_reason",
    ),
    "audio answers, and their id sent back": (
        "test_audio_is_an_audio_block_with_its_transcript",
        "test_answer_is_converted",
    ),
    "several answers": (
        "test_usage_is_on_the_first_of_several_choices",
        "test_streaming_several_answers_raises",
    ),
    "standard content blocks": ("test_content_is_blocks_in_v1",),
    "service tiers in usage": ("test_tokens_of_a_separately_priced_tier_are_named_after_it",),
    "stream_events v3": ("test_stream_events_v3_are_valid_and_complete",),
    "native events": ("test_events_produce_the_message_of_invoke",),
    # input
    "audio formats, images with detail or without MIME type, files by URL and id, plain text": (
        "test_block_is_converted",
    ),
    "cache_control in content blocks": ("test_block_is_converted",),
    "unsupported content blocks raise": ("test_invalid_block_raises_with_its_position",),
    "Anthropic content blocks": (
        "test_tool_use_block_without_tool_calls_is_sent_as_a_call",
        "test_answer_is_converted",
    ),
    "media in tool results": (
        "test_media_are_removed_from_the_tool_message",
        "test_media_can_stay_in_the_tool_message",
    ),
    "ids and extra fields of text blocks": ("test_langchain_fields_of_a_text_block_are_not_sent",),
    "message names": ("test_name_is_sent",),
    "the developer role": ("test_developer_tuple_is_a_developer_message",),
    "unicode arguments": ("test_answer_is_converted",),
    "malformed earlier tool calls": ("test_answer_is_converted",),
    # tools and structured output
    "strict": ("test_strict_is_sent_with_every_tool",),
    "parallel_tool_calls": ("test_parallel_tool_calls_is_sent",),
    "tool_choice": ("test_tool_choice_is_converted",),
    "response_format with tools": (
        "test_response_format_is_sent_with_tools",
        "test_bind_tools_accepts_a_response_format",
        "test_provider_strategy_sends_a_response_format",
    ),
    "methods of structured output": (
        "test_output_is_instance_or_dict",
        "test_json_schema_is_the_default",
    ),
    "include_raw": ("test_include_raw_returns_the_message_and_the_parsed_output",),
    "output schemas in traces": ("test_schema_is_traced_and_not_sent",),
    "tool extras": (
        "test_responses_api_receives_supported_tool_extras",
        "test_chat_completions_only_receives_strict_from_tool_extras",
    ),
    "disabled_params": (
        "test_param_can_be_disabled",
        "test_param_can_be_disabled_for_some_values",
    ),
    # profiles, tokens, tracing
    "profiles of ids with a provider prefix": (
        "test_agent_uses_native_structured_output_if_the_profile_allows",
        "test_structured_output_is_supported",
    ),
    "token counts without a download": (
        "test_tokens_are_estimated",
        "test_is_close_to_the_count_of_the_api",
    ),
    "tracing parameters": (
        "test_langsmith_params_describe_the_model",
        "test_traces_contain_params_and_no_secret",
    ),
    "fallbacks and retries of LangChain": (
        "test_fallback_middleware_calls_the_next_model",
        "test_retry_middleware_retries_only_retryable_errors",
    ),
}

NOT_SUPPORTED = {
    "video input": "the router does not support it",
    "built-in tools of OpenAI": "the router has its own server tools: orq:* and mcp",
    "automatic choice of the structured output method": "needs a list of model names",
    "LangSmith gateway": "a router of another vendor",
    "token counts from the provider": "the router does not offer it",
}

STANDARD_TESTS = {"test_init_from_env"}
"""Tests that are defined in ``langchain-tests``."""


def test_listed_tests_exist() -> None:
    names = set(STANDARD_TESTS)
    for path in TESTS.rglob("test_*.py"):
        names.update(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    missing = {name for tests in TESTED.values() for name in tests if name not in names}
    assert sorted(missing) == []


def test_features_are_listed_once() -> None:
    assert not TESTED.keys() & NOT_SUPPORTED.keys()
