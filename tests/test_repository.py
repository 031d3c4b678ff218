"""The repository contains no credentials, personal paths or hosts of package registries."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "a key": r"\bsk-[\w-]*[A-Za-z0-9]{20,}",
    "a token": r"\bey[J][\w-]{15,}\.[\w-]{15,}|\bgh[pousr]_\w{20,}|\bAKI[A]\w{16}",
    "a credential in a header": r"(?i)\bbearer [\w.~+/-]{20,}",
    "a private key": r"-----BEGI[N] [A-Z ]*PRIVATE KEY",
    "a cookie": r"(?im)^\W*(set-)?cooki[e]: *\S+=",
    "the host of a package registry": r"py[p]i\.org|pythonhoste[d]\.org|npmj[s]\.org|crate[s]\.io",
    "a path of a machine": r"(?<![\w.])/(root|home|Users)/[\w.-]+|[A-Z]:\\+Users\\+\w",
}


@cache
def read_repository() -> dict[str, str]:
    """Return the files that git tracks or would add, by path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [path for path in listed.stdout.decode().split("\0") if (ROOT / path).is_file()]
    return {path: (ROOT / path).read_bytes().decode("utf-8", "replace") for path in paths}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="requires a git checkout")
@pytest.mark.parametrize("name", FORBIDDEN)
def test_repository_contains_no(name):
    pattern = re.compile(FORBIDDEN[name])
    matches = [
        f"{path}: {match[0][:12]}..."
        for path, text in read_repository().items()
        for match in pattern.finditer(text)
    ]
    assert not matches, f"{name} in the repository: {matches}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a key", "sk-" + "orq-" + "a1" * 12),
        ("a token", "ey" + "J0" + "a" * 20 + "." + "b" * 20),
        ("a credential in a header", "Bear" + "er " + "x" * 24),
        ("a private key", "-----BEGIN" + " RSA PRIVATE KEY"),
        ("a cookie", "set-" + "cookie: session=1"),
        ("the host of a package registry", "py" + "pi.org"),
        ("a path of a machine", "/" + "home/someone"),
    ],
)
def test_pattern_matches(name, text):
    assert re.search(FORBIDDEN[name], f"x = {text}" if name != "a cookie" else text)
