"""Comparison material: an exposition read by the Python client's parser. Usage: read.py FILE"""

import sys

from prometheus_client.parser import text_fd_to_metric_families

with open(sys.argv[1]) as document:
    print(sum(len(family.samples) for family in text_fd_to_metric_families(document)))
