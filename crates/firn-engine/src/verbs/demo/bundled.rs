//! The files of the demo; origin and licence of each are in `testdata/SOURCES.md`.

/// A dataset of the demo.
pub(super) struct Dataset {
    pub name: &'static str,
    pub title: &'static str,
    pub concat_dim: Option<&'static str>,
    pub files: &'static [(&'static str, &'static [u8])],
    pub meta: &'static str,
    pub catalog: &'static str,
    pub recipe: &'static str,
}

macro_rules! bundled {
    ($name:literal, $path:literal) => {
        ($name, include_bytes!(concat!("../../../../../testdata/", $path)).as_slice())
    };
}

pub(super) const DATASETS: [Dataset; 3] = [
    Dataset {
        name: "nemo",
        title: "Sea surface temperature of an ocean model: three monthly NetCDF-4 files, referred to where they lie",
        concat_dim: Some("time_counter"),
        files: &[
            bundled!("nemo_1m_20150101-20150201_grid-T.nc", "nemo/nemo_1m_20150101-20150201_grid-T.nc"),
            bundled!("nemo_1m_20150201-20150301_grid-T.nc", "nemo/nemo_1m_20150201-20150301_grid-T.nc"),
            bundled!("nemo_1m_20150301-20150401_grid-T.nc", "nemo/nemo_1m_20150301-20150401_grid-T.nc"),
        ],
        meta: include_str!("nemo/meta.yaml"),
        catalog: include_str!("nemo/catalog.yaml"),
        recipe: include_str!("nemo/recipe.yaml"),
    },
    Dataset {
        name: "north-america",
        title: "Air temperature over North America: one NetCDF-4 file, copied into sharded Zarr for maps and series",
        concat_dim: None,
        files: &[bundled!("E1_north_america.nc", "netcdf4/E1_north_america.nc")],
        meta: include_str!("north_america/meta.yaml"),
        catalog: include_str!("north_america/catalog.yaml"),
        recipe: include_str!("north_america/recipe.yaml"),
    },
    Dataset {
        name: "air",
        title: "Packed air temperature: 16-bit integers with scale and offset, copied as they are",
        concat_dim: None,
        files: &[bundled!("air.nc", "netcdf4/air.nc")],
        meta: include_str!("air/meta.yaml"),
        catalog: include_str!("air/catalog.yaml"),
        recipe: include_str!("air/recipe.yaml"),
    },
];
