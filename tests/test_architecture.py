"""The layers of the package: imports only point downwards, and functions stay short."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
    "testing": {"_http", "client", "errors", "media", "testing", "wire"},
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
def list_nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def iter_imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, also inside functions."""
    for node in list_nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == NAME:
                yield from (f"{NAME}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def get_layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def count_lines(node: "ast.FunctionDef | ast.AsyncFunctionDef") -> int:
    """Count the lines of a function without its docstring."""
    first = node.body[0]
    docstring_lines = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
    return node.end_lineno - node.lineno + 1 - docstring_lines


FILES = sorted(PACKAGE.rglob("*.py"))


def test_imports_point_downwards() -> None:
    upward_imports = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in FILES
        for name in iter_imports(path)
        if name.startswith(f"{NAME}.") and name.split(".")[1] not in MAY_IMPORT[get_layer(path)]
    ]
    assert not upward_imports


def test_third_party_libraries_stay_in_their_layer() -> None:
    misplaced_imports = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in FILES
        for name in iter_imports(path)
        if not may_import_library(get_layer(path), name.split(".")[0])
    ]
    assert not misplaced_imports


def may_import_library(layer: str, library: str) -> bool:
    if library in {"langchain_core", "langchain"}:
        return layer not in WITHOUT_LANGCHAIN
    return library not in ONLY_IN or layer in ONLY_IN[library]


def test_files_are_short() -> None:
    lengths = {str(path.relative_to(PACKAGE)): path.read_text().count("\n") for path in FILES}
    assert not {path: lines for path, lines in lengths.items() if lines > 450}


def test_functions_are_short() -> None:
    lengths = {
        f"{path.relative_to(PACKAGE)}: {node.name}": count_lines(node)
        for path in FILES
        for node in list_nodes(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert not {name: lines for name, lines in lengths.items() if lines > 40}
