//! The policy file: where data go.

use crate::error::{ConfigFinding, FirnError};
use firn_model::diagnose::At;
use firn_model::policy::destination::{DestinationRule, check, read};
use std::path::Path;

/// Most bytes of a policy file.
const LARGEST: u64 = 1 << 20;

/// The rules of a file.
///
/// # Errors
/// [`FirnError::ConfigUnreadable`], [`FirnError::ConfigInvalid`] with the line.
pub fn load(path: &Path) -> Result<Vec<DestinationRule>, FirnError> {
    let at = || At::url(path.to_string_lossy());
    let unreadable = |cause| FirnError::ConfigUnreadable { at: at(), cause };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(invalid(path, "", None, format!("it has {size} bytes, and a policy file at most {LARGEST}")));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let reader = toml::Deserializer::parse(&text)
        .map_err(|error| invalid(path, &text, error.span().map(|span| span.start), error.message().to_owned()))?;
    let (version, rules) = read(reader)
        .map_err(|error| invalid(path, &text, error.span().map(|span| span.start), error.message().to_owned()))?;
    check(rules, version).map_err(|bad| invalid(path, &text, bad.byte, bad.what))
}

fn invalid(path: &Path, text: &str, byte: Option<usize>, what: String) -> FirnError {
    let at = At::url(path.to_string_lossy());
    let at = match byte.and_then(|byte| text.get(..byte)) {
        Some(before) => {
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            at.line(before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
        }
        None => at,
    };
    FirnError::ConfigInvalid { findings: vec![ConfigFinding { at, what }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<Vec<DestinationRule>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, text).unwrap();
        load(&path).map_err(|error| match error {
            FirnError::ConfigInvalid { findings } => format!("{}: {}", findings[0].at, findings[0].what),
            other => other.to_string(),
        })
    }

    #[test]
    fn rules_are_read_and_mistakes_located() {
        let rules = told("version = 1\n[[destination]]\nto = 'osn'\npublic = true\nbecause = 'open'\n").unwrap();
        assert_eq!((rules[0].to.as_str(), rules[0].public), ("osn", Some(true)));
        let unknown = told("version = 1\n[[destination]]\nto = 'osn'\npublik = true\nbecause = 'open'\n").unwrap_err();
        assert!(unknown.contains("line 4") && unknown.contains("publik"), "{unknown}");
        assert!(told("version = 2\n").unwrap_err().contains("version 1"));
        assert!(told("version = \n").unwrap_err().contains("line 1"));
    }
}
