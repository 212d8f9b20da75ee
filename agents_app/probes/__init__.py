"""How a connection is tested: a child process runs one probe. Only probes import drivers, and only when they run."""
