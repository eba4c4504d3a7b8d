//! Licences as SPDX expressions.

use spdx::identifiers::LICENSES;

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
    let help = match meant(text) {
        Some(name) => format!("did you mean {name}?"),
        None => "write an identifier of https://spdx.org/licenses, or LicenseRef-NAME for any other".to_owned(),
    };
    findings.warning("license-not-spdx", path, format!("the licence {text:?} is no SPDX expression"), help);
}

/// The SPDX expression that a text is, or names in other words.
pub fn license_id(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.is_empty() && spdx::Expression::parse(text).is_ok() {
        return Some(text.to_owned());
    }
    meant(text).map(str::to_owned)
}

/// The identifier whose letters these are, but for case, blanks and words that say nothing; also the one in parentheses.
fn meant(text: &str) -> Option<&'static str> {
    let inside = text.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside);
    std::iter::once(text).chain(inside).find_map(|text| {
        let wanted = essence(text);
        let same = |name: &str| essence(name) == wanted;
        LICENSES.iter().find(|license| same(license.name) || same(license.full_name)).map(|license| license.name)
    })
}

fn essence(text: &str) -> String {
    const SAY_NOTHING: [&str; 7] = ["version", "v", "license", "licence", "the", "international", "only"];
    let text = text.to_lowercase();
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '.')).filter(|word| !word.is_empty());
    words.filter(|word| !SAY_NOTHING.contains(word)).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn licences_of_a_real_catalog_are_recognised() {
        for (text, id) in [
            ("CC BY 4.0", "CC-BY-4.0"),
            ("Apache Version 2.0", "Apache-2.0"),
            ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
            ("Creative Commons Attribution 4.0 International (CC BY 4.0)", "CC-BY-4.0"),
            (
                "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International (CC BY-NC-ND 4.0)",
                "CC-BY-NC-ND-4.0",
            ),
        ] {
            assert_eq!(meant(text), Some(id), "{text}");
        }
        for text in ["Open Data", "CC BY", "Just a Test", "()", ""] {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
