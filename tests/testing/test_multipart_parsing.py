"""Forms at the offline router: the contract's encoding, and nothing that only resembles it."""

import hashlib
import io
import json
import re
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest

from orq_router_integrations import RouterControls
from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing.routing.endpoint import ProviderResponse, RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import (
    AnyFile,
    FormBool,
    FormFloat,
    FormInt,
    describe_files,
    parse_form,
)
from orq_router_integrations.testing.routing.schema_validation import RequestModel, validate_body
from orq_router_integrations.wire.call import Call, Upload
from orq_router_integrations.wire.endpoints import Endpoint, SchemaLocation
from orq_router_integrations.wire.multipart import build_multipart_body

SOUND = b"RIFF\r\n--\x00\xff\r\n"


def upload(data: bytes = SOUND, filename: str = 'a "b".wav') -> Upload:
    return Upload(filename, "audio/wav", len(data), lambda: io.BytesIO(data))


def field(name: str, value: str = "x", *more: str) -> str:
    head = [f'Content-Disposition: form-data; name="{name}"', *more]
    return "\r\n".join(head) + f"\r\n\r\n{value}"


def read(*parts: str, kind: str = "multipart/form-data; boundary=E", end: str = "--E--") -> Any:
    body = "".join(f"--E\r\n{part}\r\n" for part in parts) + end
    return parse_form(kind, body.encode())


def refused(*parts: str, **frame: str) -> str:
    with pytest.raises(HTTPError) as caught:
        read(*parts, **frame)
    assert caught.value.status == 400
    return caught.value.message


def test_our_own_encoding_is_read_as_it_was_meant():
    members = {
        "model": "openai/x",
        "temperature": 0.5,
        "diarize": False,
        "note": "né\r\n--",
        "codes": ["a", "b"],
        "retry": {"count": 2},
        "fallbacks": [{"model": "a/b"}],
        "fallback_on_codes": [429, 503],
    }
    form = build_multipart_body(members, {"file": upload(), "image": [upload(b"1"), upload(b"2")]})
    found = parse_form(form.content_type, b"".join(form))
    files = found.pop("file"), *found.pop("image")
    assert found == {**members, "temperature": "0.5", "diarize": "false"}
    assert [file.data for file in files] == [SOUND, b"1", b"2"]
    assert (files[0].filename, files[0].mime_type) == ('a "b".wav', "audio/wav")


def test_httpxs_own_encoding_is_read():
    files = [("image[]", ("ü.png", b"\x89PNG", "image/png")), ("image[]", ("b.png", b"\x89"))]
    request = httpx.Request("POST", "https://x", data={"model": "a/b", "n": 2}, files=files)
    found = parse_form(request.headers["content-type"], request.read())
    assert (found["model"], found["n"]) == ("a/b", "2")
    assert [file.filename for file in found["image"]] == ["ü.png", "b.png"]


@pytest.mark.parametrize("members", [{"orq": '{"retry":{"count":1}}'}, {"retry": '{"count":1}'}])
def test_an_object_may_come_as_plain_text_where_it_can_be_nothing_else(members):
    request = httpx.Request("POST", "https://x", data=members, files={"file": b"x"})
    found = parse_form(request.headers["content-type"], request.read())
    assert all(isinstance(found[name], dict) for name in members)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([field("retry[count]")], r"retry\[count\]: bracketed keys .* one JSON part"),
        ([field("fallbacks[][model]")], "bracketed keys"),
        ([field("timestamp_granularities[0]")], "bracketed keys"),
        ([field("[]")], "bracketed keys"),
        ([field("n"), field("n")], r"n: sent twice. For a list, repeat n\[\]"),
        ([field("n[]"), field("n")], "n: sent twice"),
        ([field("n"), field("n[]")], "n: sent twice"),
        ([field("retry", "{")], "retry: expected JSON"),
        ([field("x", "3", "Content-Type: application/json")], "Send a scalar as plain text"),
        ([field("x", "3", "Content-Type: image/png")], "x: image/png requires a filename"),
        ([field("x", "3", "X-Other: 1")], "unsupported header 'x-other'"),
        ([field('x"; filename="')], "x: the file requires a filename"),
        ([field("x\"; filename*=utf-8''a; z=\"")], "each part requires 'Content-Disposition"),
        (["Content-Type: text/plain\r\n\r\nx"], "each part requires 'Content-Disposition"),
        (["no head at all"], "each part requires 'Content-Disposition"),
        (["nonsense\r\n\r\nx"], "must be 'Name: value'"),
        ([], "begin and end with its boundary"),
    ],
)
def test_what_is_not_the_contracts_encoding_is_refused(parts, said):
    assert re.search(said, refused(*parts))


