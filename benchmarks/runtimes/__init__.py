"""`make bench-runtimes`: thousands of runtimes that ask once a minute which of their agents have changed."""
