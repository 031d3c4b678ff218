"""Agents that generate and edit images, and speak."""

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage, messages_from_dict, messages_to_dict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from support.agent_tools import GPT, called, every_way
from support.picture_reader import words

from orq_router_integrations import ChatOrq, OfflineRouter, OrqImageTool, OrqSpeechTool
from orq_router_integrations.testing import Answer, ToolCall
from orq_router_integrations.tools.image_result import ImageResult
from orq_router_integrations.tools.speech_result import Speech

PAINTER = "openai/gpt-image-1"
ASKED = {"messages": [("user", "Draw a boat, add a bird, and say so.")]}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def answers(body: dict[str, Any]) -> Answer | None:
    """The plan: draw, edit what was drawn, speak, tell. What is no chat is not scripted."""
    if "messages" not in body:
        return None
    told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    match len(told):
        case 0:
            return Answer(tool_calls=(ToolCall("draw_image", {"prompt": "boat"}),))
        case 1:
            drawn = told[0].partition(": ")[2].partition(" ")[0]
            edit = {"prompt": "add a bird", "image": drawn}
            return Answer(tool_calls=(ToolCall("draw_image", edit),))
        case 2:
            return Answer(tool_calls=(ToolCall("speak", {"text": "Here is a bird."}),))
    return Answer("Done.")


@pytest.fixture
def router() -> OfflineRouter:
    return OfflineRouter(answers=answers)


def tools(router: OfflineRouter, **given: Any) -> list[Any]:
    client = router.client()
    opened = {"model_args": ("image",), "size": "256x256"}
    speech = OrqSpeechTool(model="openai/tts-1", voice="alloy", audio_format="wav", client=client)
    return [OrqImageTool(model=PAINTER, client=client, **opened | given), speech]


def agent(router: OfflineRouter, **given: Any) -> Any:
    model = ChatOrq(model=GPT, client=router.client())
    return create_agent(model, tools(router), **given)


def results(messages: list[Any]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]


@every_way
async def test_agent_generates_edits_and_speaks(router: OfflineRouter, awaited: bool):
    messages = (await called(agent(router), awaited, ASKED))["messages"]
    drawn, edited, spoken = results(messages)
    assert words(ImageResult.of(drawn).image.read()) == "boat"
    assert words(ImageResult.of(edited).image.read()).endswith("Edit 1: add a bird")
    assert Speech.of(spoken).seconds > 0
    assert messages[-1].text == "Done."
    paths = [request.path.removeprefix("/v3/router") for request in router.requests]
    assert [path for path in paths if path != "/chat/completions"] == [
        "/images/generations",
        "/images/edits",
        "/audio/speech",
    ]


@every_way
async def test_chat_requests_contain_no_images(router: OfflineRouter, awaited: bool):
    await called(agent(router), awaited, ASKED)
    chats = [request for request in router.requests if request.path.endswith("completions")]
    assert max(len(json.dumps(chat.body)) for chat in chats) < 6000


@every_way
async def test_images_survive_checkpoint(router: OfflineRouter, awaited: bool):
    saver = InMemorySaver(serde=JsonPlusSerializer())
    graph = agent(router, checkpointer=saver)
    config = {"config": THREAD}
    before = results((await called(graph, awaited, ASKED, **config))["messages"])
    later = agent(router, checkpointer=saver)
    after = results(later.get_state(THREAD).values["messages"])
    assert [message.artifact for message in after] == [message.artifact for message in before]
    assert words(ImageResult.of(after[0]).image.read()) == "boat"
    painter = tools(router)[0]
    painter.register_images(ImageResult.of(after[1]))
    call = {"prompt": "add a cloud", "image": ImageResult.of(after[1]).image.id}
    assert painter.invoke(call).startswith("1 image was edited: ")


def test_conversation_survives_json(router: OfflineRouter):
    messages = agent(router).invoke(ASKED)["messages"]
    restored = messages_from_dict(json.loads(json.dumps(messages_to_dict(messages))))
    assert restored == messages


@every_way
@pytest.mark.parametrize("given", [{}, {"handle_tool_error": True}], ids=["usual", "asked for"])
async def test_unknown_image_id_is_reported_to_model(awaited: bool, given: dict[str, Any]):
    wrong = ToolCall("draw_image", {"prompt": "add a bird", "image": "img_000000000000"})
    router = OfflineRouter(answers={GPT: [Answer(tool_calls=(wrong,)), "I see."]})
    model = ChatOrq(model=GPT, client=router.client())
    lenient = create_agent(model, tools(router, **given))
    messages = (await called(lenient, awaited, ASKED))["messages"]
    (answer,) = results(messages)
    assert answer.status == "error"
    assert "'img_000000000000' is not an image of this tool" in answer.content
    assert messages[-1].text == "I see."
    assert all(request.path.endswith("completions") for request in router.requests)
