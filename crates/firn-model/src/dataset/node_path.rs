//! Names and paths of nodes: checked once, so that they can become keys.

use std::fmt::{self, Write};

/// The longest name of a node, bytes: what local file systems allow.
const MAX_NAME: usize = 255;

/// The name of one group or array, checked to be safe as one part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(String);

impl NodeName {
    /// The name, or what is wrong with it: empty, `.` or `..`, a slash or control character, a name that Zarr keeps for
    /// itself (`zarr.json`, `.z…`), or too long. Zarr v3 reserves `__…`, too, for what is to come; xarray calls every array
    /// without a name `__xarray_dataarray_variable__`, and all clients take it.
    ///
    /// # Errors
    /// A sentence that says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, String> {
        let wrong = if name.is_empty() {
            "is empty"
        } else if name == "." || name == ".." {
            "would leave its folder"
        } else if name.contains(['/', '\\']) {
            "contains a slash"
        } else if name.chars().any(char::is_control) {
            "contains a control character"
        } else if name == "zarr.json" || name.starts_with(".z") || name == ".firn" {
            "is reserved by Zarr or firn"
        } else if name.len() > MAX_NAME {
            "is longer than 255 bytes"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(format!("the name {:?} {wrong}", name.chars().take(80).collect::<String>()))
    }

    /// A name that stands for one that breaks a rule, so that what has it can be told and left out: each byte that may not be
    /// there as `%` and two hexadecimal digits.
    pub fn standing_for(name: &str) -> Self {
        const SHOWN: usize = 60;
        let mut stand_in = String::from("%");
        for character in name.chars().take(SHOWN) {
            if character.is_control() || matches!(character, '/' | '\\' | '%') {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(stand_in, "%{byte:02x}");
                }
            } else {
                stand_in.push(character);
            }
        }
        Self(stand_in)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a node is in its hierarchy: `/`, `/sst`, `/group/sst`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodePath(String);

impl NodePath {
    /// The root group.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The child of this group with this name.
    #[must_use]
    pub fn child(&self, name: &NodeName) -> Self {
        if self.is_root() { Self(format!("/{name}")) } else { Self(format!("{}/{name}", self.0)) }
    }

    /// A path from text: `/a/b` or `a/b`.
    ///
    /// # Errors
    /// As [`NodeName::new`], for the first part that breaks a rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut path = Self::root();
        for part in text.split('/').filter(|p| !p.is_empty()) {
            path = path.child(&NodeName::new(part)?);
        }
        Ok(path)
    }

    /// Whether it is `/`.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The last part; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// The group that holds it; the root for the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        match self.0.rfind('/') {
            Some(0) | None => Self::root(),
            Some(at) => Self(self.0[..at].to_owned()),
        }
    }

    /// The path with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as a key prefix: without the leading slash, empty for the root.
    pub fn as_key(&self) -> &str {
        &self.0[1..]
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for NodePath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for NodePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_escape_are_refused() {
        for bad in ["", ".", "..", "a/b", "a\\b", "a\nb", "zarr.json", ".zarray", ".firn"] {
            assert!(NodeName::new(bad).is_err(), "{bad:?}");
        }
        assert!(NodeName::new("T2m (°C)").is_ok());
    }

    #[test]
    fn what_stands_for_a_bad_name_is_a_good_one() {
        let long = "x".repeat(300);
        for bad in ["", ".", "..", "a/b", "a\\b", "a\nb", "zarr.json", ".zarray", ".firn", "%", &long] {
            let stand_in = NodeName::standing_for(bad);
            assert_eq!(NodeName::new(stand_in.as_str()), Ok(stand_in), "{bad:?}");
        }
    }

    #[test]
    fn paths_know_parent_and_name() {
        let path = NodePath::parse("/a/b").unwrap();
        assert_eq!(path.parent().as_str(), "/a");
        assert_eq!(path.parent().parent(), NodePath::root());
        assert_eq!(path.name(), "b");
        assert_eq!(path.as_key(), "a/b");
        assert!(NodePath::parse("/a/../b").is_err());
    }
}
