//! Who holds a lease or a claim: a process, and whether it can be told that it does not live any more.

use serde::{Deserialize, Serialize};

/// A process by its name for people, and by what tells whether it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    name: String,
    /// `None` where the system does not tell: then its time has to run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
}

/// A process number is used again, so it counts only together with all of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    id: u32,
    /// The boot of the machine, and the namespace that the number belongs to.
    place: String,
    /// When it began, in ticks since the boot.
    began: String,
}

impl Holder {
    /// Of this very process.
    pub fn this_process() -> Self {
        let id = std::process::id();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() { "a machine" } else { host.trim() };
        let process = place().zip(began(id)).map(|(place, began)| Process { id, place, began });
        Self { name: format!("process {id} on {host}"), process }
    }

    /// Of which only the name is known.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), process: None }
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it ran where this process runs, and does not any more. "Cannot tell" is no.
    pub fn is_gone(&self) -> bool {
        let (Some(process), Some(here)) = (&self.process, place()) else { return false };
        process.place == here && began(process.id).as_deref() != Some(process.began.as_str())
    }
}

/// The boot of this machine and the namespace of process numbers; `None` where not every process can be seen, so that one
/// that is not seen could live.
fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    // Another namespace's `/proc` counts differently.
    let own = std::fs::read_link("/proc/self").ok()?;
    if own.to_str() != Some(std::process::id().to_string().as_str()) {
        return None;
    }
    // Where the processes of other users are hidden, so is the first one.
    std::fs::read_to_string("/proc/1/stat").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.to_str()?))
}

/// When a process began; `None` where there is none, or where it ended and was not waited for.
fn began(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are those after the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18).map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_one_that_ended_is_gone() {
        assert!(!Holder::this_process().is_gone());
        let Some(place) = place() else { return };
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let began = began(child.id()).unwrap();
        let of = |place: &str| Holder {
            name: "child".to_owned(),
            process: Some(Process { id: child.id(), place: place.to_owned(), began: began.clone() }),
        };
        let (here, elsewhere) = (of(&place), of("another boot"));
        assert!(!here.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(here.is_gone());
        assert!(!elsewhere.is_gone(), "of another machine nobody here can tell");
        assert!(!Holder::named("somebody").is_gone());
    }

    #[test]
    fn a_number_that_is_used_again_is_not_the_same_process() {
        let Some(place) = place() else { return };
        let process = Process { id: std::process::id(), place, began: "0".to_owned() };
        assert!(Holder { name: "before".to_owned(), process: Some(process) }.is_gone());
    }
}
