//! The `firn` command: makes the runtime and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => firn::cli::main(runtime, std::env::args_os().collect()),
        Err(error) => firn::cli::no_runtime(&error),
    }
}
