//! Objects on any location: local, HTTP, S3.
