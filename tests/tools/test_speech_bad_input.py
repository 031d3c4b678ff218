"""What is wrong is told before anything is sent."""

import pytest
from pydantic import ValidationError
from support.audio_samples import samples, wav
from support.speaking import TTS, every_way, scripted, spoken, spoken_to, streamed

from orq_router_integrations import OrqSpeechTool
from orq_router_integrations.errors import RouterInputError

CALLS = [
    ({"text": ""}, "text: "),
    ({"text": " \n\t"}, "text: "),
    ({"text": None}, "text: must be text, not NoneType"),
    ({"text": b"Hi"}, "text: must be text, not bytes"),
    ({"text": "ab\ud83d"}, "text: contains a lone surrogate at position 2"),
    ({"text": "Long. " * 9, "format": "opus"}, "54 characters, and one request takes 30"),
    ({"text": "Long. " * 9, "format": "aac"}, "pieces of aac cannot be joined"),
    ({"text": "Long. " * 9, "format": "flac"}, "use format wav, pcm or mp3"),
    ({"format": "ogg"}, "format: "),
    ({"speed": 0.2}, "speed: .*0.25"),
    ({"speed": 4.5}, "speed: .*4"),
    ({"speed": float("nan")}, "speed: "),
    ({"speed": "2"}, "speed: "),
    ({"voice": ""}, "voice: "),
    ({"voice": "  "}, "voice: "),
    ({"model": "tts-1"}, "model: Expected 'provider/model'"),
    ({"voise": "nova"}, "voise: unknown keyword; did you mean 'voice'"),
    ({"response_format": "wav"}, "response_format: unknown keyword; here it is format"),
    ({"instructions": "slowly"}, "give it in the tool's extra_body"),
    ({"fallbacks": []}, r"controls=RouterControls\(fallbacks"),
    ({"controls": {"fallback": []}}, "fallback: unknown keyword; did you mean 'fallbacks'"),
    ({"controls": {"cache": {"ttl": 9}}}, "controls.cache: not supported by /audio/speech"),
    ({"controls": {"thread": "t"}}, "controls.thread: "),
    ({"controls": {"retry": {"count": 0}}}, "controls.retry.count"),
]
MADE = [
    ({"voice": ""}, "voice"),
    ({"model": "tts-1"}, "provider/model"),
    ({"format": "ogg"}, "format"),
    ({"speed": 5.0}, "speed"),
    ({"max_chars": 0}, "max_chars"),
    ({"pcm_rate": 0}, "pcm_rate"),
    ({"open_args": ("voise",)}, "'voise' is no argument of this tool. Did you mean 'voice'"),
    ({"open_args": ("zzz",)}, "There are text, voice, audio_format, speed"),
    ({"extra_body": {"voice": "x"}}, "extra_body.voice: has a keyword of its own"),
    ({"extra_body": {"input": "x"}}, "extra_body.input: has a keyword of its own"),
    ({"extra_body": {"retry": {}}}, "extra_body.retry: belongs to the router"),
    ({"extra_body": {"orq": {}}}, "extra_body.orq: belongs to the router"),
    ({"extra_body": {"x": object()}}, "extra_body[^x]*x: .*object"),
    ({"fallbacks": []}, r"controls=RouterControls\(fallbacks"),
    ({"voices": "x"}, "Unknown argument 'voices'. Did you mean 'voice'"),
]


@every_way
@pytest.mark.parametrize(("wrong", "said"), CALLS)
async def test_a_wrong_call_is_refused_before_anything_is_sent(awaited, wrong, said, tmp_path):
    given = {"text": "Hello.", **wrong}
    text = given.pop("text")
    tool, script = scripted([b"never"], max_chars=30)
    for ask in (
        lambda: spoken(tool, awaited, text, **given),
        lambda: spoken_to(tool, awaited, tmp_path / "x", text, **given),
        lambda: streamed(tool, awaited, {"text": text, **given}),
    ):
        with pytest.raises(RouterInputError, match=said):
            await ask()
    assert script.sent == 0
    assert list(tmp_path.iterdir()) == []


@every_way
async def test_a_path_that_cannot_be_written_to(awaited, tmp_path):
    tool, script = scripted([b"never"])
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "no" / "a.wav", tmp_path / "file" / "a.wav", ""):
        with pytest.raises(RouterInputError, match="path: "):
            await spoken_to(tool, awaited, path, "Hi")
    assert script.sent == 0


@every_way
async def test_the_path_comes_first(awaited, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tool, script = scripted([wav(samples(9))])
    for path, text in (("Hello there", "h2.wav"), ("Is it 1/2?", " out/h2.MP3\n"), ("", "h2.wav")):
        with pytest.raises(RouterInputError, match="the path comes first"):
            await spoken_to(tool, awaited, path, text)
    assert (script.sent, list(tmp_path.iterdir())) == (0, [])
    for path in ("named.wav", b"named.wav"):
        speech = await spoken_to(tool, awaited, path, "h2.wav")
        assert (speech.characters, speech.path) == (6, "named.wav")


@every_way
async def test_a_text_may_tell_of_a_file(awaited, tmp_path):
    tool, _ = scripted([wav(samples(9))])
    assert await spoken_to(tool, awaited, tmp_path / "x", "Now playing h2.wav")


@pytest.mark.parametrize(("wrong", "said"), MADE)
def test_a_wrong_tool_is_not_made(wrong, said):
    with pytest.raises(ValidationError, match=said):
        OrqSpeechTool(**{"model": TTS, "voice": "alloy", "api_key": "k", **wrong})


@every_way
@pytest.mark.parametrize(
    "args", [{"text": ""}, {"text": " "}, {}, {"text": "Hi", "voice": "nova"}, {"words": "Hi"}]
)
async def test_a_model_that_fills_in_what_it_may_not(awaited, args):
    tool, script = scripted([b"never"])
    call = {"type": "tool_call", "id": "c", "name": "speak", "args": args}
    with pytest.raises(ValidationError):
        await tool.ainvoke(call) if awaited else tool.invoke(call)
    assert script.sent == 0
