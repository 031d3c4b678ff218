"""The promises of this package under faults, invalid input and attacks, with their tests.

Look up a promise by its number to find its tests.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

MATRIX = "faults/test_matrix.py::test_fault_has_expected_outcome"
STORMS = "faults/test_storms.py::test_storm_does_no_damage"

PROMISES: dict[str, tuple[str, ...]] = {
    "P1 only transient failures are retried": (
        MATRIX,
        "_http/test_retry.py::test_transient_status_is_retried",
        "_http/test_retry.py::test_permanent_status_is_not_retried",
        "_http/test_retry.py::test_bad_certificate_is_not_retried",
    ),
    "P2 retries wait with exponential backoff and jitter": (
        "_http/test_retry.py::test_backoff_grows_up_to_maximum_with_jitter",
    ),
    "P3 Retry-After is respected": (
        "_http/test_retry.py::test_retry_after_headers_are_respected",
        "_http/test_retry.py::test_invalid_retry_after_is_ignored",
        "_http/test_retry.py::test_long_retry_after_is_left_to_caller",
        "_http/test_deadline.py::test_wait_beyond_deadline_is_not_started",
    ),
    "P4 x-should-retry is respected": (
        "_http/test_retry.py::test_should_retry_header_is_respected",
    ),
    "P5 every call ends by its deadline": (
        MATRIX,
        "_http/test_deadline.py::test_call_ends_at_deadline",
        "_http/test_deadline.py::test_idle_stream_ends_with_partial_text",
        "_http/test_deadline.py::test_idle_timeout_ignores_slow_reader",
        "_http/test_backend.py::test_early_response_ends_upload",
    ),
    "P6 all calls of a client share a retry budget": (
        STORMS,
        "_http/test_retry_budget.py::test_budget_limits_retries_in_outage",
        "_http/test_retry_budget.py::test_successful_call_returns_tokens_of_its_retries",
    ),
    "P7 client retries do not multiply those of the router": (
        "_http/test_retry.py::test_client_does_not_repeat_retries_of_router",
        "test_client.py::test_timeout_shorter_than_worst_case_warns",
    ),
    "P8 all attempts of a call have the same idempotency key": (
        "_http/test_retry.py::test_attempts_share_one_idempotency_key",
        "faults/test_integrations.py::test_each_attempt_sends_the_complete_request",
    ),
    "P9 image and speech calls that may be billed are not repeated": (
        MATRIX,
        "_http/test_retry.py::test_only_unsent_requests_are_retried_without_retry_ambiguous",
        "tools/test_image_faults.py::test_ambiguous_request_is_not_retried",
        "tools/test_speech_faults.py::test_ambiguous_request_is_only_retried_if_enabled",
    ),
    "P10 streams are only retried before their first event": (
        "test_client_streams.py::test_stream_is_retried_before_first_item",
        "test_client_streams.py::test_interrupted_stream_raises_with_partial_text",
    ),
    "P11 truncated responses are never returned as complete": (
        MATRIX,
        "test_client_streams.py::test_interrupted_stream_raises_with_partial_text",
        "test_client_streams.py::test_done_event_ends_stream_on_open_socket",
        "tools/test_speech_faults.py::test_closed_connection_raises",
        "tools/test_image_faults.py::test_truncated_image_leaves_no_file",
    ),
    "P12 errors in responses with status 200 are raised": (
        MATRIX,
        "test_errors.py::test_error_with_status_200_is_raised",
        "test_client_streams.py::test_error_event_ends_stream",
    ),
    "P13 event streams are parsed as the standard requires": (
        MATRIX,
        "wire/test_event_stream.py::test_any_stream_is_decoded_as_by_the_standard",
    ),
    "P14 unusual fragments of tool calls are merged correctly": (
        "chat_models/test_tool_calls.py::test_fragments_are_merged_to_one_call",
        "chat_models/test_tool_calls.py::test_two_calls_are_not_merged",
        "chat_models/test_tool_calls.py::test_streamed_call_truncated_anywhere_is_invalid",
        "chat_models/test_tool_calls.py::test_two_calls_of_one_tool_with_the_same_id_are_not_merged",
        "chat_models/test_tool_calls.py::test_invalid_arguments_from_the_model_are_sent_back_unchanged",
        "wire/test_responses_stream.py::test_unexpected_types_are_read_or_raise_a_wire_error",
    ),
    "P15 usage is counted once, and lone surrogates are replaced": (
        "chat_models/test_stream_conversion.py::test_last_usage_counts_if_it_is_repeated",
        "chat_models/test_split_surrogates.py::test_split_pairs_are_joined",
        "wire/test_json.py::test_lone_surrogates_are_replaced",
        "chat_models/test_stream_conversion.py::test_text_is_read_from_unusual_events",
    ),
    "P16 unexpected responses raise an error": (
        MATRIX,
        "test_client_streams.py::test_invalid_response_error_shows_body",
        "chat_models/test_response_conversion.py::test_response_without_an_answer_raises",
        "chat_models/test_stream_conversion.py::test_content_of_the_wrong_type_raises",
        "tools/test_speech_faults.py::test_response_without_audio_raises",
        "tools/test_image_faults.py::test_response_without_images_raises",
        "document_loaders/test_audio_transcription.py::test_response_without_transcript_raises",
    ),
    "P17 files appear only once they are complete": (
        "media/test_atomic_write.py::test_failure_leaves_no_file",
        "media/test_atomic_write.py::test_failure_keeps_existing_file",
        "tools/test_speech_faults.py::test_error_leaves_no_new_file_and_keeps_old_one",
        "tools/test_speech_faults.py::test_full_disk_raises_saving_error",
        "tools/test_image_faults.py::test_full_disk_raises_saving_error",
        "tools/test_image_faults.py::test_cancelled_call_leaves_no_file",
    ),
    "P18 a retried upload starts from the beginning": (
        "test_client.py::test_form_is_identical_in_each_attempt",
        "media/test_content_block.py::test_upload_can_be_opened_twice",
        "faults/test_integrations.py::test_each_attempt_sends_the_complete_request",
        "document_loaders/test_audio_transcription.py::test_retries_send_the_same_file",
        "document_loaders/test_audio_transcription.py::test_file_that_shrinks_while_it_is_sent_raises",
        "chat_models/test_lazy_files.py::test_retry_reads_the_file_again",
    ),
    "P19 all modes raise the same errors": (
        MATRIX,
        "test_errors.py::test_langchain_class_and_is_retryable",
        "test_parity.py::test_sync_and_async_calls_raise_the_same_error",
    ),
    "P20 errors contain the details of the call": (
        "test_errors.py::test_error_has_details_of_the_call",
        "test_errors.py::test_error_fields_in_each_body_format",
        "faults/test_integrations.py::test_error_has_the_details_of_the_response",
    ),
    "P21 errors are short and do not contain the key": (
        MATRIX,
        "test_errors.py::test_str_is_limited_and_starts_with_the_message",
        "test_errors.py::test_key_in_an_error_field_is_redacted",
        "test_errors.py::test_base64_in_an_error_is_redacted",
    ),
    "P22 unfinished calls free their connections": (
        MATRIX,
        "test_client_streams.py::test_break_closes_stream",
        "_http/test_client_sender.py::test_abandoned_stream_frees_its_connection",
        "test_concurrency.py::test_gather_does_not_wait_for_other_tasks_on_failure",
        "test_concurrency.py::test_stopping_iteration_ends_requests_in_flight",
        "_http/test_async_generators.py::test_stream_left_open_is_closed_with_its_loop_without_logging",
    ),
    "P23 storms of cancelled calls leave nothing open": (
        STORMS,
        "_http/test_client_sender.py::test_cancelled_calls_leave_httpx_pool_usable",
        "faults/test_integrations.py::test_many_cancelled_calls_leave_nothing_open",
    ),
    "P24 clients work in several event loops, threads and forks": (
        STORMS,
        "_http/test_shared_pools.py::test_client_works_in_several_event_loops",
        "_http/test_shared_pools.py::test_forked_child_opens_its_own_connections",
        "_http/test_fork_safety.py::test_lock_held_by_another_thread_does_not_block_child",
        "faults/test_integrations.py::test_client_works_in_one_event_loop_after_another",
        "_http/test_pool.py::test_bytes_after_response_are_not_the_next_response",
    ),
    "P25 cancellation is immediate": (
        "test_client.py::test_cancelled_call_is_not_retried",
        "test_client.py::test_cancelling_ends_wait_before_retry",
        "faults/test_integrations.py::test_cancelled_call_ends_immediately",
    ),
    "P26 the size of responses is limited": (
        MATRIX,
        "_http/test_exchange.py::test_too_large_response_is_refused",
        "_http/test_exchange.py::test_too_large_event_is_refused",
        "_http/test_decompression.py::test_gzip_bomb_uses_bounded_memory",
        "_http/test_exchange.py::test_extreme_json_raises_invalid_response_error",
        "wire/test_image_response.py::test_response_above_the_size_limit_raises",
    ),
    "P27 uploads and downloads are streamed": (
        "document_loaders/test_memory.py::test_200_mb_file_needs_less_than_2_mb",
        "tools/test_memory.py::test_speech_to_file_needs_less_memory_than_its_size",
        "tools/test_memory.py::test_image_to_file_needs_less_memory_than_its_size",
        "wire/test_deferred_base64.py::test_memory_use_is_independent_of_file_size",
    ),
    "P28 redirects are not followed, and cookies are not stored": (
        MATRIX,
        "test_client.py::test_redirect_raises_error_with_target",
        "_http/test_shared_pools.py::test_cookies_are_not_stored",
    ),
    "P29 connections are encrypted unless allow_insecure is set": (
        "test_settings.py::test_http_to_another_host_requires_allow_insecure",
        "_http/test_environment_proxies.py::test_plain_http_is_forwarded",
    ),
    "P30 only the host of the router is contacted": (
        "test_secrecy.py::test_only_router_host_is_resolved",
        "_http/test_safe_download.py::test_non_public_hosts_are_refused",
        "_http/test_safe_download.py::test_connects_to_checked_address",
        "faults/test_integrations.py::test_only_router_host_is_resolved",
    ),
    "P31 only files that the program passes are opened": (
        "chat_models/test_invalid_messages.py::test_invalid_conversation_raises_before_a_request",
        "media/test_content_block.py::test_only_regular_files_are_read",
        "tools/test_image_inputs.py::test_only_regular_files_are_opened",
        "tools/test_image_paths.py::test_message_cannot_open_files_outside_directory",
        "tools/test_image_paths.py::test_model_cannot_open_files_outside_directory",
        "document_loaders/test_sources.py::test_invalid_source_raises_before_any_request",
    ),
    "P32 the key appears only in request headers": (
        "test_secrecy.py::test_key_is_not_in_representations",
        "test_secrecy.py::test_key_is_not_in_pickles",
        "test_secrecy.py::test_key_set_later_is_hidden",
        "_http/test_redaction.py::test_key_echoed_in_response_head_is_not_logged",
        "test_secrecy.py::test_key_is_not_in_logs_traces_or_errors",
        "test_cassettes.py::test_recorded_request_has_no_key_and_no_host",
        "faults/test_integrations.py::test_key_is_not_in_logs_or_errors",
    ),
    "P33 values cannot inject headers or form parts": (
        "test_settings.py::test_invalid_header_value_raises",
        "wire/test_multipart.py::test_names_and_filenames_are_escaped",
        "fuzz/test_fuzz_wire.py::test_forms_arrive_unchanged",
    ),
    "P34 serialized LangChain objects in responses are not loaded": (
        "test_secrecy.py::test_serialized_langchain_objects_in_messages_are_not_loaded",
        "chat_models/test_response_conversion.py::test_arguments_shaped_like_serialized_objects_stay_data",
        "test_secrecy.py::test_serialized_langchain_objects_in_results_are_not_loaded",
    ),
    "P35 invalid input is rejected before any request": (
        "chat_models/test_invalid_arguments.py::test_every_method_raises_the_same_error",
        "chat_models/test_invalid_messages.py::test_invalid_conversation_raises_before_a_request",
        "tools/test_speech_invalid_input.py::test_unwritable_path_raises_before_sending",
        "test_invalid_input.py::test_invalid_setting_raises",
        "test_invalid_input.py::test_invalid_model_raises",
        "test_invalid_input.py::test_invalid_argument_of_a_call_raises",
        "test_invalid_input.py::test_invalid_messages_raise",
        "test_invalid_input.py::test_invalid_directory_raises",
        "chat_models/test_invalid_arguments.py::test_invalid_call_argument_raises_before_a_request",
        "chat_models/test_invalid_arguments.py::test_extra_body_that_is_not_json_raises_with_its_path",
        "chat_models/test_tool_schemas.py::test_schema_that_is_not_json_raises",
        "tools/test_speech_invalid_input.py::test_invalid_call_raises_before_sending",
        "tools/test_image_inputs.py::test_invalid_argument_raises_before_sending",
        "tools/test_image_inputs.py::test_invalid_image_raises_before_sending",
        "document_loaders/test_sources.py::test_invalid_source_raises_before_any_request",
    ),
}


@cache
def find_tests(file: str) -> set[str]:
    """Return the names of the tests in a file."""
    module = ast.parse((TESTS / file).read_text())
    return {
        node.name
        for node in ast.walk(module)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
    }


def test_promises_are_numbered_consecutively():
    assert [promise.split()[0] for promise in PROMISES] == [f"P{n}" for n in range(1, 36)]


@pytest.mark.parametrize("promise", PROMISES)
def test_tests_of_promise_exist(promise):
    for node in PROMISES[promise]:
        file, name = node.split("::")
        assert name in find_tests(file), node
