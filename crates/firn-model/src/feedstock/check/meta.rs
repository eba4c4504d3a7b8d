//! Rules of `meta.yaml`.

use std::collections::HashSet;

use super::license;
use crate::document::{DocumentPath, Findings, Node, did_you_mean};
use crate::feedstock::meta::{Maintainer, MetaRecipe, Provider};

const ROLES: [&str; 4] = ["producer", "licensor", "processor", "host"];

pub(in crate::feedstock) fn meta(node: &Node, findings: &mut Findings<'_>) {
    let root = DocumentPath::root();
    let provenance = root.key("provenance");
    if let Some(text) = node.find(&provenance.key("license")).and_then(Node::as_text) {
        license::check(text, &provenance.key("license"), findings);
    }
    if let Some(below) = node.get("provenance") {
        for (index, provider) in super::items::<Provider>(below, "providers") {
            let path = provenance.key("providers").index(index).key("roles");
            for (at, role) in
                provider.roles.iter().flatten().enumerate().filter(|(_, role)| !ROLES.contains(&role.as_str()))
            {
                let message = format!("{role:?} is no role of a provider in STAC");
                findings.warning("provider-role", &path.index(at), message, did_you_mean(role, ROLES));
            }
        }
    }
    for (index, maintainer) in super::items::<Maintainer>(node, "maintainers") {
        if let Some(orcid) = maintainer.orcid.filter(|orcid| !is_orcid(orcid)) {
            let path = root.key("maintainers").index(index).key("orcid");
            findings.warning("orcid", &path, format!("{orcid:?} is no ORCID iD"), "for example 0000-0001-8571-865X");
        }
    }
    let mut seen = HashSet::new();
    for (index, recipe) in super::items::<MetaRecipe>(node, "recipes") {
        if !seen.insert(recipe.id.clone()) {
            let path = root.key("recipes").index(index).key("id");
            findings.error(
                "duplicate-id",
                &path,
                format!("the recipe {:?} is named twice", recipe.id),
                "rename one of the two",
            );
        }
    }
}

/// Sixteen digits in four groups, the last one a check digit by ISO 7064 (11,2); with or without the URL before it.
fn is_orcid(text: &str) -> bool {
    let id = text.rsplit('/').next().unwrap_or(text);
    let grouped = id.len() == 19 && id.bytes().enumerate().all(|(at, b)| (b == b'-') == (at % 5 == 4));
    let digits: Vec<u32> =
        id.chars().filter(|c| *c != '-').map(|c| if c == 'X' { 10 } else { c.to_digit(10).unwrap_or(99) }).collect();
    let Some((check, body)) = digits.split_last() else { return false };
    if !grouped || body.iter().any(|digit| *digit > 9) {
        return false;
    }
    let total = body.iter().fold(0, |total, digit| (total + digit) * 2 % 11);
    (12 - total) % 11 == *check
}

#[cfg(test)]
mod tests {
    use super::is_orcid;

    #[test]
    fn the_last_digit_of_an_orcid_is_a_check() {
        assert!(is_orcid("0000-0001-8571-865X"));
        assert!(is_orcid("https://orcid.org/0000-0002-1825-0097"));
        assert!(!is_orcid("0000-0001-8571-8650"));
        assert!(!is_orcid("jbusecke") && !is_orcid("") && !is_orcid("0000000185718650"));
    }
}
