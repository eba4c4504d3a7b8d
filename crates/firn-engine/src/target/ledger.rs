//! The ledger of a store: what each of its chunks is, so that a missing one is told from an empty one.
//!
//! A text file, `.firn/ledger`: the line `firn-ledger 1`, then one line a write unit in key order, fields separated by tabs:
//! key, length in bytes, BLAKE3 in hex; length and digest are `-` for a unit that was not written because all its elements
//! are the fill value, and the digest alone of one that was adopted without being read.

use crate::error::EngineError;
use firn_model::diagnose::At;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where it lies in its store.
pub const LEDGER_KEY: &str = ".firn/ledger";
const HEADER: &str = "firn-ledger 1";

/// What a chunk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerEntry {
    /// All its elements are the fill value; there is no object.
    KnownEmpty,
    /// An object.
    Stored {
        /// Its length in bytes.
        length: u64,
        /// BLAKE3 of its bytes, hex; `None` where nobody read it.
        blake3: Option<String>,
    },
}

/// Chunk keys, relative to the root of the store, and what they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The entries.
    pub entries: BTreeMap<String, LedgerEntry>,
}

impl Ledger {
    /// The file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (key, entry) in &self.entries {
            // Writing to a string does not fail.
            let _ = match entry {
                LedgerEntry::KnownEmpty => writeln!(text, "{key}\t-\t-"),
                LedgerEntry::Stored { length, blake3 } => {
                    writeln!(text, "{key}\t{length}\t{}", blake3.as_deref().unwrap_or("-"))
                }
            };
        }
        text
    }

    /// From the file.
    ///
    /// # Errors
    /// [`EngineError::JournalDamaged`] with the line.
    pub fn parse(text: &str, at: &At) -> Result<Self, EngineError> {
        let damaged = |line: usize, what: &str| EngineError::JournalDamaged {
            at: at.line(line, 1),
            what: format!("the ledger is damaged: {what}"),
        };
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, line)| line) != Some(HEADER) {
            return Err(damaged(1, "it does not begin with \"firn-ledger 1\""));
        }
        let mut entries = BTreeMap::new();
        for (number, line) in lines {
            let mut fields = line.split('\t');
            let (Some(key), Some(length), Some(digest), None) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                return Err(damaged(number + 1, "a line does not have three fields"));
            };
            let entry = if length == "-" && digest == "-" {
                LedgerEntry::KnownEmpty
            } else {
                let length = length.parse().map_err(|_| damaged(number + 1, "a length is not a number"))?;
                let is_digest = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
                if !is_digest && digest != "-" {
                    return Err(damaged(number + 1, "a digest is not one"));
                }
                LedgerEntry::Stored { length, blake3: is_digest.then(|| digest.to_owned()) }
            };
            entries.insert(key.to_owned(), entry);
        }
        Ok(Self { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_reads_back_and_damage_is_located() {
        let mut ledger = Ledger::default();
        ledger.entries.insert("sst/c/0/0".into(), LedgerEntry::Stored { length: 7, blake3: Some("ab".repeat(32)) });
        ledger.entries.insert("sst/c/0/2".into(), LedgerEntry::Stored { length: 9, blake3: None });
        ledger.entries.insert("sst/c/0/1".into(), LedgerEntry::KnownEmpty);
        let text = ledger.to_text();
        assert_eq!(Ledger::parse(&text, &At::nowhere()).unwrap(), ledger);
        assert!(Ledger::parse("", &At::nowhere()).is_err());
        assert!(Ledger::parse(&text.replace("\t7\t", "\tx\t"), &At::nowhere()).is_err());
        assert!(Ledger::parse(&text.replace("\t7\t", "\t"), &At::nowhere()).is_err());
    }
}
