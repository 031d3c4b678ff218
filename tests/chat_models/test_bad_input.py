"""Bad input: a clear typed error that names what is wrong, and not one request."""

import base64
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError

GPT = "openai/gpt-4o"
URL = "https://example.com/a"
NAN, INFINITY = float("nan"), float("inf")
MB = 1024 * 1024


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64(data)}"


PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
PDF = b"%PDF-1.7\n" + bytes(24)
MP3 = b"ID3\x04" + bytes(24)
PDF_URL = data_url("application/pdf", PDF)

Row = tuple[dict[str, Any], str]

MODELS: dict[str, Row] = {
    "empty": ({"model": ""}, "'provider/model'"),
    "blank": ({"model": "   "}, "'provider/model'"),
    "no provider": ({"model": "gpt-4o"}, "'provider/model'"),
    "no name": ({"model": "openai/"}, "'provider/model'"),
    "no provider's name": ({"model": "/gpt-4o"}, "'provider/model'"),
    "a line break": ({"model": "openai/gpt\r\n-4o"}, "'provider/model'"),
    "a NUL": ({"model": "openai/gpt\0"}, "'provider/model'"),
    "a number": ({"model": 4}, "valid string"),
}

NUMBERS: dict[str, Row] = {
    "temperature NaN": ({"temperature": NAN}, "finite number"),
    "temperature infinite": ({"temperature": INFINITY}, "finite number"),
    "temperature below 0": ({"temperature": -0.1}, "greater than or equal to 0"),
    "temperature above 2": ({"temperature": 2.1}, "less than or equal to 2"),
    "temperature text": ({"temperature": "hot"}, "valid number"),
    "temperature bool": ({"temperature": True}, "valid number"),
    "top_p above 1": ({"top_p": 1.5}, "less than or equal to 1"),
    "top_k below 0": ({"top_k": -1}, "greater than or equal to 0"),
    "frequency_penalty": ({"frequency_penalty": -3}, "greater than or equal to -2"),
    "presence_penalty": ({"presence_penalty": 3}, "less than or equal to 2"),
    "n of 0": ({"n": 0}, "greater than or equal to 1"),
    "n of a half": ({"n": 1.5}, "valid integer"),
    "max_tokens of 0": ({"max_tokens": 0}, "greater than or equal to 1"),
    "top_logprobs above 20": ({"top_logprobs": 21, "logprobs": True}, "less than or equal to 20"),
    "top_logprobs alone": ({"top_logprobs": 2}, "requires logprobs=True"),
    "seed of a half": ({"seed": 0.5}, "valid integer"),
    "five stops": ({"stop": ["a", "b", "c", "d", "e"]}, "at most 4"),
    "an empty stop": ({"stop": [""]}, "at least 1 character"),
    "an unknown effort": ({"reasoning_effort": "huge"}, "'high'"),
    "a small budget": ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "1024"),
    "modalities without voice": ({"modalities": ["audio"]}, "audio: required"),
    "audio of an unknown format": ({"audio": {"voice": "alloy", "format": "ogg"}}, "'wav'"),
}

KEYWORDS: dict[str, Row] = {
    "a slip of the pen": ({"temprature": 1}, "Did you mean 'temperature'?"),
    "another name": ({"max_completion_token": 5}, "Unknown argument"),
    "nothing like it": ({"xyz": 1}, "Unknown argument 'xyz'"),
    "a control outside of controls": ({"fallbacks": ["a/b"]}, "Unknown argument 'fallbacks'"),
}


def balancer(models: list[Any], **more: Any) -> dict[str, Any]:
    return {"load_balancer": {"models": models, **more}}


