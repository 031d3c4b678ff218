"""Multipart forms: the documented encoding is parsed, and any other is rejected."""

import hashlib
import io
import json
import re
from functools import partial
from typing import Any

import httpx
import openai
import pytest

from orq_router_integrations import RouterControls
from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RequestModel,
    RouterResponse,
    validate_body,
)
from orq_router_integrations.testing.routing.multipart_parsing import (
    AnyFile,
    FormBool,
    parse_form,
)
from orq_router_integrations.testing.routing.response import HTTPError
from orq_router_integrations.wire.call import Call, Upload
from orq_router_integrations.wire.endpoints import ControlLocation, Dialect, Endpoint
from orq_router_integrations.wire.json import loads
from orq_router_integrations.wire.multipart import build_multipart_body

AUDIO = b"RIFF\r\n--\x00\xff\r\n"


def create_upload(data: bytes = AUDIO, filename: str = 'a "b".wav') -> Upload:
    return Upload(filename, "audio/wav", len(data), lambda: io.BytesIO(data))


def build_part(name: str, value: str = "x", *headers: str) -> str:
    lines = [f'Content-Disposition: form-data; name="{name}"', *headers]
    return "\r\n".join(lines) + f"\r\n\r\n{value}"


def parse_parts(
    *parts: str, content_type: str = "multipart/form-data; boundary=E", end: str = "--E--"
) -> Any:
    body = "".join(f"--E\r\n{part}\r\n" for part in parts) + end
    return parse_form(content_type, body.encode())


def get_form_error(*parts: str, **options: str) -> str:
    with pytest.raises(HTTPError) as caught:
        parse_parts(*parts, **options)
    assert caught.value.status == 400
    return caught.value.message


def test_form_of_own_client_is_parsed():
    fields = {
        "model": "openai/x",
        "temperature": 0.5,
        "diarize": False,
        "note": "né\r\n--",
        "codes": ["a", "b"],
        "retry": {"count": 2},
        "fallbacks": [{"model": "a/b"}],
        "fallback_on_codes": [429, 503],
    }
    form = build_multipart_body(
        fields, {"file": create_upload(), "image": [create_upload(b"1"), create_upload(b"2")]}
    )
    parsed = parse_form(form.content_type, b"".join(form))
    files = parsed.pop("file"), *parsed.pop("image")
    assert parsed == {**fields, "temperature": "0.5", "diarize": "false"}
    assert [file.data for file in files] == [AUDIO, b"1", b"2"]
    assert (files[0].filename, files[0].mime_type) == ('a "b".wav', "audio/wav")


def test_form_of_httpx_is_parsed():
    files = [("image[]", ("ü.png", b"\x89PNG", "image/png")), ("image[]", ("b.png", b"\x89"))]
    request = httpx.Request("POST", "https://x", data={"model": "a/b", "n": 2}, files=files)
    parsed = parse_form(request.headers["content-type"], request.read())
    assert (parsed["model"], parsed["n"]) == ("a/b", "2")
    assert [file.filename for file in parsed["image"]] == ["ü.png", "b.png"]


@pytest.mark.parametrize("fields", [{"orq": '{"retry":{"count":1}}'}, {"retry": '{"count":1}'}])
def test_control_without_content_type_is_json(fields):
    request = httpx.Request("POST", "https://x", data=fields, files={"file": b"x"})
    parsed = parse_form(request.headers["content-type"], request.read())
    assert all(isinstance(parsed[name], dict) for name in fields)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([build_part("n"), build_part("n")], r"n: sent twice. For a list, repeat n\[\]"),
        ([build_part("n[]"), build_part("n")], "n: sent twice"),
        ([build_part("n"), build_part("n[]")], "n: sent twice"),
        ([build_part("retry", "{")], "retry: expected text or JSON"),
        (["Content-Type: text/plain\r\n\r\nx"], "each part requires 'Content-Disposition"),
        (["no head at all"], "each part requires 'Content-Disposition"),
        (["nonsense\r\n\r\nx"], "each part requires 'Content-Disposition"),
        ([], "begin and end with its boundary"),
    ],
)
def test_undocumented_encoding_returns_400(parts, message):
    assert re.search(message, get_form_error(*parts))


@pytest.mark.parametrize("end", ["", "--E", "--E--x", "--E--\r\n\r\n", "--E-- \r\n"])
def test_truncated_form_returns_400(end):
    assert "begin and end" in get_form_error(build_part("n"), end=end)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", ""])
def test_wrong_content_type_returns_400(content_type):
    assert "expected multipart/form-data with a boundary" in get_form_error(
        build_part("n"), content_type=content_type
    )


def test_text_must_be_utf_8():
    body = b'--E\r\nContent-Disposition: form-data; name="n"\r\n\r\n\xff\r\n--E--'
    with pytest.raises(HTTPError) as caught:
        parse_form("multipart/form-data; boundary=E", body)
    assert caught.value.message.startswith("n: expected text or JSON, or a file with a filename")


def test_encoded_filename_is_decoded():
    head = "Content-Disposition: form-data; name=f; filename*=UTF-8''na%C3%AFve.png\r\n\r\nx"
    body = f"--E\r\n{head}\r\n--E--".encode()
    assert parse_form("multipart/form-data; boundary=E", body)["f"].filename == "naïve.png"


