"""``Speech`` as a value: JSON and back, files, notebooks."""

import base64
import json
import wave

import pytest
from langchain_core.messages import ToolMessage, messages_from_dict, messages_to_dict
from support.audio_samples import samples, wav
from support.speaking import scripted, speaker

from orq_router_integrations import OfflineRouter, OrqTranscriptionLoader
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.tools.artifact import MAX_DISPLAY_BYTES
from orq_router_integrations.tools.speech_result import Speech

TEXT = "Good morning."


@pytest.fixture
def speech() -> Speech:
    return speaker().synthesize(TEXT)


def test_the_artifact_is_plain_json_and_comes_back_whole(speech):
    artifact = json.loads(json.dumps(speech.artifact()))
    assert artifact["type"] == "audio"
    assert base64.b64decode(artifact["base64"]) == speech.data
    assert Speech.of(artifact) == speech


def test_it_survives_in_a_message(speech):
    message = ToolMessage("spoken", tool_call_id="c", artifact=speech.artifact())
    (restored,) = messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))
    assert Speech.of(restored) == speech


@pytest.mark.parametrize("wrong", [{}, {"type": "image"}, None, "x", {"base64": "?", "size": 1}])
def test_what_holds_no_speech(wrong):
    with pytest.raises(RouterInputError, match="no speech is in it"):
        Speech.of(ToolMessage("x", tool_call_id="c", artifact=wrong))


def test_saving(speech, tmp_path):
    assert speech.save(tmp_path / "a.wav") == tmp_path / "a.wav"
    assert (tmp_path / "a.wav").read_bytes() == speech.data
    with pytest.raises(RouterInputError, match="pass overwrite=True"):
        speech.save(tmp_path / "a.wav", overwrite=False)
    with pytest.warns(UserWarning, match="a.opus holds wav"):
        speech.save(tmp_path / "a.opus")


def test_speech_in_a_file_can_be_read_and_copied(tmp_path):
    kept = speaker().synthesize_to_file(tmp_path / "a.wav", TEXT)
    restored = Speech.of(kept.to_artifact())
    assert restored.data is None
    restored.save(tmp_path / "b.wav")
    assert (tmp_path / "b.wav").read_bytes() == restored.read() == kept.read()
    (tmp_path / "a.wav").unlink()
    with pytest.raises(RouterInputError, match="its file cannot be read"):
        restored.read()


@pytest.mark.parametrize("kind", ["wav", "pcm"])
def test_a_loader_takes_its_blob(kind, tmp_path):
    in_memory = speaker().synthesize(TEXT, audio_format=kind)
    in_a_file = speaker().synthesize_to_file(tmp_path / f"a.{kind}", TEXT, audio_format=kind)
    for spoken in (in_memory, in_a_file):
        loader = OrqTranscriptionLoader(
            source=spoken.blob(), model="openai/whisper-1", client=OfflineRouter().client()
        )
        (document,) = loader.load()
        assert document.page_content == TEXT


def test_speech_without_audio_says_so(speech):
    with pytest.raises(RouterInputError, match="neither bytes nor a path"):
        speech.model_copy(update={"data": None}).read()


def test_it_shows_itself_in_few_words(speech):
    assert repr(speech) == "Speech(1.1 s, 54380 bytes of wav, 'openai/tts-1')"
    assert str(speech) == repr(speech)


def test_a_notebook_gets_a_player(speech):
    page = speech._repr_html_()
    assert page.startswith('<audio controls src="data:audio/wav;base64,UklGR')
    assert page.endswith(
        "<small>Speech(1.1 s, 54380 bytes of wav, &#x27;openai/tts-1&#x27;)</small>"
    )


def test_a_notebook_plays_raw_samples_as_a_wav(tmp_path):
    tool, _ = scripted([samples(500)], format="pcm", pcm_rate=16000)
    page = tool.synthesize(TEXT)._repr_html_()
    data = base64.b64decode(page.partition("base64,")[2].partition('"')[0])
    assert data == wav(samples(500))
    (tmp_path / "x.wav").write_bytes(data)
    with wave.open(str(tmp_path / "x.wav")) as sound:
        assert sound.getframerate() == 16000


def test_a_notebook_gets_no_player_of_what_is_gone_or_huge(speech, tmp_path):
    gone = speech.model_copy(update={"data": None, "path": str(tmp_path / "gone.wav")})
    huge = speech.model_copy(update={"size": MAX_DISPLAY_BYTES + 1})
    assert [value._repr_html_()[:7] for value in (gone, huge)] == ["<small>"] * 2


def test_what_a_model_is_told(speech, tmp_path):
    assert speech.told == "The text was spoken: 1.1 seconds of WAV audio, attached."
    other = speech.model_copy(
        update={"seconds": None, "format": None, "asked_format": "opus", "path": "/x/a"}
    )
    assert other.told == "The text was spoken: UNKNOWN audio (not OPUS), saved as /x/a."
