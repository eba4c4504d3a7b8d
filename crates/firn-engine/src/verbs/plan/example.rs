//! From one file to all: what lies beside it, and what the names say.

use super::draft::{Draft, DraftDimension, DraftFiles, DraftKeys};
use super::listing::{self, durable};
use super::report::Sample;
use super::steps::date_range;
use crate::error::EngineError;
use crate::settings::Engine;
use crate::verbs::init::example_url::{SuggestedPattern, escape_glob, suggest_glob, suggest_pattern};
use crate::verbs::init::facts::concat_dim;
use crate::verbs::inspect::Opened;
use firn_model::cf::{Frequency, PatternTime};
use firn_model::dataset::Dataset;
use firn_model::feedstock::SourceGlob;
use firn_model::feedstock::pattern::{Key, keys_of_url};
use firn_storage::ObjectUrl;
use std::collections::BTreeSet;

/// How many matches and misses are shown.
pub(super) const SHOWN: usize = 5;

/// What one file suggests.
///
/// # Errors
/// What listing its folder says.
pub(super) fn propose(engine: &Engine, url: &ObjectUrl, opened: &Opened) -> Result<Draft, EngineError> {
    let example = durable(url)?;
    let siblings = match url_parent(url) {
        Some(folder) => listing::folder(engine, &folder)?.map(|files| (folder.to_string(), files)),
        None => Err("it lies in no folder".to_owned()),
    };
    let dim = concat_dim(&opened.dataset);
    let pattern = suggest_pattern(&example, dim.as_deref().unwrap_or("time"))
        .filter(|suggested| matches!(keys_of_url(&suggested.pattern, &example), Ok(Some(keys)) if !keys.is_empty()));
    let mut draft = match (siblings, &pattern) {
        (Err(reason), suggested) => unlisted(&example, &reason, suggested.as_ref(), dim.as_deref()),
        (Ok((folder, files)), Some(suggested)) => {
            let (listed, candidates) = candidates(engine, suggested, folder, &files)?;
            let draft = by_dates(suggested, &candidates, dim.as_deref(), &opened.dataset, &example);
            beside(draft.unwrap_or_else(|| by_name(&example, &candidates, dim.as_deref())), listed, &files)
        }
        (Ok((folder, files)), None) => beside(by_name(&example, &files, dim.as_deref()), folder, &files),
    };
    if let (DraftFiles::Pattern(_), None) = (&draft.files, dim) {
        draft.notes.push(
            "the file has no unlimited and no time dimension: each file becomes one step of a new dimension \"time\""
                .to_owned(),
        );
    }
    Ok(draft)
}

/// The folder of a file.
fn url_parent(url: &ObjectUrl) -> Option<ObjectUrl> {
    let parent = url.parent()?;
    // So that texts of the listing begin as the text of the example does.
    parent.absolute().ok()
}

/// Nothing can be listed: the file alone, and what would tell more.
fn unlisted(example: &str, reason: &str, suggested: Option<&SuggestedPattern>, dim: Option<&str>) -> Draft {
    let mut draft = Draft::new(DraftFiles::One(example.to_owned()));
    draft.matches = Sample::of([example.to_owned()], SHOWN);
    let cannot = format!("its folder cannot be listed: {reason}");
    match suggested {
        Some(suggested) => {
            let dim = dim.unwrap_or("time");
            draft.notes.push(format!(
                "{cannot}. The name suggests the pattern {}; this plan is for the one file, --dim says which there are",
                suggested.pattern
            ));
            draft.ask = Some(format!("--dim {dim}={}..LAST/{}", suggested.date, suggested.freq));
        }
        None => draft.notes.push(format!("{cannot}, and the name has no date: this plan is for the one file")),
    }
    draft
}

/// The files that may match: those of the folder, or of all folders where these have dates too.
fn candidates(
    engine: &Engine,
    suggested: &SuggestedPattern,
    folder: String,
    files: &[String],
) -> Result<(String, Vec<String>), EngineError> {
    let in_folders = suggested
        .pattern
        .rfind('/')
        .is_some_and(|slash| !listing::placeholders(&suggested.pattern[..slash]).is_empty());
    if !in_folders {
        return Ok((folder, files.to_vec()));
    }
    let glob = listing::glob_of_pattern(&suggested.pattern);
    // The folder itself could be listed; where the others cannot, its own files are all that is known.
    let found = listing::glob(engine, &glob)?.unwrap_or_else(|_| files.to_vec());
    Ok((glob, found))
}

