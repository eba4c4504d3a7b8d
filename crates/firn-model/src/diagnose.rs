//! One vocabulary for failures: where it happened, of which kind it is, and what to do next.

use std::fmt;

/// Of which kind a failure is. Decides the exit status, the HTTP status and the Python exception, and nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Category {
    /// The command line or call is wrong.
    Usage,
    /// A document (feedstock, configuration) is invalid.
    InvalidDocument,
    /// What was named does not exist.
    NotFound,
    /// Credentials are missing or do not suffice.
    Denied,
    /// It exists already, is sealed, or another writer is at work.
    Conflict,
    /// Valid, but this version of firn cannot do it.
    Unsupported,
    /// The bytes are not what they say they are.
    Corrupt,
    /// The other side did not answer, also after retries.
    Unavailable,
    /// A verification or check found differences.
    Differences,
    /// Source files disagree with each other.
    Inconsistent,
    /// A mistake in firn itself.
    Bug,
    /// Stopped by the user.
    Interrupted,
}

impl Category {
    /// Every category, in the order of their exit codes.
    pub const ALL: [Self; 12] = [
        Self::Usage,
        Self::InvalidDocument,
        Self::NotFound,
        Self::Denied,
        Self::Conflict,
        Self::Unsupported,
        Self::Corrupt,
        Self::Unavailable,
        Self::Differences,
        Self::Inconsistent,
        Self::Bug,
        Self::Interrupted,
    ];

    /// The exit status of the process.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::InvalidDocument => 3,
            Self::NotFound => 4,
            Self::Denied => 5,
            Self::Conflict => 6,
            Self::Unsupported => 7,
            Self::Corrupt => 8,
            Self::Unavailable => 9,
            Self::Differences => 10,
            Self::Inconsistent => 11,
            Self::Bug => 70,
            Self::Interrupted => 130,
        }
    }

    /// The name in JSON and in texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::InvalidDocument => "invalid document",
            Self::NotFound => "not found",
            Self::Denied => "denied",
            Self::Conflict => "conflict",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Differences => "differences",
            Self::Inconsistent => "inconsistent sources",
            Self::Bug => "bug",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place inside an object or a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A byte range of an object.
    Bytes {
        /// First byte.
        offset: u64,
        /// Number of bytes, 0 where only the position is known.
        length: u64,
    },
    /// A position in a text document, both counted from 1.
    Line {
        /// Line.
        line: usize,
        /// Column in characters.
        column: usize,
    },
    /// The position of an element in an array.
    Index(Vec<u64>),
}

/// Where something was found: an object, a node inside it, a place inside that. Each part may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
pub struct At {
    /// URL or path of the object. Never carries credentials: build it with [`At::url`], which removes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Path of the group or array (`/group/variable`), or of a key in a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Place inside the object, document or array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl At {
    /// Somewhere unknown.
    pub fn nowhere() -> Self {
        Self::default()
    }

    /// At this object; user information and query values (which may sign the request) are removed from the text.
    pub fn url(url: impl AsRef<str>) -> Self {
        Self { url: Some(without_secrets(url.as_ref())), ..Self::default() }
    }

    /// The same object, at this node.
    #[must_use]
    pub fn node(&self, node: impl Into<String>) -> Self {
        Self { node: Some(node.into()), ..self.clone() }
    }

    /// The same object and node, at these bytes.
    #[must_use]
    pub fn bytes(&self, offset: u64, length: u64) -> Self {
        Self { place: Some(Place::Bytes { offset, length }), ..self.clone() }
    }

    /// The same document and key, at this line and column.
    #[must_use]
    pub fn line(&self, line: usize, column: usize) -> Self {
        Self { place: Some(Place::Line { line, column }), ..self.clone() }
    }

    /// The same object and node, at this element.
    #[must_use]
    pub fn index(&self, index: impl Into<Vec<u64>>) -> Self {
        Self { place: Some(Place::Index(index.into())), ..self.clone() }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.url.clone());
        parts.extend(self.node.clone());
        match &self.place {
            Some(Place::Bytes { offset, length: 0 }) => parts.push(format!("byte {offset}")),
            Some(Place::Bytes { offset, length }) => {
                parts.push(format!("bytes {offset}..{}", offset.saturating_add(*length)));
            }
            Some(Place::Line { line, column }) => parts.push(format!("line {line}, column {column}")),
            Some(Place::Index(index)) => parts.push(format!("index {index:?}")),
            None => {}
        }
        if parts.is_empty() { f.write_str("(place unknown)") } else { f.write_str(&parts.join(", ")) }
    }
}

/// What every error of firn can tell. Its `Display` is *what* happened, in one sentence.
pub trait Diagnose: std::error::Error {
    /// Stable code, `kebab-case`, never reused: the key of `firn explain`.
    fn code(&self) -> &'static str;
    /// Of which kind.
    fn category(&self) -> Category;
    /// Where.
    fn at(&self) -> At;
    /// Why it matters: what would have gone wrong had firn carried on.
    fn why(&self) -> String;
    /// The exact next command or step.
    fn next(&self) -> String;
}

/// A word of a command line that people can paste: in quotes where a shell would read it otherwise.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The URL without user information and without the values of its query, which may be a signature.
pub fn without_secrets(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return text.to_owned() };
    if url.cannot_be_a_base() || !url.has_host() {
        return text.to_owned();
    }
    if url.username().is_empty() && url.password().is_none() && url.query().is_none() {
        return text.to_owned();
    }
    // The user of an SFTP server is part of where it is, and no secret.
    if url.scheme() == "sftp" && url.password().is_none() {
        return text.to_owned();
    }
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if url.query().is_some() {
        let keys: Vec<String> = url.query_pairs().map(|(key, _)| format!("{key}=…")).collect();
        url.set_query(None);
        return format!("{url}?{}", keys.join("&"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_never_shows_credentials() {
        let at = At::url("https://user:pw@host/a.nc?X-Amz-Signature=abc&x=1");
        assert_eq!(at.to_string(), "https://host/a.nc?X-Amz-Signature=…&x=…");
        assert_eq!(At::url("/data/a b.nc").to_string(), "/data/a b.nc");
        assert_eq!(At::url("s3://bucket/key").to_string(), "s3://bucket/key");
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(shell_word("s3://b/a.nc"), "s3://b/a.nc");
        assert_eq!(shell_word("a {time:%Y}.nc"), "'a {time:%Y}.nc'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn exit_codes_are_distinct() {
        let mut codes: Vec<u8> = Category::ALL.iter().map(|c| c.exit_code()).collect();
        codes.dedup();
        assert_eq!(codes.len(), Category::ALL.len());
    }
}
