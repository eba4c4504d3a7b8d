"""What the Python tests share: running the binary, comparing a source with a store, test servers."""
