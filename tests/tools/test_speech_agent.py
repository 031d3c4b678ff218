"""Agents that speak: the model gets a sentence, the program gets the audio."""

import json
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage, messages_from_dict, messages_to_dict
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import ValidationError
from support.speaking import TTS, every_way, heard, speaker, streamed

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError, StreamInterruptedError
from orq_router_integrations.testing import Answer, Fault, ToolCall
from orq_router_integrations.tools.speech_result import Speech

GPT = "openai/gpt-4o"
TEXT = "Hello from the agent."


def told_to_speak(**args: Any) -> OfflineRouter:
    """A router whose chat model calls the tool once, then says that it did."""
    call = ToolCall("speak", {"text": TEXT, **args}, id="c1")
    return OfflineRouter(answers={GPT: [Answer(tool_calls=(call,)), "There you are."]})


async def run(agent: Any, awaited: bool) -> ToolMessage:
    asked, config = {"messages": [("user", "Greet me.")]}, {"configurable": {"thread_id": "t"}}
    result = await agent.ainvoke(asked, config) if awaited else agent.invoke(asked, config)
    (message,) = [item for item in result["messages"] if isinstance(item, ToolMessage)]
    assert result["messages"][-1].text == "There you are."
    return message


@every_way
async def test_the_audio_survives_a_checkpoint_and_json(awaited: bool) -> None:
    router = told_to_speak()
    saver = InMemorySaver()
    model = ChatOrq(model=GPT, client=router.client())
    agent = create_agent(model, [speaker(router)], checkpointer=saver)
    message = await run(agent, awaited)
    kept = agent.get_state({"configurable": {"thread_id": "t"}}).values["messages"]
    (restored,) = messages_from_dict(json.loads(json.dumps(messages_to_dict(kept))))[2:3]
    for found in (message, kept[2], restored):
        assert heard(Speech.of(found).data) == TEXT


@every_way
async def test_the_model_sees_a_sentence_and_no_audio(awaited: bool) -> None:
    router = told_to_speak()
    message = await run(
        create_agent(ChatOrq(model=GPT, client=router.client()), [speaker(router)]), awaited
    )
    seen = [request.body for request in router.requests if "messages" in request.body]
    assert seen[-1]["messages"][-1]["content"] == message.content
    assert message.content.startswith("The text was spoken: ")
    assert len(json.dumps(seen)) < 3000
    offered = seen[0]["tools"][0]["function"]
    assert list(offered["parameters"]["properties"]) == ["text"]


@every_way
async def test_what_is_opened_to_the_model_is_its_choice(awaited: bool) -> None:
    router = told_to_speak(voice="nova", speed=2)
    tool = speaker(router, open_args=("voice", "speed"))
    await run(create_agent(ChatOrq(model=GPT, client=router.client()), [tool]), awaited)
    spoken = next(call.body for call in router.log if call.path == "/audio/speech")
    assert (spoken["voice"], spoken["speed"]) == ("nova", 2)


@every_way
async def test_a_wrong_choice_is_told_to_the_model(awaited: bool) -> None:
    router = told_to_speak(voice="nova")
    model = ChatOrq(model=GPT, client=router.client())
    message = await run(create_agent(model, [speaker(router)]), awaited)
    assert (message.status, message.artifact) == ("error", None)
    assert "voice" in message.content
    assert [call.path for call in router.log] == ["/chat/completions"] * 2


@every_way
async def test_files_go_to_the_folder_under_the_suffix_of_what_they_hold(
    awaited: bool, tmp_path
) -> None:
    router = told_to_speak()
    tool = speaker(router, directory=tmp_path, format="mp3")
    message = await run(create_agent(ChatOrq(model=GPT, client=router.client()), [tool]), awaited)
    speech = Speech.of(message)
    (file,) = tmp_path.iterdir()
    assert (speech.path, speech.data, file.suffix) == (str(file), None, ".wav")
    assert "base64" not in message.artifact
    assert str(file) in message.content
    assert heard(speech.read()) == TEXT


@every_way
async def test_callbacks_hear_of_the_tool(awaited: bool) -> None:
    class Ears(BaseCallbackHandler):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def on_tool_start(self, serialized: Any, input_str: str, **_: Any) -> None:
            self.heard.append(f"start {serialized['name']} {input_str}")

        def on_tool_end(self, output: Any, **_: Any) -> None:
            self.heard.append(f"end {output}"[:24])

        def on_tool_error(self, error: BaseException, **_: Any) -> None:
            self.heard.append(f"error {type(error).__name__}")

    ears = Ears()
    tool, config = speaker(), {"callbacks": [ears]}
    await tool.ainvoke(TEXT, config) if awaited else tool.invoke(TEXT, config)
    assert ears.heard == [f"start speak {TEXT}", "end The text was spoken:"]
    ears.heard.clear()
    size = len(b"".join(await streamed(tool, awaited, {"text": TEXT}, config)))
    assert ears.heard == [f"start speak {{'text': '{TEXT}'}}", f"end {size} bytes of wav a"]
    ears.heard.clear()
    broken = speaker(OfflineRouter(faults={TTS: Fault(cut_after=1)}))
    with pytest.raises(StreamInterruptedError):
        await streamed(broken, awaited, TEXT, config)
    assert ears.heard == [f"start speak {TEXT}", "error StreamInterruptedError"]


@every_way
async def test_a_stream_left_early_has_ended(awaited: bool) -> None:
    ended = []

    class Ears(BaseCallbackHandler):
        def on_tool_end(self, output: Any, **_: Any) -> None:
            ended.append(output)

    config = {"callbacks": [Ears()]}
    if awaited:
        async with aclosing(speaker().astream(TEXT, config)) as audio:
            await anext(audio)
    else:
        with closing(speaker().stream(TEXT, config)) as audio:
            next(audio)
    assert ended == ["4096 bytes of wav audio"]


async def test_in_a_chain_the_audio_is_what_streams() -> None:
    chain = RunnableLambda(str.upper) | speaker()
    assert chain.invoke(TEXT).startswith("The text was spoken: ")
    for whole in (list(chain.stream(TEXT)), [data async for data in chain.astream(TEXT)]):
        assert b"".join(whole)[44:] == speaker().synthesize(TEXT.upper()).data[44:]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    router = OfflineRouter()
    with pytest.raises(ValidationError, match="is not a directory"):
        speaker(router, directory=tmp_path / "no")
    (tmp_path / "no").mkdir()
    tool = speaker(router, directory=tmp_path / "no")
    (tmp_path / "no").rmdir()
    with pytest.raises(RouterInputError, match="is not a directory"):
        tool.invoke({"text": TEXT})
    assert router.requests == []
    assert speaker(router, model=TTS).invoke(TEXT)
