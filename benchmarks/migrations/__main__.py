"""Runs the benchmark."""

import sys

from benchmarks.migrations.run import main

sys.exit(main(sys.argv[1:]))
