//! `firn cat`: the bytes of an object.

use crate::error::EngineError;
use crate::objects::error::ObjectsError;
use crate::objects::named::{Named, look};
use crate::settings::Engine;
use bytes::Bytes;
use firn_model::diagnose::shell_word;
use firn_model::source::{RangeReader, SourceError};
use firn_storage::ObjectUrl;
use std::sync::Arc;

/// Bytes that are read at once.
const PIECE: u64 = 8 << 20;

/// An object, opened.
pub struct Opened {
    /// Its address.
    pub url: String,
    /// Bytes.
    pub size: u64,
    reader: Arc<dyn RangeReader>,
    cancel: crate::cancel::Cancel,
}

impl Opened {
    /// Its bytes, piece by piece, all of one version.
    pub fn pieces(&self) -> impl Iterator<Item = Result<Bytes, EngineError>> {
        (0..self.size).step_by(PIECE as usize).map(|start| {
            self.cancel.check()?;
            Ok(self.reader.read(start..(start + PIECE).min(self.size))?)
        })
    }
}

/// Opens an object.
///
/// # Errors
/// [`SourceError::NotFound`]; [`ObjectsError::Folder`]; what the storage says.
pub fn cat(engine: &Engine, text: &str) -> Result<Opened, EngineError> {
    let url = ObjectUrl::parse(text)?;
    let Some(reader) = engine.storage.open(&url)? else {
        return match engine.storage.runtime().block_on(look(engine, text))? {
            Named::Folder { listing, .. } => {
                let objects = listing.objects.len() as u64;
                let next = format!("firn ls {}", shell_word(text));
                Err(ObjectsError::Folder { at: url.at(), objects, next }.into())
            }
            Named::Object { .. } => Err(SourceError::NotFound { at: url.at() }.into()),
        };
    };
    Ok(Opened { url: url.to_string(), size: reader.size()?, reader, cancel: engine.cancel.clone() })
}
