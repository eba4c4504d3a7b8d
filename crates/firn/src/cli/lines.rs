//! Progress where there is no terminal: plain lines, now and then.

use crate::config::size::bytes_text;
use firn_engine::progress::{Progress, ProgressEvent, TaskId, Unit};
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines about one task; a task that is done sooner is not mentioned.
const EVERY: Duration = Duration::from_secs(2);

struct Task {
    what: String,
    total: Option<u64>,
    unit: Unit,
    done: u64,
    said: Instant,
    mentioned: bool,
}

/// A line for every running task, every two seconds.
pub struct Lines {
    out: Mutex<Box<dyn Write + Send>>,
    tasks: Mutex<HashMap<TaskId, Task>>,
    every: Duration,
}

impl Lines {
    /// On standard error.
    pub fn new() -> Self {
        Self::to(Box::new(std::io::stderr()), EVERY)
    }

    fn to(out: Box<dyn Write + Send>, every: Duration) -> Self {
        Self { out: Mutex::new(out), tasks: Mutex::default(), every }
    }

    fn say(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell where standard error is gone; the work goes on.
        writeln!(out, "{text}").unwrap_or_default();
    }
}

impl Progress for Lines {
    fn event(&self, event: &ProgressEvent) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ProgressEvent::Started { id, what, total, unit } => {
                let task = Task {
                    what: what.clone(),
                    total: *total,
                    unit: *unit,
                    done: 0,
                    said: Instant::now(),
                    mentioned: false,
                };
                tasks.insert(*id, task);
            }
            ProgressEvent::Advanced { id, by } => {
                let Some(task) = tasks.get_mut(id) else { return };
                task.done = task.done.saturating_add(*by);
                if task.said.elapsed() >= self.every {
                    task.said = Instant::now();
                    task.mentioned = true;
                    self.say(&line(task));
                }
            }
            ProgressEvent::Finished { id } => {
                if let Some(task) = tasks.remove(id).filter(|task| task.mentioned) {
                    self.say(&line(&task));
                }
            }
            ProgressEvent::Note { text } => self.say(text),
            _ => {}
        }
    }
}

fn line(task: &Task) -> String {
    let amount = |n: u64| if task.unit == Unit::Bytes { bytes_text(n) } else { n.to_string() };
    let unit = if task.unit == Unit::Bytes { String::new() } else { format!(" {}", task.unit.name()) };
    match task.total {
        Some(total) => format!("{}: {} of {}{unit}", task.what, amount(task.done), amount(total)),
        None => format!("{}: {}{unit}", task.what, amount(task.done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn printed(every: Duration) -> String {
        let shared = Shared::default();
        let progress: Arc<dyn Progress> = Arc::new(Lines::to(Box::new(shared.clone()), every));
        let task = progress.task("scan", Some(3), Unit::Files);
        task.advance(1);
        task.advance(1);
        drop(task);
        progress.note("resumed");
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_quick_task_is_not_mentioned_and_a_note_always_is() {
        assert_eq!(printed(Duration::from_mins(1)), "resumed\n");
    }

    #[test]
    fn a_long_task_says_how_far_it_is() {
        assert_eq!(printed(Duration::ZERO), "scan: 1 of 3 files\nscan: 2 of 3 files\nscan: 2 of 3 files\nresumed\n");
    }
}
