"""Faults, retries, fallbacks, balancing, timeouts and the cache (contract 4.3 to 4.5)."""

from collections import Counter

import pytest

from orq_router_integrations.testing import Fault

GPT, CLAUDE, MISTRAL = "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "mistral/mistral-large"


class TestFaults:
    def test_a_list_is_used_up_call_by_call_then_the_model_is_healthy(self, create_chat):
        chat = create_chat(faults={GPT: [503, 200, Fault(status=429)]})
        assert [chat.post().status_code for _ in range(4)] == [503, 200, 429, 200]

    @pytest.mark.parametrize("always", [503, Fault(status=503)])
    def test_a_single_fault_stays(self, create_chat, always):
        chat = create_chat(faults={GPT: always})
        assert [chat.post().status_code for _ in range(3)] == [503] * 3

    def test_the_error_is_passed_on_in_the_routers_envelope(self, create_chat):
        fault = Fault(status=429, message="slow down", code="quota", headers={"Retry-After": "7"})
        reply = create_chat(faults={GPT: fault}).post()
        assert reply.headers["retry-after"] == "7"
        error = {"message": "slow down", "type": "rate_limit_error", "code": "quota", "param": None}
        assert reply.json() == {"error": error}

    def test_a_body_replaces_the_envelope(self, create_chat):
        assert create_chat(faults={GPT: Fault(body={"error": "odd"})}).post().json() == {
            "error": "odd"
        }
        reply = create_chat(faults={GPT: Fault(status=502, body="<html>")}).post()
        assert (reply.text, reply.headers["content-type"]) == (
            "<html>",
            "text/plain; charset=utf-8",
        )

    @pytest.mark.parametrize(
        "wrong",
        [{"status": 302}, {"seconds": -1}, {"cut_after": -1}, {"cut_after": 1, "error_after": 1}],
    )
    def test_an_impossible_fault_is_refused(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Fault(**wrong)


class TestRetry:
    def test_a_model_is_asked_again_with_growing_pauses(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503, retry={"count": 5})
        assert [call.attempt for call in chat.router.log] == [1, 2, 3, 4, 5, 6]
        assert [call.pause for call in chat.router.log] == [0, 1, 2, 4, 8, 16]

    def test_it_stops_at_the_first_good_answer(self, create_chat):
        chat = create_chat(faults={GPT: [500]})
        chat.complete(retry={"count": 5})
        assert chat.provider_calls == [(GPT, 500), (GPT, 200)]

    def test_it_keeps_to_its_codes(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503, retry={"count": 2, "on_codes": [429]})
        assert len(chat.router.log) == 1

    def test_bad_requests_are_final_by_default(self, create_chat):
        chat = create_chat(faults={GPT: 400})
        chat.get_error(400, retry={"count": 2}, fallbacks=[{"model": CLAUDE}])
        assert chat.provider_calls == [(GPT, 400)]

    def test_left_out_it_does_not_happen(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503)
        assert len(chat.router.log) == 1

    def test_without_a_count_it_is_three(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503, retry={})
        assert len(chat.router.log) == 4


class TestFallbacks:
    def test_they_are_asked_in_order_each_with_its_own_retries(self, create_chat):
        chat = create_chat(faults={GPT: 503, CLAUDE: 500})
        reply = chat.complete(retry={"count": 1}, fallbacks=[{"model": CLAUDE}, {"model": MISTRAL}])
        assert chat.provider_calls == [(GPT, 503)] * 2 + [(CLAUDE, 500)] * 2 + [(MISTRAL, 200)]
        assert reply["model"] == "mistral-large"

    def test_the_body_rides_along_unchanged_but_for_the_model(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.complete(fallbacks=[CLAUDE], max_tokens=5)
        first, second = (call.body for call in chat.router.log)
        assert first == {"model": "gpt-4o", "messages": first["messages"], "max_tokens": 5}
        assert second == first | {"model": "claude-sonnet-4-5"}

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
    @pytest.mark.parametrize("codes", [None, []])
    def test_the_default_codes_trigger_them_also_when_the_list_is_empty(
        self, create_chat, status, codes
    ):
        chat = create_chat(faults={GPT: status})
        chat.complete(fallbacks=[{"model": CLAUDE}], fallback_on_codes=codes)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
    def test_other_codes_do_not_unless_they_are_named(self, create_chat, status):
        chat = create_chat(faults={GPT: status})
        chat.get_error(status, fallbacks=[{"model": CLAUDE}])
        chat.complete(fallbacks=[{"model": CLAUDE}], fallback_on_codes=[status])

    def test_named_codes_replace_the_default(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503, fallbacks=[{"model": CLAUDE}], fallback_on_codes=[429])

    def test_when_all_fail_the_last_error_is_returned(self, create_chat):
        chat = create_chat(faults={GPT: 503, CLAUDE: 500})
        chat.get_error(500, fallbacks=[{"model": CLAUDE}])

    def test_one_that_is_not_enabled_ends_the_chain_with_a_404_unasked(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(404, fallbacks=[{"model": "nobody/x"}, {"model": CLAUDE}])
        assert chat.provider_calls == [(GPT, 503)]


class TestTimeout:
    def test_a_call_that_takes_longer_is_cut_with_a_408_and_falls_back(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=200, seconds=2.0)})
        chat.complete(timeout={"call_timeout": 900}, fallbacks=[{"model": CLAUDE}])
        assert chat.provider_calls == [(GPT, 408), (CLAUDE, 200)]
        assert [call.seconds for call in chat.router.log] == [0.9, 0.0]

    def test_it_is_a_limit_not_a_delay(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=200, seconds=0.9)})
        chat.complete(timeout={"call_timeout": 900})
        assert chat.router.log[0].seconds == 0.9

    def test_each_try_has_its_own_and_408_is_retried_only_with_retry(self, create_chat):
        slow = Fault(status=200, seconds=2.0)
        chat = create_chat(faults={GPT: [slow, slow, slow]})
        chat.get_error(408, timeout={"call_timeout": 1000})
        chat.complete(timeout={"call_timeout": 1000}, retry={"count": 2})
        assert chat.provider_calls == [(GPT, 408)] * 3 + [(GPT, 200)]

    def test_without_one_the_router_waits(self, create_chat):
        create_chat(faults={GPT: Fault(status=200, seconds=10_000)}).complete()


