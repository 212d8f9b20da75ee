"""`python -m benchmarks.requests`."""

import sys

from benchmarks.requests.run import main

sys.exit(main())
