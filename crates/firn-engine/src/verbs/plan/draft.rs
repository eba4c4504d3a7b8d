//! A recipe in the making: which files, along which dimensions.

use crate::verbs::init::documents::{list, quoted, word};
use crate::verbs::plan::report::{ProposedDimension, Sample};
use std::fmt::Write;

/// How the files are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DraftFiles {
    /// A URL with placeholders.
    Pattern(String),
    /// A URL with wildcards.
    Glob(String),
    /// One file.
    One(String),
}

/// The keys along a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DraftKeys {
    /// Dates.
    Range {
        /// First.
        start: String,
        /// Last.
        end: String,
        /// From file to file.
        freq: String,
    },
    /// One by one.
    Listed(Vec<String>),
    /// The files' own coordinate.
    OfFiles,
}

/// A dimension along which files differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DraftDimension {
    /// Its name.
    pub name: String,
    /// Whether its keys choose variables.
    pub merge: bool,
    /// Its keys.
    pub keys: DraftKeys,
}

/// A recipe in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    /// The files.
    pub files: DraftFiles,
    /// The dimensions, outermost first.
    pub dims: Vec<DraftDimension>,
    /// A dimension, and the variable that orders it.
    pub key: Option<(String, String)>,
    /// Variables that can be read, and whether the others have to be left out.
    pub variables: (Vec<String>, bool),
    /// The folder or glob that was listed.
    pub listed: Option<String>,
    /// Files that match.
    pub matches: Sample,
    /// Files beside them that do not.
    pub others: Sample,
    /// Keys without a file.
    pub absent: Sample,
    /// What was decided on the way.
    pub notes: Vec<String>,
    /// A `--dim` flag that would tell more.
    pub ask: Option<String>,
}

impl Draft {
    /// Of these files, along no dimension.
    pub fn new(files: DraftFiles) -> Self {
        Self {
            files,
            dims: Vec::new(),
            key: None,
            variables: (Vec::new(), false),
            listed: None,
            matches: Sample::default(),
            others: Sample::default(),
            absent: Sample::default(),
            notes: Vec::new(),
            ask: None,
        }
    }

    /// The pattern, glob or file.
    pub fn text(&self) -> &str {
        match &self.files {
            DraftFiles::Pattern(text) | DraftFiles::Glob(text) | DraftFiles::One(text) => text,
        }
    }

    /// The dimensions, as reports tell them.
    pub fn dimensions(&self) -> Vec<ProposedDimension> {
        let keys = |keys: &DraftKeys| match keys {
            DraftKeys::Range { start, end, freq } => format!("{start}..{end}/{freq}"),
            DraftKeys::Listed(keys) => keys.join(","),
            DraftKeys::OfFiles => String::new(),
        };
        let dimension = |dim: &DraftDimension| ProposedDimension {
            name: dim.name.clone(),
            role: if dim.merge { "merge" } else { "concat" }.to_owned(),
            keys: keys(&dim.keys),
        };
        self.dims.iter().map(dimension).collect()
    }

    /// `recipe.yaml` with this recipe.
    pub fn recipe(&self, id: &str) -> String {
        let mut text = format!("version: 1\nrecipes:\n  - id: {}\n    source:\n", word(id));
        let text_of_files = quoted(self.text());
        let line = match &self.files {
            DraftFiles::Pattern(_) => format!("      pattern: {text_of_files}\n"),
            DraftFiles::Glob(_) => format!("      glob: {text_of_files}\n"),
            DraftFiles::One(_) => format!("      files:\n        - {text_of_files}\n"),
        };
        text.push_str(&line);
        if !self.dims.is_empty() {
            text.push_str("      dims:\n");
        }
        for dim in &self.dims {
            let role = if dim.merge { "merge: true" } else { "concat: true" };
            let keys = match &dim.keys {
                DraftKeys::Range { start, end, freq } => {
                    format!(", start: {}, end: {}, freq: {freq}", quoted(start), quoted(end))
                }
                DraftKeys::Listed(keys) => format!(", keys: {}", list(keys)),
                DraftKeys::OfFiles => String::new(),
            };
            // Writing to a text does not fail.
            let _written = writeln!(text, "        {}: {{{role}{keys}}}", word(&dim.name));
        }
        if let (Some(first), [dim, ..]) = (self.absent.first.first(), self.dims.as_slice()) {
            let _written = writeln!(
                text,
                "      # gaps: [{{{}: {first}, reason: \"why there is no file\"}}]  # {} without a file",
                word(&dim.name),
                self.absent.count
            );
        }
        if let Some((dim, variable)) = &self.key {
            let _written = writeln!(text, "    combine: {{key: {{{}: {}}}}}", word(dim), word(variable));
        }
        let (variables, select) = &self.variables;
        if !variables.is_empty() {
            let comment = if *select { "" } else { "# " };
            let _written = writeln!(text, "    {comment}select: {{variables: {}}}", list(variables));
        }
        text.push_str("    # target: {location: NAME, path: PATH, format: icechunk or zarr3, chunks: {DIM: N}}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::feedstock::read_recipe;

    #[test]
    fn every_draft_is_a_valid_recipe() {
        let range = DraftKeys::Range { start: "1981-09-01".into(), end: "1981-09-30".into(), freq: "1D".into() };
        let dim = |name: &str, merge, keys| DraftDimension { name: name.to_owned(), merge, keys };
        let mut pattern = Draft::new(DraftFiles::Pattern("/d/{v}/{m}_\"{time:%Y%m%d}\".nc".to_owned()));
        pattern.dims = vec![
            dim("v", true, DraftKeys::Listed(vec!["sst".into(), "no".into()])),
            dim("m", false, DraftKeys::Listed(vec!["001".into(), "010".into()])),
            dim("time", false, range),
        ];
        pattern.variables = (vec!["sst".into(), "a: b".into()], true);
        pattern.absent = Sample::of(["1981-09-04".to_owned()], 5);
        let mut glob = Draft::new(DraftFiles::Glob("/d/*.nc".to_owned()));
        glob.dims = vec![dim("time_counter", false, DraftKeys::OfFiles)];
        glob.key = Some(("time_counter".to_owned(), "time_centered".to_owned()));
        for draft in [pattern, glob, Draft::new(DraftFiles::One("/d/a.nc".to_owned()))] {
            let text = draft.recipe("20200101");
            let checked = read_recipe("recipe.yaml", &text);
            assert_eq!(checked.findings, [], "{text}");
            let recipe = &checked.value.unwrap().recipes[0];
            assert_eq!(recipe.source.dims.len(), draft.dims.len());
            assert_eq!(recipe.combine.key.len(), usize::from(draft.key.is_some()));
        }
    }
}
