//! The files of the demo; origin and licence of each are in `testdata/SOURCES.md`.

/// How a dataset comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It lies elsewhere, as a store, and is linked.
    Link,
    /// By a recipe.
    Run,
    /// As a file of references to its source.
    References,
    /// A producer pushes a store, and somebody promotes it.
    Push,
}

/// A dataset of the demo.
pub(super) struct Dataset {
    pub name: &'static str,
    pub title: &'static str,
    pub way: Way,
    pub concat_dim: Option<&'static str>,
    pub files: &'static [(&'static str, &'static [u8])],
    pub meta: &'static str,
    pub catalog: &'static str,
    pub recipe: Option<&'static str>,
}

impl Dataset {
    /// Where its files lie, in the folder of the demo.
    pub fn folder(&self) -> String {
        match self.way {
            Way::Link => format!("elsewhere/{}.zarr", self.name),
            _ => format!("sources/{}", self.name),
        }
    }
}

macro_rules! bundled {
    ($name:literal, $path:literal) => {
        ($name, include_bytes!(concat!("../../../../../testdata/", $path)).as_slice())
    };
}

/// Objects of the Zarr v2 store that xarray made of `testdata/netcdf3/uv300.nc`: firn itself writes no Zarr v2.
macro_rules! store {
    ($($key:literal),+ $(,)?) => {
        &[$(($key, include_bytes!(concat!("uv300/uv300.zarr/", $key)).as_slice())),+]
    };
}

pub(super) const DATASETS: [Dataset; 5] = [
    Dataset {
        name: "uv300",
        title: "Wind at 300 hPa: a Zarr v2 store that lies elsewhere, judged and listed where it is",
        way: Way::Link,
        concat_dim: None,
        files: store![
            ".zgroup",
            ".zattrs",
            ".zmetadata",
            "U/.zarray",
            "U/.zattrs",
            "U/0.0.0",
            "U/1.0.0",
            "V/.zarray",
            "V/.zattrs",
            "V/0.0.0",
            "V/1.0.0",
            "gw/.zarray",
            "gw/.zattrs",
            "gw/0",
            "lat/.zarray",
            "lat/.zattrs",
            "lat/0",
            "lon/.zarray",
            "lon/.zattrs",
            "lon/0",
            "time/.zarray",
            "time/.zattrs",
            "time/0",
        ],
        meta: include_str!("uv300/meta.yaml"),
        catalog: include_str!("uv300/catalog.yaml"),
        recipe: None,
    },
    Dataset {
        name: "nemo",
        title: "Sea surface temperature of an ocean model: three monthly NetCDF-4 files, referred to where they lie",
        way: Way::Run,
        concat_dim: Some("time_counter"),
        files: &[
            bundled!("nemo_1m_20150101-20150201_grid-T.nc", "nemo/nemo_1m_20150101-20150201_grid-T.nc"),
            bundled!("nemo_1m_20150201-20150301_grid-T.nc", "nemo/nemo_1m_20150201-20150301_grid-T.nc"),
            bundled!("nemo_1m_20150301-20150401_grid-T.nc", "nemo/nemo_1m_20150301-20150401_grid-T.nc"),
        ],
        meta: include_str!("nemo/meta.yaml"),
        catalog: include_str!("nemo/catalog.yaml"),
        recipe: Some(include_str!("nemo/recipe.yaml")),
    },
    Dataset {
        name: "ostia",
        title: "Sea surface temperature of an analysis: one NetCDF-4 file, copied into sharded Zarr for maps and series",
        way: Way::Run,
        concat_dim: None,
        files: &[bundled!("ostia_monthly.nc", "netcdf4/ostia_monthly.nc")],
        meta: include_str!("ostia/meta.yaml"),
        catalog: include_str!("ostia/catalog.yaml"),
        recipe: Some(include_str!("ostia/recipe.yaml")),
    },
    Dataset {
        name: "air",
        title: "Packed air temperature: one NetCDF-4 file, and a file of kerchunk references beside it",
        way: Way::References,
        concat_dim: None,
        files: &[bundled!("air.nc", "netcdf4/air.nc")],
        meta: include_str!("air/meta.yaml"),
        catalog: include_str!("air/catalog.yaml"),
        recipe: None,
    },
    Dataset {
        name: "soi",
        title: "Southern Oscillation Index: a producer's Zarr store, pushed into an inbox, sealed, reviewed and promoted",
        way: Way::Push,
        concat_dim: None,
        files: &[bundled!("SOI_Darwin.nc", "netcdf4/SOI_Darwin.nc")],
        meta: include_str!("soi/meta.yaml"),
        catalog: include_str!("soi/catalog.yaml"),
        recipe: None,
    },
];