@pytest.mark.parametrize("end", ["", "--E", "--E--x", "--E--\r\n\r\n", "--E-- \r\n"])
def test_a_form_that_does_not_end_is_refused(end):
    assert "begin and end" in refused(field("n"), end=end)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", ""])
def test_a_body_that_is_no_form_is_refused(kind):
    assert "expected multipart/form-data with a boundary" in refused(field("n"), kind=kind)


def test_a_text_that_is_not_utf_8_is_refused():
    body = b'--E\r\nContent-Disposition: form-data; name="n"\r\n\r\n\xff\r\n--E--'
    with pytest.raises(HTTPError) as caught:
        parse_form("multipart/form-data; boundary=E", body)
    assert caught.value.message == "n: the text is not UTF-8"


class Scalars(RequestModel):
    whole: FormInt | None = None
    number: FormFloat | None = None
    yes: FormBool | None = None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(("whole", "2", 2), ("whole", "2.0", 2), ("number", "0.5", 0.5), ("number", "1", 1.0)),
        *(("yes", "true", True), ("yes", "false", False)),
    ],
)
def test_scalars_are_read_from_their_text(name, text, value):
    assert getattr(validate_body(Scalars, {name: text}, lenient=False), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("whole", "2.5"), ("whole", ""), ("whole", "inf"), ("number", "nan"), ("number", "x")),
        *(("yes", "True"), ("yes", "1"), ("yes", "yes")),
    ],
)
def test_texts_that_are_no_such_scalars_are_refused(name, text):
    with pytest.raises(HTTPError) as caught:
        validate_body(Scalars, {name: text}, lenient=False)
    assert caught.value.param == name


class EchoRequest(RequestModel):
    model: str
    file: AnyFile
    n: FormInt = 1


ECHO = Endpoint(
    "/echo",
    dict.fromkeys(
        ("retry", "fallbacks", "fallback_on_codes", "cache", "timeout"), SchemaLocation.BOTH
    ),
    multipart=True,
)


@dataclass
class EchoJob:
    """Tells the digest of its file."""

    request: EchoRequest
    is_streamed = False
    is_cacheable = True
    guarded_text = None

    @property
    def model(self) -> str:
        return self.request.model

    def provider_body(self, model: str) -> dict[str, Any]:
        return {"model": model, "file": self.request.file, "n": self.request.n}

    def answer(self, model: str) -> ProviderResponse:
        return ProviderResponse({"by": model, "sha256": self.request.file.sha256})

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        return outcome


class EchoService:
    endpoint = ECHO
    default_retry = None

    def parse(self, body: Any, controls: Any, *, lenient: bool) -> EchoJob:
        return EchoJob(validate_body(EchoRequest, body, lenient=lenient))


def echoing(**settings: Any) -> OfflineRouter:
    router = OfflineRouter(**settings)
    router._services += (EchoService(),)
    return router


def send(router: OfflineRouter, data: bytes = SOUND, **values: Any) -> Any:
    call = Call(
        endpoint=ECHO,
        body={"model": "openai/ear", "n": 2},
        files={"file": upload(data)},
        controls=RouterControls(**values),
        parse=lambda reply: (reply.json(), reply.headers.get("x-orq-offline-cache")),
    )
    return router.client(max_retries=0).send(call)


