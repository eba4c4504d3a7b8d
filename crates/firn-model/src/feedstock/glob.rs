//! Sources by wildcards: `*` and `?` within one level, `**` across levels, `[a-z]`, `{a,b}`.

use globset::{Glob, GlobBuilder, GlobMatcher};

use crate::document::DocumentError;

/// A URL or path with wildcards.
#[derive(Debug, Clone)]
pub struct SourceGlob {
    glob: Glob,
    matcher: GlobMatcher,
}

impl SourceGlob {
    /// Reads a glob.
    ///
    /// # Errors
    /// [`DocumentError::Pattern`] where it is not one, or has no wildcard.
    pub fn new(text: &str) -> Result<Self, DocumentError> {
        let wrong =
            |what: String, help: &str| DocumentError::Pattern { pattern: text.to_owned(), what, help: help.to_owned() };
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| wrong(error.kind().to_string(), "check its brackets"))?;
        if !text.contains(['*', '?', '[', '{']) {
            return Err(wrong("it has no wildcard".to_owned(), "name single files under `files:`"));
        }
        let matcher = glob.compile_matcher();
        Ok(Self { glob, matcher })
    }

    /// The glob as it was given.
    pub fn as_str(&self) -> &str {
        self.glob.glob()
    }

    /// What lies before the first wildcard, up to its last `/`: the folder to list.
    pub fn folder(&self) -> &str {
        let text = self.as_str();
        let literal = text.find(['*', '?', '[', '{', '\\']).map_or(text, |at| &text[..at]);
        literal.rfind('/').map_or("", |at| &literal[..=at])
    }

    /// Whether a URL matches.
    pub fn matches(&self, url: &str) -> bool {
        self.matcher.is_match(url)
    }

    /// The URLs that match, each once, in byte order: the same list whatever the order of the listing.
    pub fn select(&self, urls: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut matching: Vec<String> = urls.into_iter().filter(|url| self.matches(url)).collect();
        matching.sort_unstable();
        matching.dedup();
        matching
    }
}

/// The URLs of a `list:` text: one on each line, `#` begins a comment on a line of its own, blank lines do not count.
pub fn parse_list(text: &str) -> Vec<String> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_level() {
        let glob = SourceGlob::new("s3://bucket/data/*/sst_*.nc").unwrap();
        assert_eq!(glob.folder(), "s3://bucket/data/");
        assert!(glob.matches("s3://bucket/data/1981/sst_01.nc"));
        assert!(!glob.matches("s3://bucket/data/1981/old/sst_01.nc"));
        assert!(SourceGlob::new("data/**/*.nc").unwrap().matches("data/a/b/c.nc"));
    }

    #[test]
    fn the_order_of_the_listing_does_not_matter() {
        let glob = SourceGlob::new("*.nc").unwrap();
        assert_eq!(glob.folder(), "");
        let urls = ["b.nc", "a.nc", "x.txt", "a.nc"].map(str::to_owned);
        assert_eq!(glob.select(urls), ["a.nc", "b.nc"]);
    }

    #[test]
    fn bad_globs_are_refused() {
        assert!(SourceGlob::new("a[b.nc").is_err());
        assert!(SourceGlob::new("a.nc").unwrap_err().to_string().contains("no wildcard"));
    }

    #[test]
    fn comments_and_blank_lines_are_no_urls() {
        assert_eq!(parse_list("\u{feff}# files\n\n a.nc \r\nb.nc#1\n"), ["a.nc", "b.nc#1"]);
    }
}
