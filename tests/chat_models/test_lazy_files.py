"""Files that are read while a request is being sent."""

import base64
import json
import pickle
from pathlib import Path

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps, loads
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from support.scripted_router import Script, client_of, says, streams

from orq_router_integrations import ChatOrq, OfflineRouter, RouterError, content_block
from orq_router_integrations.errors import RouterInputError

ASSETS = Path(__file__).parents[1] / "assets"
SERDE = JsonPlusSerializer()
FILES = ["dummy.pdf", "diagram.png", "bird.wav"]
CHAT, RESPONSES = "chat_completions", "responses"


class Tracer(BaseCallbackHandler):
    def on_chat_model_start(self, _, messages, **__) -> None:
        self.seen = messages


def answered(script: Script) -> ChatOrq:
    return ChatOrq(model="openai/gpt-4o", client=client_of(script))


def asked(*blocks) -> list[HumanMessage]:
    return [HumanMessage([*blocks, "What is this?"])]


@pytest.mark.parametrize("name", FILES)
def test_the_request_is_the_same_as_with_the_file_read_at_once(name):
    script = Script()
    model = answered(script)
    for lazy in (True, False):
        model.invoke(asked(content_block(ASSETS / name, lazy=lazy)))
    assert script.requests[0].content == script.requests[1].content
    lengths = script.headers("content-length")
    assert lengths[0] == lengths[1]


@pytest.mark.parametrize("name", FILES)
async def test_async_requests_too(name):
    script = Script()
    model = answered(script)
    for lazy in (True, False):
        await model.ainvoke(asked(content_block(ASSETS / name, lazy=lazy)))
    bodies = [await request.aread() for request in script.requests]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("api", [CHAT, RESPONSES])
def test_the_offline_router_sees_the_file(api):
    router = OfflineRouter()
    model = ChatOrq(model="openai/gpt-4o", api=api, client=router.client())
    lazy, ready = (content_block(ASSETS / "dummy.pdf", lazy=lazy) for lazy in (True, False))
    assert model.invoke(asked(lazy)).text == model.invoke(asked(ready)).text


def test_a_retry_reads_the_file_again(monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    script = Script(says(503), says())
    answered(script).invoke(asked(content_block(ASSETS / "dummy.pdf", lazy=True)))
    first, second = (request.content for request in script.requests)
    assert first == second


def test_tracers_and_json_get_a_note_and_no_contents():
    block = content_block(ASSETS / "dummy.pdf", lazy=True)
    tracer = Tracer()
    answered(Script()).invoke(asked(block), config={"callbacks": [tracer]})
    written = dumps(tracer.seen)
    assert "dummy.pdf" in written
    assert len(written) < 1000
    assert "dummy.pdf" in json.dumps(block)


WRITTEN_DOWN = {
    "json": lambda messages: [HumanMessage(json.loads(json.dumps(messages[0].content)))],
    "dumps": lambda messages: loads(dumps(messages), allowed_objects="messages"),
    "pickle": lambda messages: pickle.loads(pickle.dumps(messages)),
    "a checkpoint": lambda messages: SERDE.loads_typed(SERDE.dumps_typed(messages)),
    "a prompt template": lambda messages: ChatPromptTemplate.from_messages(
        [("user", messages[0].content)]
    ).format_messages(),
}


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("again", WRITTEN_DOWN.values(), ids=WRITTEN_DOWN)
def test_a_block_that_was_written_down_has_lost_its_file(again, name):
    script = Script()
    messages = again(asked(content_block(ASSETS / name, lazy=True)))
    with pytest.raises(RouterInputError, match=r"content\[0\]: .*lazy block was lost.*lazy=False"):
        answered(script).invoke(messages)
    assert script.sent == 0


def test_a_file_that_changed_meanwhile_is_an_input_error(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7 short")
    block = content_block(path, lazy=True)
    path.write_bytes(b"%PDF-1.7 and now longer")
    with pytest.raises(RouterInputError, match=r"a\.pdf changed"):
        answered(Script()).invoke(asked(block))
    path.unlink()
    with pytest.raises(RouterError, match=r"a\.pdf"):
        answered(Script()).invoke(asked(block))


def test_text_files_are_read_at_once(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Hello")
    assert content_block(path, lazy=True) == content_block(path)


@pytest.mark.parametrize("source", [b"%PDF-1.7 x", None])
def test_only_paths_can_be_read_later(source):
    with pytest.raises(RouterInputError, match="lazy=True requires a path"):
        content_block(source, lazy=True)


def test_what_is_wrong_with_a_file_is_told_at_once(tmp_path):
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + bytes(100))
    with pytest.raises(RouterInputError, match="image/bmp"):
        content_block(path, lazy=True)


def test_tokens_of_a_file_that_is_not_read_are_those_of_a_usual_one():
    model = answered(Script())
    for name in FILES:
        messages = asked(content_block(ASSETS / name, lazy=True))
        assert model.get_num_tokens_from_messages(messages) > 50


def test_a_long_picture_given_as_base64_is_sent_whole():
    script = Script(says(), streams())
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(1_000_000)).decode()
    block = {"type": "image", "base64": data, "mime_type": "image/png"}
    model = answered(script)
    model.invoke(asked(block))
    part = json.loads(script.requests[0].content)["messages"][0]["content"][0]
    assert part == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
