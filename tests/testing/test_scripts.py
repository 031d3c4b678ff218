"""Validation of scripted answers and faults, and which of them are unused."""

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.tool import tool_call
from pydantic import BaseModel

from orq_router_integrations import ChatOrq, OfflineRouter, OrqModeration, OrqSpeechTool
from orq_router_integrations.errors import (
    BadRequestError,
    RateLimitError,
    RouterStatusError,
    ServerError,
)
from orq_router_integrations.testing import Answer, Fault

GPT, CLAUDE = "openai/gpt-4o", "anthropic/claude-sonnet-4-5"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({"faults": {"gpt-4o": 503}}, "provider/model"),
        ({"faults": {GPT: "503"}}, rf"faults\['{GPT}'\]: status: must be .*, not '503'"),
        ({"faults": {5: 503}}, "faults: 5 is not a model id"),
        ({"faults": {GPT: [None]}}, "not None"),
        ({"faults": {GPT: Exception("x")}}, r"not Exception\('x'\)"),
        ({"faults": [503]}, r"expected a dict .*, got \[503\]"),
        ({"answers": "Hello"}, "a dict or a function"),
        ({"answers": {"Hi": 5}}, "got 5"),
        ({"answers": {"Hi": HumanMessage("Hello!")}}, "got HumanMessage"),
        ({"answers": {"Hi": {"day": object()}}}, r"answers\['Hi'\]: .* is not JSON serializable"),
        ({"answers": {"Hi": []}}, "the list is empty"),
        (
            {"answers": {"Hi": ["Hello!", 5]}},
            r"answers\['Hi'\]: expected a str, an Answer, .* got 5",
        ),
        (
            {"answers": {5: "Hi"}},
            r"answers\[5\]: expected a str, a re.Pattern or a function as key. Write answers=",
        ),
    ],
)
def test_invalid_script_raises(script, message):
    with pytest.raises(ValueError, match=message):
        OfflineRouter(**script)


def test_answer_rejects_an_unknown_key_of_a_tool_call():
    with pytest.raises(ValueError, match=r"'name', 'args' and 'id', .* 'arguments': {}"):
        Answer(tool_calls=[{"name": "add", "arguments": {}}])


def test_answer_takes_langchain_tool_calls():
    call = tool_call(name="add", args={"a": 1}, id="c1")
    assert Answer(tool_calls=[call]).calls[0].arguments == '{"a":1}'


