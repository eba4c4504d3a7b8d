//! `firn config check FROM TO`: does the server copy from one location to another?

use super::{Checked, CheckedCapability};
use crate::cli::arguments::Resources;
use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Style};
use crate::cli::table::write_table;
use crate::error::FirnError;
use crate::report::ErrorReport;
use firn_engine::verbs::config::check_copy;
use firn_storage::{CopyProbe, How};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};

/// What was seen of copies from one location to another.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckedCopy {
    /// The location that is copied from.
    pub from: String,
    /// The location that is copied to.
    pub to: String,
    /// What was seen: `server side`, `only the version asked for`, `in parts`.
    pub capabilities: IndexMap<String, CheckedCapability>,
    /// The way that the bytes go: `server`, `local` (from file to file), `through` this machine, or `none` where nothing can be copied.
    pub how: String,
    /// What that means.
    pub meaning: String,
    /// The bucket policy with which the server would copy, where one is missing.
    pub policy: Option<BucketPolicy>,
}

/// A bucket policy.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BucketPolicy {
    /// The bucket that needs it.
    pub bucket: String,
    /// Its text. `USER` (and `ACCOUNT`) stand for the user whose keys firn has.
    pub document: Value,
}

pub(super) async fn perform(context: &Context, from: &str, to: &str) -> Result<Outcome, FirnError> {
    if from == to {
        let what = format!("{from} is named twice; a copy goes from one location to another");
        return Err(FirnError::Usage { what, next: format!("firn config check {from}") });
    }
    let engine = context.engine(&Resources::default())?;
    let copy = checked(from, to, check_copy(&engine, from, to).await?);
    let failure = (copy.how == "none").then(|| {
        let seen = copy.capabilities.first().map(|(_, seen)| seen.detail.clone()).unwrap_or_default();
        ErrorReport::new(&FirnError::LocationCheck { names: format!("{from} to {to}"), first: seen })
    });
    let checked = Checked { locations: Vec::new(), copy: Some(copy) };
    Ok(Outcome::of(checked, super::draw).with_failure(failure))
}

fn checked(from: &str, to: &str, probe: CopyProbe) -> CheckedCopy {
    let (how, meaning) = match probe.how {
        Some(How::ServerSide) => ("server", "the server copies, and nothing passes this machine"),
        Some(How::Local) => ("local", "the operating system copies from file to file"),
        Some(_) => ("through", "falls back: objects are read and written by this machine, in bounded memory"),
        None => ("none", "nothing can be copied"),
    };
    let rows = [
        ("server side", &probe.server_side),
        ("only the version asked for", &probe.condition),
        ("in parts", &probe.parts),
    ];
    CheckedCopy {
        from: from.to_owned(),
        to: to.to_owned(),
        capabilities: rows.into_iter().map(|(name, seen)| (name.to_owned(), seen.into())).collect(),
        how: how.to_owned(),
        meaning: meaning.to_owned(),
        policy: probe.policy.map(|(bucket, document)| BucketPolicy { bucket, document }),
    }
}

pub(super) fn draw(copy: &CheckedCopy, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{} → {}", style.bold(&copy.from), style.bold(&copy.to))?;
    let rows: Vec<Vec<String>> = copy
        .capabilities
        .iter()
        .map(|(name, seen)| vec![name.clone(), seen.answer.clone(), seen.detail.clone()])
        .collect();
    write_table(out, 2, &rows)?;
    writeln!(out, "  {}", copy.meaning)?;
    if let Some(policy) = &copy.policy {
        writeln!(out, "\nThe server would copy with this policy of the bucket {}:", policy.bucket)?;
        writeln!(out, "{}", serde_json::to_string_pretty(&policy.document).unwrap_or_default())?;
        writeln!(
            out,
            "\nUSER is the user whose keys firn has: aws sts get-caller-identity; on Ceph ask its administrator."
        )?;
    }
    Ok(())
}
