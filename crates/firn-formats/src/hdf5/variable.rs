//! What one dataset is, out of the messages of its header.

use super::file::File;
use super::message::dataspace::{self, Dataspace};
use super::message::datatype::{self, Datatype};
use super::message::fill::{self, Fill};
use super::message::filter::{self, Filter};
use super::message::kind;
use super::message::layout::{self, Layout};
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

/// The shape of a dataset: all that its dimensions need, also where the rest is not read.
pub(super) fn dataspace(
    file: &File,
    shared: &SharedMessages<'_>,
    at: &At,
    header: &ObjectHeader,
) -> Result<Dataspace, FormatError> {
    let message = header.find(kind::DATASPACE).ok_or_else(|| FormatError::corrupt(at, "the dataset has no dataspace"))?;
    let (body, address) = shared.body(file, at, message)?;
    dataspace::parse(&mut file.cursor(&body, address, at, "dataspace message"))
}

/// Reads all messages of a dataset.
///
/// # Errors
/// `Unsupported` for what is not read: it concerns this dataset alone.
pub(super) fn read(
    file: &File,
    shared: &SharedMessages<'_>,
    at: &At,
    header: &ObjectHeader,
    dataspace: Dataspace,
) -> Result<Variable, FormatError> {
    let body = |kind: u16, what: &str| {
        let message = header.find(kind).ok_or_else(|| FormatError::corrupt(at, format!("the dataset has no {what}")))?;
        shared.body(file, at, message)
    };
    if header.has(kind::EXTERNAL_FILES) {
        let what = "its elements are in other files (external data files), which are not read";
        return Err(FormatError::unsupported("unsupported-hdf5-external-data", at, what));
    }
    let (bytes, address) = body(kind::DATATYPE, "datatype")?;
    let datatype = datatype::parse(&mut file.cursor(&bytes, address, at, "datatype message"))?;
    let (bytes, address) = body(kind::LAYOUT, "data layout")?;
    let layout = layout::parse(&mut file.cursor(&bytes, address, at, "data layout message"), &bytes)?;
    let mut filters = Vec::new();
    if header.has(kind::FILTERS) {
        let (bytes, address) = body(kind::FILTERS, "filters")?;
        filters = filter::parse(&mut file.cursor(&bytes, address, at, "filter pipeline message"))?;
    }
    let mut fill = FillOf::Default;
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
