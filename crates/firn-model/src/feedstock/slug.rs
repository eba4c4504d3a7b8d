//! Ids in URLs: `[a-z0-9][a-z0-9-]*`.

/// Whether a text is an id as it stands.
pub fn is_slug(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The id that a title or foreign id becomes: lower case, everything else one `-`. `None` where nothing is left.
pub fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

/// The public id of a store: `<feedstock>.<store>`, just the feedstock where the two are equal.
pub fn public_id(feedstock: &str, store: &str) -> Option<String> {
    let (feedstock, store) = (slug(feedstock)?, slug(store)?);
    Some(if feedstock == store { feedstock } else { format!("{feedstock}.{store}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_ids_become_slugs() {
        assert_eq!(slug("AVISO (Pangeo Legacy copy)").unwrap(), "aviso-pangeo-legacy-copy");
        assert_eq!(slug("CESM.zarr").unwrap(), "cesm-zarr");
        assert_eq!(slug("0_25_deg_model_levels").unwrap(), "0-25-deg-model-levels");
        assert_eq!(slug("Ærøskøbing").unwrap(), "r-sk-bing");
        assert_eq!(slug("日本"), None);
        assert!(is_slug("oisst-daily") && !is_slug("-x") && !is_slug("A") && !is_slug(""));
    }

    #[test]
    fn the_public_id_of_an_only_store_is_that_of_its_feedstock() {
        assert_eq!(public_id("chirps", "CHIRPS").unwrap(), "chirps");
        assert_eq!(public_id("era5", "model levels").unwrap(), "era5.model-levels");
    }
}