/// A pattern with a range, where the dates of the names are regular; with another dimension, where one more part of the
/// names varies and firn knows what for.
fn by_dates(
    suggested: &SuggestedPattern,
    files: &[String],
    dim: Option<&str>,
    dataset: &Dataset,
    example: &str,
) -> Option<Draft> {
    let name = dim.unwrap_or("time");
    let matching = matching(&suggested.pattern, name, files);
    let step: Option<Frequency> = if suggested.pattern.contains(".end:") { suggested.freq.parse().ok() } else { None };
    let dates: BTreeSet<PatternTime> = matching.iter().map(|(_, date)| *date).collect();
    let range = date_range(&dates, step)?;
    let mut draft = Draft::new(DraftFiles::Pattern(suggested.pattern.clone()));
    let keys = DraftKeys::Range { start: range.start, end: range.end, freq: range.freq };
    draft.dims = vec![DraftDimension { name: name.to_owned(), merge: false, keys }];
    draft.matches = Sample::of(matching.into_iter().map(|(file, _)| file), SHOWN);
    draft.absent = Sample::of(range.absent, SHOWN);
    if let Some(other) = varying(&suggested.pattern, name, &dates, files, dataset, example) {
        draft.files = DraftFiles::Pattern(other.pattern);
        draft.matches = Sample::of(other.files, SHOWN);
        let keys = DraftKeys::Listed(other.keys);
        draft.dims.insert(0, DraftDimension { name: other.name.to_owned(), merge: other.merge, keys });
    }
    Some(draft)
}

/// The files that match a pattern with one dimension of dates, and their dates.
fn matching(pattern: &str, dim: &str, files: &[String]) -> Vec<(String, PatternTime)> {
    let date = |file: &String| match keys_of_url(pattern, file).ok()??.get(dim)? {
        Key::Time(date) => Some((file.clone(), *date)),
        _ => None,
    };
    files.iter().filter_map(date).collect()
}

/// A second part of the names that varies.
struct Varying {
    pattern: String,
    name: &'static str,
    merge: bool,
    keys: Vec<String>,
    files: Vec<String>,
}

/// What separates the parts of a name.
const SEPARATORS: [char; 3] = ['_', '-', '.'];

/// The part of the file name that is a variable of the example, or an ensemble member, where files with other keys exist
/// for the same dates, each for each.
fn varying(
    pattern: &str,
    dim: &str,
    dates: &BTreeSet<PatternTime>,
    files: &[String],
    dataset: &Dataset,
    example: &str,
) -> Option<Varying> {
    let name_start = pattern.rfind('/').map_or(0, |slash| slash + 1);
    let is_variable = |part: &str| dataset.arrays().any(|(path, _)| path.name() == part);
    for (start, part) in parts(&pattern[name_start..]) {
        let (name, merge) = if is_variable(part) {
            ("variable", true)
        } else if is_member(part) {
            ("member", false)
        } else {
            continue;
        };
        let (before, after) = (&pattern[..name_start + start], &pattern[name_start + start + part.len()..]);
        let wider = format!("{before}{{{name}}}{after}");
        let mut keys = BTreeSet::new();
        let mut found = Vec::new();
        for file in files {
            let Ok(Some(of_file)) = keys_of_url(&wider, file) else { continue };
            let (Some(Key::Text(key)), Some(Key::Time(date))) = (of_file.get(name), of_file.get(dim)) else { continue };
            if key.contains(SEPARATORS) || !dates.contains(date) || (name == "member" && !is_member(key)) {
                continue;
            }
            keys.insert(key.clone());
            found.push(file.clone());
        }
        if keys.len() > 1 && found.len() == keys.len() * dates.len() && found.iter().any(|file| file == example) {
            let keys = keys.into_iter().collect();
            return Some(Varying { pattern: wider, name, merge, keys, files: found });
        }
    }
    None
}

/// `r1`, `r1i1p1f1`, `mem001`, `ens01`, `member3`.
fn is_member(part: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if ["member", "mem", "ens"].iter().any(|word| part.strip_prefix(word).is_some_and(digits)) {
        return true;
    }
    let Some(rest) = part.strip_prefix('r') else { return false };
    rest.split(['i', 'p', 'f']).all(digits) && !rest.is_empty()
}

/// The parts of a file name between separators, with their place; placeholders and the extension are none.
fn parts(name: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = 0;
    let end = name.rfind('.').unwrap_or(name.len());
    for (at, _) in name[..end].match_indices(|c: char| SEPARATORS.contains(&c)).chain([(end, "")]) {
        // A separator inside of a placeholder cuts nothing.
        if name[..at].matches('{').count() != name[..at].matches('}').count() {
            continue;
        }
        let part = &name[start..at];
        if !part.is_empty() && !part.contains(['{', '}']) {
            found.push((start, part));
        }
        start = at + 1;
    }
    found
}

