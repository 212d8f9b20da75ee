"""`python -m benchmarks.growth`."""

import sys

from benchmarks.growth.run import main

sys.exit(main())
