"""The fixture ``orq_router``."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from orq_router_integrations import ChatOrq, OrqImageTool
from orq_router_integrations.testing import read_image_text
from orq_router_integrations.testing.pytest_plugin import orq_router  # noqa: F401 - a fixture

GPT = "openai/gpt-4o"
PLUGIN = "orq_router_integrations.testing.pytest_plugin"
DOCS = Path(__file__).parents[2] / "docs" / "testing.md"


@pytest.fixture
def early_model(monkeypatch):
    """A model that was created before the fixture."""
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-real")
    return ChatOrq(GPT)


async def test_default_clients_use_the_router(early_model, orq_router):  # noqa: F811
    orq_router.script(answers={"Hi": "Hello!"})
    for model in (early_model, ChatOrq(GPT)):
        assert model.invoke("Hi").text == "Hello!"
        assert (await model.ainvoke("Hi")).text == "Hello!"
    assert OrqImageTool(model="openai/gpt-image-1").generate("a boat").image
    assert len(orq_router.requests) == 5


async def test_images_are_downloaded_from_the_router(orq_router):  # noqa: F811
    tool = OrqImageTool(model="openai/dall-e-3", return_format="url")
    linked = tool.generate("a boat")
    assert linked.image.url
    for result in (tool.download(linked), await tool.adownload(linked)):
        assert read_image_text(result.image.read()) == "a boat"


def test_each_test_gets_a_new_router(orq_router):  # noqa: F811
    assert orq_router.requests == []


def test_assert_all_used_lists_unused_answers(orq_router):  # noqa: F811
    orq_router.script(answers={"Hi": "Hello!"}, faults={GPT: [503]})
    with pytest.raises(AssertionError, match=f"answers: 'Hi', faults: '{GPT}'"):
        orq_router.assert_all_used()
    ChatOrq(GPT, controls={"retry": {"count": 1}}).invoke("Hi")
    orq_router.assert_all_used()


@pytest.mark.slow
def test_documented_example_passes(tmp_path):
    (example,) = re.findall(r"^def test_.*?(?=^```)", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    test_file = tmp_path / "test_example.py"
    test_file.write_text(f"from orq_router_integrations import ChatOrq\n\n\n{example}")
    is_installed = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
    options = ["-q"] if is_installed else ["-q", "-p", PLUGIN]
    command = [sys.executable, "-m", "pytest", *options, str(test_file)]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in process.stdout, process.stdout + process.stderr


@pytest.mark.slow
def test_plugin_does_not_import_the_router():
    heavy = {"httpx", "pydantic", "langchain_core"}
    code = f"import sys, {PLUGIN}\nprint({heavy} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"
