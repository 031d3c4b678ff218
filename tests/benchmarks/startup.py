"""Rows 11 to 13: the cost of importing, starting and constructing a model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.benchmarks.contenders import KEY, MAKERS, build_base_url
from tests.benchmarks.measuring import FLOOR, OPENAI, OURS, Case, Row, Sample, measure_time

CORE = "BaseChatModel"
IMPORTS = {
    CORE: "from langchain_core.language_models import BaseChatModel",
    OURS: "from orq_router_integrations import ChatOrq as Model",
    FLOOR: "from tests.benchmarks.floor import MinimalChatModel as Model",
    OPENAI: "from langchain_openai import ChatOpenAI as Model",
}
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
REPORT = """
import json, os, sys, time
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
def report(**found):
    print(json.dumps(found))
"""


def iter_cases(server: str) -> Iterator[Case]:
    """Yield all cases, each of them created when it is needed."""
    yield create_import_case()
    yield create_modules_case()
    yield create_first_answer_case(server)
    yield create_construct_case(server)


def run_in_new_process(code: str) -> Callable[[], Sample]:
    """Create a run of code in a new process, which ends by calling ``report``.

    The warm-up round writes bytecode, which pip does when it installs a package. Without it, each
    run would compile the checkout if the environment keeps Python from writing bytecode.
    """
    environment = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}

    def run() -> Sample:
        command = [sys.executable, "-c", REPORT + code]
        process = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment
        )
        sample: Sample = json.loads(process.stdout)
        return sample

    return run


def create_import_case() -> Case:
    code = "t = time.process_time()\n{}\nreport(cpu=(time.process_time() - t) * 1e6)"
    runs = {name: run_in_new_process(code.format(line)) for name, line in IMPORTS.items()}
    return Case([Row("11", "import", {CORE: 1.10})], runs)


def create_modules_case() -> Case:
    code = (
        f"{IMPORTS[CORE]}\nn, m = len(sys.modules), memory()\n"
        "{}\nreport(modules=len(sys.modules) - n, memory=memory() - m)"
    )
    names = (OURS, FLOOR, OPENAI)
    runs = {name: run_in_new_process(code.format(IMPORTS[name])) for name in names}
    rows = [
        Row("11", "... modules in addition to BaseChatModel's", {}, "modules", maximum=60),
        Row("11", "... memory in addition to BaseChatModel's", {}, "memory", maximum=5),
    ]
    return Case(rows, runs)


def create_first_answer_case(server: str) -> Case:
    url = build_base_url(server, "whole")
    code = (
        "{}\nModel(model='openai/gpt-4o', base_url='" + url + f"', api_key='{KEY}')"
        ".invoke('Hi')\nreport(cpu=time.process_time() * 1e6)"
    )
    runs = {name: run_in_new_process(code.format(IMPORTS[name])) for name in (OURS, FLOOR, OPENAI)}
    return Case([Row("12", "start to first answer", {FLOOR: 1.0})], runs)


def create_construct_case(server: str) -> Case:
    url = build_base_url(server, "whole")

    def run(make: Callable[[str], Any]) -> Sample:
        return measure_time(lambda: [make(url) for _ in range(50)], 50)

    runs = {name: lambda make=make: run(make) for name, make in MAKERS.items()}
    return Case([Row("13", "construct", {OPENAI: 0.15})], runs)
