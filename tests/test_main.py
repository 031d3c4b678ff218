"""The command ``orq-router``."""

from pathlib import Path

import pytest

from orq_router_integrations import __version__
from orq_router_integrations.__main__ import main
from orq_router_integrations.demo import ASSETS


def test_the_demo_loses_its_primary_and_is_saved(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    told = capsys.readouterr().out
    assert told.count("asked openai/gpt-4o: failed with 503") == 4
    assert told.count("asked anthropic/claude-sonnet-4-5: answered") == 2
    assert told.count("anthropic/claude-sonnet-4-5 answered for openai/gpt-4o") == 2
    assert "PNG, 640 x 400 pixels" in told
    assert "a PDF report.pdf (1 page; text: 'Quarterly report" in told
    assert "WAV, 3.1 seconds" in told
    assert "The streamed answer is the same" in told


def test_the_demo_draws_and_speaks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert main(["demo", "--keep", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "edit" in told
    assert "s: Zoë brings the figures." in told
    assert sorted(path.name for path in folder.iterdir()) == [
        "bird.png",
        "boat.png",
        "speech.wav",
    ]


def test_the_demo_takes_other_files_and_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    image = tmp_path / "mine.png"
    image.write_bytes((ASSETS / "chart.png").read_bytes())
    chosen = ["--model", "groq/llama-3.3-70b", "--fallback", "mistral/mistral-large"]
    assert main(["demo", "--image", str(image), *chosen]) == 0
    told = capsys.readouterr().out
    assert "mine.png" in told
    assert "mistral/mistral-large answered for groq/llama-3.3-70b" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--pdf", "/no/such.pdf"], "such.pdf"),
        (["demo", "--model", "gpt-4o"], "provider/model"),
        (["demo", "--keep", __file__], "not a directory"),
        (["serve", "--host", "203.0.113.1"], "loopback"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert said in capsys.readouterr().err


def test_it_knows_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__
