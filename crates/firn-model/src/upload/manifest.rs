//! The manifest of an upload: what was sealed, object by object.
//!
//! A text file: the line `firn-manifest 1`, then one line an object in the order of the keys' bytes, fields separated by tabs: key,
//! size in bytes, BLAKE3 in lower-case hex, entity tag in the inbox, size of the parts in which it was written. The last two are
//! `-` where there are none. One upload has one text. What was adopted without being read has `-` for its digests too.

use super::UploadError;
use crate::diagnose::At;
use std::collections::BTreeMap;
use std::fmt::Write;

const HEADER: &str = "firn-manifest 1";

/// The digest of an object that nobody read.
pub const UNREAD: &str = "-";

/// An object of an upload.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UploadObject {
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes, lower-case hex; [`UNREAD`] where nobody read it, which no upload has.
    pub blake3: String,
    /// Its entity tag in the inbox.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub etag: Option<String>,
    /// The size of the parts in which it was written, where it was in parts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part_size: Option<u64>,
}

/// What an upload consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadManifest {
    /// The objects, by key relative to the upload.
    pub objects: BTreeMap<String, UploadObject>,
}

impl UploadManifest {
    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.objects.values().map(|object| object.size).sum()
    }

    /// What the upload is, wherever it lies: BLAKE3 of its keys, sizes and digests, hex.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (key, object) in &self.objects {
            hasher.update(format!("{key}\t{}\t{}\n", object.size, object.blake3).as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (key, object) in &self.objects {
            let etag = object.etag.as_deref().filter(|tag| is_field(tag)).unwrap_or("-");
            let part = object.part_size.map_or_else(|| "-".to_owned(), |size| size.to_string());
            // Writing to a string does not fail.
            let _ = writeln!(text, "{key}\t{}\t{}\t{etag}\t{part}", object.size, object.blake3);
        }
        text
    }

    /// From the file. Keys are not checked here ([`super::check_keys`]), except that each stands once and in order.
    ///
    /// # Errors
    /// [`UploadError::ManifestDamaged`] with the line.
    pub fn parse(text: &str, at: &At) -> Result<Self, UploadError> {
        Self::read(text, at, false)
    }

    /// As [`UploadManifest::parse`], of what was adopted: digests may be [`UNREAD`].
    ///
    /// # Errors
    /// [`UploadError::ManifestDamaged`] with the line.
    pub fn parse_adopted(text: &str, at: &At) -> Result<Self, UploadError> {
        Self::read(text, at, true)
    }

    fn read(text: &str, at: &At, may_be_unread: bool) -> Result<Self, UploadError> {
        let damaged =
            |line: usize, what: &str| UploadError::ManifestDamaged { at: at.line(line, 1), what: what.to_owned() };
        let Some(body) = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')) else {
            return Err(damaged(1, "it does not begin with \"firn-manifest 1\""));
        };
        if !body.is_empty() && !body.ends_with('\n') {
            return Err(damaged(text.lines().count(), "the last line does not end"));
        }
        let mut objects = BTreeMap::new();
        let mut last: Option<&str> = None;
        for (index, line) in body.split_terminator('\n').enumerate() {
            let number = index + 2;
            let fields: Vec<&str> = line.split('\t').collect();
            let [key, size, digest, etag, part] = fields[..] else {
                return Err(damaged(number, "a line does not have five fields"));
            };
            if last.is_some_and(|last| last >= key) {
                return Err(damaged(number, "the keys are not in order, or one stands twice"));
            }
            last = Some(key);
            let number_of = |text: &str| text.parse().ok().filter(|number: &u64| number.to_string() == text);
            let size = number_of(size).ok_or_else(|| damaged(number, "a size is not a number"))?;
            let is_digest = digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !(is_digest || may_be_unread && digest == UNREAD) {
                return Err(damaged(number, "a digest is not one"));
            }
            let part_size = match part {
                "-" => None,
                part => Some(number_of(part).ok_or_else(|| damaged(number, "a part size is not a number"))?),
            };
            if !is_field(etag) {
                return Err(damaged(number, "an entity tag is empty"));
            }
            let etag = (etag != "-").then(|| etag.to_owned());
            objects.insert(key.to_owned(), UploadObject { size, blake3: digest.to_owned(), etag, part_size });
        }
        if objects.values().try_fold(0u64, |sum, object| sum.checked_add(object.size)).is_none() {
            return Err(damaged(1, "its sizes add up to more than there can be"));
        }
        Ok(Self { objects })
    }
}

/// Whether a text can stand as a field.
fn is_field(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(size: u64, etag: Option<&str>) -> UploadObject {
        UploadObject { size, blake3: "ab".repeat(32), etag: etag.map(str::to_owned), part_size: None }
    }

    fn manifest() -> UploadManifest {
        let mut manifest = UploadManifest::default();
        manifest.objects.insert("b/c/0".into(), UploadObject { part_size: Some(16), ..object(7, Some("\"x-2\"")) });
        manifest.objects.insert("a".into(), object(0, None));
        manifest
    }

    #[test]
    fn a_manifest_has_one_text_and_reads_back() {
        let text = manifest().to_text();
        let digest = "ab".repeat(32);
        assert_eq!(text, format!("firn-manifest 1\na\t0\t{digest}\t-\t-\nb/c/0\t7\t{digest}\t\"x-2\"\t16\n"));
        assert_eq!(UploadManifest::parse(&text, &At::nowhere()).unwrap(), manifest());
        assert_eq!(UploadManifest::parse("firn-manifest 1\n", &At::nowhere()).unwrap(), UploadManifest::default());
    }

    #[test]
    fn every_damage_of_a_manifest_is_found() {
        let text = manifest().to_text();
        let swapped: Vec<&str> = text.lines().collect();
        let swapped = format!("{}\n{}\n{}\n", swapped[0], swapped[2], swapped[1]);
        let twice = text.replace("\na\t", "\nb/c/0\t");
        for bad in [
            "",
            "firn-manifest 2\n",
            &text.replace("\t7\t", "\t07\t"),
            &text.replace("\t7\t", "\t"),
            &text.replace("ab", "AB"),
            &text.replace("\t16", "\tx"),
            &text.replace("\"x-2\"", ""),
            &swapped,
            &twice,
            text.trim_end(),
            &text.replace("\t7\t", "\t18446744073709551616\t"),
        ] {
            assert!(UploadManifest::parse(bad, &At::nowhere()).is_err(), "{bad}");
        }
        let unread = format!("{HEADER}\na\t0\t-\t-\t-\n");
        assert!(UploadManifest::parse(&unread, &At::nowhere()).is_err());
        let adopted = UploadManifest::parse_adopted(&unread, &At::nowhere()).unwrap();
        assert_eq!((adopted.objects["a"].blake3.as_str(), adopted.to_text()), (UNREAD, unread));
    }

    #[test]
    fn the_digest_tells_content_and_not_the_place() {
        let mut moved = manifest();
        moved.objects.get_mut("b/c/0").unwrap().etag = None;
        assert_eq!(moved.digest(), manifest().digest());
        moved.objects.get_mut("a").unwrap().size = 1;
        assert_ne!(moved.digest(), manifest().digest());
    }
}
