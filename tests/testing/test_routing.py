"""Faults, retries, fallbacks, load balancing, timeouts and the cache."""

from collections import Counter

import pytest

from orq_router_integrations.testing import Fault

GPT, CLAUDE, MISTRAL = "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "mistral/mistral-large"


class TestFaults:
    def test_faults_of_a_list_are_used_in_order(self, create_chat):
        chat = create_chat(faults={GPT: [503, 200, Fault(status=429)]})
        assert [chat.post().status_code for _ in range(4)] == [503, 200, 429, 200]

    @pytest.mark.parametrize("fault", [503, Fault(status=503)])
    def test_single_fault_applies_to_every_call(self, create_chat, fault):
        chat = create_chat(faults={GPT: fault})
        assert [chat.post().status_code for _ in range(3)] == [503] * 3

    def test_fault_sets_error_body_and_headers(self, create_chat):
        fault = Fault(status=429, message="slow down", code="quota", headers={"Retry-After": "7"})
        response = create_chat(faults={GPT: fault}).post()
        assert response.headers["retry-after"] == "7"
        error = {"message": "slow down", "type": "rate_limit_error", "code": "quota", "param": None}
        assert response.json() == {"error": error}

    def test_body_of_a_fault_is_sent_unchanged(self, create_chat):
        assert create_chat(faults={GPT: Fault(body={"error": "odd"})}).post().json() == {
            "error": "odd"
        }
        response = create_chat(faults={GPT: Fault(status=502, body="<html>")}).post()
        assert (response.text, response.headers["content-type"]) == (
            "<html>",
            "text/plain; charset=utf-8",
        )


class TestRetry:
    def test_delays_increase(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503, retry={"count": 5})
        assert [call.attempt for call in chat.router.log] == [1, 2, 3, 4, 5, 6]
        assert [call.pause for call in chat.router.log] == [0, 1, 2, 4, 8, 16]

    def test_stops_after_success(self, create_chat):
        chat = create_chat(faults={GPT: [500]})
        chat.complete(retry={"count": 5})
        assert chat.provider_calls == [(GPT, 500), (GPT, 200)]

    def test_only_statuses_in_on_codes_are_retried(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503, retry={"count": 2, "on_codes": [429]})
        assert len(chat.router.log) == 1

    def test_400_is_not_retried(self, create_chat):
        chat = create_chat(faults={GPT: 400})
        chat.get_error(400, retry={"count": 2}, fallbacks=[{"model": CLAUDE}])
        assert chat.provider_calls == [(GPT, 400)]

    def test_no_retry_by_default(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503)
        assert len(chat.router.log) == 1

    def test_retry_count_has_a_default(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503, retry={})
        assert len(chat.router.log) == 4


