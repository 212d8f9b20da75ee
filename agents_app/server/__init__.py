"""The server that `flask serve` runs: workers, connections, the gate in front of the app. No rules of the console."""
