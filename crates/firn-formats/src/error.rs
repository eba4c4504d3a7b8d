//! What can go wrong between bytes and elements.

use firn_model::diagnose::{At, Category, Diagnose, shell_word};
use firn_model::source::SourceError;

/// Why a file, or a part of it, could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes contradict their own format: a checksum, an offset, a length, a signature.
    #[error("{at}: {what}")]
    Corrupt {
        /// Where.
        at: At,
        /// What is wrong, in one sentence.
        what: String,
    },
    /// The object is shorter than its own metadata says.
    #[error("{at}: the file ends at byte {size}, but {what} needs it to reach byte {needed}")]
    Truncated {
        /// Where.
        at: At,
        /// What would have been there.
        what: String,
        /// Bytes that the object should have at least.
        needed: u64,
        /// Bytes that it has.
        size: u64,
    },
    /// Valid, as far as can be told, but not read by this version.
    #[error("{at}: {what}")]
    Unsupported {
        /// Stable code of the feature, `unsupported-…`.
        code: &'static str,
        /// Where.
        at: At,
        /// Which feature, in one sentence.
        what: String,
    },
    /// Something that is not array data at all: an HTML page, an empty file, an archive.
    #[error("{at} is not an array file: {what}")]
    NotAnArrayFile {
        /// Where.
        at: At,
        /// What it is instead.
        what: String,
    },
    /// A count or size that a file claims is beyond a stated bound.
    #[error("{at}: {what} is {value}, more than the {limit} that firn accepts")]
    Limit {
        /// Where.
        at: At,
        /// The count or size.
        what: String,
        /// What the file claims; saturated where it overflows 64 bits.
        value: u64,
        /// The bound.
        limit: u64,
    },
    /// Text whose bytes are not in the encoding that they should be in.
    #[error("{at}: {what}")]
    InvalidText {
        /// Where.
        at: At,
        /// Which bytes, in one sentence.
        what: String,
    },
    /// A chunk that should exist is not there, or nothing is known of it.
    #[error("{at}: {what}")]
    MissingChunk {
        /// Where.
        at: At,
        /// Which chunk, in one sentence.
        what: String,
    },
    /// The bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The caller asked for something impossible: a mistake in firn.
    #[error("{at}: {what}")]
    Bug {
        /// Where.
        at: At,
        /// What was asked.
        what: String,
    },
}

impl FormatError {
    /// The bytes at this place contradict their format.
    pub fn corrupt(at: &At, what: impl Into<String>) -> Self {
        Self::Corrupt { at: at.clone(), what: what.into() }
    }

    /// This feature is not read yet.
    pub fn unsupported(code: &'static str, at: &At, what: impl Into<String>) -> Self {
        Self::Unsupported { code, at: at.clone(), what: what.into() }
    }

    /// This is beyond a bound.
    pub fn limit(at: &At, what: impl Into<String>, value: u64, limit: u64) -> Self {
        Self::Limit { at: at.clone(), what: what.into(), value, limit }
    }

    /// The object should reach `needed`, but ends at `size`.
    pub fn truncated(at: &At, what: impl Into<String>, needed: u64, size: u64) -> Self {
        Self::Truncated { at: at.clone(), what: what.into(), needed, size }
    }

    /// Text in another encoding.
    pub fn invalid_text(at: &At, what: impl Into<String>) -> Self {
        Self::InvalidText { at: at.clone(), what: what.into() }
    }

    /// A mistake in firn.
    pub fn bug(at: &At, what: impl Into<String>) -> Self {
        Self::Bug { at: at.clone(), what: what.into() }
    }
}

impl Diagnose for FormatError {
    fn code(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "format-corrupt",
            Self::Truncated { .. } => "format-truncated",
            Self::Unsupported { code, .. } => code,
            Self::NotAnArrayFile { .. } => "not-an-array-file",
            Self::Limit { .. } => "format-limit",
            Self::InvalidText { .. } => "text-encoding",
            Self::MissingChunk { .. } => "chunk-missing",
            Self::Source(source) => source.code(),
            Self::Bug { .. } => "format-bug",
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::Corrupt { .. }
            | Self::Truncated { .. }
            | Self::NotAnArrayFile { .. }
            | Self::InvalidText { .. }
            | Self::MissingChunk { .. } => Category::Corrupt,
            Self::Unsupported { .. } | Self::Limit { .. } => Category::Unsupported,
            Self::Source(source) => source.category(),
            Self::Bug { .. } => Category::Bug,
        }
    }

    fn at(&self) -> At {
        match self {
            Self::Corrupt { at, .. }
            | Self::Truncated { at, .. }
            | Self::Unsupported { at, .. }
            | Self::NotAnArrayFile { at, .. }
            | Self::Limit { at, .. }
            | Self::InvalidText { at, .. }
            | Self::MissingChunk { at, .. }
            | Self::Bug { at, .. } => at.clone(),
            Self::Source(source) => source.at(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Corrupt { .. } => "values read from damaged bytes would be wrong without any sign of it",
            Self::Truncated { .. } => {
                "the missing part would read as fill values; the file was probably cut in transfer"
            }
            Self::Unsupported { .. } => "guessing at a feature that firn does not know could give wrong values",
            Self::NotAnArrayFile { .. } => "servers answer with error pages, and downloads are saved under wrong names",
            Self::Limit { .. } => "a damaged or hostile file can claim any size; firn checks before it allocates",
            Self::InvalidText { .. } => "text in the wrong encoding would be published as other characters",
            Self::MissingChunk { .. } => "absent data must not read as fill values",
            Self::Source(source) => return source.why(),
            Self::Bug { .. } => "firn contradicts itself here, so nothing that follows could be trusted",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        let plain = self.at().url.unwrap_or_else(|| "URL".to_owned());
        let url = shell_word(&plain);
        match self {
            Self::Corrupt { .. } | Self::Truncated { .. } | Self::MissingChunk { .. } => {
                format!("fetch the file again from its origin, then: firn inspect {url}")
            }
            Self::Unsupported { code, .. } => {
                format!("firn explain {code}; variables that are not affected are listed by: firn inspect {url}")
            }
            Self::NotAnArrayFile { .. } if plain.starts_with("http") => {
                format!("look at what the server sends: curl -sL {url} | head -c 500")
            }
            Self::NotAnArrayFile { .. } => format!("look at what it is, and fetch it again: head -c 500 {url}"),
            Self::Limit { .. } => {
                "if the file is sound, report it with its ncdump -h or h5dump -H, so that the bound can be raised"
                    .to_owned()
            }
            Self::InvalidText { .. } => "if the text is Latin-1, say so: --encoding latin-1".to_owned(),
            Self::Source(source) => source.next(),
            Self::Bug { .. } => "report this with the command line and the file: firn explain format-bug".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_and_what_next() {
        let at = At::url("/data/a.nc").node("/sst");
        let error = FormatError::unsupported("unsupported-szip", &at, "the szip filter is not read yet");
        assert_eq!(error.to_string(), "/data/a.nc, /sst: the szip filter is not read yet");
        assert_eq!(error.code(), "unsupported-szip");
        assert_eq!(error.category(), Category::Unsupported);
        assert!(error.next().contains("firn inspect /data/a.nc"));
    }

    #[test]
    fn a_failing_source_keeps_its_own_kind() {
        let error = FormatError::from(SourceError::Denied { at: At::url("s3://b/k"), what: "403".to_owned() });
        assert_eq!(error.category(), Category::Denied);
        assert_eq!(error.code(), "source-denied");
    }
}
