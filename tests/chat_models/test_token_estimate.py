"""Token estimates, compared with counts that OpenAI publishes for GPT-4o."""

import base64
import math
import struct
from pathlib import Path

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from orq_router_integrations.chat_models.token_estimate import estimate_text, estimate_tokens
from orq_router_integrations.media.content_block import content_block

ASSETS = Path(__file__).parents[1] / "assets"

# From OpenAI's announcement of GPT-4o, its tokenizer page and its cookbook.
PUBLISHED = {
    "Hello, my name is GPT-4o. I'm a new type of language model, it's nice to meet you!": 24,
    (
        "Hallo, mein Name is GPT-4o. Ich bin ein neues KI-Sprachmodell. Es ist schön, dich "
        "kennenzulernen."
    ): 29,
    (
        "Bonjour, je m'appelle GPT-4o. Je suis un nouveau type de modèle de langage, c'est "
        "un plaisir de vous rencontrer!"
    ): 28,
    (
        "Hola, me llamo GPT-4o. Soy un nuevo tipo de modelo de lenguaje, ¡es un placer conocerte!"
    ): 26,
    (
        "Merhaba, benim adım GPT-4o. Ben yeni bir dil modeli türüyüm, tanıştığımıza memnun oldum!"
    ): 30,
    (
        "Xin chào, tên tôi là GPT-4o. Tôi là một loại mô hình ngôn ngữ mới, rất vui được gặp bạn!"
    ): 30,
    "Привет, меня зовут GPT-4o. Я — новая языковая модель, приятно познакомиться!": 23,
    "مرحبًا، اسمي جي بي تي-4o. أنا نوع جديد من نموذج اللغة، سررت بلقائك!": 26,
    ("नमस्ते, मेरा नाम जीपीटी-4o है। मैं एक नए प्रकार का भाषा मॉडल हूँ। आपसे मिलकर अच्छा लगा!"): 31,
    ("నమస్కారము, నా పేరు జీపీటీ-4o. నేను ఒక్క కొత్త రకమైన భాషా మోడల్ ని. మిమ్మల్ని కలిసినందుకు సంతోషం!"): 45,
    "你好，我的名字是GPT-4o。我是一种新型的语言模型，很高兴见到你!": 24,
    "こんにちは、私の名前はGPT-4oです。私は新しいタイプの言語モデルです。初めまして！": 26,
    (
        "안녕하세요, 제 이름은 GPT-4o입니다. 저는 새로운 유형의 언어 모델입니다, 만나서 반갑습니다!"
    ): 27,
    (
        "Many words map to one token, but some don't: indivisible.\n\nUnicode characters like "
        "emojis may be split into many tokens containing the underlying bytes: 🤚🏾\n\n"
        "Sequences of characters commonly found next to each other may be grouped together: "
        "1234567890"
    ): 53,
    "antidisestablishmentarianism": 6,
    "2 + 2 = 4": 7,
    "お誕生日おめでとう": 8,
    "tiktoken is great!": 6,
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {
                    "type": "string",
                    "description": "The city and state, e.g. San Francisco, CA",
                },
                "unit": {
                    "type": "string",
                    "description": "The unit of temperature to return",
                    "enum": ["celsius", "fahrenheit"],
                },
            },
            "required": ["location"],
        },
    },
}


def estimate_blocks(*blocks) -> int:
    """Return the tokens of content blocks without those of their message."""
    return estimate_tokens([HumanMessage(list(blocks))]) - estimate_tokens([HumanMessage([])])


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def create_png(width: int, height: int) -> str:
    return b64(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height))


def create_image(width: int, height: int, **fields) -> dict:
    return {
        "type": "image",
        "base64": create_png(width, height),
        "mime_type": "image/png",
        **fields,
    }


class TestText:
    @pytest.mark.parametrize(
        ("text", "tokens"), PUBLISHED.items(), ids=lambda value: str(value)[:12]
    )
    def test_is_close_to_the_published_count(self, text, tokens):
        assert math.isclose(estimate_text(text), tokens, rel_tol=0.21)

    def test_is_unbiased(self):
        ratios = [estimate_text(text) / tokens for text, tokens in PUBLISHED.items()]
        assert 0.97 < sum(ratios) / len(ratios) < 1.08

    def test_empty_string_is_zero(self):
        assert estimate_text("") == 0

    @pytest.mark.slow
    @pytest.mark.parametrize("char", [" ", "a", "(", "中"])
    def test_a_million_equal_characters(self, char):
        """A regular expression with quadratic run time would not finish here."""
        assert estimate_text(char * 10**6) > 10_000

    def test_estimate_of_code_and_json_is_plausible(self):
        for file in (Path(__file__), ASSETS.parent / "profiles" / "facts.json"):
            text = file.read_text("utf-8")
            assert 2.5 < len(text) / estimate_text(text) < 5