class TestFallbacks:
    def test_each_fallback_is_retried(self, create_chat):
        chat = create_chat(faults={GPT: 503, CLAUDE: 500})
        response = chat.complete(
            retry={"count": 1}, fallbacks=[{"model": CLAUDE}, {"model": MISTRAL}]
        )
        assert chat.provider_calls == [(GPT, 503)] * 2 + [(CLAUDE, 500)] * 2 + [(MISTRAL, 200)]
        assert response["model"] == "mistral-large"

    def test_fallback_gets_same_body(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.complete(fallbacks=[CLAUDE], max_tokens=5)
        first, second = (call.body for call in chat.router.log)
        assert first == {"model": "gpt-4o", "messages": first["messages"], "max_tokens": 5}
        assert second == first | {"model": "claude-sonnet-4-5"}

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
    @pytest.mark.parametrize("codes", [None, []])
    def test_default_codes_cause_a_fallback(self, create_chat, status, codes):
        chat = create_chat(faults={GPT: status})
        chat.complete(fallbacks=[{"model": CLAUDE}], fallback_on_codes=codes)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
    def test_custom_code_causes_a_fallback(self, create_chat, status):
        chat = create_chat(faults={GPT: status})
        chat.get_error(status, fallbacks=[{"model": CLAUDE}])
        chat.complete(fallbacks=[{"model": CLAUDE}], fallback_on_codes=[status])

    def test_custom_codes_replace_default(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(503, fallbacks=[{"model": CLAUDE}], fallback_on_codes=[429])

    def test_last_error_is_returned(self, create_chat):
        chat = create_chat(faults={GPT: 503, CLAUDE: 500})
        chat.get_error(500, fallbacks=[{"model": CLAUDE}])

    def test_disabled_fallback_returns_404(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        chat.get_error(404, fallbacks=[{"model": "nobody/x"}, {"model": CLAUDE}])
        assert chat.provider_calls == [(GPT, 503)]

    def test_fallback_on_404_skips_a_disabled_model(self, create_chat):
        chat = create_chat(faults={GPT: 503})
        fallbacks = [{"model": "nobody/x"}, {"model": CLAUDE}]
        chat.complete(fallbacks=fallbacks, fallback_on_codes=[404, 503])
        assert chat.provider_calls == [(GPT, 503), (CLAUDE, 200)]


class TestTimeout:
    def test_timeout_falls_back(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=200, seconds=2.0)})
        chat.complete(timeout={"call_timeout": 900}, fallbacks=[{"model": CLAUDE}])
        assert chat.provider_calls == [(GPT, 408), (CLAUDE, 200)]
        assert [call.seconds for call in chat.router.log] == [0.9, 0.0]

    def test_fast_call_is_not_delayed(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=200, seconds=0.9)})
        chat.complete(timeout={"call_timeout": 900})
        assert chat.router.log[0].seconds == 0.9

    def test_timeout_applies_to_each_attempt(self, create_chat):
        slow = Fault(status=200, seconds=2.0)
        chat = create_chat(faults={GPT: [slow, slow, slow]})
        chat.get_error(408, timeout={"call_timeout": 1000})
        chat.complete(timeout={"call_timeout": 1000}, retry={"count": 2})
        assert chat.provider_calls == [(GPT, 408)] * 3 + [(GPT, 200)]

    def test_no_timeout_by_default(self, create_chat):
        create_chat(faults={GPT: Fault(status=200, seconds=10_000)}).complete()


class TestBrokenStreams:
    def test_cut_stream_has_no_finish_reason(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=200, cut_after=3)})
        chunks = chat.stream(text="a long enough text")
        assert len(chunks) == 3
        assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)

    def test_cut_stream_is_never_complete(self, create_chat):
        complete = create_chat().stream()
        cut_stream = create_chat(faults={GPT: Fault(cut_after=10_000)}).stream()
        assert cut_stream == complete[:-2]  # without the finish reason and [DONE]

    def test_cut_stream_with_usage_has_no_finish_reason(self, create_chat):
        options = {"stream_options": {"include_usage": True}}
        complete = create_chat().stream(**options)
        assert create_chat(faults={GPT: Fault(cut_after=10_000)}).stream(**options) == complete[:-3]

    def test_error_event_ends_stream(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=503, error_after=2, message="gone")})
        *chunks, last = chat.stream()
        assert len(chunks) == 2
        assert last["error"]["message"] == "gone"
        assert last["error"]["code"] == "provider_overloaded"

    def test_no_retry_after_first_chunk(self, create_chat):
        chat = create_chat(faults={GPT: [Fault(cut_after=1)]})
        assert len(chat.stream(retry={"count": 2}, fallbacks=[{"model": CLAUDE}])) == 1
        assert len(chat.router.log) == 1

    @pytest.mark.parametrize("fault", [503, Fault(cut_after=0), Fault(status=200, error_after=0)])
    def test_retry_before_first_chunk(self, create_chat, fault):
        chat = create_chat(faults={GPT: fault})
        *_, end = chat.stream(retry={"count": 1}, fallbacks=[{"model": CLAUDE}])
        assert end == "[DONE]"
        assert [model for model, _ in chat.provider_calls] == [GPT, GPT, CLAUDE]

    def test_failure_before_the_stream_returns_its_status(self, create_chat):
        assert (
            create_chat(faults={GPT: 503}).get_error(503, stream=True)["code"]
            == "provider_overloaded"
        )

    def test_cut_response_that_is_not_streamed_returns_502(self, create_chat):
        chat = create_chat(faults={GPT: Fault(status=200, cut_after=2)})
        chat.get_error(502)
        chat.complete(fallbacks=[{"model": CLAUDE}])


