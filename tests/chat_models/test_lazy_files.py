"""Files of ``content_block(path, lazy=True)``, which are read while a request is sent."""

import base64
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps, loads
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from support.scripted_router import Script, create_client, respond

from orq_router_integrations import ChatOrq, OfflineRouter, RouterError, content_block
from orq_router_integrations.errors import RouterInputError

ASSETS = Path(__file__).parents[1] / "assets"
SERIALIZER = JsonPlusSerializer()
FILENAMES = ["dummy.pdf", "diagram.png", "bird.wav"]
each_file = pytest.mark.parametrize("filename", FILENAMES)


class StartRecorder(BaseCallbackHandler):
    """Records the messages that tracers receive."""

    def __init__(self) -> None:
        self.messages: Any = None

    def on_chat_model_start(self, _: Any, messages: Any, **__: Any) -> None:
        self.messages = messages


def create_model(script: Script) -> ChatOrq:
    return ChatOrq(model="openai/gpt-4o", client=create_client(script))


def create_messages(*blocks: Any) -> list[HumanMessage]:
    return [HumanMessage([*blocks, "What is this?"])]


@each_file
def test_request_is_the_same_as_for_a_file_read_before(filename: str) -> None:
    script = Script()
    model = create_model(script)
    for lazy in (True, False):
        model.invoke(create_messages(content_block(ASSETS / filename, lazy=lazy)))
    assert script.requests[0].content == script.requests[1].content
    lengths = script.headers("content-length")
    assert lengths[0] == lengths[1]


@each_file
async def test_async_request_is_the_same(filename: str) -> None:
    script = Script()
    model = create_model(script)
    for lazy in (True, False):
        await model.ainvoke(create_messages(content_block(ASSETS / filename, lazy=lazy)))
    bodies = [await request.aread() for request in script.requests]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_offline_router_receives_the_file(api: str) -> None:
    router = OfflineRouter()
    model = ChatOrq(model="openai/gpt-4o", api=api, client=router.client())
    lazy, eager = (content_block(ASSETS / "dummy.pdf", lazy=lazy) for lazy in (True, False))
    assert model.invoke(create_messages(lazy)).text == model.invoke(create_messages(eager)).text


def test_retry_reads_the_file_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    script = Script(respond(503), respond())
    create_model(script).invoke(create_messages(content_block(ASSETS / "dummy.pdf", lazy=True)))
    first, second = (request.content for request in script.requests)
    assert first == second


def test_traces_and_json_have_a_note_instead_of_the_content() -> None:
    block = content_block(ASSETS / "dummy.pdf", lazy=True)
    recorder = StartRecorder()
    create_model(Script()).invoke(create_messages(block), config={"callbacks": [recorder]})
    serialized = dumps(recorder.messages)
    assert "dummy.pdf" in serialized
    assert len(serialized) < 1000
    assert "dummy.pdf" in json.dumps(block)


COPIES: dict[str, Any] = {
    "json": lambda messages: [HumanMessage(json.loads(json.dumps(messages[0].content)))],
    "dumps": lambda messages: loads(dumps(messages), allowed_objects="messages"),
    "pickle": lambda messages: pickle.loads(pickle.dumps(messages)),
    "checkpoint": lambda messages: SERIALIZER.loads_typed(SERIALIZER.dumps_typed(messages)),
    "prompt template": lambda messages: ChatPromptTemplate.from_messages(
        [("user", messages[0].content)]
    ).format_messages(),
}


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@each_file
@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_serialized_block_raises_because_its_file_is_lost(copy: Any, filename: str) -> None:
    script = Script()
    messages = copy(create_messages(content_block(ASSETS / filename, lazy=True)))
    with pytest.raises(
        RouterInputError, match=r"content\[0\]: .*block has lost its file.*lazy=False"
    ):
        create_model(script).invoke(messages)
    assert script.sent == 0


def test_file_that_changed_or_disappeared_raises(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7 short")
    block = content_block(path, lazy=True)
    path.write_bytes(b"%PDF-1.7 and now longer")
    with pytest.raises(RouterInputError, match=r"a\.pdf.* changed"):
        create_model(Script()).invoke(create_messages(block))
    path.unlink()
    with pytest.raises(RouterError, match=r"a\.pdf"):
        create_model(Script()).invoke(create_messages(block))


def test_text_file_is_read_at_creation(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Hello")
    assert content_block(path, lazy=True) == content_block(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [(b"%PDF-1.7 x", "lazy=True requires a path"), (None, "Expected a path, .*, got NoneType")],
    ids=["bytes", "None"],
)
def test_lazy_without_a_path_raises(source: Any, message: str) -> None:
    with pytest.raises(RouterInputError, match=message):
        content_block(source, lazy=True)


def test_invalid_file_raises_at_creation(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + bytes(100))
    with pytest.raises(RouterInputError, match="image/bmp"):
        content_block(path, lazy=True)


@each_file
def test_token_estimate_counts_a_file_of_usual_size(filename: str) -> None:
    messages = create_messages(content_block(ASSETS / filename, lazy=True))
    assert create_model(Script()).get_num_tokens_from_messages(messages) > 50


def test_long_base64_text_is_sent_completely() -> None:
    script = Script()
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(1_000_000)).decode()
    block = {"type": "image", "base64": data, "mime_type": "image/png"}
    create_model(script).invoke(create_messages(block))
    part = json.loads(script.requests[0].content)["messages"][0]["content"][0]
    assert part == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def test_cache_distinguishes_files_of_equal_size(tmp_path: Path) -> None:
    """LangChain's caches see the placeholder only."""
    router = OfflineRouter()
    model = ChatOrq("openai/gpt-4o", client=router.client(), cache=InMemoryCache())
    path = tmp_path / "scan.pdf"
    for content in (b"%PDF-1.7 one", b"%PDF-1.7 two"):
        path.write_bytes(content)
        os.utime(path, (len(router.log), len(router.log)))
        for _ in range(2):
            model.invoke(create_messages(content_block(path, lazy=True)))
    assert len(router.log) == 2
