"""The charts, images and audio of the notebooks."""

import base64
import io
import re
import runpy
import wave
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest
from IPython.display import HTML
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from PIL import Image, ImageChops, ImageStat

from orq_router_integrations.testing import ProviderCall

COOKBOOKS = Path(__file__).parents[1] / "cookbooks"


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(COOKBOOKS)
    import helpers

    return helpers


def read_images(view: HTML) -> list[bytes]:
    return [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", view.data)]


def read_chart(view: HTML) -> ET.Element:
    (svg,) = read_images(view)
    return ET.fromstring(svg)


def list_texts(chart: ET.Element) -> list[str | None]:
    return [element.text for element in chart.iter() if element.tag.endswith("text")]


def create_wav(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setparams((1, 2, 8000, 0, "NONE", ""))
        recording.writeframes(b"\x00\x10" * int(8000 * seconds))
    return file.getvalue()


def create_call(status: int, pause: float = 0.0, seconds: float = 0.0) -> ProviderCall:
    return ProviderCall(
        model="a/b", path="/", body={}, status=status, attempt=1, seconds=seconds, pause=pause
    )


def test_bars_and_labels_fit_into_the_chart(helpers: ModuleType) -> None:
    chart = read_chart(helpers.draw_bars({"a <b>": 3, "c": 1.5}, title="Counts"))
    assert list_texts(chart) == ["Counts", "a <b>", "3", "c", "1.5"]
    assert max(float(element.get("x", 0)) for element in chart) < helpers.WIDTH - 30


def test_calls_show_pause_status_and_duration(helpers: ModuleType) -> None:
    log = [create_call(503), create_call(408, pause=2, seconds=5), create_call(200)]
    texts = list_texts(read_chart(helpers.draw_calls(log)))
    assert texts == ["a/b", "503", "a/b", "2 s", "408 after 5 s", "a/b", "200"]


def test_picks_show_shares_and_weights(helpers: ModuleType) -> None:
    texts = list_texts(read_chart(helpers.draw_picks(["a", "a", "a", "b"], {"a": 0.5, "b": 0.5})))
    assert texts == ["a", "75% (weight 50%)", "b", "25% (weight 50%)"]


def test_waveform_shows_words_and_seconds(helpers: ModuleType) -> None:
    words = [Document("Hello", metadata={"start": 0.1, "end": 0.6})]
    texts = list_texts(read_chart(helpers.draw_waveform(create_wav(1.5), words)))
    assert texts == ["Hello", "0 s", "1 s"]


def test_images_are_scaled(helpers: ModuleType) -> None:
    file = io.BytesIO()
    Image.new("RGBA", (640, 320), "red").save(file, "png")
    view = helpers.show_images({"one": file.getvalue(), "two": file.getvalue()}, width=64)
    assert [Image.open(io.BytesIO(data)).size for data in read_images(view)] == [(64, 32)] * 2


def test_lower_half_of_the_mask_is_transparent(helpers: ModuleType) -> None:
    alpha = Image.open(io.BytesIO(helpers.create_mask(4, 6))).getchannel("A")
    assert list(alpha.tobytes()) == [255] * 12 + [0] * 12


def test_part_of_a_recording_is_cut_out(helpers: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(create_wav(2))
    with wave.open(io.BytesIO(helpers.cut_wav(tmp_path / "a.wav", 0.5, 1.25))) as part:
        assert part.getnframes() == 6000


def test_messages_are_printed_on_one_line(
    helpers: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    call = {"name": "add", "args": {"a": 1}, "id": "1"}
    helpers.print_messages([HumanMessage("Hi"), AIMessage("", tool_calls=[call])])
    assert capsys.readouterr().out == " human: Hi\n    ai: add({'a': 1})\n"


@pytest.mark.slow
def test_photo_is_rendered_by_its_script() -> None:
    rendered = runpy.run_path(str(COOKBOOKS / "assets" / "harbor.py"))["render"]()
    with Image.open(COOKBOOKS / "assets" / "harbor.jpg") as photo:
        difference = ImageChops.difference(rendered, photo)
    assert max(ImageStat.Stat(difference).mean) < 5  # JPEG loses some detail
