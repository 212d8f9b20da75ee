"""Runs the benchmark: `python -m benchmarks.search`."""

import sys

from benchmarks.search.run import main

sys.exit(main())
