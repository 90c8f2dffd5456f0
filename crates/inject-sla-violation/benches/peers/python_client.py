"""The same series, served by the Python client library: the peer of the injector's --serve.

Usage: python3 python_client.py NODES; prints "serving URL" and serves until it is killed.
Needs the package prometheus-client (Debian: python3-prometheus-client).
"""

import sys
import threading

from prometheus_client import CollectorRegistry, Histogram, start_http_server

SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 3, 5, 10, 15, 30, 45, 60, 90, 120, 180, 240, 300, 600]
PHASES = ["storage_wait", "backfill_wait", "live_wait", "total"]
DOMAIN = ["seamless_storage_wait_ms", "seamless_backfill_wait_ms", "seamless_live_wait_ms", "seamless_total_ms"]


def main():
    nodes = int(sys.argv[1])
    registry = CollectorRegistry()
    sla = Histogram(
        "seamless_sla_deadline_seconds",
        "Time a request spent in a phase that has an SLA budget, in seconds.",
        ["node_id", "phase", "drill"],
        buckets=SECONDS,
        registry=registry,
    )
    domain = [
        Histogram(
            name,
            "Time a request waited, in milliseconds.",
            ["node_id", "interval", "world_id", "drill"],
            buckets=[1000 * bound for bound in SECONDS],
            registry=registry,
        )
        for name in DOMAIN
    ]
    for index in range(nodes):
        node = "n" if index == 0 else f"n-{index + 1}"
        for phase in PHASES:
            child = sla.labels(node, phase, "bench")
            for _ in range(10):
                child.observe(180)
        for histogram in domain:
            child = histogram.labels(node, "60", "default", "bench")
            for _ in range(10):
                child.observe(180_000)
    served = start_http_server(0, addr="127.0.0.1", registry=registry)
    port = served[0].server_port
    print(f"serving http://127.0.0.1:{port}/metrics", file=sys.stderr, flush=True)
    threading.Event().wait()


main()
