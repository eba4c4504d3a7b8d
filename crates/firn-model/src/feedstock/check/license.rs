//! Licences as SPDX expressions.

use crate::document::{DocumentPath, Findings};

/// Warns about a licence that is no SPDX expression, with the identifier that was probably meant.
pub(super) fn check(text: &str, path: &DocumentPath, findings: &mut Findings<'_>) {
    let text = text.trim();
    if text.is_empty() {
        findings.warning("license-missing", path, "the licence is empty", "write an SPDX identifier such as CC-BY-4.0");
        return;
    }
    if spdx::Expression::parse(text).is_ok() {
        return;
    }
    let help = match spdx::imprecise_license_id(text).filter(|(_, length)| *length == text.len()) {
        Some((id, _)) => format!("did you mean {}?", id.name),
        None => "write an identifier of https://spdx.org/licenses, or LicenseRef-NAME for any other".to_owned(),
    };
    findings.warning("license-not-spdx", path, format!("the licence {text:?} is no SPDX expression"), help);
}
