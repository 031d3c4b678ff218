"""Agents that speak: the model gets a summary, the program gets the audio."""

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
from support.marks import sync_and_async
from support.speech_tools import (
    ELEVEN,
    TTS,
    collect_stream,
    create_tool,
    recognize,
)

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError, StreamInterruptedError
from orq_router_integrations.testing import Answer, Fault
from orq_router_integrations.tools.speech_result import Speech

GPT = "openai/gpt-4o"
TEXT = "Hello from the agent."


def create_router(**args: Any) -> OfflineRouter:
    """Create a router whose chat model calls the tool once, and then answers."""
    call = {"name": "speak", "args": {"text": TEXT, **args}, "id": "c1"}
    return OfflineRouter(answers={GPT: [Answer(tool_calls=(call,)), "I greeted you."]})


async def run(agent: Any, is_async: bool) -> ToolMessage:
    input_, config = {"messages": [("user", "Greet me.")]}, {"configurable": {"thread_id": "t"}}
    result = await agent.ainvoke(input_, config) if is_async else agent.invoke(input_, config)
    (message,) = [item for item in result["messages"] if isinstance(item, ToolMessage)]
    assert result["messages"][-1].text == "I greeted you."
    return message


@sync_and_async
async def test_audio_survives_checkpoint_and_json(is_async: bool) -> None:
    router = create_router()
    saver = InMemorySaver()
    model = ChatOrq(model=GPT, client=router.client())
    agent = create_agent(model, [create_tool(router)], checkpointer=saver)
    message = await run(agent, is_async)
    messages = agent.get_state({"configurable": {"thread_id": "t"}}).values["messages"]
    (restored,) = messages_from_dict(json.loads(json.dumps(messages_to_dict(messages))))[2:3]
    for item in (message, messages[2], restored):
        assert recognize(Speech.of(item).data) == TEXT


@sync_and_async
async def test_model_sees_summary_without_audio(is_async: bool) -> None:
    router = create_router()
    message = await run(
        create_agent(ChatOrq(model=GPT, client=router.client()), [create_tool(router)]), is_async
    )
    bodies = [request.body for request in router.requests if "messages" in request.body]
    assert bodies[-1]["messages"][-1]["content"] == message.content
    assert message.content.startswith("The text was spoken: ")
    assert len(json.dumps(bodies)) < 3000
    schema = bodies[0]["tools"][0]["function"]
    assert list(schema["parameters"]["properties"]) == ["text"]


@sync_and_async
async def test_model_sets_model_args(is_async: bool) -> None:
    router = create_router(voice="nova", speed=2)
    tool = create_tool(router, model_args=("voice", "speed"))
    await run(create_agent(ChatOrq(model=GPT, client=router.client()), [tool]), is_async)
    body = next(call.body for call in router.log if call.path == "/audio/speech")
    assert (body["voice"], body["speed"]) == ("nova", 2)


@sync_and_async
async def test_unexpected_argument_is_reported_to_model(is_async: bool) -> None:
    router = create_router(voice="nova")
    model = ChatOrq(model=GPT, client=router.client())
    message = await run(create_agent(model, [create_tool(router)]), is_async)
    assert (message.status, message.artifact) == ("error", None)
    assert "voice" in message.content
    assert [call.path for call in router.log] == ["/chat/completions"] * 2


@sync_and_async
async def test_file_in_directory_has_suffix_of_detected_format(is_async: bool, tmp_path) -> None:
    router = create_router()
    tool = create_tool(router, model=ELEVEN, directory=tmp_path, audio_format="mp3")
    message = await run(create_agent(ChatOrq(model=GPT, client=router.client()), [tool]), is_async)
    speech = Speech.of(message)
    (file,) = tmp_path.iterdir()
    assert (speech.path, speech.data, file.suffix) == (str(file), None, ".wav")
    assert "base64" not in message.artifact
    assert str(file) in message.content
    assert recognize(speech.read()) == TEXT


@sync_and_async
async def test_callbacks_trace_invoke_and_stream(is_async: bool) -> None:
    class RunRecorder(BaseCallbackHandler):
        def __init__(self) -> None:
            self.events: list[str] = []

        def on_tool_start(self, serialized: Any, input_str: str, **_: Any) -> None:
            self.events.append(f"start {serialized['name']} {input_str}")

        def on_tool_end(self, output: Any, **_: Any) -> None:
            self.events.append(f"end {output}"[:24])

        def on_tool_error(self, error: BaseException, **_: Any) -> None:
            self.events.append(f"error {type(error).__name__}")

    recorder = RunRecorder()
    tool, config = create_tool(), {"callbacks": [recorder]}
    await tool.ainvoke(TEXT, config) if is_async else tool.invoke(TEXT, config)
    assert recorder.events == [f"start speak {TEXT}", "end The text was spoken:"]
    recorder.events.clear()
    size = len(b"".join(await collect_stream(tool, is_async, {"text": TEXT}, config)))
    assert recorder.events == [f"start speak {{'text': '{TEXT}'}}", f"end {size} bytes of wav a"]
    recorder.events.clear()
    broken = create_tool(OfflineRouter(faults={TTS: Fault(cut_after=1)}))
    with pytest.raises(StreamInterruptedError):
        await collect_stream(broken, is_async, TEXT, config)
    assert recorder.events == [f"start speak {TEXT}", "error StreamInterruptedError"]


@sync_and_async
async def test_stream_closed_early_is_traced_as_ended(is_async: bool) -> None:
    outputs = []

    class RunRecorder(BaseCallbackHandler):
        def on_tool_end(self, output: Any, **_: Any) -> None:
            outputs.append(output)

    config = {"callbacks": [RunRecorder()]}
    if is_async:
        async with aclosing(create_tool().astream(TEXT, config)) as audio:
            await anext(audio)
    else:
        with closing(create_tool().stream(TEXT, config)) as audio:
            next(audio)
    assert outputs == ["4096 bytes of wav audio"]


async def test_chain_streams_audio() -> None:
    chain = RunnableLambda(str.upper) | create_tool()
    assert chain.invoke(TEXT).startswith("The text was spoken: ")
    for chunks in (list(chain.stream(TEXT)), [data async for data in chain.astream(TEXT)]):
        assert b"".join(chunks)[44:] == create_tool().synthesize(TEXT.upper()).data[44:]


def test_missing_directory_raises(tmp_path: Path) -> None:
    router = OfflineRouter()
    with pytest.raises(ValidationError, match="is not a directory"):
        create_tool(router, directory=tmp_path / "no")
    (tmp_path / "no").mkdir()
    tool = create_tool(router, directory=tmp_path / "no")
    (tmp_path / "no").rmdir()
    with pytest.raises(RouterInputError, match="is not a directory"):
        tool.invoke({"text": TEXT})
    assert router.requests == []
    assert create_tool(router, model=TTS).invoke(TEXT)
