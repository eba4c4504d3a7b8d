//! Web pages of files at GitHub, and the files themselves.

use url::Url;

/// The URL of the file behind a page `https://github.com/OWNER/REPO/blob/REF/PATH` (also `/raw/`); other URLs unchanged.
pub fn raw_url(url: &str) -> String {
    raw(url).unwrap_or_else(|| url.to_owned())
}

fn raw(url: &str) -> Option<String> {
    let page = Url::parse(url).ok()?;
    if !matches!(page.scheme(), "http" | "https") || !matches!(page.host_str()?, "github.com" | "www.github.com") {
        return None;
    }
    let mut segments = page.path().trim_start_matches('/').splitn(4, '/');
    let (owner, repository, view, rest) = (segments.next()?, segments.next()?, segments.next()?, segments.next()?);
    let complete = !owner.is_empty() && !repository.is_empty() && rest.contains('/');
    (complete && matches!(view, "blob" | "raw"))
        .then(|| format!("https://raw.githubusercontent.com/{owner}/{repository}/{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_pages_become_raw_files() {
        assert_eq!(
            raw_url("https://github.com/leap-stc/chirps_feedstock/blob/main/feedstock/meta.yaml"),
            "https://raw.githubusercontent.com/leap-stc/chirps_feedstock/main/feedstock/meta.yaml"
        );
        assert_eq!(
            raw_url("https://github.com/o/r/blob/v1/a%20b.yaml?plain=1#L3"),
            "https://raw.githubusercontent.com/o/r/v1/a%20b.yaml"
        );
    }

    #[test]
    fn other_urls_stay() {
        for url in ["https://host/blob/a/b/c", "https://github.com/o/r", "https://github.com/o/r/blob/main", "x.yaml"] {
            assert_eq!(raw_url(url), url);
        }
    }
}
