"""Invalid arguments of the speech tool are reported before anything is sent."""

import pytest
from pydantic import ValidationError
from support.marks import sync_and_async
from support.speech_tools import (
    TTS,
    collect_stream,
    create_scripted_tool,
    synthesize,
    synthesize_to_file,
)

from orq_router_integrations import OrqSpeechTool
from orq_router_integrations.errors import RouterInputError

INVALID_CALLS = [
    ({"text": ""}, "text: "),
    ({"text": " \n\t"}, "text: "),
    ({"text": None}, "text: Expected a str, got NoneType"),
    ({"text": b"Hi"}, "text: Expected a str, got bytes"),
    ({"text": "ab\ud83d"}, "text: Contains a lone surrogate at position 2"),
    (
        {"text": "Long. " * 9, "audio_format": "opus"},
        "54 characters, but .* at most 30",
    ),
    ({"text": "Long. " * 9, "audio_format": "aac"}, "aac audio cannot be joined"),
    ({"text": "Long. " * 9, "audio_format": "flac"}, "Use audio_format 'wav', 'pcm' or 'mp3'"),
    ({"audio_format": "ogg"}, "audio_format: "),
    ({"speed": 0.2}, "speed: .*0.25"),
    ({"speed": 4.5}, "speed: .*4"),
    ({"speed": float("nan")}, "speed: "),
    ({"speed": "2"}, "speed: "),
    ({"voice": ""}, "voice: "),
    ({"voice": "  "}, "voice: "),
    ({"model": "tts-1"}, "model: Expected 'provider/model'"),
    ({"voise": "nova"}, "Unknown argument 'voise'. Did you mean 'voice'"),
    ({"response_format": "wav"}, "Unknown argument 'response_format'. Use 'audio_format'"),
    ({"instructions": "slowly"}, "Use the tool's extra_body"),
    ({"fallbacks": []}, r"controls=RouterControls\(fallbacks"),
    (
        {"controls": {"fallback": []}},
        "controls: Unknown argument 'fallback'. Did you mean 'fallbacks'",
    ),
    ({"controls": {"cache": {"ttl": 9}}}, "controls.cache: Not supported by /audio/speech"),
    ({"controls": {"thread": "t"}}, "controls.thread: "),
    ({"controls": {"retry": {"count": 0}}}, "controls.retry.count"),
]
INVALID_TOOLS = [
    ({"voice": ""}, "voice"),
    ({"model": "tts-1"}, "provider/model"),
    ({"audio_format": "ogg"}, "audio_format"),
    ({"speed": 5.0}, "speed"),
    ({"max_chars": 0}, "max_chars"),
    ({"pcm_rate": 0}, "pcm_rate"),
    ({"model_args": ("voise",)}, "Unknown argument 'voise'. Did you mean 'voice'"),
    ({"extra_body": {"retry": {}}}, "must not contain 'retry'.* .'controls' for router controls"),
    ({"extra_body": {"orq": {}}}, "must not contain 'orq'"),
    ({"extra_body": {"x": object()}}, "extra_body[^x]*x: .*object"),
    ({"fallbacks": []}, r"controls=RouterControls\(fallbacks"),
    ({"voices": "x"}, "Unknown argument 'voices'. Did you mean 'voice'"),
]


@sync_and_async
@pytest.mark.parametrize(("args", "message"), INVALID_CALLS)
async def test_invalid_call_raises_before_sending(is_async, args, message, tmp_path):
    overrides = {"text": "Hello.", **args}
    text = overrides.pop("text")
    tool, script = create_scripted_tool([b"unused"], max_chars=30)
    for call in (
        lambda: synthesize(tool, is_async, text, **overrides),
        lambda: synthesize_to_file(tool, is_async, text, tmp_path / "x", **overrides),
        lambda: collect_stream(tool, is_async, {"text": text, **overrides}),
    ):
        with pytest.raises(RouterInputError, match=message):
            await call()
    assert script.sent == 0
    assert list(tmp_path.iterdir()) == []


@sync_and_async
@pytest.mark.parametrize("name", ["input", "voice"])
async def test_extra_body_must_not_repeat_other_arguments(is_async, name):
    tool, script = create_scripted_tool([b"unused"], extra_body={name: "x"})
    with pytest.raises(RouterInputError, match=f"must not contain '{name}'"):
        await synthesize(tool, is_async, "Hi")
    assert script.sent == 0


@sync_and_async
async def test_unwritable_path_raises_before_sending(is_async, tmp_path):
    tool, script = create_scripted_tool([b"unused"])
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "no" / "a.wav", tmp_path / "file" / "a.wav", ""):
        with pytest.raises(RouterInputError, match="path"):
            await synthesize_to_file(tool, is_async, "Hi", path)
    assert script.sent == 0


@pytest.mark.parametrize(("args", "message"), INVALID_TOOLS)
def test_invalid_tool_raises(args, message):
    with pytest.raises(ValidationError, match=message):
        OrqSpeechTool(**{"model": TTS, "voice": "alloy", "api_key": "k", **args})


@sync_and_async
@pytest.mark.parametrize(
    "args", [{}, {"text": None}, {"text": "Hi", "voice": "nova"}, {"words": "Hi"}]
)
async def test_invalid_tool_call_raises(is_async, args):
    tool, script = create_scripted_tool([b"unused"])
    call = {"type": "tool_call", "id": "c", "name": "speak", "args": args}
    with pytest.raises(ValidationError):
        await tool.ainvoke(call) if is_async else tool.invoke(call)
    assert script.sent == 0
