"""The layers of the package: imports only point downwards, and functions stay short."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "orq_router_integrations"
NAME = PACKAGE.name

FOUNDATION = {"errors", "settings", "wire"}
INTEGRATION_BASE = FOUNDATION | {"_integration", "client", "media"}
MAY_IMPORT = {
    "wire": {"wire"},
    "errors": {"wire"},
    "settings": {"errors", "wire"},
    "_version": set(),
    "_http": FOUNDATION | {"_http", "_version"},
    "media": {"errors", "media", "wire"},
    "client": FOUNDATION | {"_http", "_version"},
    "_integration": FOUNDATION | {"_http", "client"},
    "_concurrency": FOUNDATION | {"_http", "client"},
    "chat_models": INTEGRATION_BASE | {"_http", "_version", "chat_models"},
    "tools": INTEGRATION_BASE | {"_http", "tools"},
    "document_loaders": INTEGRATION_BASE | {"_concurrency", "_http", "document_loaders"},
    "embeddings": INTEGRATION_BASE | {"_concurrency"},
    "rerank": INTEGRATION_BASE | {"_concurrency"},
    "retriever": INTEGRATION_BASE,
    "batch": INTEGRATION_BASE
    | {"_concurrency", "batch", "chat_models", "document_loaders", "embeddings", "tools"},
    "decisions": INTEGRATION_BASE | {"_decision_request"},
    "_decision_request": {"media", "wire"},
    "moderation": INTEGRATION_BASE | {"_concurrency"},
    "moderation_middleware": {"errors", "moderation", "wire"},
    "testing": {"_http", "client", "media", "testing", "wire"},
    "demo": INTEGRATION_BASE | {"chat_models", "document_loaders", "testing", "tools"},
    "__main__": {"_version", "demo", "errors", "testing"},
    "__init__": {
        "_http",
        "_version",
        "batch",
        "chat_models",
        "client",
        "decisions",
        "document_loaders",
        "embeddings",
        "errors",
        "media",
        "rerank",
        "retriever",
        "moderation",
        "moderation_middleware",
        "testing",
        "tools",
        "wire",
    },
}
"""For each folder or top-level module, the ones it may import."""

ONLY_IN = {
    "tenacity": {"_http"},
    "httpcore": {"_http"},
    "httpx": {"_http", "client", "testing"},
}
"""For each library, the only folders or modules that may import it."""

WITHOUT_LANGCHAIN = {"_http", "client", "settings", "wire"}


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside functions."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == NAME:
                yield from (f"{NAME}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def function_length(node: "ast.FunctionDef | ast.AsyncFunctionDef") -> int:
    """Lines of a function without its docstring."""
    first = node.body[0]
    doc = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
    return node.end_lineno - node.lineno + 1 - doc


FILES = sorted(PACKAGE.rglob("*.py"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


@each_file
def test_imports_point_downwards(path: Path) -> None:
    ours = {name.split(".")[1] for name in imported_modules(path) if name.startswith(f"{NAME}.")}
    assert ours <= MAY_IMPORT[layer_of(path)]


@each_file
def test_third_party_libraries_stay_in_their_layer(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported_modules(path)}
    for library, layers in ONLY_IN.items():
        assert library not in roots or layer_of(path) in layers
    if layer_of(path) in WITHOUT_LANGCHAIN:
        assert not roots & {"langchain_core", "langchain"}


@each_file
def test_functions_and_files_are_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 450
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert function_length(node) <= 40, node.name
