"""Several answers in one reply."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from support.scripted_router import Script, client_of, says

from orq_router_integrations import ChatOrq, OfflineRouter

GPT = "openai/gpt-4o"


def test_several_answers_share_one_usage() -> None:
    client = OfflineRouter(answers={"Hi": "Hello"}).client()
    result = ChatOrq(model=GPT, client=client).generate([[HumanMessage("Hi")]], n=3)
    messages = [generation.message for generation in result.generations[0]]
    assert [message.text for message in messages] == ["Hello"] * 3
    assert [bool(message.usage_metadata) for message in messages] == [True, False, False]
    assert all(message.response_metadata["finish_reason"] == "stop" for message in messages)


def choice(text: str, **members: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, **members}


ORDERS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "by their numbers": ([choice("B", index=1), choice("A", index=0)], ["A", "B"]),
    "as they come, without numbers": ([choice("A"), choice("B")], ["A", "B"]),
    "as they come, with one number": ([choice("A"), choice("B", index=0)], ["A", "B"]),
    "as they come, with odd numbers": (
        [choice("A", index="1"), choice("B", index=None)],
        ["A", "B"],
    ),
}


@pytest.mark.parametrize(("choices", "wanted"), ORDERS.values(), ids=ORDERS)
def test_answers_stand_in_the_order(choices: list[dict[str, Any]], wanted: list[str]) -> None:
    model = ChatOrq(model=GPT, client=client_of(Script(says(json={"choices": choices}))))
    (generations,) = model.generate([[HumanMessage("Hi")]]).generations
    assert [generation.text for generation in generations] == wanted
    assert model.invoke("Hi").text == "A"
