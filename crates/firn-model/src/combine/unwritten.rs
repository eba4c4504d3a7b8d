//! Steps that no file fills: they must read as missing, not as data.

use super::{CombinedArray, CombinedContent, Disagreement, FileFacts, Rule};
use crate::array::{ArrayMetadata, AttributeValue, DataType, Elements, FillValue, Values};
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

/// Whether the value of unwritten elements means that nothing is there: NaN, the empty text, or what `_FillValue` or
/// `missing_value` name in the type of the array.
fn reads_as_missing(metadata: &ArrayMetadata) -> bool {
    let fill = match fill_value_of(metadata) {
        FillValue::Text(text) => return text.is_empty(),
        FillValue::Fixed(bytes) => bytes,
    };
    if metadata.data_type == DataType::Bool {
        return false;
    }
    let value = Values { data_type: metadata.data_type, shape: Vec::new(), elements: Elements::Fixed(fill.clone()) };
    if value.to_f64().is_some_and(|numbers| numbers.iter().any(|number| number.is_nan())) {
        return true;
    }
    ["_FillValue", "missing_value"].iter().any(|name| match metadata.attributes.get(*name) {
        Some(AttributeValue::Numbers(numbers)) if numbers.data_type() == metadata.data_type => {
            numbers.to_le_bytes().chunks(fill.len().max(1)).any(|number| number == fill)
        }
        _ => false,
    })
}
