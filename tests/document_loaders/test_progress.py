"""The progress bar of the loaders."""

import pytest
from pydantic import ValidationError
from support.audio_loaders import create_loader
from support.recordings import create_recording

from orq_router_integrations.document_loaders import loaders


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_bar_counts_files_and_minutes(
    capsys: pytest.CaptureFixture[str], is_async: bool
) -> None:
    loader = create_loader([create_recording(), create_recording()], show_progress=True)
    await loader.aload() if is_async else loader.load()
    output = capsys.readouterr().err
    assert "2/2" in output
    assert "0.1 min audio, 0 errors" in output


def test_missing_tqdm_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"orq-router-integrations\[progress\]"):
        create_loader("a.wav", show_progress=True)
