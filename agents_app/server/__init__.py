"""The server that `flask serve` runs: workers, connections, the middleware that reads bodies. It has no rules."""
