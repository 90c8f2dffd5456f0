"""Comparison material: a health check that asks Prometheus metric by metric.

Usage: health.py PROMETHEUS_URL METRIC...
"""

import sys

import requests


def main():
    base, metrics = sys.argv[1], sys.argv[2:]
    missing = 0
    requests.get(base + "/-/ready", timeout=30).raise_for_status()
    for metric in metrics:
        answer = requests.get(base + "/api/v1/series", params={"match[]": metric}, timeout=30)
        if not answer.json()["data"]:
            missing += 1
    print(f"{len(metrics)} metrics, {missing} missing")


main()