class TestFunctions:
    """Functions may block and send requests, also from other threads: they run without a lock."""

    @staticmethod
    def create_model(answer):
        """Create a model whose answer to "question" is that of a function, otherwise "inner"."""

        def get_answer(body):
            return answer() if body["messages"][-1]["content"] == "question" else "inner"

        return ChatOrq(GPT, client=OfflineRouter(answers=get_answer).client(max_retries=0))

    def test_nested_calls(self):
        model = self.create_model(lambda: f"{model.invoke('a').text}, outer")
        assert model.invoke("question").text == "inner, outer"

    async def test_nested_calls_in_threads(self):
        def answer():
            texts = [message.text for message in model.batch(["a", "b"])]
            with ThreadPoolExecutor() as pool:  # an event loop is running in this thread
                texts.append(pool.submit(asyncio.run, model.ainvoke("c")).result(timeout=10).text)
            return " ".join(texts)

        model = self.create_model(answer)
        assert model.invoke("question").text == "inner inner inner"
        assert (await model.ainvoke("question")).text == "inner inner inner"
        chunks = [chunk.text async for chunk in model.astream("question")]
        assert "".join(chunks) == "inner inner inner"

    def test_functions_run_concurrently(self):
        barrier = threading.Barrier(3, timeout=10)
        model = self.create_model(lambda: f"answer {barrier.wait()}")
        answers = model.batch(["question"] * 3, config={"max_concurrency": 3})
        assert {answer.text for answer in answers} == {"answer 0", "answer 1", "answer 2"}

    def test_key_function_may_send_requests(self):
        def matches(body):
            return body["messages"][-1]["content"] == "Hi" and model.batch(["a"])[0].text == "A"

        router = OfflineRouter(answers={matches: "Hello!", "a": "A"})
        model = ChatOrq(GPT, client=router.client(max_retries=0))
        assert model.invoke("Hi").text == "Hello!"

    def test_trace_id_is_that_of_the_outer_request(self):
        model = self.create_model(lambda: model.invoke("a").text)
        assert model.invoke("question").response_metadata["trace_id"] == f"{1:032x}"

    def test_error_in_a_function_leaves_the_router_usable(self):
        model = self.create_model(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.invoke("question")
        assert [message.text for message in model.batch(["a", "b"])] == ["inner", "inner"]

    def test_invalid_result_raises(self):
        model = self.create_model(lambda: 5)
        with pytest.raises(ValueError, match=r"^answers: expected a str, .* got 5\. Write"):
            model.invoke("question")

    async def test_async_function_raises(self):
        async def answer(body):
            return "Hi"

        for answers in (answer, {answer: "Hi"}):
            with pytest.raises(ValueError, match="answers: expected a sync function"):
                OfflineRouter(answers=answers)


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    degrees: int


SUNNY = Weather(city="Paris", degrees=20)


class TestKindsOfAnswers:
    """Answers may be strings, ``Answer``, messages, tool calls, dicts, objects or exceptions."""

    def create_model(self, answer, **options):
        return ChatOrq(GPT, client=OfflineRouter(answers={"Hi": answer}).client(), **options)

    @pytest.mark.parametrize(
        "answer", [{"city": "Paris", "degrees": 20}, SUNNY], ids=["dict", "object"]
    )
    def test_dict_is_sent_as_json(self, answer):
        assert json.loads(self.create_model(answer).invoke("Hi").text) == SUNNY.model_dump()

    @pytest.mark.parametrize("method", ["json_schema", "function_calling"])
    @pytest.mark.parametrize("api", ["chat_completions", "responses"])
    def test_object_is_structured_output(self, method, api):
        model = self.create_model(SUNNY, api=api).with_structured_output(Weather, method=method)
        assert model.invoke("Hi") == SUNNY

    def test_message_is_sent_with_its_calls_and_usage(self):
        call = tool_call(name="Weather", args={"city": "Paris"}, id="c1")
        usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
        content = [
            {"type": "reasoning", "reasoning": "Hm."},
            {"type": "text", "text": "Let me see."},
        ]
        message = AIMessage(content, tool_calls=[call], usage_metadata=usage)
        answer = self.create_model(message).bind_tools([Weather]).invoke("Hi")
        assert (answer.text, answer.tool_calls) == ("Let me see.", [call])
        assert answer.usage_metadata["input_tokens"] == 7
        assert answer.content_blocks[0]["reasoning"] == "Hm."

    def test_tool_calls_are_used_in_order(self):
        calls = [tool_call(name="Weather", args={"city": city}, id=city) for city in "ab"]
        model = self.create_model([*calls, "Done."]).bind_tools([Weather])
        answers = [model.invoke("Hi") for _ in range(3)]
        assert [answer.tool_calls for answer in answers] == [[calls[0]], [calls[1]], []]
        assert answers[2].text == "Done."

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (RuntimeError("broken"), 500),
            (TimeoutError(), 408),
            (RateLimitError("broken", status_code=429, retry_after=0.01), 429),
        ],
        ids=["any", "timeout", "rate limit"],
    )
    def test_exception_fails_the_call(self, error, status):
        router = OfflineRouter(answers={GPT: error, CLAUDE: "Hello!"})
        model = ChatOrq(GPT, client=router.client(max_retries=0))
        with pytest.raises(RouterStatusError, match=r"broken|TimeoutError") as raised:
            model.invoke("Hi")
        assert raised.value.status_code == status
        assert raised.value.retry_after == getattr(error, "retry_after", None)
        assert model.invoke("Hi", controls={"fallbacks": [CLAUDE]}).text == "Hello!"

    def test_calls_of_unknown_tools_are_rejected(self):
        call = {"name": "add", "args": {}}
        with pytest.raises(BadRequestError, match="'add', but the request offers no tools"):
            self.create_model(call).invoke("Hi")
        with pytest.raises(BadRequestError, match=r"offers \['Weather'\]\. Bind the tool"):
            self.create_model(call).bind_tools([Weather]).invoke("Hi")
        router = OfflineRouter(answers=lambda _: call)
        assert ChatOrq(GPT, client=router.client()).invoke("Hi").tool_calls[0]["name"] == "add"


