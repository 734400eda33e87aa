"""A Ray that belongs to somebody else: says its address, ends when stdin closes. Argument: its directory."""
# ruff: noqa: T201 - it talks to the test on stdout

import sys
from typing import Any

import ray

somebodys: Any = ray
context = somebodys.init(
    num_cpus=2, include_dashboard=False, _temp_dir=sys.argv[1], log_to_driver=False, logging_level=40
)
print(context.address_info["gcs_address"], flush=True)
for _ in sys.stdin:
    print(sum(node["Alive"] for node in somebodys.nodes()), flush=True)
ray.shutdown()
