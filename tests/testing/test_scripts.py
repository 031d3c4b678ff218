"""Validation of scripted answers and faults, and which of them are unused."""

import httpx
import pytest
from langchain_core.messages.tool import tool_call

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RateLimitError, ServerError
from orq_router_integrations.testing import Answer, Fault

GPT, CLAUDE = "openai/gpt-4o", "anthropic/claude-sonnet-4-5"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({"faults": {"gpt-4o": 503}}, "provider/model"),
        ({"faults": {GPT: "503"}}, "got '503'"),
        ({"faults": {GPT: [None]}}, "got None"),
        ({"faults": {GPT: Exception("x")}}, r"a status or a Fault, got Exception\('x'\)"),
        ({"answers": "Hello"}, "a dict or a function"),
        ({"answers": {"Hi": 5}}, "got 5"),
        ({"answers": {"Hi": []}}, "the list is empty"),
    ],
)
def test_invalid_script_raises(script, message):
    with pytest.raises(ValueError, match=message):
        OfflineRouter(**script)


@pytest.mark.parametrize("calls", [{"name": "add"}, "add", ["add"], [{"args": {}}], None])
def test_answer_rejects_anything_but_a_list_of_tool_calls(calls):
    with pytest.raises(ValueError, match="expected a list of tool calls such as"):
        Answer(tool_calls=calls)


def test_answer_names_an_unknown_key_of_a_tool_call():
    with pytest.raises(ValueError, match="unknown key 'arguments'"):
        Answer(tool_calls=[{"name": "add", "arguments": {}}])


def test_answer_takes_langchain_tool_calls():
    call = tool_call(name="add", args={"a": 1}, id="c1")
    assert Answer(tool_calls=[call]).calls[0].arguments_json == '{"a":1}'


class TestUnused:
    """``OfflineRouter.unused`` lists scripted answers and faults that were not used."""

    def invoke(self, router, text="Hi", model=GPT):
        return ChatOrq(model=model, client=router.client(max_retries=0)).invoke(text)

    def test_empty_without_script(self):
        router = OfflineRouter()
        self.invoke(router)
        assert router.unused == []
        assert OfflineRouter(answers=lambda _: None).unused == []

    def test_unused_answers(self):
        router = OfflineRouter(answers={"Hi": "Hello!", "Bye": "See you.", CLAUDE: "Yes?"})
        assert router.unused == ["answers: 'Hi'", "answers: 'Bye'", f"answers: '{CLAUDE}'"]
        self.invoke(router, "Bye")
        self.invoke(router, "What?", CLAUDE)
        assert router.unused == ["answers: 'Hi'"]

    def test_list_is_used_after_last_answer(self):
        router = OfflineRouter(answers={"Hi": ["one", "two", "three"]})
        for _ in range(2):
            self.invoke(router)
            assert router.unused == ["answers: 'Hi'"]
        self.invoke(router)
        assert router.unused == []
        self.invoke(router)  # the last one repeats
        assert router.unused == []

    def test_unused_faults(self):
        router = OfflineRouter(faults={CLAUDE: Fault(status=429), GPT: [503, 503]})
        assert router.unused == [f"faults: '{CLAUDE}'", f"faults: '{GPT}'"]
        for remaining in ([f"faults: '{GPT}'"], []):
            with pytest.raises(ServerError):
                self.invoke(router)
            assert router.unused == [f"faults: '{CLAUDE}'", *remaining]
        with pytest.raises(RateLimitError):
            self.invoke(router, model=CLAUDE)
        assert router.unused == []


def test_message_of_fault():
    router = OfflineRouter(faults={GPT: 503})
    with pytest.raises(ServerError) as raised:
        ChatOrq(model=GPT, client=router.client(max_retries=0)).invoke("Hi")
    assert raised.value.message == f"{GPT} answered 503 (a fault of the offline router)"


def test_image_only_message_continues_turn():
    image = {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}
    call = {"id": "c1", "type": "function", "function": {"name": "draw", "arguments": "{}"}}
    draw = {"name": "draw", "parameters": {"type": "object", "properties": {}}}
    body = {
        "model": GPT,
        "tools": [{"type": "function", "function": draw}],
        "messages": [
            {"role": "user", "content": "Please draw a cat"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "drawn"},
            {"role": "user", "content": [image]},
        ],
    }
    http = httpx.Client(transport=OfflineRouter().transport, headers={"Authorization": "Bearer x"})
    response = http.post("https://h/v3/router/chat/completions", json=body).json()
    message = response["choices"][0]["message"]
    assert "tool_calls" not in message
    assert "Please draw a cat" in message["content"]


def test_deeply_nested_body_returns_400():
    router = OfflineRouter(lenient=True)
    http = httpx.Client(transport=router.transport, headers={"Authorization": "Bearer x"})
    messages = '[{"role": "user", "content": "hi"}]'
    body = f'{{"model": "{GPT}", "messages": {messages}, "x": {"[" * 300}{"]" * 300}}}'
    assert http.post("https://h/v3/router/chat/completions", content=body).status_code == 400
