//! Storage against real files, a misbehaving web server, and an S3 service where one is named.

// The lint configuration knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod cloud;
mod fake_s3;
mod files;
mod hostile_s3;
mod http;
mod local;
mod metadata;
mod s3;
mod support;
mod web;
