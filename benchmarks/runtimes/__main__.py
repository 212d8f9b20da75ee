"""`python -m benchmarks.runtimes`."""

import sys

from benchmarks.runtimes.run import main

sys.exit(main())
