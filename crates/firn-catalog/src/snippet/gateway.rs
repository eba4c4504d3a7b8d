//! Any dataset through a gateway, which serves it as plain Zarr.

use super::python::literal;
use super::{Snippet, XARRAY, python};

/// The lines that open a dataset at this address of a gateway.
pub fn gateway(title: &str, url: &str) -> Snippet {
    let call = format!("xr.open_zarr({})", literal(url));
    let requires = vec!["xarray", "zarr>=3", "fsspec", "aiohttp"];
    python(title, &[XARRAY], &format!("ds = {call}"), Some(call), requires)
}
