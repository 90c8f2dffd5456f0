"""Comparison material: a command-line program that imports an HTTP client and a metrics client."""

import argparse

import prometheus_client  # noqa: F401
import requests  # noqa: F401

parser = argparse.ArgumentParser()
parser.add_argument("--version", action="version", version="0.1.0")
parser.parse_args()
