//! What was copied from one place to another, kept in the directory of states: the same command sends only what is not proven
//! to have arrived, and `firn check` need not read what has not changed since. The format: `docs/formats/transfer-record.md`.

use crate::error::EngineError;
use crate::settings::Engine;
use firn_model::diagnose::At;
use firn_model::source::SourceVersion;
use firn_storage::{Prefix, StorageError};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Where records are kept, in the directory of states.
pub(crate) const FOLDER: &str = "transfers";
const SCHEMA: &str = "firn/transfer-record/1";
/// Longest line that is read, bytes: a key has at most 1,024.
const LONGEST: u64 = 1 << 16;

/// One object that arrived.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Arrival {
    /// Its key at the destination.
    pub key: String,
    /// What was copied.
    pub from: SourceVersion,
    /// What came to lie there.
    pub to: SourceVersion,
    /// BLAKE3 of the bytes, hex, where they passed here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub blake3: Option<String>,
}

impl Arrival {
    /// The same, as a record of the way back.
    #[must_use]
    pub fn turned(&self) -> Self {
        Self { from: self.to.clone(), to: self.from.clone(), ..self.clone() }
    }

    /// Whether both objects are still those of this record.
    pub fn is_of(&self, from: &SourceVersion, to: &SourceVersion) -> bool {
        is_same(&self.from, from) && is_same(&self.to, to)
    }
}

/// Whether two answers are certain to be of the same state of one object: the same size, and the same entity tag, or, where
/// neither has one, the same time.
fn is_same(a: &SourceVersion, b: &SourceVersion) -> bool {
    a.size == b.size
        && match (&a.etag, &b.etag) {
            (Some(a), Some(b)) => a.trim_matches('"') == b.trim_matches('"'),
            (None, None) => a.last_modified.is_some() && a.last_modified == b.last_modified && a.has_the_fraction_of(b),
            _ => false,
        }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    schema: String,
    from: String,
    to: String,
}

/// The records of copies between two places.
pub struct Records {
    path: PathBuf,
    head: Head,
    file: Option<File>,
}

impl Records {
    /// Of copies from one place to another, by their identities: the same places in other words are the same.
    pub fn between(engine: &Engine, from: &Prefix, to: &Prefix) -> Self {
        let id = blake3::hash(format!("{}\n{}", from.identity(), to.identity()).as_bytes());
        let path = engine.settings.state_dir.join(FOLDER).join(format!("{}.jsonl", &id.to_hex()[..32]));
        let head = Head { schema: SCHEMA.to_owned(), from: from.url().to_string(), to: to.url().to_string() };
        Self { path, head, file: None }
    }

    fn failed(&self, error: &std::io::Error) -> EngineError {
        StorageError::io(At::url(self.path.to_string_lossy()), error).into()
    }

    /// What arrived, the last of each key. Lines that are cut, as a kill leaves the last one, prove nothing.
    ///
    /// # Errors
    /// Where the file is there and cannot be read.
    pub fn read(&self) -> Result<BTreeMap<String, Arrival>, EngineError> {
        Ok(self.lines()?.0)
    }

    /// As [`Records::read`], for who goes on to add some: where most lines of the file are of no use any more, or the last is cut,
    /// it is written anew.
    ///
    /// # Errors
    /// What the file system says.
    pub fn tidy(&mut self) -> Result<BTreeMap<String, Arrival>, EngineError> {
        let (found, lines) = self.lines()?;
        if lines == 0 || lines > 2 * found.len() + 1 {
            self.keep(&found)?;
        }
        Ok(found)
    }

