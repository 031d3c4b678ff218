"""Arguments of the offline router's classes that have a wrong type or value."""

import re
from http import HTTPStatus

import pydantic
import pytest
from langchain_core.documents import Document

from orq_router_integrations.testing import Answer, Fault, OfflineRouter
from orq_router_integrations.testing.serve import serve

NUMBER, NOT_NEGATIVE = "valid number, not", "greater than or equal to 0, not"
TEXTS, CALLS = "expected a list of str, got str", "expected a list of dicts with 'name'"

INVALID = [
    (Fault, "status", 302, "must be 200 or 400 to 599, not 302"),
    (Fault, "status", "503", "must be 200 or 400 to 599, not '503'"),
    (Fault, "status", 503.0, "must be 200 or 400 to 599, not 503.0"),
    (Fault, "status", 200.0, "must be 200 or 400 to 599, not 200.0"),
    (Fault, "message", 5, "valid string, not 5"),
    (Fault, "seconds", -1, NOT_NEGATIVE),
    (Fault, "seconds", float("nan"), NOT_NEGATIVE),
    (Fault, "cut_after", -1, NOT_NEGATIVE),
    (Fault, "cut_after", True, "valid integer, not True"),
    (Fault, "error_after", 1.5, "valid integer, not 1.5"),
    (Answer, "text", {"a": 1}, "valid string, not {'a': 1}"),
    (Answer, "reasoning", ["a"], "valid string, not ['a']"),
    (Answer, "finish_reason", "eos", "Input should be 'stop', 'length', "),
    (Answer, "audio", "UklGRg==", "valid bytes, not 'UklGRg=='"),
    (Answer, "usage", 5, "Expected a dict, not 5"),
    (Answer, "logprobs", {}, "instance of Sequence, not {}"),
    *((Answer, "tool_calls", calls, CALLS) for calls in ("add", ["add"], [{"args": {}}], None)),
    (Answer, "tool_calls", [{"name": "add", "args": 5}], CALLS),
    (Answer, "tool_calls", [{"name": "add", "args": {"a": object()}}], CALLS),
    (OfflineRouter, "models", "openai/gpt-4o", TEXTS),
    (OfflineRouter, "models", 5, "instance of Collection, not 5"),
    (OfflineRouter, "models", ["gpt-4o"], "'gpt-4o' is not a model id. Write 'provider/model'"),
    (OfflineRouter, "api_keys", "secret", TEXTS),
    (OfflineRouter, "api_keys", b"secret", "expected a list of str, got bytes"),
    (OfflineRouter, "requests_per_minute", 0, "greater than 0, not 0"),
    (OfflineRouter, "requests_per_minute", "60", "valid integer, not '60'"),
    (OfflineRouter, "lenient", "no", "valid boolean, not 'no'"),
    (OfflineRouter, "latency", -1, NOT_NEGATIVE),
    (OfflineRouter, "latency", "1", NUMBER),
    (OfflineRouter, "chunk_latency", None, NUMBER),
    (OfflineRouter, "seed", None, "valid integer, not None"),
    (OfflineRouter, "clock", 5, "callable, not 5"),
    (serve, "port", "80", "must be an int from 0 to 65535, not '80'"),
    (serve, "port", 65536, "must be an int from 0 to 65535, not 65536"),
    (serve, "router", "x", "must be an OfflineRouter, not 'x'"),
]


IN_MAPPINGS = [
    (Fault, "headers", {"retry-after": 7}, "valid string, not 7"),
    (OfflineRouter, "knowledge_bases", {"kb": "text"}, "'str' instances are not allowed"),
    (OfflineRouter, "knowledge_bases", {"kb": [5]}, "valid string, not 5"),
]


@pytest.mark.parametrize(("create", "name", "value", "message"), INVALID)
def test_invalid_argument_is_named(create, name, value, message):
    with pytest.raises(ValueError, match=rf"^{name}.*: .*{re.escape(message)}"):
        create(**{name: value})


@pytest.mark.skipif(pydantic.VERSION == "2.11.0", reason="does not check values of strict mappings")
@pytest.mark.parametrize(("create", "name", "value", "message"), IN_MAPPINGS)
def test_invalid_value_in_a_mapping_is_named(create, name, value, message):
    test_invalid_argument_is_named(create, name, value, message)


def test_all_invalid_arguments_are_named():
    with pytest.raises(ValueError, match=r"^seconds: .*, not -1; cut_after: .*, not 'x'$"):
        Fault(seconds=-1, cut_after="x")


@pytest.mark.parametrize(
    "field",
    [{"body": {}}, {"message": ""}, {"code": "quota"}, {"headers": {"retry-after": "7"}}],
    ids=lambda field: next(iter(field)),
)
@pytest.mark.parametrize("status", [200, HTTPStatus.OK], ids=["int", "HTTPStatus"])
def test_success_cannot_have_the_fields_of_an_error(status, field):
    (name,) = field
    with pytest.raises(ValueError, match=rf"^{name}: Not sent with status=200\. Use one from 400"):
        Fault(status=status, seconds=2, **field)


@pytest.mark.parametrize("broken", [{"cut_after": 1}, {"error_after": 0}])
def test_broken_stream_can_have_the_fields_of_an_error(broken):
    fields = {"message": "gone", "code": "lost", "headers": {"a": "b"}, "body": "<html>"}
    assert Fault(status=200, **broken, **fields).message == "gone"


def test_slow_success_is_valid():
    assert Fault(status=200, seconds=40, headers={}).seconds == 40


def test_valid_arguments_are_not_changed():
    models, chunks = {"openai/gpt-4o"}, (Document("a"), "b")
    router = OfflineRouter(models=models, api_keys=("a",), knowledge_bases={"kb": chunks})
    assert router.models is models
    assert router.knowledge_bases["kb"] is chunks
    assert Fault(status=HTTPStatus.BAD_GATEWAY, seconds=float("inf")).status is HTTPStatus(502)
