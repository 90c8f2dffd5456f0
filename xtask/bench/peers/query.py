"""Comparison material: a query's answer fetched, decoded with json and its values checked.

Usage: query.py PROMETHEUS_URL
"""

import math
import sys

import requests


def main():
    answer = requests.get(sys.argv[1] + "/api/v1/query", params={"query": "up"}, timeout=60).json()
    assert answer["status"] == "success"
    good = 0
    for series in answer["data"]["result"]:
        _, value = series["value"]
        good += math.isfinite(float(value))
    print(good)


main()
