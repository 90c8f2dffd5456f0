"""Comparison material: leases one at a time, with a new connection each.

Usage: lease_recover.py COORDINATOR_URL SPECS_FILE COUNT
"""

import sys

import requests


def main():
    base, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(path) as specs:
        for _, line in zip(range(count), specs):
            key, token = line.rstrip("\n").rsplit(":", 1)
            body = {"key": key, "token": token, "reason": "manual_recovery"}
            requests.post(base + "/v1/leases/fail", json=body, timeout=30).raise_for_status()


main()
