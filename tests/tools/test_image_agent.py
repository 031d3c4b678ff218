"""Agents that generate and edit images, and speak."""

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage, messages_from_dict, messages_to_dict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from support.agent_tools import GPT, invoke_runnable
from support.marks import sync_and_async
from support.picture_reader import read_text

from orq_router_integrations import ChatOrq, OfflineRouter, OrqImageTool, OrqSpeechTool
from orq_router_integrations.testing import Answer
from orq_router_integrations.tools.image_result import ImageResult
from orq_router_integrations.tools.speech_result import Speech

IMAGE_MODEL = "openai/gpt-image-1"
INPUT = {"messages": [("user", "Draw a boat, add a bird, and say so.")]}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def create_answer(call_id: str, name: str, **args: Any) -> Answer:
    return Answer(tool_calls=[{"name": name, "args": args, "id": call_id}])


def script_answer(body: dict[str, Any]) -> Answer | None:
    """Script a chat model that draws, edits the image, speaks and answers."""
    if "messages" not in body:
        return None
    tool_outputs = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    match len(tool_outputs):
        case 0:
            return create_answer("call_1", "draw_image", prompt="boat")
        case 1:
            image_id = tool_outputs[0].partition(": ")[2].partition(" ")[0]
            return create_answer("call_2", "draw_image", prompt="add a bird", image=image_id)
        case 2:
            return create_answer("call_3", "speak", text="Here is a bird.")
    return Answer("Done.")


@pytest.fixture
def router() -> OfflineRouter:
    return OfflineRouter(answers=script_answer)


def create_tools(router: OfflineRouter, **kwargs: Any) -> list[Any]:
    client = router.client()
    kwargs = {"model_args": ("image",), "size": "256x256"} | kwargs
    speech = OrqSpeechTool(model="openai/tts-1", voice="alloy", audio_format="wav", client=client)
    return [OrqImageTool(model=IMAGE_MODEL, client=client, **kwargs), speech]


def create_image_agent(router: OfflineRouter, **kwargs: Any) -> Any:
    model = ChatOrq(model=GPT, client=router.client())
    return create_agent(model, create_tools(router), **kwargs)


def get_tool_messages(messages: list[Any]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]


@sync_and_async
async def test_agent_generates_edits_and_speaks(router: OfflineRouter, is_async: bool):
    messages = (await invoke_runnable(create_image_agent(router), is_async, INPUT))["messages"]
    generated, edited, speech = get_tool_messages(messages)
    assert read_text(ImageResult.of(generated).image.read()) == "boat"
    assert read_text(ImageResult.of(edited).image.read()).endswith("Edit 1: add a bird")
    assert Speech.of(speech).seconds > 0
    assert messages[-1].text == "Done."
    paths = [request.path.removeprefix("/v3/router") for request in router.requests]
    assert [path for path in paths if path != "/chat/completions"] == [
        "/images/generations",
        "/images/edits",
        "/audio/speech",
    ]


@sync_and_async
async def test_chat_requests_contain_no_images(router: OfflineRouter, is_async: bool):
    await invoke_runnable(create_image_agent(router), is_async, INPUT)
    chats = [request for request in router.requests if request.path.endswith("completions")]
    assert max(len(json.dumps(chat.body)) for chat in chats) < 6000


@sync_and_async
async def test_images_survive_checkpoint(router: OfflineRouter, is_async: bool):
    saver = InMemorySaver(serde=JsonPlusSerializer())
    graph = create_image_agent(router, checkpointer=saver)
    config = {"config": THREAD}
    before = get_tool_messages(
        (await invoke_runnable(graph, is_async, INPUT, **config))["messages"]
    )
    restored_graph = create_image_agent(router, checkpointer=saver)
    after = get_tool_messages(restored_graph.get_state(THREAD).values["messages"])
    assert [message.artifact for message in after] == [message.artifact for message in before]
    assert read_text(ImageResult.of(after[0]).image.read()) == "boat"
    image_tool = create_tools(router)[0]
    image_tool.register_images(ImageResult.of(after[1]))
    call = {"prompt": "add a cloud", "image": ImageResult.of(after[1]).image.id}
    assert image_tool.invoke(call).startswith("1 image was edited: ")


def test_conversation_survives_json(router: OfflineRouter):
    messages = create_image_agent(router).invoke(INPUT)["messages"]
    restored = messages_from_dict(json.loads(json.dumps(messages_to_dict(messages))))
    assert restored == messages


@sync_and_async
@pytest.mark.parametrize("kwargs", [{}, {"handle_tool_error": True}], ids=["default", "handled"])
async def test_unknown_image_id_is_reported_to_model(is_async: bool, kwargs: dict[str, Any]):
    answer = create_answer("call_1", "draw_image", prompt="add a bird", image="img_000000000000")
    router = OfflineRouter(answers={GPT: [answer, "I see."]})
    model = ChatOrq(model=GPT, client=router.client())
    agent = create_agent(model, create_tools(router, **kwargs))
    messages = (await invoke_runnable(agent, is_async, INPUT))["messages"]
    (message,) = get_tool_messages(messages)
    assert message.status == "error"
    assert "'img_000000000000' is not an image of this tool" in message.content
    assert messages[-1].text == "I see."
    assert all(request.path.endswith("completions") for request in router.requests)
