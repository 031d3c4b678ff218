"""``Speech``: serialization, files and notebook output."""

import base64
import json
import wave

import pytest
from langchain_core.messages import ToolMessage, messages_from_dict, messages_to_dict
from support.audio_samples import create_samples, create_wav
from support.speech_tools import create_scripted_tool, create_tool

from orq_router_integrations import OfflineRouter, OrqTranscriptionLoader
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.tools.artifact import MAX_DISPLAY_BYTES
from orq_router_integrations.tools.speech_result import Speech

TEXT = "Good morning."


@pytest.fixture
def speech() -> Speech:
    return create_tool().synthesize(TEXT)


def test_artifact_survives_json(speech):
    artifact = json.loads(json.dumps(speech.to_artifact()))
    assert artifact["type"] == "audio"
    assert base64.b64decode(artifact["base64"]) == speech.data
    assert Speech.of(artifact) == speech


def test_artifact_survives_in_message(speech):
    message = ToolMessage("spoken", tool_call_id="c", artifact=speech.to_artifact())
    (restored,) = messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))
    assert Speech.of(restored) == speech


@pytest.mark.parametrize("artifact", [{}, {"type": "image"}, None, "x", {"base64": "?", "size": 1}])
def test_message_without_speech_raises(artifact):
    with pytest.raises(RouterInputError, match="Cannot restore the Speech"):
        Speech.of(ToolMessage("x", tool_call_id="c", artifact=artifact))


def test_save_to_a_file_or_a_directory(speech, tmp_path):
    assert speech.save(tmp_path / "a.wav") == tmp_path / "a.wav"
    assert speech.save(tmp_path) == tmp_path / f"speech-{speech.sha256[:12]}.wav"
    untrusted = speech.model_copy(update={"sha256": "../../../up"})
    assert untrusted.save(tmp_path).parent == tmp_path
    assert (tmp_path / "a.wav").read_bytes() == speech.data
    with pytest.raises(RouterInputError, match="Pass overwrite=True"):
        speech.save(tmp_path / "a.wav", overwrite=False)
    with pytest.warns(UserWarning, match="a.opus contains wav"):
        speech.save(tmp_path / "a.opus")


def test_read_and_save_speech_in_file(tmp_path):
    speech = create_tool().synthesize_to_file(TEXT, tmp_path / "a.wav")
    restored = Speech.of(speech.to_artifact())
    assert restored.data is None
    restored.save(tmp_path / "b.wav")
    assert (tmp_path / "b.wav").read_bytes() == restored.read() == speech.read()
    (tmp_path / "a.wav").unlink()
    with pytest.raises(RouterInputError, match=r"Cannot read .*a.wav"):
        restored.read()


@pytest.mark.parametrize("audio_format", ["wav", "pcm"])
def test_loader_transcribes_blob(audio_format, tmp_path):
    in_memory = create_tool().synthesize(TEXT, audio_format=audio_format)
    in_a_file = create_tool().synthesize_to_file(
        TEXT, tmp_path / f"a.{audio_format}", audio_format=audio_format
    )
    for speech in (in_memory, in_a_file):
        loader = OrqTranscriptionLoader(
            source=speech.blob(), model="openai/whisper-1", client=OfflineRouter().client()
        )
        (document,) = loader.load()
        assert document.page_content == TEXT


def test_missing_audio_raises(speech):
    with pytest.raises(RouterInputError, match="neither data nor a path"):
        speech.model_copy(update={"data": None}).read()


def test_repr_is_short(speech):
    assert repr(speech) == "Speech(1.1 s, 54380 bytes of wav, 'openai/tts-1')"
    assert str(speech) == repr(speech)


def test_notebook_shows_player(speech):
    page = speech._repr_html_()
    assert page.startswith('<audio controls src="data:audio/wav;base64,UklGR')
    assert page.endswith(
        "<small>Speech(1.1 s, 54380 bytes of wav, &#x27;openai/tts-1&#x27;)</small>"
    )


def test_notebook_plays_pcm_as_wav(tmp_path):
    tool, _ = create_scripted_tool([create_samples(500)], audio_format="pcm", pcm_rate=16000)
    page = tool.synthesize(TEXT)._repr_html_()
    data = base64.b64decode(page.partition("base64,")[2].partition('"')[0])
    assert data == create_wav(create_samples(500))
    (tmp_path / "x.wav").write_bytes(data)
    with wave.open(str(tmp_path / "x.wav")) as sound:
        assert sound.getframerate() == 16000


def test_notebook_shows_no_player_for_missing_or_large_audio(speech, tmp_path):
    missing = speech.model_copy(update={"data": None, "path": str(tmp_path / "gone.wav")})
    huge = speech.model_copy(update={"size": MAX_DISPLAY_BYTES + 1})
    assert [value._repr_html_()[:7] for value in (missing, huge)] == ["<small>"] * 2


def test_summary_describes_the_audio(speech, tmp_path):
    assert speech.summary == "The text was spoken: 1.1 seconds of WAV audio, attached."
    saved = speech.model_copy(
        update={"seconds": None, "format": None, "requested_format": "opus", "path": "/x/a"}
    )
    assert saved.summary == "The text was spoken: UNKNOWN audio (not OPUS), saved as /x/a."