ROUTER: dict[str, Row] = {
    "retry.count of 0": ({"retry": {"count": 0}}, "retry.count"),
    "retry.count of 6": ({"retry": {"count": 6}}, "retry.count"),
    "retry.count of a half": ({"retry": {"count": 1.5}}, "retry.count"),
    "retry.count text": ({"retry": {"count": "2"}}, "retry.count"),
    "retry on 600": ({"retry": {"on_codes": [600]}}, "retry.on_codes"),
    "retry on text": ({"retry": {"on_codes": ["500"]}}, "retry.on_codes"),
    "retry on nothing": ({"retry": {"on_codes": []}}, "retry.on_codes"),
    "fallback on 600": ({"fallback_on_codes": [600]}, "fallback_on_codes"),
    "fallback on one twice": ({"fallback_on_codes": [500, 500]}, "fallback_on_codes"),
    "fallback on many": ({"fallback_on_codes": list(range(500, 521))}, "fallback_on_codes"),
    "fallbacks that are a text": ({"fallbacks": "openai/gpt-4o"}, "fallbacks"),
    "a fallback without provider": ({"fallbacks": ["gpt-4o"]}, "fallbacks.0"),
    "a fallback with more": ({"fallbacks": [{"model": "a/b", "temperature": 1}]}, "fallbacks.0"),
    "an unknown balancer": (balancer(["a/b"], type="random"), "load_balancer.type"),
    "a balancer of responses": (balancer(["a/b"], type="round_robin"), "load_balancer.type"),
    "a balancer of nothing": (balancer([]), "load_balancer.models"),
    "a weight of 0": (balancer([{"model": "a/b", "weight": 0}]), "load_balancer.models.0.weight"),
    "no time": ({"timeout": {"call_timeout": 0}}, "timeout.call_timeout"),
    "seconds": ({"timeout": {"call_timeout": 1.5}}, "timeout.call_timeout"),
    "a cache of four days": ({"cache": {"ttl": 259_201}}, "cache.ttl"),
    "a cache of nothing": ({"cache": {"ttl": 0}}, "cache.ttl"),
    "an unknown control": ({"fallback": ["a/b"]}, "fallback"),
    "an unknown member": ({"cache": {"tll": 5}}, "cache.tll"),
    "17 pairs of metadata": ({"metadata": {str(i): "v" for i in range(17)}}, "metadata"),
    "a long key of metadata": ({"metadata": {"k" * 65: "v"}}, "metadata"),
    "a long value of metadata": ({"metadata": {"k": "v" * 513}}, "metadata.k"),
    "metadata of a number": ({"metadata": {"k": 5}}, "metadata.k"),
}

IN_ARGUMENTS = {
    **{f"model: {name}": row for name, row in MODELS.items()},
    **{f"number: {name}": row for name, row in NUMBERS.items()},
    **{f"keyword: {name}": row for name, row in KEYWORDS.items()},
    **{f"router: {name}": ({"controls": row[0]}, row[1]) for name, row in ROUTER.items()},
}
every_argument = pytest.mark.parametrize(("given", "hint"), IN_ARGUMENTS.values(), ids=IN_ARGUMENTS)


@every_argument
def test_an_argument_of_the_model_is_refused_before_any_request(
    router: OfflineRouter, given: dict[str, Any], hint: str
) -> None:
    with pytest.raises((ValidationError, RouterInputError)) as caught:
        ChatOrq(**{"model": GPT, "client": router.client(), **given}).invoke("Hi")
    said = str(caught.value)
    assert hint in said
    assert all(name in said for name in given if name not in {"controls", "logprobs"})
    assert router.requests == []


