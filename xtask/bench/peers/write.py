"""Comparison material: gauges written by the Python client; only the writing is timed.

Usage: write.py SERIES
"""

import json
import sys
import time

from prometheus_client import CollectorRegistry, Gauge, generate_latest


def main():
    registry = CollectorRegistry()
    gauge = Gauge(
        "backfill_completion_ratio",
        "How much of the lease's window is filled.",
        ["node_id", "interval", "lease_key"],
        registry=registry,
    )
    for index in range(int(sys.argv[1])):
        gauge.labels(f"node-{index % 500}", "60", f"lease-{index}").set(index / 1_000_003)
    begun = time.perf_counter()
    body = generate_latest(registry)
    print(json.dumps({"seconds": time.perf_counter() - begun, "bytes": len(body)}))


main()
