//! Where `INBOX/NAME` and `LOCATION[/PATH]` lead.

use crate::error::EngineError;
use crate::settings::Engine;
use firn_model::diagnose::At;
use firn_model::upload::UploadError;
use firn_storage::{LocationRole, ObjectUrl};

/// What is recorded of an upload lies beside it, below this suffix.
pub const RECORDS: &str = ".firn";

/// An upload: `NAME` in an inbox.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The inbox.
    pub inbox: String,
    /// Its name in the inbox.
    pub name: String,
    /// Where its objects lie.
    pub url: ObjectUrl,
    /// Where its records lie.
    pub records: ObjectUrl,
}

impl Upload {
    /// The upload that `INBOX/NAME` or `INBOX:NAME` means, or an address in an inbox.
    ///
    /// # Errors
    /// [`EngineError::Usage`] where it names no inbox, or the inbox itself.
    pub fn parse(engine: &Engine, text: &str) -> Result<Self, EngineError> {
        let (inbox, name) = inbox_of(engine, text)?;
        if name.is_empty() {
            return Err(EngineError::usage(
                format!("{text} names the inbox, and no upload in it"),
                format!("add a name of your choice: {inbox}/NAME"),
            ));
        }
        if name.split('/').any(|segment| segment.ends_with(RECORDS)) {
            return Err(EngineError::usage(
                format!("{text}: names that end with {RECORDS} are those of firn's records"),
                "choose another name",
            ));
        }
        let url = ObjectUrl::named(&inbox, &name)?;
        let records = ObjectUrl::named(&inbox, &format!("{name}{RECORDS}"))?;
        Ok(Self { inbox, name, url, records })
    }

    /// Where it is.
    pub fn at(&self) -> At {
        self.url.at()
    }

    /// As it is written on a command line.
    pub fn text(&self) -> String {
        format!("{}/{}", self.inbox, self.name)
    }

    /// There is no such upload.
    pub fn not_found(&self) -> EngineError {
        UploadError::NotFound { at: self.at() }.into()
    }
}

/// The inbox that an address lies in, and the key below it.
///
/// # Errors
/// [`EngineError::Usage`] where it is none.
pub fn inbox_of(engine: &Engine, text: &str) -> Result<(String, String), EngineError> {
    let url = address(engine, text)?;
    let Some((location, key)) = engine.storage.location_of(&url)? else {
        return Err(EngineError::usage(
            format!("{text} lies in no configured location"),
            "name an inbox in firn.toml: [locations.inbox] url = \"…\" role = \"inbox\"; then say inbox/NAME",
        ));
    };
    if location.role != LocationRole::Inbox {
        return Err(EngineError::usage(
            format!("{} is no inbox: its role is {}", location.name, location.role),
            format!(
                "name a location with the role inbox, or set it in firn.toml: [locations.{}] role = \"inbox\"",
                location.name
            ),
        ));
    }
    Ok((location.name.clone(), key))
}

/// An address: `LOCATION/KEY` where the first segment is the name of a location, else as everywhere.
///
/// # Errors
/// What is wrong with it.
pub fn address(engine: &Engine, text: &str) -> Result<ObjectUrl, EngineError> {
    let text = if text.len() > 1 { text.trim_end_matches('/') } else { text };
    let (first, rest) = text.split_once('/').unwrap_or((text, ""));
    if engine.storage.settings().locations.contains_key(first) {
        return Ok(ObjectUrl::named(first, rest)?);
    }
    Ok(ObjectUrl::parse(text)?.absolute()?)
}
