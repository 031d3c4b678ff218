"""What this package promises under faults, bad input and attack, and the tests that hold it.

A reader who wants to know whether a promise is kept finds its tests here by its number.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

MATRIX = "faults/test_matrix.py::test_every_face_holds_its_promises_under"
STORMS = "faults/test_storms.py::test_nothing_is_damaged_by"

PROMISES: dict[str, tuple[str, ...]] = {
    "P1 one loop of retries, for what may pass": (
        MATRIX,
        "test_retry.py::test_a_failure_that_may_pass_is_tried_three_times",
        "test_retry.py::test_a_failure_that_stays_is_tried_once",
        "test_retry.py::test_a_bad_certificate_is_never_retried",
    ),
    "P2 pauses that grow and differ": (
        "test_retry.py::test_pauses_grow_up_to_eight_seconds_and_are_not_all_alike",
    ),
    "P3 the router says when to come back": (
        "test_retry.py::test_the_router_decides_how_long_to_wait",
        "test_retry.py::test_a_useless_wish_is_passed_over",
        "test_retry.py::test_a_wish_for_more_than_a_minute_is_the_callers_to_grant",
        "test_limits.py::test_a_pause_that_would_end_behind_the_deadline_is_not_begun",
    ),
    "P4 the router says whether to come back": (
        "test_retry.py::test_the_router_may_say_whether_to_retry",
    ),
    "P5 deadlines by the wall clock": (
        MATRIX,
        "test_limits.py::test_a_call_ends_at_its_deadline_whatever_drips",
        "test_limits.py::test_a_stream_without_news_ends_and_its_text_is_kept",
        "test_limits.py::test_a_slow_reader_of_a_stream_is_given_all_time",
        "connections/test_lines.py::test_an_answer_ends_an_upload_that_nobody_reads",
    ),
    "P6 a quota for all retries": (
        STORMS,
        "test_retry_quota.py::test_a_dead_router_is_not_asked_again_and_again",
        "test_retry_quota.py::test_a_call_that_succeeds_gives_back_what_its_retries_took",
    ),
    "P7 no multiplication with the router's retries": (
        "test_retry.py::test_what_the_router_retries_itself_is_not_retried_again",
        "test_client.py::test_a_timeout_shorter_than_that_is_warned_of",
    ),
    "P8 one idempotency key for all attempts": (
        "test_retry.py::test_all_attempts_of_a_call_share_one_key_against_doubles",
        "faults/test_faces.py::test_every_attempt_sends_the_same_from_the_beginning",
    ),
    "P9 what is billed by the piece is not repeated": (
        MATRIX,
        "test_retry.py::test_only_what_never_left_is_sent_again_where_repeating_costs",
        "tools/test_image_faults.py::test_what_may_have_been_billed_is_not_sent_again",
        "tools/test_speech_faults.py::test_what_may_have_been_spoken_is_not_paid_for_twice",
    ),
    "P10 streams are retried only before their first event": (
        "test_client_streams.py::test_a_stream_is_tried_again_before_its_first_item",
        "test_client_streams.py::test_a_stream_that_breaks_off_is_an_error_with_the_text_so_far",
    ),
    "P11 what is cut off is no success": (
        MATRIX,
        "test_client_streams.py::test_a_stream_that_breaks_off_is_an_error_with_the_text_so_far",
        "test_client_streams.py::test_the_mark_of_the_end_ends_it_although_the_socket_stays_open",
        "tools/test_speech_faults.py::test_a_body_shorter_than_its_length_is_cut_off",
        "tools/test_image_faults.py::test_an_image_that_breaks_off_alone_leaves_nothing",
    ),
    "P12 errors inside a good reply": (
        MATRIX,
        "test_errors.py::test_an_error_inside_a_200_is_raised",
        "test_client_streams.py::test_an_error_frame_ends_the_stream",
    ),
    "P13 event streams by the standard": (
        MATRIX,
        "wire/test_sse.py::test_any_cut_gives_the_events_of_the_whole_as_the_standard_reads_it",
    ),
    "P14 tool calls from odd deltas": (
        "chat_models/test_model_streams.py::test_one_call_is_assembled",
        "chat_models/test_model_streams.py::test_two_calls_are_kept_apart",
        "chat_models/test_replies.py::test_a_streamed_call_that_was_cut_off_anywhere_is_no_valid_call",
        "chat_models/test_odd_deltas.py::test_two_calls_with_one_id_are_two_calls",
        "chat_models/test_replies.py::test_arguments_that_a_model_itself_spoiled_are_sent_back_as_they_came",
        "wire/test_responses_stream.py::test_unexpected_types_are_read_or_raise_a_wire_error",
    ),
    "P15 usage once, half characters replaced": (
        "chat_models/test_model_streams.py::test_usage_that_is_told_twice_counts_once_and_the_last_word_holds",
        "chat_models/test_model_streams.py::test_half_a_character_is_replaced",
        "chat_models/test_halves.py::test_halves_that_follow_each_other_are_one_character",
        "chat_models/test_model_streams.py::test_the_text_is_read_in_spite_of",
    ),
    "P16 unexpected shapes are never success": (
        MATRIX,
        "test_client_streams.py::test_an_invalid_response_shows_what_it_is",
        "chat_models/test_replies.py::test_a_reply_without_an_answer_is_an_invalid_response",
        "chat_models/test_odd_deltas.py::test_content_without_text_is_refused",
        "tools/test_speech_faults.py::test_what_is_no_audio_is_no_success",
        "tools/test_image_faults.py::test_a_reply_without_images_is_an_error",
        "document_loaders/test_bad_sources.py::test_a_reply_without_a_transcript_is_never_an_empty_success",
    ),
    "P17 files are whole or not there": (
        "test_saving.py::test_after_a_failure_nothing_new_remains",
        "test_saving.py::test_an_old_file_survives_a_failure",
        "tools/test_speech_faults.py::test_no_half_file_remains_and_an_old_one_survives",
        "tools/test_speech_faults.py::test_what_the_disk_does_not_take_is_told",
        "tools/test_image_faults.py::test_an_image_that_the_disk_does_not_take_is_told",
        "tools/test_image_faults.py::test_a_cancelled_call_leaves_nothing",
    ),
    "P18 a retried upload starts over": (
        "test_client.py::test_a_form_is_the_same_at_every_attempt",
        "test_media.py::test_an_upload_begins_anew_each_time_it_is_opened",
        "faults/test_faces.py::test_every_attempt_sends_the_same_from_the_beginning",
        "document_loaders/test_bad_sources.py::test_faults_are_retried_with_the_same_bytes",
        "document_loaders/test_bad_sources.py::test_a_file_that_shrinks_while_it_is_sent_is_an_error",
        "chat_models/test_lazy_files.py::test_a_retry_reads_the_file_again",
    ),
    "P19 one tree of errors, in all modes": (
        MATRIX,
        "test_errors.py::test_langchain_tells_the_errors_apart",
        "test_parity.py::test_a_fault_is_the_same_error_in_sync_and_async",
    ),
    "P20 errors say where and how": (
        "test_errors.py::test_an_error_tells_how_the_call_went",
        "test_errors.py::test_every_shape_of_an_error_is_understood",
        "faults/test_faces.py::test_an_error_tells_what_the_router_told",
    ),
    "P21 errors are short and hide the key": (
        MATRIX,
        "test_errors.py::test_the_text_of_an_error_is_bounded_and_keeps_its_message",
        "test_errors.py::test_a_key_that_the_router_echoes_is_not_shown",
        "test_errors.py::test_an_error_shows_no_base64",
    ),
    "P22 connections come back": (
        MATRIX,
        "test_client_streams.py::test_a_stream_left_by_break_is_closed",
        "connections/test_shared.py::test_a_connection_is_free_again_after_a_stream_was_left",
        "document_loaders/test_running.py::test_a_failure_does_not_wait_for_calls_under_way",
        "document_loaders/test_running.py::test_calls_under_way_end_when_nobody_reads_on",
        "test_owned.py::test_a_stream_that_is_left_at_the_end_of_its_loop_is_closed_in_silence",
    ),
    "P23 storms of cancelled calls": (
        STORMS,
        "connections/test_shared.py::test_a_storm_of_cancelled_calls_leaves_the_pool_usable",
        "faults/test_faces.py::test_a_storm_of_cancelled_calls_leaves_nothing_open",
    ),
    "P24 loops, threads and forks": (
        STORMS,
        "connections/test_shared.py::test_one_client_serves_several_event_loops_one_after_another",
        "connections/test_shared.py::test_a_forked_child_opens_connections_of_its_own",
        "test_forks.py::test_a_lock_that_another_thread_holds_does_not_stop_a_child",
        "faults/test_faces.py::test_one_request_for_a_call_in_each_of_several_loops",
        "connections/test_stack.py::test_what_comes_behind_a_reply_is_no_reply",
    ),
    "P25 cancelling is immediate": (
        "test_client.py::test_a_cancelled_call_ends_at_once_and_is_not_tried_again",
        "test_client.py::test_a_pause_is_cut_short_by_cancelling",
        "faults/test_faces.py::test_a_cancelled_call_ends_at_once",
    ),
    "P26 bounds of what is read": (
        MATRIX,
        "test_bodies.py::test_a_reply_that_is_too_long_is_refused",
        "test_bodies.py::test_an_event_that_is_too_long_is_refused",
        "test_bodies.py::test_a_gzip_bomb_is_not_unpacked_beyond_its_bound",
        "test_bodies.py::test_json_that_is_deep_or_has_huge_numbers_is_an_invalid_response",
        "wire/test_image_response.py::test_response_above_the_size_limit_raises",
    ),
    "P27 uploads and downloads stream": (
        "document_loaders/test_memory.py::test_two_hundred_megabytes_take_less_than_two",
        "tools/test_speech_memory.py::test_five_megabytes_to_a_file_cost_less_than_one",
        "tools/test_image_memory.py::test_a_large_image_costs_no_more_than_itself",
        "wire/test_inline.py::test_memory_does_not_grow_with_the_file",
    ),
    "P28 no redirects, no cookies": (
        MATRIX,
        "test_client.py::test_a_redirect_is_an_error_that_names_its_target",
        "connections/test_shared.py::test_no_cookie_is_kept",
    ),
    "P29 encrypted, unless asked otherwise": (
        "test_settings.py::test_plain_http_to_elsewhere_must_be_asked_for",
        "connections/test_stack.py::test_a_proxy_of_the_environment_is_used",
    ),
    "P30 no host but the router": (
        "test_secrecy.py::test_no_host_is_asked_for_but_the_routers",
        "test_downloads.py::test_hosts_that_are_not_public_are_not_asked",
        "test_downloads.py::test_the_address_that_was_checked_is_the_one_connected_to",
        "faults/test_faces.py::test_no_host_is_asked_for_but_the_routers",
    ),
    "P31 files only where they are named": (
        "chat_models/test_bad_input.py::test_a_conversation_is_refused_before_any_request",
        "test_media.py::test_only_a_regular_file_with_something_in_it_is_read",
        "tools/test_image_input.py::test_paths_lead_to_regular_files_only",
        "tools/test_image_paths.py::test_a_message_opens_no_file_outside_the_tools_folder",
        "tools/test_image_paths.py::test_a_model_opens_no_file_outside_the_tools_folder",
        "document_loaders/test_bad_sources.py::test_they_are_refused_at_the_call_and_before_any_request",
    ),
    "P32 the key is nowhere": (
        "test_secrecy.py::test_no_face_tells_the_key",
        "test_secrecy.py::test_no_face_tells_the_key_in_a_pickle",
        "test_secrecy.py::test_a_key_that_comes_later_is_a_secret_too",
        "test_echoes.py::test_an_echo_of_the_key_in_a_replys_head_is_in_no_log",
        "test_secrecy.py::test_neither_logs_nor_traces_nor_errors_tell_the_key",
        "test_cassettes.py::test_recorded_request_has_no_key_and_no_host",
        "faults/test_faces.py::test_neither_logs_nor_errors_tell_the_key",
    ),
    "P33 no injection": (
        "test_settings.py::test_a_header_holds_one_line",
        "wire/test_multipart.py::test_names_and_filenames_cannot_end_their_header",
        "fuzz/test_fuzz_wire.py::test_forms_are_read_by_others_as_they_were_meant",
    ),
    "P34 data that looks like LangChain's own stays data": (
        "test_secrecy.py::test_what_looks_like_serialised_langchain_stays_as_it_is",
        "chat_models/test_replies.py::test_data_shaped_like_langchains_own_stays_data",
        "test_secrecy.py::test_so_does_what_any_other_face_was_sent",
    ),
    "P35 bad input is refused before any request": (
        "chat_models/test_bad_input.py::test_every_way_to_call_refuses_alike",
        "chat_models/test_bad_input.py::test_a_conversation_is_refused_before_any_request",
        "tools/test_speech_bad_input.py::test_a_path_that_cannot_be_written_to",
        "test_bad_input.py::test_a_setting_is_refused_by_every_face",
        "test_bad_input.py::test_a_model_is_refused_by_every_face",
        "test_bad_input.py::test_a_choice_of_one_call_is_refused",
        "test_bad_input.py::test_messages_that_hold_anything",
        "test_bad_input.py::test_a_folder_that_is_none",
        "chat_models/test_bad_input.py::test_an_argument_of_a_call_is_refused_before_any_request",
        "chat_models/test_bad_input.py::test_a_payload_that_is_not_json_is_refused_by_its_path",
        "chat_models/test_tools.py::test_schema_that_is_not_json_raises",
        "tools/test_speech_bad_input.py::test_a_wrong_call_is_refused_before_anything_is_sent",
        "tools/test_image_input.py::test_bad_arguments_are_named_before_anything_is_sent",
        "tools/test_image_input.py::test_what_is_no_image_is_refused_before_anything_is_sent",
        "document_loaders/test_bad_sources.py::test_they_are_refused_at_the_call_and_before_any_request",
    ),
}


@cache
def found_in(file: str) -> set[str]:
    """The tests of a file that pytest collects."""
    found = ast.parse((TESTS / file).read_text())
    return {
        node.name
        for node in ast.walk(found)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
    }


def test_every_promise_is_here():
    assert [promise.split()[0] for promise in PROMISES] == [f"P{n}" for n in range(1, 36)]


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_has_its_tests(promise):
    for node in PROMISES[promise]:
        file, name = node.split("::")
        assert name in found_in(file), node
