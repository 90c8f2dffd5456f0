"""Comparison material: lease specs taken apart with split, and kept. Usage: specs.py FILE"""

import sys

with open(sys.argv[1]) as lines:
    specs = [line.rstrip("\n").rsplit(":", 1) for line in lines]
print(len(specs))