class TestLoadBalancer:
    @staticmethod
    def create_balancer(**weights):
        models = [{"model": f"openai/{name}", "weight": weight} for name, weight in weights.items()]
        return {"type": "weight_based", "models": models}

    @pytest.mark.slow
    def test_weights_are_normalized(self, create_chat):
        chat = create_chat()
        for _ in range(200):
            chat.complete(load_balancer=self.create_balancer(a=0.2, b=0.4))
        picks = Counter(model for model, _ in chat.provider_calls)
        assert 40 < picks["openai/a"] < 95
        assert picks["openai/a"] + picks["openai/b"] == 200

    def test_seed_makes_picks_reproducible(self, create_chat):
        def picks(seed):
            chat = create_chat(seed=seed)
            return [
                chat.complete(load_balancer=self.create_balancer(a=1, b=1))["model"]
                for _ in range(20)
            ]

        assert picks(1) == picks(1) != picks(2)

    def test_model_of_request_is_ignored(self, create_chat):
        chat = create_chat()
        assert chat.complete(model="bare", load_balancer=self.create_balancer(a=1))["model"] == "a"
        response = chat.http.post(
            "/v3/router/chat/completions",
            json={
                "messages": [{"role": "user", "content": "x"}],
                "load_balancer": self.create_balancer(a=1),
            },
        )
        assert response.json()["error"]["param"] == "model"

    def test_retries_and_fallbacks(self, create_chat):
        chat = create_chat(faults={"openai/a": 503})
        chat.complete(
            load_balancer=self.create_balancer(a=1),
            retry={"count": 1},
            fallbacks=[{"model": CLAUDE}],
        )
        assert [model for model, _ in chat.provider_calls] == ["openai/a", "openai/a", CLAUDE]

    def test_disabled_model_returns_404(self, create_chat):
        models = [{"model": "nobody/x", "weight": 1}]
        create_chat().get_error(404, load_balancer={"type": "weight_based", "models": models})

    @pytest.mark.parametrize("type_", ["round_robin", "latency_based"])
    def test_other_types_return_400(self, create_chat, type_):
        error = create_chat().get_error(
            400, load_balancer=self.create_balancer(a=1) | {"type": type_}
        )
        assert error["param"] == "load_balancer.type"


class TestCache:
    CACHE = {"type": "exact_match", "ttl": 60}

    def test_entry_expires(self, create_chat, clock):
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
        "changes",
        [{"text": "Hi"}, {"temperature": 0.5}, {"thread": {"id": "t"}}, {"metadata": {"a": "b"}}],
    )
    def test_different_request_is_not_answered_from_the_cache(self, create_chat, changes):
        chat = create_chat()
        chat.complete(cache=self.CACHE)
        chat.complete(cache=self.CACHE, **changes)
        assert len(chat.router.log) == 2

    def test_streams_and_errors_are_not_cached(self, create_chat):
        chat = create_chat(faults={GPT: [200, 503]})
        chat.complete()
        chat.get_error(503, cache=self.CACHE)
        chat.complete(cache=self.CACHE)
        chat.stream(cache=self.CACHE)
        chat.stream(cache=self.CACHE)
        assert len(chat.router.log) == 5

    def test_each_prefix_has_its_own_cache(self, create_chat):
        chat = create_chat()
        chat.complete(cache=self.CACHE)
        chat.complete(cache=self.CACHE, prefix="v2/router")
        assert len(chat.router.log) == 2