    /// What arrived, and the number of lines; 0 where the file cannot be added to as it is.
    fn lines(&self) -> Result<(BTreeMap<String, Arrival>, usize), EngineError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((BTreeMap::new(), 0)),
            Err(error) => return Err(self.failed(&error)),
        };
        let (mut found, mut lines, mut is_whole) = (BTreeMap::new(), 0, true);
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line);
            if read.map_err(|error| self.failed(&error))? == 0 {
                break;
            }
            lines += 1;
            is_whole = line.last() == Some(&b'\n');
            if is_whole && let Ok(arrival) = serde_json::from_slice::<Arrival>(&line) {
                found.insert(arrival.key.clone(), arrival);
            }
        }
        Ok((found, if is_whole { lines } else { 0 }))
    }

    /// Leaves the last record of each of these keys alone in the file: it does not grow for ever.
    ///
    /// # Errors
    /// What the file system says.
    fn keep(&mut self, arrivals: &BTreeMap<String, Arrival>) -> Result<(), EngineError> {
        let Some(folder) = self.path.parent().map(Path::to_owned) else { return Ok(()) };
        let mut text = line(&self.head)?;
        for arrival in arrivals.values() {
            text.push_str(&line(arrival)?);
        }
        let beside = self.path.with_extension(format!("{}.new", std::process::id()));
        let write = || {
            std::fs::create_dir_all(&folder)?;
            let mut file = File::create(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.path)
        };
        write().map_err(|error| self.failed(&error))?;
        self.file = None;
        Ok(())
    }

    /// Adds what has arrived.
    ///
    /// # Errors
    /// What the file system says.
    pub fn add(&mut self, arrivals: &[Arrival]) -> Result<(), EngineError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for arrival in arrivals {
            text.push_str(&line(arrival)?);
        }
        let path = self.path.clone();
        let failed =
            |error: &std::io::Error| EngineError::from(StorageError::io(At::url(path.to_string_lossy()), error));
        if self.file.is_none() {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
            }
            let file = OpenOptions::new().append(true).create(true).open(&self.path);
            self.file = Some(file.map_err(|error| failed(&error))?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

fn line(value: &impl serde::Serialize) -> Result<String, EngineError> {
    let mut text = serde_json::to_string(value).map_err(|error| EngineError::bug(error.to_string()))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(etag: Option<&str>, modified: Option<i64>, size: u64) -> SourceVersion {
        SourceVersion { etag: etag.map(str::to_owned), last_modified: modified, nanoseconds: None, size }
    }

    #[test]
    fn only_the_same_state_proves_anything() {
        let a = version(Some("\"x\""), Some(1), 3);
        assert!(is_same(&a, &version(Some("x"), Some(2), 3)));
        assert!(!is_same(&a, &version(Some("y"), Some(1), 3)));
        assert!(!is_same(&a, &version(Some("x"), Some(1), 4)));
        assert!(!is_same(&a, &version(None, Some(1), 3)));
        assert!(is_same(&version(None, Some(1), 3), &version(None, Some(1), 3)));
        assert!(!is_same(&version(None, None, 3), &version(None, None, 3)));
    }

    #[test]
    fn what_was_added_is_read_and_a_cut_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let head = Head { schema: SCHEMA.to_owned(), from: "a".to_owned(), to: "b".to_owned() };
        let mut records = Records { path: folder.path().join("t/r.jsonl"), head, file: None };
        assert!(records.read().unwrap().is_empty());
        let arrival = |key: &str, size| Arrival {
            key: key.to_owned(),
            from: version(None, Some(5), size),
            to: version(Some("t"), None, size),
            blake3: None,
        };
        records.keep(&BTreeMap::new()).unwrap();
        records.add(&[arrival("a\n", 1), arrival("b", 2), arrival("b", 3)]).unwrap();
        std::fs::OpenOptions::new().append(true).open(&records.path).unwrap().write_all(b"{\"key\": \"c").unwrap();
        let found = records.read().unwrap();
        assert_eq!(found.values().cloned().collect::<Vec<_>>(), [arrival("a\n", 1), arrival("b", 3)]);
        // Beginning anew ends the cut line.
        records.file = None;
        assert_eq!(records.tidy().unwrap(), found);
        records.add(&[arrival("c", 4)]).unwrap();
        assert_eq!(records.read().unwrap().len(), 3);
        let text = std::fs::read_to_string(&records.path).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