class TestBrokenStreams:
    def test_a_cut_stream_ends_early_without_a_reason_and_without_done(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=200, cut_after=3)})
        chunks = chat.stream(text="a long enough text")
        assert len(chunks) == 3
        assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)

    def test_a_cut_never_shows_the_end(self, create_chat):
        whole = create_chat().stream()
        cut = create_chat(faults={GPT: Fault(cut_after=10_000)}).stream()
        assert cut == whole[:-2]  # without the finish reason and [DONE]

    def test_an_error_frame_ends_a_stream(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=503, error_after=2, message="gone")})
        *chunks, last = chat.stream()
        assert len(chunks) == 2
        assert last["error"]["message"] == "gone"
        assert last["error"]["code"] == "provider_overloaded"

    def test_after_the_first_chunk_nothing_is_retried(self, create_chat):
        chat = create_chat(faults={GPT: [Fault(cut_after=1)]})
        assert len(chat.stream(retry={"count": 2}, fallbacks=[{"model": CLAUDE}])) == 1
        assert len(chat.router.log) == 1

    @pytest.mark.parametrize("fault", [503, Fault(cut_after=0), Fault(status=200, error_after=0)])
    def test_before_the_first_chunk_everything_is(self, create_chat, fault):
        chat = create_chat(faults={GPT: fault})
        *_, done = chat.stream(retry={"count": 1}, fallbacks=[{"model": CLAUDE}])
        assert done == "[DONE]"
        assert [model for model, _ in chat.provider_calls] == [GPT, GPT, CLAUDE]

    def test_a_stream_that_cannot_begin_is_an_error_like_any_other(self, create_chat):
        assert (
            create_chat(faults={GPT: 503}).get_error(503, stream=True)["code"]
            == "provider_overloaded"
        )

    def test_a_broken_reply_that_is_not_streamed_is_a_502(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=200, cut_after=2)})
        chat.get_error(502)
        chat.complete(fallbacks=[{"model": CLAUDE}])


