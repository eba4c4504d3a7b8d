//! Feedstocks to catalogs: LEAP JSON, STAC, snippets.
