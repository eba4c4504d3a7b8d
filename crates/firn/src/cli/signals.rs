//! Ctrl-C and SIGTERM: the first stops cleanly, the second at once.

use firn_engine::cancel::Cancel;
use firn_model::diagnose::Category;
use std::io::Write;
use tokio::runtime::Runtime;

/// Listens until the process ends.
pub fn listen(runtime: &Runtime, cancel: &Cancel, quiet: bool) {
    let cancel = cancel.clone();
    runtime.spawn(async move {
        next().await;
        cancel.set();
        if !quiet {
            let mut err = std::io::stderr().lock();
            // Nobody is left to tell where standard error is gone.
            writeln!(err, "stopping; once more stops at once").unwrap_or_default();
        }
        next().await;
        std::process::exit(i32::from(Category::Interrupted.exit_code()));
    });
}

#[cfg(unix)]
async fn next() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                result = tokio::signal::ctrl_c() => unless_broken(result).await,
                _ = terminate.recv() => {}
            }
        }
        Err(_) => unless_broken(tokio::signal::ctrl_c().await).await,
    }
}

#[cfg(not(unix))]
async fn next() {
    unless_broken(tokio::signal::ctrl_c().await).await;
}

/// Where signals cannot be listened to, the system's own way of ending the process stays.
async fn unless_broken(result: std::io::Result<()>) {
    if result.is_err() {
        std::future::pending::<()>().await;
    }
}
