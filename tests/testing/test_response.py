"""Lone surrogates, which JavaScript servers send, in answers and errors."""

import pytest

from orq_router_integrations import ChatOrq
from orq_router_integrations.testing import Answer, Fault, OfflineRouter

GPT = "openai/gpt-4o"
HALF = "half \ud83d"
ANSWERS = {
    "text": (Answer(HALF), rb'"half \ud83d"'),
    "arguments": (
        Answer(tool_calls=[{"name": "f", "args": {"a": HALF}}]),
        rb"{\"a\":\"half \\ud83d\"}",
    ),
    "words": (Answer(tool_calls=[{"name": "f", "args": HALF}]), rb'"arguments":"half \ud83d"'),
    "reasoning": (Answer("So.", reasoning=HALF), rb'"half \ud83d"'),
}
each_endpoint = pytest.mark.parametrize("fixture", ["create_chat", "create_responses"])


@each_endpoint
@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_answers_are_escaped(request, fixture, answer, expected):
    chat = request.getfixturevalue(fixture)(answers=lambda _: answer)
    assert expected in chat.post().content
    assert chat.post(stream=True).status_code == 200


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_client_replaces_lone_surrogates(api):
    model = ChatOrq(model=GPT, client=OfflineRouter(answers={GPT: HALF}).client(), api=api)
    texts = [model.invoke("Hi").text, (await model.ainvoke("Hi")).text]
    texts.append("".join(chunk.text for chunk in model.stream("Hi")))
    texts.append("".join([chunk.text async for chunk in model.astream("Hi")]))
    assert texts == ["half \ufffd"] * 4


@pytest.mark.parametrize("body", [None, {"message": HALF}])
def test_faults_are_escaped(create_chat, body):
    chat = create_chat(faults={GPT: Fault(status=400, message=HALF, body=body)})
    assert rb"half \ud83d" in chat.post().content


def test_plain_text_replaces_lone_surrogates(create_chat):
    chat = create_chat(faults={GPT: Fault(status=400, body=HALF)})
    assert chat.post().text == "half ?"
