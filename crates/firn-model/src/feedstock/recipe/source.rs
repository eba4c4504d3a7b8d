//! `source:` of a recipe: exactly one of `pattern`, `files`, `glob`, `list`, and what is known about it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cf::{CfError, PatternTime};

/// The source files of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A URL with placeholders: `{variable}`, `{time:%Y%m}`, `{time.start:%Y}`, `{time.end:%Y}`, `{lead:03d}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub pattern: Option<String>,
    /// URLs or paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub files: Option<Vec<String>>,
    /// A URL or path with wildcards; `*` does not cross `/`, `**` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub glob: Option<String>,
    /// URL or path of a text with one URL or path on each line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub list: Option<String>,
    /// The dimensions along which the files differ, outermost first.
    #[serde(default)]
    pub dims: IndexMap<String, Dimension>,
    /// Format of the files.
    #[serde(default)]
    pub format: SourceFormat,
    /// Which kind of credentials the source wants; configuration binds it to a secret.
    #[serde(default)]
    pub auth: Auth,
    /// Files that are known not to exist.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// Which of the four ways a source names its files in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind<'a> {
    /// A pattern.
    Pattern(&'a str),
    /// A list of URLs.
    Files(&'a [String]),
    /// Wildcards.
    Glob(&'a str),
    /// A text of URLs.
    List(&'a str),
}

impl Source {
    /// How the files are named; `None` unless it is exactly one way, which checking has made sure of.
    pub fn kind(&self) -> Option<SourceKind<'_>> {
        match (&self.pattern, &self.files, &self.glob, &self.list) {
            (Some(pattern), None, None, None) => Some(SourceKind::Pattern(pattern)),
            (None, Some(files), None, None) => Some(SourceKind::Files(files)),
            (None, None, Some(glob), None) => Some(SourceKind::Glob(glob)),
            (None, None, None, Some(list)) => Some(SourceKind::List(list)),
            _ => None,
        }
    }

    /// The dimensions along which files follow each other, in order.
    pub fn concat_dims(&self) -> impl Iterator<Item = &str> {
        self.dims.iter().filter(|(_, dim)| dim.concat).map(|(name, _)| name.as_str())
    }

    /// The dimensions whose keys choose variables, in order.
    pub fn merge_dims(&self) -> impl Iterator<Item = &str> {
        self.dims.iter().filter(|(_, dim)| dim.merge).map(|(name, _)| name.as_str())
    }
}

/// A dimension along which files differ: a concat dimension or a merge dimension.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// Files follow each other along it.
    #[serde(default)]
    pub concat: bool,
    /// Files hold different variables.
    #[serde(default)]
    pub merge: bool,
    /// The keys, in order; `{r1: realization 1}` gives a key the coordinate value that stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
    /// First date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<DateText>,
    /// Last date, included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DateText>,
    /// From file to file: `1D`, `6h`, `1MS`, `1YS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "firn-frequency"))]
    pub freq: Option<String>,
}

/// The keys of a dimension, as a list or as a mapping key → label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Keys {
    /// Keys, some of them with labels.
    List(#[schemars(length(min = 1))] Vec<KeyEntry>),
    /// Key → label.
    Labelled(IndexMap<String, Label>),
}

impl Keys {
    /// The keys in order, each with its label.
    pub fn labelled(&self) -> Vec<(KeyText, Option<&Label>)> {
        let of_map =
            |map: &'_ IndexMap<String, Label>| -> Vec<KeyText> { map.keys().cloned().map(KeyText::Text).collect() };
        match self {
            Self::Labelled(map) => of_map(map).into_iter().zip(map.values().map(Some)).collect(),
            Self::List(entries) => entries
                .iter()
                .flat_map(|entry| match entry {
                    KeyEntry::Plain(key) => vec![(key.clone(), None)],
                    KeyEntry::Labelled(map) => of_map(map).into_iter().zip(map.values().map(Some)).collect(),
                })
                .collect(),
        }
    }
}

/// A key, or a key with its label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum KeyEntry {
    /// A key.
    Plain(KeyText),
    /// Key → label.
    Labelled(IndexMap<String, Label>),
}

/// A key as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum KeyText {
    /// A whole number.
    Integer(i64),
    /// Text; also whole numbers with leading zeros.
    Text(String),
}

impl std::fmt::Display for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The coordinate value that stands for a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Label {
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
}

/// A date: `1981-09-01`, `1981-09`, `1981`, `1981-09-01T06:00`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DateText {
    /// A year.
    Year(i64),
    /// A date.
    Date(#[schemars(extend("format" = "firn-date"))] String),
}

impl DateText {
    /// The text.
    pub fn text(&self) -> String {
        match self {
            Self::Year(year) => format!("{year:04}"),
            Self::Date(date) => date.clone(),
        }
    }

    /// Its first second.
    ///
    /// # Errors
    /// [`CfError`] where it is no date.
    pub fn start(&self) -> Result<PatternTime, CfError> {
        PatternTime::start_of(&self.text())
    }

    /// Its last second.
    ///
    /// # Errors
    /// [`CfError`] where it is no date.
    pub fn end(&self) -> Result<PatternTime, CfError> {
        PatternTime::end_of(&self.text())
    }
}

/// Files that are known not to exist, by the keys of one or more dimensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Why they do not exist.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// Whether the steps stay on the axis, filled, instead of being left out.
    #[serde(default)]
    pub fill: bool,
    /// Dimension → key, date, or part of a date (`1987-12` is that whole month).
    #[serde(flatten)]
    pub keys: IndexMap<String, KeyText>,
}

/// Format of source files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceFormat {
    /// By the first bytes of each file.
    #[default]
    Auto,
    /// NetCDF classic, 64-bit offset, 64-bit data.
    Netcdf3,
    /// HDF5 and NetCDF-4.
    Hdf5,
    /// GRIB, edition 1 and 2.
    Grib,
    /// TIFF and COG.
    Geotiff,
    /// Zarr, version 2 and 3.
    Zarr,
    /// References of kerchunk.
    Kerchunk,
    /// An Icechunk repository.
    Icechunk,
}

impl SourceFormat {
    /// The word in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Netcdf3 => "netcdf3",
            Self::Hdf5 => "hdf5",
            Self::Grib => "grib",
            Self::Geotiff => "geotiff",
            Self::Zarr => "zarr",
            Self::Kerchunk => "kerchunk",
            Self::Icechunk => "icechunk",
        }
    }
}

/// Which kind of credentials a source wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// None.
    #[default]
    Anonymous,
    /// User name and password.
    Basic,
    /// A bearer token.
    Bearer,
    /// The user's `.netrc`.
    Netrc,
    /// NASA Earthdata Login.
    Earthdata,
    /// A named profile of a cloud provider.
    Profile,
}

impl Auth {
    /// The word in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::Netrc => "netrc",
            Self::Earthdata => "earthdata",
            Self::Profile => "profile",
        }
    }
}
