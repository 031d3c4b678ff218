"""The public names: complete, documented, and fast to import."""

import ast
import doctest
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import orq_router_integrations as package
from orq_router_integrations import RouterControls, errors
from orq_router_integrations import testing as offline
from orq_router_integrations.wire.controls import RouterControlsDict

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
)
HEAVY = {"aiohttp", "openai", "tiktoken", "PIL", "uvicorn", "langchain"}


REQUIRE_DECISIONS = {
    "OrqDecisionModel",
    "orq_router_integrations.decisions",
    "orq_router_integrations._decision_request",
}
"""Names and modules that require langchain-core 1.8."""

OPTIONAL_NAMES = {"OrqDecisionModel", "OrqModerationMiddleware"}
"""Names that are not part of ``__all__`` if a package is missing."""


@pytest.fixture(autouse=True)
def skip_decisions_with_old_core(request: pytest.FixtureRequest) -> None:
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    if name in REQUIRE_DECISIONS:
        pytest.importorskip("langchain_core.decisions", reason="requires langchain-core 1.8")


def test_all_is_sorted_and_equals_dir() -> None:
    assert package.__all__ == sorted(package.__all__)
    assert set(dir(package)) - OPTIONAL_NAMES <= set(package.__all__) <= set(dir(package))


def test_type_checkers_see_the_same_names() -> None:
    """They see the imports of the form ``from module import name as name``."""
    tree = ast.parse(Path(str(package.__file__)).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.asname: node.module for node in imports for alias in node.names if alias.asname}
    modules = {name: f"{package.__name__}.{module}" for name, module in package._MODULES.items()}
    assert names == {**modules, "__version__": f"{package.__name__}._version"}


@pytest.mark.parametrize("name", [name for name in package.__all__ if name != "__version__"])
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> " in getattr(package, name).__doc__


@pytest.mark.parametrize("name", offline.__all__)
def test_every_testing_name_has_an_example(name: str) -> None:
    assert offline.__all__ == sorted(offline.__all__)
    assert ">>> " in getattr(offline, name).__doc__


ERRORS = [
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and value.__module__ == errors.__name__ and name.endswith("Error")
]


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_documented(name: str) -> None:
    assert getattr(errors, name).__doc__


def test_star_import_skips_names_whose_packages_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without langchain, or with langchain-core before 1.8."""
    for name, missing in (
        ("OrqModerationMiddleware", "langchain.agents.middleware.types"),
        ("OrqDecisionModel", "langchain_core.decisions"),
    ):
        monkeypatch.delitem(vars(package), name, raising=False)
        monkeypatch.delitem(
            sys.modules, f"{package.__name__}.{package._MODULES[name]}", raising=False
        )
        monkeypatch.setitem(sys.modules, missing, None)
    namespace: dict[str, object] = {}
    exec("from orq_router_integrations import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(dir(package)) - OPTIONAL_NAMES
    with pytest.raises(ImportError, match="pip install"):
        _ = package.OrqModerationMiddleware


def test_unknown_name_raises() -> None:
    with pytest.raises(AttributeError, match="ChatOrk"):
        _ = package.ChatOrk


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.failed == 0


def list_loaded_modules(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(process.stdout))


def test_package_import_loads_no_dependencies() -> None:
    roots = {name.split(".")[0] for name in list_loaded_modules("import orq_router_integrations")}
    assert not roots & {"httpx", "langchain_core", "pydantic", "orjson", "tenacity"}


@pytest.mark.slow
def test_chat_model_import_loads_no_optional_dependencies() -> None:
    modules = list_loaded_modules("from orq_router_integrations import ChatOrq")
    assert not {name.split(".")[0] for name in modules} & HEAVY
    assert not any(name.startswith("orq_router_integrations.testing") for name in modules)


@pytest.mark.slow
def test_new_model_opens_no_connection() -> None:
    construction = "m = ChatOrq(model='openai/gpt-4o', api_key='sk-orq-test')"
    replacements = (
        "ssl.SSLContext.__init__ = httpx.Client.__init__ = httpx.AsyncClient.__init__ = fail"
    )
    list_loaded_modules(
        "import ssl, httpx\nfrom orq_router_integrations import ChatOrq\n"
        f"def fail(*a, **k): raise AssertionError('opened')\n{replacements}\n{construction}"
    )


def test_typed_dict_of_controls_matches_the_fields() -> None:
    assert set(RouterControlsDict.__annotations__) == set(RouterControls.model_fields)
