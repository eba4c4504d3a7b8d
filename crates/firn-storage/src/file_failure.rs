//! Why a server of files did not do what it was asked.

use firn_model::diagnose::At;
use firn_model::source::SourceError;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such file.
    Absent,
    /// The user may not.
    Denied(String),
    /// Any other "no", in the words of the server: SFTP tells no two reasons apart.
    Refused(String),
    /// There is no more.
    End,
    /// The names that the server gives to open files are used up: another channel has new ones.
    Worn,
    /// The connection is gone, or nobody answers: another connection may do.
    Lost(String),
    /// What nobody is to try again.
    Source(SourceError),
}

impl Failure {
    /// In the words of a reader.
    pub(crate) fn source(self, at: &At) -> SourceError {
        let at = at.clone();
        match self {
            Self::Absent => SourceError::NotFound { at },
            Self::Denied(what) => SourceError::Denied { at, what: format!("the server says: {what}") },
            Self::Refused(what) => SourceError::Broken { at, what: format!("the server says: {what}") },
            Self::End => SourceError::Broken { at, what: "the server ends before it has told all".to_owned() },
            Self::Worn => {
                let what = "the names that the server gives to open files are no text, which the library of firn needs"
                    .to_owned();
                SourceError::Broken { at, what }
            }
            Self::Lost(what) => SourceError::Unavailable { at, what },
            Self::Source(error) => error,
        }
    }

    /// May another connection do?
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Source(SourceError::Unavailable { .. }))
    }
}

/// A text of the server, as an error may show it: one line, not long.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>().trim().to_owned()
}
