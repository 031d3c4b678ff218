"""A Ray job on two nodes, of which one is killed; started as a process by ``test_ray.py``.

Its arguments are the base URL of the router and a directory for the store. It prints the rows as
JSON. Ray listens on the network card unless an environment variable is set before the import. The
job stops if anything new listens on another address than loopback.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"

import ray
from ray.cluster_utils import Cluster
from support.loopback import find_public_listeners

from orq_router_integrations import OrqAudioParser, RouterClient
from orq_router_integrations.batch import AsyncRows, ResultStore, TranscriptRows

COUNT = 60
NODE = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 80 * 1024**2}


def create_rows(url: str, directory: Path) -> TranscriptRows:
    client = RouterClient(base_url=url, allow_insecure=True)
    parser = OrqAudioParser(model="openai/whisper-1", client=client)
    store = ResultStore(directory / "store", claim_seconds=3.0)
    return TranscriptRows(parser, store=store, max_concurrency=4)


def run(url: str, directory: Path) -> list[dict[str, Any]]:
    before = find_public_listeners()
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        node = cluster.add_node(**NODE)
        address = {"address": cluster.address, "_node_ip_address": "127.0.0.1"}
        ray.init(**address, logging_level="ERROR", log_to_driver=False)
        if public := find_public_listeners() - before:
            raise SystemExit(f"Ray listens on other addresses than loopback: {sorted(public)}")
        killer = threading.Thread(target=kill_node, args=(cluster, node, directory / "store"))
        killer.start()
        items = [{"audio": f"ID3 Recording {number}?".encode()} for number in range(COUNT)]
        dataset = ray.data.from_items(items, override_num_blocks=COUNT // 4).map_batches(
            AsyncRows,
            fn_constructor_args=(create_rows(url, directory),),
            batch_size=4,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=2),
        )
        rows = dataset.take_all()
        killer.join()
        return rows
    finally:
        ray.shutdown()
        cluster.shutdown()


def kill_node(cluster: Cluster, node: Any, store: Path) -> None:
    """Kill a node once a third of the results is stored."""
    while sum(".claim." not in path.name for path in store.glob("*/*")) < COUNT // 3:
        time.sleep(0.02)
    cluster.remove_node(node, allow_graceful=False)


if __name__ == "__main__":
    rows = run(sys.argv[1], Path(sys.argv[2]))
    Path(sys.argv[2], "rows.json").write_text(
        json.dumps([{**row, "audio": bytes(row["audio"]).decode()} for row in rows], default=str)
    )
