//! Steps that no file fills: they must read as missing, not as data.

use super::{CombinedArray, CombinedContent, Disagreement, FileFacts, Rule};
use crate::array::{ArrayMetadata, AttributeValue, Elements, FillValue, Values};
use crate::diagnose::At;
use crate::plan::fill_value_of;

/// The disagreement that an array's unwritten elements make; `None` where there are none, or where they read as missing.
/// `has_all_values`: whether values that were encoded anew are there for every step.
pub(super) fn check(
    array: &CombinedArray,
    has_all_values: bool,
    files: &[FileFacts],
    holders: &[usize],
) -> Option<Disagreement> {
    let is_whole = match &array.content {
        CombinedContent::Values(_) => has_all_values,
        CombinedContent::Pieces(pieces) => {
            let covered = pieces.iter().map(|piece| piece.target.num_elements().map_or(0, u128::from)).sum::<u128>();
            covered == crate::array::chunk_grid::product(&array.metadata.shape).map_or(0, u128::from)
        }
    };
    if is_whole || reads_as_missing(&array.metadata) {
        return None;
    }
    let lacking = (0..files.len()).find(|number| !holders.contains(number)).unwrap_or(holders[0]);
    let fill = fill_value_of(&array.metadata);
    Some(Disagreement {
        rule: Rule::AbsentWithoutFill,
        at: At::url(&files[lacking].url).node(array.source_path.as_str()),
        against: Some(files[holders[0]].url.clone()),
        expected: "the variable, or a _FillValue that unwritten elements have".to_owned(),
        found: format!(
            "no such variable, and unwritten elements would read as {}, which no attribute declares missing",
            fill.display(array.metadata.data_type)
        ),
    })
}

/// Whether the value of unwritten elements means that nothing is there.
fn reads_as_missing(metadata: &ArrayMetadata) -> bool {
    is_missing(&fill_value_of(metadata), metadata)
}

/// Whether readers take an element of this value for missing: NaN, the empty text, or what [`missing_values`] names.
pub(super) fn is_missing(value: &FillValue, metadata: &ArrayMetadata) -> bool {
    let bytes = match value {
        FillValue::Text(text) => return text.is_empty(),
        FillValue::Fixed(bytes) => bytes,
    };
    let element = Values { data_type: metadata.data_type, shape: Vec::new(), elements: Elements::Fixed(bytes.clone()) };
    let is_nan = metadata.data_type.is_float()
        && element.to_f64().is_some_and(|numbers| numbers.iter().any(|number| number.is_nan()));
    is_nan || missing_values(metadata).any(|missing| missing == *value)
}

/// The values that `_FillValue` and `missing_value` name in the type of the array.
pub(super) fn missing_values(metadata: &ArrayMetadata) -> impl Iterator<Item = FillValue> {
    let named = |name: &&str| match metadata.attributes.get(*name) {
        Some(AttributeValue::Numbers(numbers)) if numbers.data_type() == metadata.data_type => {
            let size = metadata.data_type.size().unwrap_or(1);
            numbers.to_le_bytes().chunks(size).map(|number| FillValue::Fixed(number.to_vec())).collect()
        }
        _ => Vec::new(),
    };
    ["_FillValue", "missing_value"].iter().flat_map(named).collect::<Vec<_>>().into_iter()
}
