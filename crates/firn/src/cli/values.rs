//! Values of flags that are more than a text.

use crate::config::size::Size;
use crate::error::FirnError;
use firn_engine::verbs::requests::{ChunkLength, ConcatRequest, DimKeys, TaskRange};
use indexmap::IndexMap;
use std::num::NonZeroU64;

/// `4GiB`, `500MB`, `25%`.
pub fn parse_size(text: &str) -> Result<Size, String> {
    text.parse()
}

/// Bytes a second: `10MB`, `500KiB`, with or without `/s`.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    match text.trim().trim_end_matches("/s").parse() {
        Ok(Size::Bytes(bytes)) => Ok(bytes),
        _ => Err(format!("{text:?} is no rate: write 10MB or 500KiB, in bytes a second")),
    }
}

/// `NAME=VALUE`, both not empty.
pub fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write DIMENSION=VALUE".to_owned()),
    }
}

/// `time=30`, `lat=all`, `lon=auto`.
pub fn parse_chunk(text: &str) -> Result<(String, ChunkLength), String> {
    let (dimension, length) = parse_pair(text).map_err(|_| "write DIMENSION=LENGTH".to_owned())?;
    let length = match length.as_str() {
        "all" | "-1" => ChunkLength::Whole,
        "auto" => ChunkLength::Auto,
        number => {
            let number: NonZeroU64 = number
                .parse()
                .map_err(|_| format!("{number:?} is no length: write a whole number from 1, all or auto"))?;
            ChunkLength::Of(number)
        }
    };
    Ok((dimension, length))
}

/// `time=1981-09-01..1981-09-30/1D`, `member=r1,r2`.
pub fn parse_dim(text: &str) -> Result<(String, DimKeys), String> {
    let shape = "write DIMENSION=FIRST..LAST, DIMENSION=FIRST..LAST/STEP or DIMENSION=A,B,C";
    let (dimension, keys) = parse_pair(text).map_err(|_| shape.to_owned())?;
    let Some((first, rest)) = keys.split_once("..") else {
        let labels: Vec<String> = keys.split(',').map(|label| label.trim().to_owned()).collect();
        if labels.iter().any(String::is_empty) {
            return Err(format!("one of the keys is empty: {shape}"));
        }
        return Ok((dimension, DimKeys::Labels(labels)));
    };
    let (last, step) = match rest.split_once('/') {
        Some((last, step)) => (last, Some(step.trim().to_owned())),
        None => (rest, None),
    };
    let (first, last) = (first.trim().to_owned(), last.trim().to_owned());
    if first.is_empty() || last.is_empty() || step.as_deref() == Some("") {
        return Err(format!("a part of the range is empty: {shape}"));
    }
    Ok((dimension, DimKeys::Range { first, last, step }))
}

/// `2/8`: the second of eight parts.
pub fn parse_task_range(text: &str) -> Result<TaskRange, String> {
    let numbers = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    match numbers {
        Some((part, of)) if part >= 1 && part <= of => Ok(TaskRange { part, of }),
        _ => Err("write PART/PARTS, counted from 1: 1/8 to 8/8".to_owned()),
    }
}

/// Pairs as a map; a name that is given twice is a mistake.
///
/// # Errors
/// [`FirnError::Usage`] for a name given twice.
pub fn unique<T: Clone>(flag: &str, verb: &str, pairs: &[(String, T)]) -> Result<IndexMap<String, T>, FirnError> {
    let mut map = IndexMap::new();
    for (name, value) in pairs {
        if map.insert(name.clone(), value.clone()).is_some() {
            let what = format!("{flag} names {name:?} twice");
            return Err(FirnError::Usage { what, next: format!("firn {verb} --help") });
        }
    }
    Ok(map)
}

/// How sources are joined.
#[derive(Debug, Clone, clap::Args)]
pub struct JoinArgs {
    /// Dimension along which the files follow each other
    #[arg(long, value_name = "DIM", value_delimiter = ',')]
    pub concat_dim: Vec<String>,
    /// The variable that orders the files, where the one of the dimension's name does not
    #[arg(long, value_name = "DIM=VARIABLE", value_delimiter = ',', value_parser = parse_pair)]
    pub concat_key: Vec<(String, String)>,
    /// Join what is there, where steps are missing along a regular axis
    #[arg(long)]
    pub allow_gaps: bool,
}

impl JoinArgs {
    /// As a request.
    ///
    /// # Errors
    /// [`FirnError::Usage`] for a dimension given twice, or a key for a dimension that files are not joined along.
    pub fn request(&self, verb: &str) -> Result<ConcatRequest, FirnError> {
        let pairs: Vec<(String, ())> = self.concat_dim.iter().map(|dim| (dim.clone(), ())).collect();
        unique("--concat-dim", verb, &pairs)?;
        let keys = unique("--concat-key", verb, &self.concat_key)?;
        if let Some(dim) = keys.keys().find(|dim| !self.concat_dim.contains(dim)) {
            let what = format!("--concat-key names the dimension {dim:?}, which --concat-dim does not");
            return Err(FirnError::Usage { what, next: format!("add --concat-dim {dim}") });
        }
        Ok(ConcatRequest { dims: self.concat_dim.clone(), keys, allow_gaps: self.allow_gaps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_chunks() {
        let thirty = ChunkLength::Of(NonZeroU64::new(30).unwrap());
        assert_eq!(parse_chunk("time=30"), Ok(("time".to_owned(), thirty)));
        assert_eq!(parse_chunk("lat=-1"), Ok(("lat".to_owned(), ChunkLength::Whole)));
        assert_eq!(parse_chunk("lat=auto"), Ok(("lat".to_owned(), ChunkLength::Auto)));
        for bad in ["time", "time=", "=3", "time=0", "time=-2", "time=1.5", "time=99999999999999999999"] {
            assert!(parse_chunk(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_of_dimensions() {
        let (dim, keys) = parse_dim("time=1981-09-01..1981-09-30/1D").unwrap();
        assert_eq!(dim, "time");
        let expected =
            DimKeys::Range { first: "1981-09-01".into(), last: "1981-09-30".into(), step: Some("1D".into()) };
        assert_eq!(keys, expected);
        assert_eq!(parse_dim("member=r1,r2").unwrap().1, DimKeys::Labels(vec!["r1".into(), "r2".into()]));
        for bad in ["time", "time=..", "time=1..", "time=1..2/", "member=a,,b"] {
            assert!(parse_dim(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_are_counted_from_one() {
        assert_eq!(parse_task_range("8/8"), Ok(TaskRange { part: 8, of: 8 }));
        for bad in ["0/8", "9/8", "1", "a/b", "1/0", "-1/8"] {
            assert!(parse_task_range(bad).is_err(), "{bad}");
        }
    }
}
