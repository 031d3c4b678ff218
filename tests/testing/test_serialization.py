"""Half characters (lone surrogates), which servers in JavaScript send: clients can be tried."""

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
both_desks = pytest.mark.parametrize("kind", ["create_chat", "create_responses"])


@both_desks
@pytest.mark.parametrize(("answer", "written"), ANSWERS.values(), ids=ANSWERS)
def test_they_are_sent_as_escapes(request, kind, answer, written):
    chat = request.getfixturevalue(kind)(answers={GPT: answer})
    assert written in chat.post().content
    assert chat.post(stream=True).status_code == 200


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_a_client_replaces_them_whichever_way_it_asks(api):
    model = ChatOrq(model=GPT, client=OfflineRouter(answers={GPT: HALF}).client(), api=api)
    texts = [model.invoke("Hi").text, (await model.ainvoke("Hi")).text]
    texts.append("".join(chunk.text for chunk in model.stream("Hi")))
    texts.append("".join([chunk.text async for chunk in model.astream("Hi")]))
    assert texts == ["half \ufffd"] * 4


def test_tokens_with_odds_have_them_too(create_chat):
    (choice,) = create_chat(answers={GPT: HALF}).complete(logprobs=True)["choices"]
    assert bytes(choice["logprobs"]["content"][1]["bytes"]).decode() == "\ufffd"


@pytest.mark.parametrize("body", [None, {"message": HALF}])
def test_so_do_faults(create_chat, body):
    chat = create_chat(faults={GPT: Fault(status=400, message=HALF, body=body)})
    assert rb"half \ud83d" in chat.post().content


def test_a_plain_text_has_no_escapes(create_chat):
    chat = create_chat(faults={GPT: Fault(status=400, body=HALF)})
    assert chat.post().text == "half \ufffd"
