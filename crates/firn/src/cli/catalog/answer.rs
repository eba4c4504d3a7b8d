//! The answer of `firn catalog validate`.

use super::draw;
use crate::cli::outcome::{Answer, Outcome, Style, line_end};
use crate::report::ErrorReport;
use firn_engine::verbs::catalog_validate::{self, Validated, ValidatedFeedstock};
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{self, Write};

/// The `result` of `firn catalog validate`: what was asked for, in that order.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Feedstocks {
    /// One entry a feedstock.
    pub feedstocks: Vec<Validation>,
}

/// One of the feedstocks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Validation {
    /// As it was named.
    pub feedstock: String,
    /// Whether it could be read and nothing in it is an error.
    pub ok: bool,
    /// What was found; null where it could not be read.
    pub validated: Option<ValidatedFeedstock>,
    /// Why it could not be read.
    pub error: Option<ErrorReport>,
}

/// All answers, and as failure every error in the documents, else the first feedstock that could not be read.
pub fn validated(validated: Vec<Validated>) -> Outcome {
    let invalid = catalog_validate::failure(&validated).map(|error| ErrorReport::new(&error));
    let feedstocks: Vec<Validation> = validated
        .into_iter()
        .map(|Validated { feedstock, outcome }| match outcome {
            Ok(found) => Validation { feedstock, ok: found.valid, validated: Some(found), error: None },
            Err(error) => Validation { feedstock, ok: false, validated: None, error: Some(ErrorReport::new(&error)) },
        })
        .collect();
    let unread = feedstocks.iter().find_map(|feedstock| feedstock.error.clone());
    Outcome::answer(Feedstocks { feedstocks }).with_failure(invalid.or(unread))
}

impl Answer for Feedstocks {
    fn text(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        for (at, feedstock) in self.feedstocks.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            draw::validated(feedstock, out, style)?;
        }
        Ok(())
    }

    fn json(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        serde_json::to_writer(out, self)
    }

    fn lines(&self, out: &mut dyn Write) -> serde_json::Result<()> {
        for feedstock in &self.feedstocks {
            serde_json::to_writer(&mut *out, feedstock)?;
            line_end(out)?;
        }
        Ok(())
    }
}
