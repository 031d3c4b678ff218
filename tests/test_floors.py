"""The house's floors: imports point down, and the ground floor knows no one above it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "orq_router_integrations"
NAME = PACKAGE.name

MAY_IMPORT = {
    "__init__": {
        "_version",
        "chat_models",
        "client",
        "document_loaders",
        "errors",
        "media",
        "offline",
        "tools",
        "wire",
    },
    "_version": set(),
    "wire": {"wire"},
    "error_bodies": {"wire"},
    "errors": {"error_bodies", "wire"},
    "hush": {"error_bodies", "forks"},
    "lazily": set(),
    "validation": {"error_bodies", "errors", "wire"},
    "settings": {"wire"},
    "forks": set(),
    "owned": set(),
    "retry": {"errors", "forks", "limits"},
    "connections": {
        "connections",
        "errors",
        "exchange",
        "forks",
        "lazily",
        "limits",
        "owned",
    },
    "formats": {"wire"},
    "dimensions": set(),
    "media": {"errors", "formats", "wire"},
    "limits": set(),
    "bodies": {"wire"},
    "keys": {"errors", "limits", "settings", "validation"},
    "timing": {"errors", "limits", "settings", "validation", "wire"},
    "translation": {"error_bodies", "errors", "limits", "wire"},
    "exchange": {
        "bodies",
        "error_bodies",
        "errors",
        "hush",
        "lazily",
        "keys",
        "limits",
        "retry",
        "settings",
        "translation",
        "wire",
    },
    "delivery": {
        "_version",
        "client",  # for type checkers; the client loads its delivery with the first call
        "connections",
        "errors",
        "exchange",
        "owned",
        "retry",
        "timing",
        "validation",
        "wire",
    },
    "client": {"connections", "delivery", "keys", "lazily", "retry", "settings", "wire"},
    "faces": {"client", "settings", "validation", "wire"},
    "saving": {"errors"},
    "downloads": {"errors"},
    "wav": set(),
    "tools": {
        "dimensions",
        "downloads",
        "errors",
        "faces",
        "forks",
        "formats",
        "media",
        "owned",
        "saving",
        "tools",
        "validation",
        "wav",
        "wire",
    },
    "chat_models": {
        "_version",
        "chat_models",
        "client",
        "dimensions",
        "errors",
        "faces",
        "formats",
        "lazily",
        "media",
        "owned",
        "settings",
        "validation",
        "wire",
    },
    "document_loaders": {
        "client",
        "document_loaders",
        "errors",
        "faces",
        "formats",
        "limits",
        "media",
        "saving",
        "validation",
        "wav",
        "wire",
    },
    "offline": {"client", "dimensions", "forks", "formats", "offline", "wav", "wire"},
    "demo_media": {"client", "document_loaders", "tools"},
    "demo": {
        "chat_models",
        "client",
        "demo_media",
        "errors",
        "media",
        "offline",
        "settings",
        "wire",
    },
    "__main__": {"_version", "demo", "offline", "validation"},
}
ONLY_IN = {
    "tenacity": {"retry"},
    "httpcore": {"connections"},
    "httpx": {
        "client",
        "connections",
        "downloads",
        "exchange",
        "timing",
        "translation",
        "offline",
    },
}
NO_LANGCHAIN = {
    "hush",
    "owned",
    "wire",
    "downloads",
    "forks",
    "retry",
    "connections",
    "limits",
    "bodies",
    "keys",
    "timing",
    "translation",
    "exchange",
    "client",
    "delivery",
    "settings",
    "validation",
}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == NAME:
                yield from (f"{NAME}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def floor(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    ours = {name.split(".")[1] for name in imports(path) if name.startswith(f"{NAME}.")}
    assert ours <= MAY_IMPORT[floor(path)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_other_peoples_libraries_stay_in_their_rooms(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    for library, rooms in ONLY_IN.items():
        assert library not in roots or floor(path) in rooms
    assert floor(path) not in NO_LANGCHAIN or not roots & {"langchain_core", "langchain"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_are_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert own_lines(node) <= 25, node.name


def own_lines(node: "ast.FunctionDef | ast.AsyncFunctionDef") -> int:
    """Lines of a function from its ``def`` on, without the docstring."""
    first = node.body[0]
    doc = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
    return node.end_lineno - node.lineno + 1 - doc