def test_a_form_is_routed_and_falls_back_as_json_does():
    router = echoing(faults={"openai/ear": 503})
    retry = {"count": 2, "on_codes": [503]}
    answer, _ = send(router, retry=retry, fallbacks=["groq/ear"], fallback_on_codes=[503])
    assert answer == {"by": "groq/ear", "sha256": hashlib.sha256(SOUND).hexdigest()}
    asked = [("openai/ear", 503)] * 3 + [("groq/ear", 200)]
    assert [(call.model, call.status) for call in router.log] == asked


def test_the_cache_tells_files_apart_by_their_bytes():
    router = echoing()
    kept = [send(router, data, cache={"ttl": 60})[1] for data in (b"1", b"2", b"1")]
    assert kept == [None, None, "hit"]


def test_records_describe_files_and_never_hold_them():
    router = echoing()
    send(router, retry={"count": 1})
    described = {
        "filename": 'a "b".wav',
        "mime_type": "audio/wav",
        "size": len(SOUND),
        "sha256": hashlib.sha256(SOUND).hexdigest(),
    }
    received, asked = router.requests[0].body, router.log[0].body
    assert received["file"] == asked["file"] == described
    assert received["retry"]["count"] == 1
    assert asked["n"] == 2
    assert json.dumps([received, asked])


def test_what_is_told_of_files_can_be_chosen():
    file = read(field('f"; filename="a.txt'))["f"]
    assert describe_files({"a": [file], "b": 1}, lambda file: file.filename) == {
        "a": ["a.txt"],
        "b": 1,
    }
    assert "data" not in repr(file)


def posted(router: OfflineRouter, **request: Any) -> httpx.Response:
    headers = {"Authorization": "Bearer any"}
    with httpx.Client(transport=router.transport, headers=headers) as http:
        return http.post("https://x/v3/router/echo", **request)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"json": {"model": "openai/ear"}}, "expected multipart/form-data"),
        ({"data": {"model": "openai/ear"}}, "expected multipart/form-data"),
        ({"data": {"retry[count]": 1}, "files": {"file": b"x"}}, "bracketed keys"),
        ({"data": {"model": "openai/ear", "file": "x"}, "files": {"z": b"x"}}, "file"),
        ({"data": {"retry": '{"count":' * 9000}, "files": {"z": b"x"}}, "retry"),
        ({"data": {"orq": '{"a":' * 200 + "1" + "}" * 200}, "files": {"z": b"x"}}, "too deep"),
    ],
)
def test_a_wrong_form_is_a_400_of_the_router(request_, said):
    reply = posted(echoing(), **request_)
    assert reply.status_code == 400
    assert said in reply.json()["error"]["message"]


def test_extra_body_of_the_stock_client_is_flattened_and_so_refused():
    router = echoing()
    http = httpx.Client(transport=router.transport)
    client = openai.OpenAI(api_key="x", base_url="https://x/v3/router", http_client=http)
    options = {"headers": {"Content-Type": "multipart/form-data"}}
    body = {"model": "openai/ear", "retry": {"count": 1}}
    with pytest.raises(openai.BadRequestError, match=r"retry\[count\]: bracketed keys"):
        client.post("/echo", cast_to=object, body=body, files={"file": b"x"}, options=options)
    body = {"model": "openai/ear", "n": 2}
    answer = client.post("/echo", cast_to=object, body=body, files={"file": b"x"}, options=options)
    assert answer["by"] == "openai/ear"


def test_a_good_answer_names_its_model_also_from_the_cache():
    router = echoing(faults={"openai/ear": 503})
    call = Call(
        endpoint=ECHO,
        body={"model": "openai/ear"},
        files={"file": upload()},
        controls=RouterControls(fallbacks=["groq/ear"], cache={"ttl": 60}),
        parse=lambda reply: reply.headers["x-orq-offline-model"],
    )
    assert [router.client().send(call) for _ in range(2)] == ["groq/ear"] * 2
