//! What an entry is, by what the document says and what its URL says. Half of a real catalog records NetCDF files as Zarr,
//! so the two are compared; what is really there only opening it can tell.

use crate::place::Place;
use firn_model::feedstock::store_entry::KerchunkFormat;
use firn_model::feedstock::{StoreEntry, StoreMode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a store entry leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// Zarr of a version that is not known.
    Zarr,
    /// Zarr version 2.
    ZarrV2,
    /// Zarr version 3.
    ZarrV3,
    /// An Icechunk repository.
    Icechunk,
    /// Kerchunk references as one JSON file.
    KerchunkJson,
    /// Kerchunk references as a directory of Parquet files.
    KerchunkParquet,
    /// One NetCDF or HDF5 file.
    Netcdf,
    /// GRIB.
    Grib,
    /// GeoTIFF.
    Geotiff,
    /// A table: Parquet.
    Parquet,
    /// A table: CSV.
    Csv,
    /// Anything else.
    Files,
}

impl StoreKind {
    /// The word in JSON and texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zarr => "zarr",
            Self::ZarrV2 => "zarr-v2",
            Self::ZarrV3 => "zarr-v3",
            Self::Icechunk => "icechunk",
            Self::KerchunkJson => "kerchunk-json",
            Self::KerchunkParquet => "kerchunk-parquet",
            Self::Netcdf => "netcdf",
            Self::Grib => "grib",
            Self::Geotiff => "geotiff",
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Files => "files",
        }
    }

    /// As a person says it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Zarr => "Zarr",
            Self::ZarrV2 => "Zarr v2",
            Self::ZarrV3 => "Zarr v3",
            Self::Icechunk => "Icechunk",
            Self::KerchunkJson => "kerchunk references (JSON)",
            Self::KerchunkParquet => "kerchunk references (Parquet)",
            Self::Netcdf => "NetCDF or HDF5 file",
            Self::Grib => "GRIB file",
            Self::Geotiff => "GeoTIFF",
            Self::Parquet => "Parquet table",
            Self::Csv => "CSV table",
            Self::Files => "files",
        }
    }

    /// Media type of the asset, where there is one.
    pub const fn media_type(self) -> Option<&'static str> {
        Some(match self {
            Self::Zarr => "application/vnd.zarr",
            Self::ZarrV2 => "application/vnd.zarr; version=2",
            Self::ZarrV3 => "application/vnd.zarr; version=3",
            Self::Icechunk => "application/vnd.zarr+icechunk",
            Self::KerchunkJson => "application/json",
            Self::KerchunkParquet | Self::Parquet => "application/vnd.apache.parquet",
            Self::Netcdf => "application/netcdf",
            Self::Grib => "application/wmo-GRIB2",
            Self::Geotiff => "image/tiff; application=geotiff",
            Self::Csv => "text/csv",
            Self::Files => return None,
        })
    }

    /// Whether xarray opens it with `engine="zarr"` and nothing else.
    pub const fn is_plain_zarr(self) -> bool {
        matches!(self, Self::Zarr | Self::ZarrV2 | Self::ZarrV3)
    }

    /// Whether these are kerchunk references.
    pub const fn is_kerchunk(self) -> bool {
        matches!(self, Self::KerchunkJson | Self::KerchunkParquet)
    }
}

/// A kind, and what does not fit to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// What it most probably is.
    pub kind: StoreKind,
    /// What the document says otherwise, in one sentence.
    pub contradiction: Option<String>,
}

/// What an entry is. The declared mode decides; without one the ending of the URL, then the engine.
pub fn classify(entry: &StoreEntry) -> Classified {
    let url = by_url(&entry.url);
    let engine = entry.xarray_open_kwargs.as_ref().and_then(|kwargs| kwargs.engine.as_deref());
    let contradiction = |said: &str, kind: StoreKind| {
        Some(format!(
            "{said}, but the URL ends like {} ({})",
            article(kind),
            entry.url.rsplit('/').next().unwrap_or_default()
        ))
    };
    match (entry.mode, url) {
        (Some(StoreMode::Zarr), found) => {
            let kind = match entry.zarr.as_ref().and_then(|details| details.format) {
                Some(2) => StoreKind::ZarrV2,
                Some(3) => StoreKind::ZarrV3,
                _ => found.filter(|kind| kind.is_plain_zarr()).unwrap_or(StoreKind::Zarr),
            };
            let other = found.filter(|kind| !kind.is_plain_zarr() && *kind != StoreKind::Icechunk);
            Classified { kind, contradiction: other.and_then(|other| contradiction("the mode is zarr", other)) }
        }
        (Some(StoreMode::Icechunk), _) => Classified { kind: StoreKind::Icechunk, contradiction: None },
        (Some(StoreMode::Kerchunk), found) => {
            let parquet = match entry.kerchunk.as_ref().and_then(|details| details.format) {
                Some(format) => format == KerchunkFormat::Parquet,
                None => !matches!(found, Some(StoreKind::KerchunkJson)),
            };
            let kind = if parquet { StoreKind::KerchunkParquet } else { StoreKind::KerchunkJson };
            Classified { kind, contradiction: None }
        }
        (Some(StoreMode::Files), found) => {
            let found = found.filter(|kind| !kind.is_plain_zarr() && !kind.is_kerchunk());
            Classified { kind: found.unwrap_or(StoreKind::Files), contradiction: None }
        }
        (None, Some(found)) => {
            let is_zarr = found.is_plain_zarr() || found == StoreKind::Icechunk || found.is_kerchunk();
            let wrong = engine == Some("zarr") && !is_zarr;
            Classified {
                kind: found,
                contradiction: if wrong { contradiction("the engine is zarr", found) } else { None },
            }
        }
        (None, None) => {
            let kind = match engine {
                Some("kerchunk") => StoreKind::KerchunkJson,
                Some("netcdf4" | "h5netcdf" | "scipy") => StoreKind::Netcdf,
                Some("cfgrib") => StoreKind::Grib,
                Some("rasterio") => StoreKind::Geotiff,
                // What the existing catalogs mean where they say nothing.
                _ => StoreKind::Zarr,
            };
            Classified { kind, contradiction: None }
        }
    }
}