class TestMatching:
    """Text takes precedence over patterns and functions, and these over the model."""

    ANSWERS = {
        GPT: "model",
        re.compile("weather|rain"): "pattern",
        "Will it rain?": "text",
        lambda body: body.get("temperature") == 0.5: "function",
    }

    @pytest.mark.parametrize(
        ("text", "options", "answer"),
        [
            ("Will it rain?", {}, "text"),
            ("The weather?", {"temperature": 0.5}, "pattern"),
            ("Hi", {"temperature": 0.5}, "function"),
            ("Hi", {}, "model"),
        ],
    )
    def test_precedence(self, text, options, answer):
        router = OfflineRouter(answers=self.ANSWERS)
        assert ChatOrq(GPT, client=router.client()).invoke(text, **options).text == answer
        assert len(router.unused) == 3


class TestUnused:
    """``OfflineRouter.unused`` lists scripted answers and faults that were not used."""

    def invoke(self, router, text="Hi", model=GPT):
        return ChatOrq(model=model, client=router.client(max_retries=0)).invoke(text)

    def test_router_without_a_script_has_nothing_unused(self):
        router = OfflineRouter()
        self.invoke(router)
        assert router.unused == []
        assert OfflineRouter(answers=lambda _: None).unused == []

    def test_unused_answers_are_listed(self):
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

    def test_moderation_does_not_use_answers_of_the_chat_model(self):
        router = OfflineRouter(answers={"Hi": ["Hello!", "Hello again!"]})
        (result,) = OrqModeration(client=router.client()).invoke("Hi")
        assert not result.flagged
        tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", client=router.client())
        tool.synthesize("Hi")
        assert self.invoke(router).text == "Hello!"

    def test_moderation_does_not_use_tool_calls_of_the_chat_model(self):
        call = tool_call(name="Weather", args={}, id="1")
        router = OfflineRouter(answers={"Hi": [call, "Done."]})
        OrqModeration(client=router.client()).invoke("Hi")
        model = ChatOrq(GPT, client=router.client()).bind_tools([Weather])
        assert model.invoke("Hi").tool_calls == [call]

    def test_moderated_text_is_flagged_by_its_categories(self):
        router = OfflineRouter(answers={"Hi": "hate, violence", "kill": ""})
        results = OrqModeration(client=router.client()).invoke(["Hi", "kill"])
        assert [result.flagged_categories for result in results] == [("hate", "violence"), ()]
        assert router.unused == []

    def test_unused_faults_are_listed(self):
        router = OfflineRouter(faults={CLAUDE: Fault(status=429), GPT: [503, 503]})
        assert router.unused == [f"faults: '{CLAUDE}'", f"faults: '{GPT}'"]
        for remaining in ([f"faults: '{GPT}'"], []):
            with pytest.raises(ServerError):
                self.invoke(router)
            assert router.unused == [f"faults: '{CLAUDE}'", *remaining]
        with pytest.raises(RateLimitError):
            self.invoke(router, model=CLAUDE)
        assert router.unused == []


def test_error_of_a_fault_names_the_offline_router():
    router = OfflineRouter(faults={GPT: 503})
    with pytest.raises(ServerError) as raised:
        ChatOrq(model=GPT, client=router.client(max_retries=0)).invoke("Hi")
    assert raised.value.message == f"{GPT} answered 503 (a fault of the offline router)"


def test_image_only_message_continues_turn(create_chat):
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
    response = create_chat().http.post("/v3/router/chat/completions", json=body).json()
    message = response["choices"][0]["message"]
    assert "tool_calls" not in message
    assert "Please draw a cat" in message["content"]


def test_deeply_nested_body_returns_400(create_chat):
    messages = '[{"role": "user", "content": "hi"}]'
    body = f'{{"model": "{GPT}", "messages": {messages}, "x": {"[" * 2000}{"]" * 2000}}}'
    response = create_chat(lenient=True).http.post("/v3/router/chat/completions", content=body)
    assert response.status_code == 400
