"""A job that answers prompts in an engine; started as a process by ``test_engines.py``.

Its arguments are the name of the engine, the base URL of the router and the directory of the store.
It prints the rows as JSON, and stops if an engine listens on another address than loopback.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from support.loopback import find_public_listeners

from orq_router_integrations import ChatOrq, RouterClient
from orq_router_integrations.batch import AsyncRows, ChatRows, ResultStore

COUNT = 40
BATCH_SIZE = 5
PROMPTS = [f"Question {number}?" for number in range(COUNT)]
BATCHES = [{"prompt": PROMPTS[n : n + BATCH_SIZE]} for n in range(0, COUNT, BATCH_SIZE)]
LISTENERS = find_public_listeners()


def check_listeners() -> None:
    if public := find_public_listeners() - LISTENERS:
        raise SystemExit(f"The engine listens on other addresses than loopback: {sorted(public)}")


def run_processes(rows: ChatRows) -> Iterator[dict[str, Any]]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield from pool.map(rows, BATCHES)


def run_joblib(rows: ChatRows) -> list[dict[str, Any]]:
    from joblib import Parallel, delayed

    return list(Parallel(n_jobs=2)(delayed(rows)(batch) for batch in BATCHES))


def run_dask(rows: ChatRows) -> Iterator[dict[str, Any]]:
    import pandas as pd
    from dask import dataframe
    from distributed import Client, LocalCluster

    frame = dataframe.from_pandas(pd.DataFrame({"prompt": PROMPTS}), npartitions=COUNT // 5)
    meta = rows(pd.DataFrame({"prompt": []}))
    with LocalCluster(2, 1, host="127.0.0.1", dashboard_address=None) as cluster, Client(cluster):
        check_listeners()
        yield frame.map_partitions(rows, meta=meta).compute().to_dict("list")


def run_daft(rows: ChatRows) -> Iterator[dict[str, Any]]:
    import daft

    @daft.func.batch(return_dtype=daft.DataType.string(), batch_size=BATCH_SIZE)
    def answer(prompts: daft.Series) -> list[str | None]:
        return rows({"prompt": prompts.to_pylist()})["answer"]

    frame = daft.from_pydict({"prompt": PROMPTS})
    columns = frame.with_column("answer", answer(frame["prompt"])).to_pydict()
    yield {**columns, "error": [None] * COUNT}


def run_daft_async(rows: ChatRows) -> Iterator[dict[str, Any]]:
    import daft

    @daft.func.batch(return_dtype=daft.DataType.string(), batch_size=BATCH_SIZE)
    async def answer(prompts: daft.Series) -> list[str | None]:
        return (await AsyncRows(rows)({"prompt": prompts.to_pylist()}))["answer"]

    frame = daft.from_pydict({"prompt": PROMPTS})
    columns = frame.with_column("answer", answer(frame["prompt"])).to_pydict()
    yield {**columns, "error": [None] * COUNT}


def run_spark(rows: ChatRows) -> Iterator[dict[str, Any]]:
    from pyspark.sql import SparkSession

    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    check_listeners()
    frame = session.createDataFrame([(prompt,) for prompt in PROMPTS], "prompt string")
    schema = "prompt string, answer string, error string"

    def answer(frames: Iterator[Any]) -> Iterator[Any]:
        return (rows(frame)[["prompt", "answer", "error"]] for frame in frames)

    for row in frame.mapInPandas(answer, schema).collect():
        yield {name: [value] for name, value in row.asDict().items()}
    session.stop()


if __name__ == "__main__":
    engine, url, store = sys.argv[1:]
    model = ChatOrq("openai/gpt-4o", client=RouterClient(base_url=url, allow_insecure=True))
    rows = ChatRows(model, store=ResultStore(store), max_concurrency=4)
    tables = list(globals()[f"run_{engine}"](rows))
    check_listeners()
    names = ("prompt", "answer", "error")
    columns = {name: [value for table in tables for value in table[name]] for name in names}
    sys.stdout.write(json.dumps(columns))
