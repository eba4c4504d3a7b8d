//! What makes a store correct: one rule a file. A finding is data; whether findings stop anything is the caller's business.

mod cf;
mod chunks;
mod coding;
mod coordinates;
pub mod documents;
mod missing;
mod opens;
pub mod references;
mod values;

pub use missing::MissingRule;

use crate::error::EngineError;
use crate::pipeline::Prepared;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::target::ledger::Ledger;
use crate::verbs::requests::VerifyDepth;
use firn_model::dataset::Dataset;
use firn_model::diagnose::At;
use firn_model::source::Source;
use std::sync::Arc;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Readers may stumble.
    Warning,
    /// Wrong: not published.
    Error,
}

/// What a rule saw.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// The rule, stable.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub at: At,
    /// What should be.
    pub expected: String,
    /// What is.
    pub found: String,
}

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Checked {
    /// Arrays.
    pub arrays: u64,
    /// Chunks (shards count as one) whose existence and size were checked.
    pub chunks: u64,
    /// Chunks that are known to be empty.
    pub known_empty: u64,
    /// Chunks that are absent without a ledger that says why; they read as fill values.
    pub absent: u64,
    /// Chunks that were read and decoded.
    pub decoded: u64,
    /// Elements compared with the source.
    pub compared: u64,
    /// Bytes of the store.
    pub bytes: u64,
}

/// What verification saw.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct VerifyReport {
    /// The store.
    pub store: String,
    /// Whether there is no error.
    pub ok: bool,
    /// Whether values were compared with those of sources.
    pub against_sources: bool,
    /// What was looked at.
    pub checked: Checked,
    /// What was seen, the worst first.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// More findings of a rule that looks at something else than the store.
    pub fn add(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.ok = self.findings.iter().all(|finding| finding.severity != Severity::Error);
    }

    /// An error where there are findings of severity error.
    ///
    /// # Errors
    /// [`EngineError::Verification`].
    pub fn into_result(self) -> Result<Self, EngineError> {
        const SHOWN: usize = 8;
        let errors: Vec<&Finding> = self.findings.iter().filter(|f| f.severity == Severity::Error).collect();
        if errors.is_empty() {
            return Ok(self);
        }
        let lines: Vec<String> = errors
            .iter()
            .take(SHOWN)
            .map(|f| format!("\n  [{}] {}: found {}, expected {}", f.rule, f.at, f.found, f.expected))
            .collect();
        Err(EngineError::Verification { at: At::url(&self.store), errors: errors.len(), text: lines.concat() })
    }
}

/// A store to verify: published or not, as its readers see it.
pub struct StoreView {
    /// Its URL, without credentials.
    pub url: String,
    /// What is in it.
    pub dataset: Dataset,
    /// Its bytes.
    pub source: Arc<dyn Source>,
    /// Its ledger, where firn wrote it.
    pub ledger: Option<Arc<Ledger>>,
}

/// How much is compared, and with what.
#[derive(Clone, Copy)]
pub struct VerifyOptions<'a> {
    /// The sources, joined as the store should be.
    pub against: Option<&'a Prepared>,
    /// How many chunks are decoded and compared.
    pub depth: VerifyDepth,
    /// Dimensions whose coordinates must be strictly monotonic.
    pub ordered: &'a [String],
    /// How much may be missing; not looked at where nothing says so.
    pub missing: Option<MissingRule>,
}

/// Runs every rule.
///
/// # Errors
/// Only where a rule cannot be run: storage that does not answer, the user's stop.
pub fn verify(engine: &Engine, store: &StoreView, options: VerifyOptions<'_>) -> Result<VerifyReport, EngineError> {
    let mut findings = Vec::new();
    let mut checked = Checked { arrays: store.dataset.arrays().count() as u64, ..Checked::default() };
    let progress = engine.progress.task("verify", None, Unit::Chunks);
    opens::check(store, options.against, &mut findings);
    if let Some(against) = options.against {
        coding::check(store, against, &mut findings);
    }
    chunks::check(engine, store, &mut checked, &mut findings)?;
    engine.cancel.check()?;
    coordinates::check(store, options.ordered, &mut findings);
    cf::check(store, &mut findings);
    values::check(engine, store, options, &progress, &mut checked, &mut findings)?;
    if let Some(rule) = options.missing {
        missing::check(engine, store, options, rule, &mut findings)?;
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let ok = findings.iter().all(|f| f.severity != Severity::Error);
    let Checked { arrays, decoded, compared, .. } = checked;
    tracing::info!(ok, arrays, decoded, compared, findings = findings.len(), store = %store.url, "verified");
    Ok(VerifyReport { store: store.url.clone(), ok, against_sources: options.against.is_some(), checked, findings })
}
