//! Progress on a terminal.

use firn_engine::progress::{Progress, ProgressEvent, TaskId, Unit};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One bar a running task; gone when the task is.
pub struct Bars {
    all: MultiProgress,
    running: Mutex<HashMap<TaskId, ProgressBar>>,
}

impl Bars {
    /// On standard error.
    pub fn new() -> Self {
        Self { all: MultiProgress::new(), running: Mutex::default() }
    }
}

impl Progress for Bars {
    fn event(&self, event: &ProgressEvent) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ProgressEvent::Started { id, what, total, unit } => {
                let bar = match total {
                    Some(total) => ProgressBar::new(*total),
                    None => ProgressBar::no_length(),
                };
                let bar = self.all.add(bar.with_style(style(*total, *unit)).with_message(what.clone()));
                bar.enable_steady_tick(Duration::from_millis(200));
                running.insert(*id, bar);
            }
            ProgressEvent::Advanced { id, by } => {
                if let Some(bar) = running.get(id) {
                    bar.inc(*by);
                }
            }
            ProgressEvent::Finished { id } => {
                if let Some(bar) = running.remove(id) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
            }
            ProgressEvent::Note { text } => {
                // A note that cannot be shown because the terminal is gone is of no use to anyone.
                self.all.println(text).unwrap_or_default();
            }
            _ => {}
        }
    }
}

fn style(total: Option<u64>, unit: Unit) -> ProgressStyle {
    let counts = match (total.is_some(), unit == Unit::Bytes) {
        (true, true) => "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}".to_owned(),
        (true, false) => format!("{{wide_bar}} {{pos}}/{{len}} {} {{eta}}", unit.name()),
        (false, true) => "{spinner} {bytes} {bytes_per_sec}".to_owned(),
        (false, false) => format!("{{spinner}} {{pos}} {}", unit.name()),
    };
    ProgressStyle::with_template(&format!("{{msg:24!}} {counts}")).unwrap_or_else(|_| ProgressStyle::default_bar())
}
