"""Comparison material: gauges made and written by the Python client.

Usage: write.py SERIES
"""

import sys

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
    print(len(generate_latest(registry)))


main()