@every_argument
def test_an_argument_of_a_call_is_refused_before_any_request(
    model: ChatOrq, router: OfflineRouter, given: dict[str, Any], hint: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke("Hi", **given)
    said = str(caught.value)
    assert hint in said
    assert said[0].isalpha()
    assert len(said) < 600
    assert all(name in said for name in given if name not in {"controls", "logprobs"})
    assert router.requests == []


@pytest.mark.parametrize(
    ("controls", "meant"),
    [
        ({"retry": {"cuont": 2}}, "count"),
        ({"timeout": {"call_timout": 2}}, "call_timeout"),
        ({"load_balancer": {"model": []}}, "models"),
        ({"plugins": [{"id": "pii_redaction", "entites": []}]}, "entities"),
    ],
)
def test_the_member_of_a_control_that_was_meant_is_told(
    model: ChatOrq, controls: dict[str, Any], meant: str
) -> None:
    with pytest.raises(RouterInputError, match=f"unknown field. Did you mean '{meant}'"):
        model.invoke("Hi", controls=controls)


def block(**members: Any) -> list[Any]:
    return [HumanMessage([members])]


def picture(url: Any, **more: Any) -> list[Any]:
    return block(type="image_url", image_url={"url": url, **more})


def image(data: Any, **members: Any) -> list[Any]:
    return block(**{"type": "image", "base64": data, "mime_type": "image/png", **members})


def pdf(data: Any, **members: Any) -> list[Any]:
    return block(**{"type": "file", "base64": data, "mime_type": "application/pdf", **members})


def file(**inner: Any) -> list[Any]:
    return block(type="file", file=inner)


def audio(data: Any, kind: Any = "wav") -> list[Any]:
    return block(type="input_audio", input_audio={"data": data, "format": kind})


FILES = "Use content_block(path) for a local file"
CONVERSATIONS: dict[str, tuple[Any, str]] = {
    "no messages": ([], "messages: Expected at least one"),
    "a block that is a number": ([HumanMessage.model_construct(content=[5])], "content[0]"),
    "half a character": ("Hi \ud800", "messages[0].content"),
    "half a character in a block": (
        [HumanMessage([{"type": "text", "text": "\ud800"}])],
        "[0].text",
    ),
    "an image by a relative path": (picture("cat.png"), FILES),
    "an image by an absolute path": (picture("/etc/passwd"), FILES),
    "an image by file:": (picture("file:///etc/passwd"), FILES),
    "an image by javascript:": (picture("javascript:alert(1)"), FILES),
    "an image by ftp:": (picture("ftp://example.com/cat.png"), FILES),
    "an image by an empty URL": (picture(""), FILES),
    "an image by None": (picture(None), "image_url.url"),
    "an image by a URL with a blank": (picture("https://example.com/a cat.png"), "space"),
    "an image by a URL with a line break": (picture("https://example.com/a\r\nX: y"), "control"),
    "a standard image by a path": (block(type="image", url="./cat.png"), FILES),
    "a file by file:": (block(type="file", url="file:///etc/passwd"), FILES),
    "an image that is not base64": (image("not base64!"), "not base64"),
    "an image in URL-safe base64": (image(b64(PNG).replace("+", "-") + "__=="), "not base64"),
    "an image unpadded": (image(b64(PNG)[:-1]), "not base64"),
    "an empty image": (image(""), "empty"),
    "an image of bytes": (image(PNG), "base64 text"),
    "a data URL without base64": (picture("data:image/png,abc"), "data URL with base64"),
    "an SVG": (picture(data_url("image/svg+xml", b"<svg xmlns='x'></svg>")), "image/svg+xml"),
    "a BMP": (picture(data_url("image/bmp", b"BM" + bytes(24))), "image/bmp"),
    "HTML for an image": (picture(data_url("image/png", b"<html></html>")), "text/html"),
    "a PNG called JPEG": (picture(data_url("image/jpeg", PNG)), "image/png"),
    "an unknown detail": (picture(URL, detail="max"), "'low', 'high' or 'auto'"),
    "a PDF that is none": (pdf(b64(b"Hello")), "not a PDF"),
    "a PDF that is an image": (pdf(b64(PNG)), "image/png"),
    "a PDF that is not base64": (pdf("no!"), "not base64"),
    "an empty PDF": (pdf(""), "empty"),
    "a PDF named with a line break": (pdf(b64(PDF), filename="a\r\nb.pdf"), "plain name"),
    "a PDF named with a NUL": (pdf(b64(PDF), filename="a\0.pdf"), "plain name"),
    "a PDF named with a path": (pdf(b64(PDF), filename="../a.pdf"), "without a path"),
    "a PDF by URL, named with a path": (block(type="file", url=URL, filename="../a"), "a path"),
    "a path for a PDF's data": (file(file_data="/tmp/a.pdf", filename="a.pdf"), FILES),
    "two sources of a file": (file(file_data=PDF_URL, file_id="file-1"), "exactly one"),
    "no source of a file": (file(filename="a.pdf"), "exactly one"),
    "two sources of a standard file": (pdf(b64(PDF), url=URL), "one"),
    "two sources of a standard image": (image(b64(PNG), url=URL), "one"),
    "audio of an unknown format": (audio(b64(b"OggS" + bytes(24)), "ogg"), "audio/ogg"),
    "an MP3 called WAV": (audio(b64(MP3), "wav"), "audio/mpeg"),
    "audio that is not base64": (audio("no!"), "not base64"),
    "empty audio": (audio(""), "empty"),
    "a URL for audio": (audio("https://example.com/a.wav"), "not base64"),
}


@pytest.mark.parametrize(("messages", "hint"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_conversation_is_refused_before_any_request(
    model: ChatOrq, router: OfflineRouter, messages: Any, hint: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke(messages)
    assert hint in str(caught.value)
    assert router.requests == []


OF_LANGCHAIN = [
    (None, "Invalid input type"),
    ([("boss", "Hi")], "boss"),
    ([("user", None)], "content"),
]


@pytest.mark.parametrize(("messages", "hint"), OF_LANGCHAIN)
def test_what_langchain_itself_refuses_is_a_value_error(
    model: ChatOrq, router: OfflineRouter, messages: Any, hint: str
) -> None:
    with pytest.raises(ValueError, match=hint):
        model.invoke(messages)
    assert router.requests == []


def test_an_image_over_20_mb_is_refused_without_repeating_it(
    model: ChatOrq, router: OfflineRouter
) -> None:
    with pytest.raises(RouterInputError, match=r"20\.0 MB; at most 20 MB") as caught:
        model.invoke(image(b64(PNG + bytes(20 * MB))))
    assert len(str(caught.value)) < 300
    assert router.requests == []


def test_base64_given_as_a_url_is_not_repeated_in_the_error(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke(picture(b64(PNG * 100)))
    assert len(str(caught.value)) < 300


def deep(levels: int) -> Any:
    nest: Any = {}
    for _ in range(levels):
        nest = {"a": nest}
    return nest


def circle() -> Any:
    around: dict[str, Any] = {}
    around["a"] = around
    return around


PAYLOADS: dict[str, tuple[Any, str]] = {
    "an object": (object(), "x: object"),
    "bytes": ({"y": [b"a"]}, "x.y[0]: bytes"),
    "a set": ({"y": {1}}, "x.y: set"),
    "NaN": ({"y": [NAN]}, "x.y[0]"),
    "infinity": (INFINITY, "x"),
    "half a character": ({"y": "\ud800"}, "x.y"),
    "a key that is no text": ({1: 2}, "x"),
    "a large number": (2**70, "x"),
    "a deep nest": (deep(260), "deep"),
    "a very deep nest": (deep(5000), "deep"),
    "a circle": (circle(), "x"),
}


@pytest.mark.parametrize(("value", "hint"), PAYLOADS.values(), ids=PAYLOADS)
def test_a_payload_that_is_not_json_is_refused_by_its_path(value: Any, hint: str) -> None:
    router = OfflineRouter(lenient=True)
    with pytest.raises((ValidationError, RouterInputError)) as caught:
        ChatOrq(model=GPT, client=router.client(), extra_body={"x": value}).invoke("Hi")
    assert hint in str(caught.value)
    assert router.requests == []


async def call(way: str, model: ChatOrq, messages: Any, kwargs: dict[str, Any]) -> None:
    match way:
        case "ainvoke":
            await model.ainvoke(messages, **kwargs)
        case "stream":
            list(model.stream(messages, **kwargs))
        case "astream":
            [_ async for _ in model.astream(messages, **kwargs)]
        case "batch":
            model.batch([messages], **kwargs)


SAMPLES: list[tuple[Any, dict[str, Any]]] = [
    ([], {}),
    (picture("cat.png"), {}),
    ("Hi \ud800", {}),
    ("Hi", {"temperature": 3}),
    ("Hi", {"xyz": 1}),
    ("Hi", {"controls": {"cache": {"ttl": 0}}}),
    ("Hi", {"tool_choice": "search"}),
    ("Hi", {"tools": [{"name": "f", "input_schema": {}}], "parallel_tool_calls": "yes"}),
]


@pytest.mark.parametrize("way", ["ainvoke", "stream", "astream", "batch"])
@pytest.mark.parametrize(("messages", "kwargs"), SAMPLES)
async def test_every_way_to_call_refuses_alike(
    model: ChatOrq, router: OfflineRouter, messages: Any, kwargs: dict[str, Any], way: str
) -> None:
    with pytest.raises(RouterInputError) as invoked:
        model.invoke(messages, **kwargs)
    with pytest.raises(RouterInputError) as caught:
        await call(way, model, messages, kwargs)
    assert str(caught.value) == str(invoked.value)
    assert router.requests == []


def fall_back_on_oneself(router: OfflineRouter, way: str) -> None:
    controls = {"fallbacks": [GPT]}
    if way == "model":
        ChatOrq(model=GPT, client=router.client(), controls=controls).invoke("Hi")
    else:
        ChatOrq(model=GPT, client=router.client()).invoke("Hi", controls=controls)


@pytest.mark.parametrize("way", ["model", "call"])
def test_a_model_that_falls_back_on_itself_is_warned_of(router: OfflineRouter, way: str) -> None:
    with pytest.warns(UserWarning, match="fallbacks"):
        fall_back_on_oneself(router, way)
