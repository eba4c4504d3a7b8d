//! Are files what their names say? Arrays are opened, others are known by their first bytes or not at all.

use crate::error::EngineError;
use crate::progress::TaskProgress;
use crate::settings::Engine;
use crate::store::open_any;
use crate::verbs::catalog_source::pool;
use crate::verbs::cp::ObjectFailure;
use firn_model::dataset::DatasetFormat;
use firn_model::diagnose::{Category, Diagnose};
use firn_storage::ObjectUrl;
use rayon::prelude::*;

/// Endings of files that this version opens.
const ARRAYS: [&str; 8] = ["nc", "nc3", "nc4", "cdf", "netcdf", "h5", "hdf5", "he5"];
/// Endings of files that are known by their first bytes, and the code with which they are not opened.
const KNOWN: [(&str, &str); 12] = [
    ("grib", "unsupported-grib"),
    ("grib2", "unsupported-grib"),
    ("grb", "unsupported-grib"),
    ("grb2", "unsupported-grib"),
    ("tif", "unsupported-tiff"),
    ("tiff", "unsupported-tiff"),
    ("hdf", "unsupported-hdf4"),
    ("fits", "unsupported-fits"),
    ("npy", "unsupported-npy"),
    ("parquet", "unsupported-parquet"),
    ("parq", "unsupported-parquet"),
    ("bufr", "unsupported-bufr"),
];

/// What a file is.
pub(super) enum FileState {
    /// What its name says, as far as that can be told.
    Fine,
    /// References of kerchunk.
    Kerchunk,
    /// Not what its name says, or damaged.
    Broken(ObjectFailure),
}

/// The ending of a name, lower case; empty where it has none.
pub(super) fn ending(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map(|(stem, ending)| if stem.is_empty() { "" } else { ending });
    ending.unwrap_or_default().to_ascii_lowercase()
}

/// Looks at files: their addresses and keys.
///
/// # Errors
/// The user's stop; a storage that does not answer.
pub(super) fn judge(
    engine: &Engine,
    files: &[(ObjectUrl, String)],
    progress: &TaskProgress,
) -> Result<Vec<FileState>, EngineError> {
    let one = |(url, key): &(ObjectUrl, String)| {
        engine.cancel.check()?;
        let state = look(engine, url, key);
        progress.advance(1);
        state
    };
    pool()?.install(|| files.par_iter().map(one).collect())
}

fn look(engine: &Engine, url: &ObjectUrl, key: &str) -> Result<FileState, EngineError> {
    let ending = ending(key);
    let is_array = ARRAYS.contains(&ending.as_str());
    let known = KNOWN.iter().find(|(known, _)| *known == ending).map(|(_, code)| *code);
    if !is_array && known.is_none() && ending != "json" {
        return Ok(FileState::Fine);
    }
    let error = match open_any(engine, url) {
        Ok(opened) if opened.view.dataset.format == DatasetFormat::Kerchunk => return Ok(FileState::Kerchunk),
        Ok(_) => return Ok(FileState::Fine),
        Err(error) => error,
    };
    match error.category() {
        Category::Unavailable | Category::Interrupted | Category::Denied | Category::Bug => return Err(error),
        // An HDF5 file may be named .hdf, and an HDF4 file .nc: each is what it is.
        Category::Unsupported if is_array || known.is_some_and(|code| error.code() == code) => {
            return Ok(FileState::Fine);
        }
        _ if ending == "json" => return Ok(FileState::Fine),
        _ => {}
    }
    Ok(FileState::Broken(ObjectFailure::new(key, &error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_of_names() {
        let cases = [("a/b.NC", "nc"), ("a.b/c", ""), (".hidden", ""), ("x.tar.gz", "gz"), ("", "")];
        for (key, expected) in cases {
            assert_eq!(ending(key), expected, "{key}");
        }
    }
}
