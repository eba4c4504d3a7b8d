//! Storage against real files, a misbehaving web server, and an S3 service where one is named.

mod local;
mod s3;
mod support;
