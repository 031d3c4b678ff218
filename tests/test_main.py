"""The command ``orq-router``."""

from pathlib import Path
from typing import Any

import pytest

from orq_router_integrations import ChatOrq, OfflineRouter, __version__
from orq_router_integrations.__main__ import main
from orq_router_integrations.demo import ASSETS
from orq_router_integrations.errors import RateLimitError, RouterStatusError


def test_demo_falls_back_when_the_primary_model_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    output = capsys.readouterr().out
    assert output.count("asked openai/gpt-4o: failed with 503") == 4
    assert output.count("asked anthropic/claude-sonnet-4-5: answered") == 2
    assert output.count("anthropic/claude-sonnet-4-5 answered for openai/gpt-4o") == 2
    assert "image (6612 bytes)" in output
    assert "file report.pdf (1335 bytes)" in output
    assert "audio (100232 bytes)" in output


def test_demo_saves_images_and_speech(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    directory = tmp_path / "new" / "directory"
    assert main(["demo", "--keep", str(directory)]) == 0
    output = capsys.readouterr().out
    assert "edit" in output
    assert "s: Zoë brings the figures." in output
    assert sorted(path.name for path in directory.iterdir()) == [
        "bird.png",
        "boat.png",
        "speech.wav",
    ]


def test_demo_uses_given_files_and_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    image = tmp_path / "mine.png"
    image.write_bytes((ASSETS / "chart.png").read_bytes())
    models = ["--model", "groq/llama-3.3-70b", "--fallback", "mistral/mistral-large"]
    assert main(["demo", "--image", str(image), *models]) == 0
    output = capsys.readouterr().out
    assert "mine.png" in output
    assert "mistral/mistral-large answered for groq/llama-3.3-70b" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--pdf", "/no/such.pdf"], "such.pdf"),
        (["demo", "--model", "gpt-4o"], "provider/model"),
        (["demo", "--keep", __file__], "File exists"),
        (["serve", *["--fault", "openai/gpt-4o=503"] * 2], "--fault"),
        (["serve", "--port", "65536"], "port: must be an int from 0 to 65535"),
        (["serve", "--fault", "gpt-4o=503"], "provider/model"),
        (
            ["serve", "--requests-per-minute", "0"],
            "requests_per_minute: Input should be greater than 0",
        ),
        (["serve", "--latency", "-1"], "latency"),
        (["serve", "--chunk-latency", "-1"], "chunk_latency: Input should be greater than"),
    ],
)
def test_invalid_argument_is_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_serve_options_configure_the_router(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served: dict[str, Any] = {}

    def serve(port: int, router: OfflineRouter, *, record: Path) -> None:
        served.update(port=port, record=record, router=router)

    def ask(model: str) -> None:
        # Each call has its own client, because a client waits if the router rejects its requests.
        ChatOrq(model, client=served["router"].client(max_retries=0)).invoke("Hi")

    monkeypatch.setattr("orq_router_integrations.testing.serve.serve", serve)
    options = ["--port", "0", "--lenient", "--requests-per-minute", "2", "--record", str(tmp_path)]
    options += ["--latency", "0.01", "--chunk-latency", "0.02"]
    faults = ["--fault", "openai/gpt-4o=503", "--fault", "openai/gpt-4o-mini=429"]
    assert main(["serve", *options, *faults]) == 0
    assert (served["port"], served["record"]) == (0, tmp_path)
    router = served["router"]
    assert (router.lenient, router.latency, router.chunk_latency) == (True, 0.01, 0.02)
    for model, status in (("gpt-4o", 503), ("gpt-4o-mini", 429)):
        with pytest.raises(RouterStatusError) as raised:
            ask(f"openai/{model}")
        assert raised.value.status_code == status
    with pytest.raises(RateLimitError, match="2 requests per minute"):
        ask("groq/llama-3")


@pytest.mark.parametrize("value", ["openai/gpt-4o", "503", "openai/gpt-4o=down"])
def test_invalid_fault_is_reported(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--fault", value])
    assert "expected MODEL=STATUS" in capsys.readouterr().err


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__