/// What the ending of a URL says; `None` where it says nothing.
pub fn by_url(url: &str) -> Option<StoreKind> {
    let name = Place::parse(url).file_name();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    // `.zarr-v3` is a version of the data more often than of the format: a real store that is called so is Zarr v2.
    Some(if ends(&[".zarr", ".zarr-v1", ".zarr-v2", ".zarr-v3", ".zarr3"]) {
        StoreKind::Zarr
    } else if ends(&[".icechunk"]) {
        StoreKind::Icechunk
    } else if ends(&[".json", ".json.zst", ".json.gz"]) {
        StoreKind::KerchunkJson
    } else if ends(&[".nc", ".nc3", ".nc4", ".cdf", ".netcdf", ".h5", ".hdf5", ".he5"]) {
        StoreKind::Netcdf
    } else if ends(&[".grib", ".grib2", ".grb", ".grb2"]) {
        StoreKind::Grib
    } else if ends(&[".tif", ".tiff"]) {
        StoreKind::Geotiff
    } else if ends(&[".parquet", ".parq"]) {
        StoreKind::Parquet
    } else if ends(&[".csv", ".csv.gz"]) {
        StoreKind::Csv
    } else if ends(&[".pdf", ".txt", ".zip", ".tar", ".tar.gz", ".xlsx", ".mat", ".npy", ".npz"]) {
        StoreKind::Files
    } else {
        return None;
    })
}

fn article(kind: StoreKind) -> String {
    match kind {
        StoreKind::Files => "another kind of file".to_owned(),
        other => format!("a {}", other.title()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::feedstock::store_entry::{KerchunkDetails, XarrayOpenKwargs, ZarrDetails};

    fn entry(url: &str, engine: Option<&str>) -> StoreEntry {
        let kwargs =
            engine.map(|engine| XarrayOpenKwargs { engine: Some(engine.to_owned()), ..XarrayOpenKwargs::default() });
        StoreEntry { id: "x".to_owned(), url: url.to_owned(), xarray_open_kwargs: kwargs, ..StoreEntry::default() }
    }

    #[test]
    fn a_netcdf_file_recorded_as_zarr_is_named() {
        let found = classify(&entry("https://host/bucket/input_1945.nc", Some("zarr")));
        assert_eq!(found.kind, StoreKind::Netcdf);
        assert!(found.contradiction.unwrap().contains("input_1945.nc"));
        assert_eq!(classify(&entry("https://host/input_1945.nc", None)).contradiction, None);
    }

    #[test]
    fn what_the_document_declares_decides() {
        let zarr = StoreEntry { mode: Some(StoreMode::Zarr), ..entry("https://host/store", None) };
        let v3 = ZarrDetails { format: Some(3), ..ZarrDetails::default() };
        assert_eq!(classify(&zarr).kind, StoreKind::Zarr);
        assert_eq!(classify(&StoreEntry { zarr: Some(v3), ..zarr.clone() }).kind, StoreKind::ZarrV3);
        assert_eq!(classify(&StoreEntry { mode: Some(StoreMode::Icechunk), ..zarr.clone() }).kind, StoreKind::Icechunk);
        let kerchunk = StoreEntry { mode: Some(StoreMode::Kerchunk), ..entry("https://host/refs.parq", None) };
        assert_eq!(classify(&kerchunk).kind, StoreKind::KerchunkParquet);
        let json = KerchunkDetails { format: Some(KerchunkFormat::Json), ..KerchunkDetails::default() };
        assert_eq!(classify(&StoreEntry { kerchunk: Some(json), ..kerchunk }).kind, StoreKind::KerchunkJson);
        let files = StoreEntry { mode: Some(StoreMode::Files), ..entry("https://host/table.csv", None) };
        assert_eq!(classify(&files).kind, StoreKind::Csv);
    }

    #[test]
    fn urls_of_real_catalogs() {
        let kinds = [
            ("gs://gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3", StoreKind::Zarr),
            ("https://ncsa.osn.xsede.org/Pangeo/pangeo-cmems-duacs", StoreKind::Zarr),
            ("s3://carbonplan-data-viewer/demo/annual-sfco2.zarr/", StoreKind::Zarr),
            ("https://nyu1.osn.mghpcc.org/leap-pangeo-manual/output_1945.nc", StoreKind::Netcdf),
        ];
        for (url, kind) in kinds {
            assert_eq!(classify(&entry(url, Some("zarr"))).kind, kind, "{url}");
        }
    }
}
