//! Inboxes: where uploads lie, what is recorded beside them, how their objects get from place to place, and how they are published.

pub mod checked;
pub mod hash;
pub mod place;
pub mod publish;
pub mod records;
pub mod transfer;

pub use place::Upload;

use crate::verify::StoreView;
use firn_model::array::AttributeValue;
use firn_model::dataset::NodePath;

/// The licence that a store's attributes say.
pub fn license_of(view: &StoreView) -> Option<String> {
    let root = view.dataset.group(&NodePath::root())?;
    ["license", "licence", "License"]
        .iter()
        .find_map(|name| root.attributes.get(*name).and_then(AttributeValue::as_text).map(str::to_owned))
}