/// A glob over the dates or the numbers of the name, ordered by the files' own coordinate; else the one file.
fn by_name(example: &str, files: &[String], dim: Option<&str>) -> Draft {
    let mut best: Option<(String, Vec<String>)> = None;
    for candidate in suggest_glob(example).into_iter().chain(numbers_as_wildcards(example)) {
        let Ok(glob) = SourceGlob::new(&candidate) else { continue };
        let found = glob.select(files.iter().cloned());
        if found.len() > 1 && best.as_ref().is_none_or(|(_, known)| found.len() > known.len()) {
            best = Some((candidate, found));
        }
    }
    let mut draft = match (best, dim) {
        (Some((glob, found)), Some(dim)) => {
            let mut draft = Draft::new(DraftFiles::Glob(glob));
            draft.dims = vec![DraftDimension { name: dim.to_owned(), merge: false, keys: DraftKeys::OfFiles }];
            draft.matches = Sample::of(found, SHOWN);
            draft.notes.push(
                "no pattern with regular dates fits these names: a glob, ordered by what is in the files".to_owned(),
            );
            draft
        }
        (found, _) => {
            let mut draft = Draft::new(DraftFiles::One(example.to_owned()));
            draft.matches = Sample::of([example.to_owned()], SHOWN);
            draft.notes.push(match found {
                Some((glob, found)) => format!(
                    "{} files match {glob}, but the file has no dimension along which they could follow each other: this \
                     plan is for the one file",
                    found.len()
                ),
                None => "no file beside it has a name of the same kind: this plan is for the one file".to_owned(),
            });
            draft
        }
    };
    if let (DraftFiles::Glob(_), Some(range)) = (&draft.files, first_and_last(example, files)) {
        draft.notes.push(range);
    }
    draft
}

/// The dates of the names, for people: a glob does not say them.
fn first_and_last(example: &str, files: &[String]) -> Option<String> {
    let glob = SourceGlob::new(&suggest_glob(example)?).ok()?;
    let dates: BTreeSet<String> = glob
        .select(files.iter().cloned())
        .iter()
        .filter_map(|file| crate::verbs::init::example_url::first_date(file))
        .collect();
    Some(format!("the first dates of the names go from {} to {}", dates.first()?, dates.last()?))
}

/// Globs with one number of the file name as a wildcard.
fn numbers_as_wildcards(example: &str) -> Vec<String> {
    let name_start = example.rfind('/').map_or(0, |slash| slash + 1);
    let name = &example[name_start..];
    let mut globs = Vec::new();
    let mut at = 0;
    while let Some(start) = name[at..].find(|c: char| c.is_ascii_digit()).map(|found| at + found) {
        let end = name[start..].find(|c: char| !c.is_ascii_digit()).map_or(name.len(), |length| start + length);
        let (before, after) = (&example[..name_start + start], &name[end..]);
        globs.push(format!("{}*{}", escape_glob(before), escape_glob(after)));
        at = end;
    }
    globs
}

