//! Certificates that are trusted besides those of the system: of a proxy that looks into connections, of a pod that signed its own.
//!
//! Those of the system are what `SSL_CERT_FILE` and `SSL_CERT_DIR` say, where they are set.

use crate::error::StorageError;
use std::fmt;
use std::path::{Path, PathBuf};

/// Variables that name a file of further certificates: those of AWS's tools, of Python's requests, of curl.
pub(crate) const VARIABLES: [&str; 3] = ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// Largest file that is read, bytes.
const LARGEST: u64 = 16 << 20;

/// Certificates, and where they came from.
#[derive(Clone, Default)]
pub struct Certificates {
    /// The variables, and the files that they name.
    pub origins: Vec<(String, PathBuf)>,
    pub(crate) found: Vec<reqwest::Certificate>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({:?}, {})", self.origins, self.found.len())
    }
}

impl Certificates {
    /// Those of all variables that are set: each is one that some tool of the user trusts.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, StorageError> {
        let mut all = Self::default();
        for name in VARIABLES {
            let Some(path) = variable(name).map(PathBuf::from) else { continue };
            // requests takes a folder too, which is what SSL_CERT_DIR is for.
            if path.is_dir() || all.origins.iter().any(|(_, known)| *known == path) {
                continue;
            }
            all.found.extend(certificates(name, &path)?);
            all.origins.push((name.to_owned(), path));
        }
        Ok(all)
    }
}

fn certificates(name: &str, path: &Path) -> Result<Vec<reqwest::Certificate>, StorageError> {
    let bad = |what: String| StorageError::BadSetting { name: name.to_owned(), what };
    let size = std::fs::metadata(path).map_err(|error| bad(format!("{}: {error}", path.display())))?.len();
    if size > LARGEST {
        return Err(bad(format!("{} has {size} bytes, more than any file of certificates", path.display())));
    }
    let text = std::fs::read(path).map_err(|error| bad(format!("{}: {error}", path.display())))?;
    let found = reqwest::Certificate::from_pem_bundle(&text).unwrap_or_default();
    if found.is_empty() {
        return Err(bad(format!("{} holds no certificate (PEM)", path.display())));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "no certificate\n").unwrap();
        let of = |name: &'static str, path: PathBuf| {
            Certificates::read(move |asked| (asked == name).then(|| path.to_string_lossy().into_owned()))
        };
        for (name, path) in [("AWS_CA_BUNDLE", empty), ("CURL_CA_BUNDLE", folder.path().join("nothing"))] {
            let error = of(name, path).unwrap_err();
            assert!(matches!(&error, StorageError::BadSetting { name: told, .. } if told == name), "{error}");
        }
        assert!(of("REQUESTS_CA_BUNDLE", folder.path().to_owned()).unwrap().found.is_empty());
        assert!(Certificates::read(|_| None).unwrap().origins.is_empty());
    }
}