class TestLoadBalancer:
    @staticmethod
    def balancer(**weights):
        models = [{"model": f"openai/{name}", "weight": weight} for name, weight in weights.items()]
        return {"type": "weight_based", "models": models}

    def test_weights_are_relative(self, create_chat):
        chat = create_chat()
        for _ in range(600):
            chat.complete(load_balancer=self.balancer(a=0.2, b=0.4))
        asked = Counter(model for model, _ in chat.provider_calls)
        assert 150 < asked["openai/a"] < 250
        assert asked["openai/a"] + asked["openai/b"] == 600

    def test_picks_repeat_with_the_seed(self, create_chat):
        def picks(seed):
            chat = create_chat(seed=seed)
            return [
                chat.complete(load_balancer=self.balancer(a=1, b=1))["model"] for _ in range(20)
            ]

        assert picks(1) == picks(1) != picks(2)

    def test_the_requests_model_is_ignored_but_required(self, create_chat):
        chat = create_chat()
        assert chat.complete(model="bare", load_balancer=self.balancer(a=1))["model"] == "a"
        reply = chat.http.post(
            "/v3/router/chat/completions",
            json={
                "messages": [{"role": "user", "content": "x"}],
                "load_balancer": self.balancer(a=1),
            },
        )
        assert reply.json()["error"]["param"] == "model"

    def test_the_pick_is_retried_and_falls_back(self, create_chat):
        chat = create_chat(faults={"openai/a": 503})
        chat.complete(
            load_balancer=self.balancer(a=1), retry={"count": 1}, fallbacks=[{"model": CLAUDE}]
        )
        assert [model for model, _ in chat.provider_calls] == ["openai/a", "openai/a", CLAUDE]

    def test_a_model_that_is_not_enabled_is_a_404(self, create_chat):
        models = [{"model": "nobody/x", "weight": 1}]
        create_chat().get_error(404, load_balancer={"type": "weight_based", "models": models})

    @pytest.mark.parametrize("kind", ["round_robin", "latency_based"])
    def test_other_kinds_are_for_responses(self, create_chat, kind):
        error = create_chat().get_error(400, load_balancer=self.balancer(a=1) | {"type": kind})
        assert error["param"] == "load_balancer.type"


class TestCache:
    CACHE = {"type": "exact_match", "ttl": 60}

    def test_the_same_request_is_answered_without_a_provider_until_its_time_is_up(
        self, create_chat, clock
    ):
        chat = create_chat(clock=clock)
        first, second = chat.post(cache=self.CACHE), chat.post(cache=self.CACHE)
        assert first.json() == second.json()
        assert "x-orq-offline-cache" not in first.headers
        assert second.headers["x-orq-offline-cache"] == "hit"
        assert len(chat.router.log) == 1
        clock.now += 60
        assert "x-orq-offline-cache" not in chat.post(cache=self.CACHE).headers
        assert len(chat.router.log) == 2

    @pytest.mark.parametrize(
        "other",
        [{"text": "Hi"}, {"temperature": 0.5}, {"thread": {"id": "t"}}, {"metadata": {"a": "b"}}],
    )
    def test_any_difference_is_another_request(self, create_chat, other):
        chat = create_chat()
        chat.complete(cache=self.CACHE)
        chat.complete(cache=self.CACHE, **other)
        assert len(chat.router.log) == 2

    def test_requests_that_do_not_ask_for_it_streams_and_errors_bypass_it(self, create_chat):
        chat = create_chat(faults={GPT: [200, 503]})
        chat.complete()
        chat.get_error(503, cache=self.CACHE)
        chat.complete(cache=self.CACHE)
        chat.stream(cache=self.CACHE)
        chat.stream(cache=self.CACHE)
        assert len(chat.router.log) == 5

    def test_each_base_url_has_its_own(self, create_chat):
        chat = create_chat()
        chat.complete(cache=self.CACHE)
        chat.complete(cache=self.CACHE, prefix="v2/router")
        assert len(chat.router.log) == 2