/// With what lies beside the files and does not match.
fn beside(mut draft: Draft, listed: String, files: &[String]) -> Draft {
    let matches = |file: &String| match &draft.files {
        DraftFiles::Pattern(pattern) => matches!(keys_of_url(pattern, file), Ok(Some(_))),
        DraftFiles::Glob(glob) => SourceGlob::new(glob).is_ok_and(|glob| glob.matches(file)),
        DraftFiles::One(one) => one == file,
    };
    let others = files.iter().filter(|file| !matches(file)).cloned();
    draft.others = Sample::of(others, SHOWN);
    draft.listed = Some(listed);
    draft
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!("/d/{name}")).collect()
    }

    fn draft(example: &str, dim: Option<&str>, names: &[&str]) -> Draft {
        let example = format!("/d/{example}");
        let files = files(names);
        let draft = suggest_pattern(&example, dim.unwrap_or("time"))
            .and_then(|suggested| by_dates(&suggested, &files, dim, &Dataset::default(), &example));
        beside(draft.unwrap_or_else(|| by_name(&example, &files, dim)), "/d".to_owned(), &files)
    }

    #[test]
    fn regular_dates_become_a_range_and_the_misses_are_named() {
        let names = ["a.19810901.nc", "a.19810902.nc", "a.19810904.nc", "b.19810901.nc", "README"];
        let draft = draft("a.19810902.nc", Some("time"), &names);
        assert_eq!(draft.files, DraftFiles::Pattern("/d/a.{time:%Y%m%d}.nc".to_owned()));
        assert_eq!(draft.dimensions()[0].keys, "1981-09-01..1981-09-04/1D");
        assert_eq!(draft.absent, Sample { count: 1, first: vec!["1981-09-03".to_owned()] });
        assert_eq!(
            draft.others,
            Sample { count: 2, first: vec!["/d/b.19810901.nc".to_owned(), "/d/README".to_owned()] }
        );
    }

    #[test]
    fn hours_are_a_range_with_the_step_that_they_have() {
        let names = ["a_2020013118.nc", "a_2020020100.nc", "a_2020020106.nc"];
        let draft = draft("a_2020020106.nc", Some("time"), &names);
        assert_eq!(draft.files, DraftFiles::Pattern("/d/a_{time:%Y%m%d%H}.nc".to_owned()));
        assert_eq!(draft.dimensions()[0].keys, "2020-01-31T18:00:00..2020-02-01T06:00:00/6h");
    }

    #[test]
    fn decades_by_their_first_and_last_month_are_a_range() {
        let names = ["pr_185001-185912.nc", "pr_186001-186912.nc", "pr_187001-187912.nc"];
        let draft = draft("pr_186001-186912.nc", Some("time"), &names);
        assert_eq!(draft.files, DraftFiles::Pattern("/d/pr_{time.start:%Y%m}-{time.end:%Y%m}.nc".to_owned()));
        assert_eq!(draft.dimensions()[0].keys, "1850-01-01..1870-01-01/10YS");
    }

    #[test]
    fn members_with_the_same_dates_are_a_dimension() {
        let names = ["t_r1i1p1f1_2000.nc", "t_r1i1p1f1_2001.nc", "t_r2i1p1f1_2000.nc", "t_r2i1p1f1_2001.nc"];
        let both = draft("t_r1i1p1f1_2000.nc", Some("time"), &names);
        assert_eq!(both.files, DraftFiles::Pattern("/d/t_{member}_{time:%Y}.nc".to_owned()));
        let dims: Vec<String> = both.dimensions().iter().map(|dim| format!("{} {}", dim.name, dim.keys)).collect();
        assert_eq!(dims, ["member r1i1p1f1,r2i1p1f1", "time 2000-01-01..2001-01-01/1YS"]);
        assert_eq!((both.matches.count, both.others.count), (4, 0));
        // A hole: not each for each.
        let hole = draft("t_r1i1p1f1_2000.nc", Some("time"), &names[..3]);
        assert_eq!(hole.files, DraftFiles::Pattern("/d/t_r1i1p1f1_{time:%Y}.nc".to_owned()));
        assert_eq!(hole.others.count, 1);
    }

    #[test]
    fn names_without_regular_dates_become_a_glob() {
        let names = ["nemo_20150101-20150201_T.nc", "nemo_20150201-20150301_T.nc", "nemo_20150201-20150301_U.nc"];
        let found = draft("nemo_20150101-20150201_T.nc", Some("time_counter"), &names);
        assert_eq!(found.files, DraftFiles::Glob("/d/nemo_*-*_T.nc".to_owned()));
        assert_eq!((found.matches.count, found.others.count), (2, 1));
        assert!(found.notes[1].contains("from 2015-01-01 to 2015-02-01"), "{:?}", found.notes);
        let numbered = draft("run_003.nc", Some("time"), &["run_001.nc", "run_002.nc", "run_003.nc", "x.nc"]);
        assert_eq!(numbered.files, DraftFiles::Glob("/d/run_*.nc".to_owned()));
    }

    #[test]
    fn a_file_alone_is_planned_alone() {
        let alone = draft("a.19810901.nc", Some("time"), &["a.19810901.nc", "b.txt"]);
        assert_eq!(alone.files, DraftFiles::One("/d/a.19810901.nc".to_owned()));
        assert_eq!((alone.matches.count, alone.others.count), (1, 1));
        let numbered = draft("run_003.nc", None, &["run_001.nc", "run_003.nc"]);
        assert_eq!(numbered.files, DraftFiles::One("/d/run_003.nc".to_owned()));
    }

    #[test]
    fn a_placeholder_is_no_part_of_a_name() {
        assert_eq!(parts("t_r1_{time:%Y-%m}.x.nc"), [(0, "t"), (2, "r1"), (18, "x")]);
        assert!(["r1", "r10i1p1f2", "mem001", "ens3"].into_iter().all(is_member));
        assert!(["r", "r1x", "run1", "ensemble", "mem"].into_iter().all(|part| !is_member(part)));
    }
}
