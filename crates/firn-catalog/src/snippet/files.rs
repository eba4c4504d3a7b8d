//! Single files that are no Zarr.

use super::python::literal;
use super::{NoSnippet, Opening, Snippet, XARRAY, python};
use crate::place::Place;

const FSSPEC: &str = "import fsspec";

/// `"URL", **{options}` and the packages for it.
fn fsspec_arguments(opening: &Opening<'_>) -> Result<(String, Vec<&'static str>), NoSnippet> {
    let (options, mut packages) = opening.fsspec()?;
    if !packages.contains(&"fsspec") {
        packages.insert(0, "fsspec");
    }
    Ok((format!("{}{}", literal(&opening.place.text()), options.as_keywords()), packages))
}

/// One NetCDF or HDF5 file. xarray finds the engine by the content.
pub(super) fn netcdf(opening: &Opening<'_>) -> Result<Snippet, NoSnippet> {
    let mut requires = vec!["xarray", "h5netcdf", "scipy"];
    if let Place::Local(_) = opening.place {
        let call = format!("xr.open_dataset({})", literal(&opening.place.text()));
        return Ok(python("xarray", &[XARRAY], &format!("ds = {call}"), Some(call), requires));
    }
    let (arguments, packages) = fsspec_arguments(opening)?;
    requires.extend(packages);
    let call = format!("xr.open_dataset(fsspec.open({arguments}).open())");
    Ok(python("xarray and fsspec", &[FSSPEC, XARRAY], &format!("ds = {call}"), Some(call), requires))
}

/// A table that pandas reads.
pub(super) fn table(opening: &Opening<'_>, function: &str, packages: &[&'static str]) -> Result<Snippet, NoSnippet> {
    let (options, more) = opening.fsspec()?;
    let call = format!("pd.{function}({}{})", literal(&opening.place.text()), options.as_argument("storage_options"));
    let requires = packages.iter().copied().chain(more).collect();
    Ok(python("pandas", &["import pandas as pd"], &format!("df = {call}"), Some(call), requires))
}

/// ecCodes reads files of this machine only, so others are copied to a cache first.
pub(super) fn grib(opening: &Opening<'_>) -> Result<Snippet, NoSnippet> {
    let mut requires = vec!["xarray", "cfgrib"];
    if let Place::Local(_) = opening.place {
        let call = format!("xr.open_dataset({}, engine=\"cfgrib\")", literal(&opening.place.text()));
        return Ok(python("xarray and cfgrib", &[XARRAY], &format!("ds = {call}"), Some(call), requires));
    }
    let (options, packages) = opening.fsspec()?;
    requires.push("fsspec");
    requires.extend(packages.into_iter().filter(|package| *package != "fsspec"));
    let protocol = match &opening.place {
        Place::S3 { .. } => "s3",
        Place::Gcs { .. } => "gcs",
        _ => "https",
    };
    let chained = literal(&format!("simplecache::{}", opening.place.text()));
    let lines = format!(
        "path = fsspec.open_local({chained}{})\nds = xr.open_dataset(path, engine=\"cfgrib\")",
        options.as_argument(protocol)
    );
    Ok(python("xarray, cfgrib and fsspec", &[FSSPEC, XARRAY], &lines, None, requires))
}

pub(super) fn geotiff(opening: &Opening<'_>) -> Result<Snippet, NoSnippet> {
    if !matches!(opening.place, Place::Local(_) | Place::Http(_)) {
        return Err(NoSnippet::new(
            "rasterio takes the options of a bucket from the environment, which a snippet cannot say",
        ));
    }
    let call = format!("rioxarray.open_rasterio({})", literal(&opening.place.text()));
    Ok(python("rioxarray", &["import rioxarray"], &format!("ds = {call}"), Some(call), vec!["rioxarray"]))
}

/// Anything else: its bytes.
pub(super) fn bytes(opening: &Opening<'_>) -> Result<Snippet, NoSnippet> {
    let (arguments, requires) = fsspec_arguments(opening)?;
    let lines = format!("with fsspec.open({arguments}) as file:\n    content = file.read()");
    Ok(python("fsspec", &[FSSPEC], &lines, None, requires))
}
