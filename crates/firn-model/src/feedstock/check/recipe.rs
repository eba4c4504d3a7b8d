//! Rules of `recipe.yaml`.

use std::collections::HashMap;

use super::{source, target, unsupported};
use crate::document::{DocumentPath, Findings, Node, NodeValue, Severity, did_you_mean};
use crate::feedstock::recipe::{Recipe, Step};
use crate::feedstock::slug::{is_slug, slug};

pub(in crate::feedstock) fn recipes(node: &Node, findings: &mut Findings<'_>) {
    if let Some(NodeValue::Integer(version)) = node.get("version").map(|node| &node.value)
        && *version != 1
    {
        let path = DocumentPath::root().key("version");
        findings.unsupported(
            &path,
            format!("this version of firn reads version 1 of recipe.yaml, not {version}"),
            "use a newer firn",
        );
    }
    let broken: Vec<DocumentPath> = findings
        .list()
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.path.clone())
        .collect();
    let mut ids: HashMap<String, usize> = HashMap::new();
    let mut places: HashMap<(Option<String>, String), usize> = HashMap::new();
    for (index, recipe) in super::recipes_of(node, &broken) {
        let path = crate::feedstock::recipe_path(index);
        if let Some(first) = ids.insert(recipe.id.clone(), index) {
            let message = format!("the id {:?} is that of recipes[{first}] too", recipe.id);
            findings.error("duplicate-id", &path.key("id"), message, "rename one of the two");
        }
        if !is_slug(&recipe.id) {
            let message = format!("{:?} is no id: small letters, digits and - only", recipe.id);
            let help = slug(&recipe.id).map(|slug| format!("write {slug}")).unwrap_or_default();
            findings.error("recipe-id", &path.key("id"), message, help);
        }
        if let Some(target_path) = &recipe.target.path
            && let Some(first) = places.insert((recipe.target.location.clone(), target_path.clone()), index)
        {
            let message = format!("recipes[{first}] writes to the same path");
            findings.error("duplicate-path", &path.keys(["target", "path"]), message, "give each recipe its own path");
        }
        // Where the structure is wrong, what follows from it would be noise.
        let intact = |section: &str| !broken.iter().any(|broken| broken.is_within(&path.key(section)));
        if intact("source") {
            source::check(&recipe, &path, findings);
        }
        if intact("transform") {
            check_steps(&recipe, &path, findings);
        }
        let whole = |key: &str| !broken.iter().any(|broken| broken.is_within(&path.keys(["target", key])));
        target::check(&recipe, &path, whole("chunks") && whole("shards"), findings);
        check_attributes(&recipe, &path, findings);
        if intact("source") && intact("combine") {
            check_combine(&recipe, &path, findings);
        }
        check_select(&recipe, &path, findings);
        let item = node.get("recipes").and_then(|recipes| recipes.items().get(index));
        if recipe.select.variables.is_empty()
            && item.is_some_and(|item| item.get("select").is_some_and(|select| select.get("variables").is_some()))
        {
            let path = path.keys(["select", "variables"]);
            findings.error("select-nothing", &path, "no variable is kept", "name some, or remove the key to keep all");
        }
        unsupported::check(&recipe, &path, findings);
    }
}

fn check_combine(recipe: &Recipe, path: &DocumentPath, findings: &mut Findings<'_>) {
    let concat: Vec<&str> = recipe.source.concat_dims().collect();
    for dim in recipe.combine.key.keys().filter(|dim| !concat.contains(&dim.as_str())) {
        let near = did_you_mean(dim, concat.iter().copied());
        let message = format!("{dim:?} is not a concat dimension of this recipe (dimension: variable)");
        let path = path.keys(["combine", "key", dim]);
        findings.about_key("combine-key", Severity::Error, &path, message, near);
    }
}

fn check_select(recipe: &Recipe, path: &DocumentPath, findings: &mut Findings<'_>) {
    for dim in recipe.select.sel.keys().filter(|dim| recipe.select.isel.contains_key(*dim)) {
        let path = path.keys(["select", "isel", dim]);
        findings.about_key(
            "select-twice",
            Severity::Error,
            &path,
            format!("sel selects from {dim:?} too"),
            "keep one of the two".to_owned(),
        );
    }
    let mut seen = std::collections::HashSet::new();
    for (at, name) in recipe.select.variables.iter().enumerate().filter(|(_, name)| !seen.insert(*name)) {
        let path = path.keys(["select", "variables"]).index(at);
        findings.error("select-twice", &path, format!("{name:?} is listed twice"), "keep one of the two");
    }
}

fn check_steps(recipe: &Recipe, path: &DocumentPath, findings: &mut Findings<'_>) {
    for (at, step) in recipe.transform.iter().enumerate() {
        let path = path.key("transform").index(at).key(step.name());
        let Step::Rename(names) = step else { continue };
        let mut taken: HashMap<&str, &str> = HashMap::new();
        for (old, new) in names {
            let path = path.key(old);
            if new.is_empty() || new.contains('/') || new.chars().any(char::is_control) || new.starts_with("__") {
                findings.error(
                    "rename-bad-name",
                    &path,
                    format!("{new:?} cannot be the name of a variable"),
                    "letters, digits and _ are safe everywhere",
                );
            }
            if let Some(first) = taken.insert(new, old) {
                findings.error(
                    "rename-bad-name",
                    &path,
                    format!("{first:?} is renamed to {new:?} too"),
                    "give each its own name",
                );
            }
        }
    }
}

fn check_attributes(recipe: &Recipe, path: &DocumentPath, findings: &mut Findings<'_>) {
    use serde_json::Value;
    let plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    for attribute in recipe.attributes.iter() {
        let path = path.keys(["attributes", attribute.name]);
        if attribute.name.is_empty() {
            findings.error("attribute-value", &path, "an attribute without a name", "give it one");
        }
        let usable = plain(attribute.value)
            || attribute.value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(plain));
        if !usable {
            let help = "or {value: …, override: true}";
            findings.error(
                "attribute-value",
                &path,
                "an attribute is text, a number, true or false, or a list of these",
                help,
            );
        }
        let wrong_key = recipe.attributes.values.get(attribute.name).and_then(Value::as_object).and_then(|object| {
            object.iter().find(|(key, value)| match key.as_str() {
                "value" => false,
                "override" => !value.is_boolean(),
                _ => true,
            })
        });
        if let Some((key, _)) = wrong_key {
            let path = path.key(key);
            findings.about_key(
                "unknown-key",
                Severity::Error,
                &path,
                format!("unknown key {key:?}, or not true or false"),
                "possible: value, override".to_owned(),
            );
        }
        let reserved = ["firn:", "pangeo_forge_"].iter().any(|prefix| attribute.name.starts_with(prefix));
        if reserved || attribute.name == "_ARRAY_DIMENSIONS" {
            let message = format!("the attribute {:?} is written by firn itself", attribute.name);
            findings.about_key("attribute-reserved", Severity::Error, &path, message, "choose another name".to_owned());
        }
    }
}
