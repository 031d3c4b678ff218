"""Scripts that could never do what their writer meant are refused at once."""

import httpx
import pytest

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import ServerError

GPT = "openai/gpt-4o"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({"faults": {"gpt-4o": 503}}, "provider/model"),
        ({"faults": {GPT: "503"}}, "not '503'"),
        ({"faults": {GPT: [None]}}, "not None"),
        ({"answers": "Hello"}, "a mapping or a function"),
        ({"answers": {"Hi": 5}}, "not 5"),
        ({"answers": {"Hi": []}}, "an empty list"),
    ],
)
def test_a_script_that_can_never_fire_is_refused(script, said):
    with pytest.raises(ValueError, match=said):
        OfflineRouter(**script)


def test_the_words_of_a_fault_arrive_as_they_were_written():
    router = OfflineRouter(faults={GPT: 503})
    with pytest.raises(ServerError) as raised:
        ChatOrq(model=GPT, client=router.client(max_retries=0)).invoke("Hi")
    assert raised.value.message == f"{GPT} answered 503 (a fault of the offline router)"


def test_a_picture_that_a_tool_returned_is_no_new_question():
    picture = {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}
    call = {"id": "c1", "type": "function", "function": {"name": "draw", "arguments": "{}"}}
    draw = {"name": "draw", "parameters": {"type": "object", "properties": {}}}
    body = {
        "model": GPT,
        "tools": [{"type": "function", "function": draw}],
        "messages": [
            {"role": "user", "content": "Please draw a cat"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "drawn"},
            {"role": "user", "content": [picture]},
        ],
    }
    http = httpx.Client(transport=OfflineRouter().transport, headers={"Authorization": "Bearer x"})
    reply = http.post("https://h/v3/router/chat/completions", json=body).json()
    message = reply["choices"][0]["message"]
    assert "tool_calls" not in message
    assert "Please draw a cat" in message["content"]


def test_a_body_nested_too_deep_is_a_400_even_for_a_lenient_router():
    router = OfflineRouter(lenient=True)
    http = httpx.Client(transport=router.transport, headers={"Authorization": "Bearer x"})
    messages = '[{"role": "user", "content": "hi"}]'
    body = f'{{"model": "{GPT}", "messages": {messages}, "x": {"[" * 300}{"]" * 300}}}'
    assert http.post("https://h/v3/router/chat/completions", content=body).status_code == 400
