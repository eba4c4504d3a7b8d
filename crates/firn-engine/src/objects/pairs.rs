//! Two trees side by side: pure.

use firn_model::source::SourceVersion;
use std::collections::BTreeMap;

/// What two trees have of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs<T> {
    /// In both: what the first has, and the version in the second.
    pub both: Vec<(T, SourceVersion)>,
    /// In the first alone.
    pub missing: Vec<T>,
    /// Keys in the second alone, in order.
    pub extra: Vec<String>,
}

/// Puts side by side what has the same key.
pub fn pairs<T>(first: Vec<T>, key: impl Fn(&T) -> &str, mut second: BTreeMap<String, SourceVersion>) -> Pairs<T> {
    let mut pairs = Pairs { both: Vec::new(), missing: Vec::new(), extra: Vec::new() };
    for item in first {
        match second.remove(key(&item)) {
            Some(version) => pairs.both.push((item, version)),
            None => pairs.missing.push(item),
        }
    }
    pairs.extra = second.into_keys().collect();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_one_place() {
        let version = |size| SourceVersion { size, ..SourceVersion::default() };
        let second = [("a", 1), ("c", 3), ("d", 4)].map(|(key, size)| (key.to_owned(), version(size)));
        let found = pairs(vec!["a", "b", "d"], |key| key, second.into_iter().collect());
        assert_eq!(found.both, [("a", version(1)), ("d", version(4))]);
        assert_eq!((found.missing, found.extra), (vec!["b"], vec!["c".to_owned()]));
    }
}
