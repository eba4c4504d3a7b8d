//! Words and rules of firn: arrays, chunk manifests, feedstocks, plans. No I/O, async, clock or environment.
