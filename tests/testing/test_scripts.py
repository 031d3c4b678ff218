"""Scripts that could never do what their writer meant are refused at once."""

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
def test_a_script_that_can_never_fire_is_refused(script, message):
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
    """What of a script no call has met: the router tells it when a test is over."""

    def asked(self, router, text="Hi", model=GPT):
        return ChatOrq(model=model, client=router.client(max_retries=0)).invoke(text)

    def test_without_a_script_there_is_nothing(self):
        router = OfflineRouter()
        self.asked(router)
        assert router.unused == []
        assert OfflineRouter(answers=lambda _: None).unused == []

    def test_answers_are_told_until_a_call_meets_them(self):
        router = OfflineRouter(answers={"Hi": "Hello!", "Bye": "See you.", CLAUDE: "Yes?"})
        assert router.unused == ["answers: 'Hi'", "answers: 'Bye'", f"answers: '{CLAUDE}'"]
        self.asked(router, "Bye")
        self.asked(router, "What?", CLAUDE)
        assert router.unused == ["answers: 'Hi'"]

    def test_a_list_is_met_when_its_last_answer_was_given(self):
        router = OfflineRouter(answers={"Hi": ["one", "two", "three"]})
        for _ in range(2):
            self.asked(router)
            assert router.unused == ["answers: 'Hi'"]
        self.asked(router)
        assert router.unused == []
        self.asked(router)  # the last one repeats
        assert router.unused == []

    def test_faults_are_told_too_and_a_list_of_them_until_all_were_met(self):
        router = OfflineRouter(faults={CLAUDE: Fault(status=429), GPT: [503, 503]})
        assert router.unused == [f"faults: '{CLAUDE}'", f"faults: '{GPT}'"]
        for left in ([f"faults: '{GPT}'"], []):
            with pytest.raises(ServerError):
                self.asked(router)
            assert router.unused == [f"faults: '{CLAUDE}'", *left]
        with pytest.raises(RateLimitError):
            self.asked(router, model=CLAUDE)
        assert router.unused == []


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
