//! `firn cat`.

use super::arguments::Resources;
use super::build::blocking;
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use firn_engine::error::EngineError;
use firn_engine::verbs::cat::cat;
use std::io::{self, Write};

/// Largest object that becomes a part of a JSON object, bytes.
const LARGEST: u64 = 64 << 20;

/// Print an object: its bytes as they are
///
/// With -o json they are a text, or where they are none, base64.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn cat osn:air.zarr/zarr.json\n  firn cat s3://bucket/a.nc > a.nc")]
pub struct Arguments {
    /// The object
    #[arg(value_name = "URL")]
    pub url: String,
}

/// An object in JSON.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Content {
    /// Its address.
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// They, where they are UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// They in base64, where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let (url, raw) = (self.url.clone(), context.is_text());
        let content = blocking(move || {
            let opened = cat(&engine, &url)?;
            let mut content = Content { url: opened.url.clone(), size: opened.size, text: None, base64: None };
            if !raw && opened.size > LARGEST {
                let what = format!("{url} has {} bytes, more than one JSON object should", opened.size);
                return Err(EngineError::usage(what, "leave out -o json, or copy it: firn cp"));
            }
            let (mut all, mut out) = (Vec::new(), io::stdout().lock());
            for piece in opened.pieces() {
                let piece = piece?;
                if !raw {
                    all.extend_from_slice(&piece);
                } else if out.write_all(&piece).is_err() {
                    // Who reads has seen enough.
                    break;
                }
            }
            match String::from_utf8(all) {
                Ok(text) => content.text = Some(text),
                Err(bytes) => content.base64 = Some(BASE64_STANDARD.encode(bytes.as_bytes())),
            }
            Ok(content)
        })
        .await?;
        Ok(Outcome::of(content, |_, _, _: Style| Ok(())))
    }
}
