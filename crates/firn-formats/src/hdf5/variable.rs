//! What one dataset is, out of the messages of its header.

use super::file::File;
use super::message::dataspace::{self, Dataspace};
use super::message::datatype::{self, Datatype};
use super::message::fill::{self, Fill};
use super::message::filter::{self, Filter};
use super::message::kind;
use super::message::layout::{self, Layout};
use super::netcdf4::Visibility;
use super::object_header::ObjectHeader;
use super::shared::SharedMessages;
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;

/// What unwritten elements are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FillOf {
    Undefined,
    Default,
    User(Bytes),
}

/// A dataset.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub dataspace: Dataspace,
    pub datatype: Datatype,
    pub layout: Layout,
    pub filters: Vec<Filter>,
    pub fill: FillOf,
}

/// Shape and type of a dataset: all that its dimensions need, also where the rest is not read.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub dataspace: Dataspace,
    pub datatype: Datatype,
}

impl Head {
    /// Its part in the numbering of dimensions without names.
    pub fn visibility(&self) -> Visibility {
        match (self.datatype.is_known_to_netcdf(), self.datatype.is_read()) {
            (true, _) => Visibility::Shown,
            (false, true) => Visibility::Extra,
            (false, false) => Visibility::None,
        }
    }
}

/// Reads shape and type of a dataset.
///
/// # Errors
/// As [`read`].
pub(super) fn read_head(
    file: &File,
    shared: &SharedMessages<'_>,
    at: &At,
    header: &ObjectHeader,
) -> Result<Head, FormatError> {
    let message =
        header.find(kind::DATASPACE).ok_or_else(|| FormatError::corrupt(at, "the dataset has no dataspace"))?;
    let (body, address) = shared.body(file, at, message)?;
    let dataspace = dataspace::parse(&mut file.cursor(&body, address, at, "dataspace message"))?;
    let message = header.find(kind::DATATYPE).ok_or_else(|| FormatError::corrupt(at, "the dataset has no datatype"))?;
    let (body, address) = shared.body(file, at, message)?;
    let datatype = datatype::parse(&mut file.cursor(&body, address, at, "datatype message"))?;
    Ok(Head { dataspace, datatype })
}

/// Reads the other messages of a dataset.
///
/// # Errors
/// `Unsupported` for what is not read: it concerns this dataset alone.
pub(super) fn read(
    file: &File,
    shared: &SharedMessages<'_>,
    at: &At,
    header: &ObjectHeader,
    head: Head,
) -> Result<Variable, FormatError> {
    let body = |kind: u16, what: &str| {
        let message =
            header.find(kind).ok_or_else(|| FormatError::corrupt(at, format!("the dataset has no {what}")))?;
        shared.body(file, at, message)
    };
    if header.has(kind::EXTERNAL_FILES) {
        let what = "its elements are in other files (external data files), which are not read";
        return Err(FormatError::unsupported("unsupported-hdf5-external-data", at, what));
    }
    let Head { dataspace, datatype } = head;
    let (bytes, address) = body(kind::LAYOUT, "data layout")?;
    let layout = layout::parse(&mut file.cursor(&bytes, address, at, "data layout message"), &bytes)?;
    let mut filters = Vec::new();
    if header.has(kind::FILTERS) {
        let (bytes, address) = body(kind::FILTERS, "filters")?;
        filters = filter::parse(&mut file.cursor(&bytes, address, at, "filter pipeline message"))?;
    }
    let mut fill = FillOf::Undefined; // what HDF5 says of files before there was the message
    if header.has(kind::FILL) {
        let (bytes, address) = body(kind::FILL, "fill value")?;
        fill = owned(fill::parse(&mut file.cursor(&bytes, address, at, "fill value message"))?, &bytes);
    } else if header.has(kind::FILL_OLD) {
        let (bytes, address) = body(kind::FILL_OLD, "fill value")?;
        fill = owned(fill::parse_old(&mut file.cursor(&bytes, address, at, "fill value message"))?, &bytes);
    }
    Ok(Variable { dataspace, datatype, layout, filters, fill })
}

fn owned(fill: Fill<'_>, body: &Bytes) -> FillOf {
    match fill {
        Fill::Undefined => FillOf::Undefined,
        Fill::Default => FillOf::Default,
        Fill::User(bytes) => FillOf::User(body.slice_ref(bytes)),
    }
}