class Scalars(RequestModel, strict=False):
    integer: int | None = None
    number: float | None = None
    flag: FormBool | None = None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(("integer", "2", 2), ("integer", "2.0", 2), ("number", "0.5", 0.5), ("number", "1", 1.0)),
        *(("flag", "true", True), ("flag", "false", False)),
    ],
)
def test_scalars_are_converted_from_text(name, text, value):
    assert getattr(validate_body(Scalars, {name: text}, lenient=False), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("integer", "2.5"),
            ("integer", ""),
            ("integer", "inf"),
            ("number", "x"),
        ),
        *(("flag", "perhaps"), ("flag", "True"), ("flag", "1"), ("flag", ["true"])),
    ],
)
def test_invalid_scalar_returns_400(name, text):
    with pytest.raises(HTTPError) as caught:
        validate_body(Scalars, {name: text}, lenient=False)
    assert caught.value.param == name


class EchoRequest(EndpointRequest, strict=False):
    file: AnyFile
    n: int = 1


ECHO = Endpoint(
    "/echo",
    {
        name: {Dialect.V3_ROUTER: ControlLocation.TOP}
        for name in ("retry", "fallbacks", "fallback_on_codes", "cache", "timeout")
    },
    multipart=True,
)


class EchoEndpoint(EndpointHandler[EchoRequest]):
    """Responds with the digest of the file."""

    endpoint = ECHO
    schema = EchoRequest

    def respond(self, request: EchoRequest, model: str) -> RouterResponse:
        return RouterResponse({"by": model, "sha256": request.file.summary["sha256"]})


def create_echo_router(**settings: Any) -> OfflineRouter:
    router = OfflineRouter(**settings)
    router._routes.append(router._create_route(EchoEndpoint(router._answers)))
    return router


def send(router: OfflineRouter, data: bytes = AUDIO, **values: Any) -> Any:
    call = Call(
        endpoint=ECHO,
        body={"model": "openai/ear", "n": 2},
        files={"file": create_upload(data)},
        controls=RouterControls(**values),
        parse=lambda response: (
            loads(response.content),
            response.headers.get("x-orq-offline-cache"),
        ),
    )
    return router.client(max_retries=0).send(call)


def test_retries_and_fallbacks():
    router = create_echo_router(faults={"openai/ear": 503})
    retry = {"count": 2, "on_codes": [503]}
    answer, _ = send(router, retry=retry, fallbacks=["groq/ear"], fallback_on_codes=[503])
    assert answer == {"by": "groq/ear", "sha256": hashlib.sha256(AUDIO).hexdigest()}
    calls = [("openai/ear", 503)] * 3 + [("groq/ear", 200)]
    assert [(call.model, call.status) for call in router.log] == calls


def test_cache_compares_file_content():
    router = create_echo_router()
    cache_headers = [send(router, data, cache={"ttl": 60})[1] for data in (b"1", b"2", b"1")]
    assert cache_headers == [None, None, "hit"]


def test_logs_summarize_files():
    router = create_echo_router()
    send(router, retry={"count": 1})
    summary = {
        "filename": 'a "b".wav',
        "mime_type": "audio/wav",
        "size": len(AUDIO),
        "sha256": hashlib.sha256(AUDIO).hexdigest(),
    }
    received, provider_body = router.requests[0].body, router.log[0].body
    assert received["file"] == provider_body["file"] == summary
    assert received["retry"]["count"] == 1
    assert provider_body["n"] == 2
    assert json.dumps([received, provider_body])


def post(router: OfflineRouter, **request: Any) -> httpx.Response:
    headers = {"Authorization": "Bearer any"}
    with httpx.Client(transport=router.transport, headers=headers) as http:
        return http.post("https://x/v3/router/echo", **request)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"json": {"model": "openai/ear"}}, "file: Field required"),
        ({"data": {"model": "openai/ear"}}, "neither JSON nor a multipart form"),
        ({"data": {"model": "m", "retry[count]": 1}, "files": {"file": b"x"}}, "retry[count]: is"),
        ({"data": {"model": "openai/ear", "file": "x"}, "files": {"z": b"x"}}, "file"),
        ({"data": {"retry": '{"count":' * 9000}, "files": {"z": b"x"}}, "retry"),
        ({"data": {"orq": '{"a":' * 300 + "1" + "}" * 300}, "files": {"z": b"x"}}, "orq.a"),
    ],
)
def test_invalid_request_returns_400(request_, message):
    response = post(create_echo_router(), **request_)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


def test_openai_extra_body_is_rejected():
    router = create_echo_router()
    http = httpx.Client(transport=router.transport)
    options = {"headers": {"Content-Type": "multipart/form-data"}}
    with openai.OpenAI(api_key="x", base_url="https://x/v3/router", http_client=http) as client:
        send = partial(client.post, "/echo", cast_to=object, files={"file": b"x"}, options=options)
        with pytest.raises(openai.BadRequestError, match=r"retry\[count\]: is not a documented"):
            send(body={"model": "openai/ear", "retry": {"count": 1}})
        assert send(body={"model": "openai/ear", "n": 2})["by"] == "openai/ear"


def test_cached_response_names_its_model():
    router = create_echo_router(faults={"openai/ear": 503})
    call = Call(
        endpoint=ECHO,
        body={"model": "openai/ear"},
        files={"file": create_upload()},
        controls=RouterControls(fallbacks=["groq/ear"], cache={"ttl": 60}),
        parse=lambda response: response.headers["x-orq-offline-model"],
    )
    assert [router.client().send(call) for _ in range(2)] == ["groq/ear"] * 2
