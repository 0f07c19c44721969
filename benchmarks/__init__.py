"""One harness, one file a question."""