class TestConversations:
    def test_is_close_to_the_count_of_the_api(self):
        user, assistant = {"name": "example_user"}, {"name": "example_assistant"}
        messages = [
            SystemMessage(
                "You are a helpful, pattern-following assistant that translates corporate jargon "
                "into plain English."
            ),
            SystemMessage("New synergies will help drive top-line growth.", **user),
            SystemMessage("Things working well together will increase revenue.", **assistant),
            SystemMessage(
                "Let's circle back when we have more bandwidth to touch base on opportunities for "
                "increased leverage.",
                **user,
            ),
            SystemMessage(
                "Let's talk later when we're less busy about how to do better.", **assistant
            ),
            HumanMessage(
                "This late pivot means we don't have time to boil the ocean for the client "
                "deliverable."
            ),
        ]
        assert 124 <= estimate_tokens(messages) <= 124 * 1.15

    def test_tools_count_as_json(self):
        messages = [
            SystemMessage(
                "You are a helpful assistant that can answer to questions about the weather."
            ),
            HumanMessage("What's the weather like in San Francisco?"),
        ]
        assert 101 <= estimate_tokens(messages, [WEATHER]) <= 101 * 1.3

    def test_tool_calls_and_arguments_count(self):
        call = {"name": "search", "args": {"query": "tides " * 50}, "id": "1"}
        without_call, with_call = AIMessage(""), AIMessage("", tool_calls=[call])
        assert estimate_tokens([with_call]) - estimate_tokens([without_call]) > 50

    def test_each_message_has_an_overhead(self):
        overheads = [estimate_tokens([HumanMessage("")] * count) for count in range(4)]
        assert overheads == [0, 7, 11, 15]

    def test_image_in_tool_result_counts(self):
        tool_result = ToolMessage([create_image(512, 512)], tool_call_id="1")
        assert estimate_tokens([tool_result]) > 255


class TestImages:
    def test_image_of_low_detail_counts_as_85_tokens(self):
        assert estimate_blocks(create_image(512, 512, extras={"detail": "low"})) == 85

    def test_all_block_types_count_equally(self):
        data = create_png(2048, 4096)
        url = f"data:image/png;base64,{data}"
        source = {"type": "base64", "media_type": "image/png", "data": data}
        blocks = [
            {"type": "image", "url": "https://example.com/a.png"},
            {"type": "image", "base64": data, "mime_type": "image/png"},
            {"type": "image", "source_type": "base64", "data": data, "mime_type": "image/png"},
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "image_url", "image_url": url},
            {"type": "image", "source": source},
        ]
        assert {estimate_blocks(block) for block in blocks} == {765}


class TestPdfAndAudio:
    def test_pdf_counts_by_page(self):
        one_page, three_pages = (
            content_block(b"%PDF-1.7\n" + b"/Type /Page\n" * pages + bytes(4000 * pages))
            for pages in (1, 3)
        )
        assert estimate_blocks(one_page) == 1500
        assert estimate_blocks(three_pages) == 3 * 1500

    def test_pdf_url_counts_as_typical_pdf(self):
        url = "https://example.com/a.pdf"
        assert estimate_blocks({"type": "file", "url": url}) == 4 * 1500

    def test_audio_counts_by_second(self):
        assert estimate_blocks(content_block(ASSETS / "bird.wav")) == 10

    def test_large_pdf_counts_by_page(self):
        pages = b"%PDF-1.7\n" + b"/Type /Page\n" * 2
        block = {"type": "file", "base64": b64(pages + bytes(2**20))}
        assert estimate_blocks(block) == 2 * 1500


UNSENDABLE = {
    "unknown block": HumanMessage([{"type": "hologram", "data": object()}]),
    "unreadable image": HumanMessage([{**create_image(8, 8), "base64": "!"}]),
    "video": HumanMessage([{"type": "video", "url": "https://example.com/a.mp4"}]),
    "malformed blocks": HumanMessage([{"type": 7}, {}]),
    "unknown role": ChatMessage("hello", role="narrator"),
    "function message": FunctionMessage("hello", name="f"),
    "no tool_call_id": ToolMessage("hello", tool_call_id=""),
    "arguments": AIMessage("", tool_calls=[{"name": "f", "args": {"x": object()}, "id": None}]),
    "refusal": AIMessage("a", additional_kwargs={"refusal": 7}),
}


@pytest.mark.parametrize("message", UNSENDABLE.values(), ids=UNSENDABLE)
def test_message_that_cannot_be_sent_is_estimated(message):
    assert estimate_tokens([message]) > 3
