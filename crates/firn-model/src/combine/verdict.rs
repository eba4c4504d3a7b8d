//! What becomes of an array in a store of references. The one home of the decision: inspecting, planning and writing ask here.

use super::virtualize::{references, references_of};
use super::{Combined, CombinedArray, CombinedContent, NotVirtual, Piece, VirtualArray};
use crate::array::{Array, ArrayMetadata, ArraySubset};
use crate::dataset::NodePath;

/// Arrays that cannot be references and have at most this many bytes are copied into the store.
const SMALL: u64 = 1 << 20;

/// What becomes of an array in a store of references.
#[derive(Debug, Clone, PartialEq)]
pub enum VirtualVerdict {
    /// References to its chunks where they are.
    References(VirtualArray),
    /// It is copied into the store, although references were asked for: why.
    Copied(String),
    /// It can be neither: a store of references does not hold it.
    Refused(NotVirtual),
}

/// What becomes of a combined array: text, axes and small coordinates are always copied, since every reader wants them whole.
pub fn virtual_verdict(combined: &Combined, array: &CombinedArray) -> VirtualVerdict {
    decide(array, || references(combined, array))
}

/// What becomes of an array of the file or store at this address, where it is the only source.
pub fn virtual_verdict_alone(url: &str, path: &NodePath, array: &Array) -> VirtualVerdict {
    let metadata = &array.metadata;
    let whole = ArraySubset::whole(&metadata.shape);
    let pieces = vec![Piece { file: 0, source: whole.clone(), target: whole }];
    let alone = CombinedArray {
        metadata: metadata.clone(),
        source_path: path.clone(),
        axes: (0..metadata.shape.len()).map(Some).collect(),
        content: CombinedContent::Pieces(pieces.clone()),
    };
    decide(&alone, || references_of(&alone, &pieces, &[(url, array)]))
}

fn decide(array: &CombinedArray, references: impl FnOnce() -> Result<VirtualArray, NotVirtual>) -> VirtualVerdict {
    if let Some(reason) = copied_always(&array.metadata, &array.content) {
        return VirtualVerdict::Copied(reason.to_owned());
    }
    match references() {
        Ok(found) => VirtualVerdict::References(found),
        // Files that disagree are no matter of size.
        Err(obstacle) if obstacle.drift.is_none() && array.metadata.decoded_bytes() <= SMALL => {
            VirtualVerdict::Copied(obstacle.what)
        }
        Err(obstacle) => VirtualVerdict::Refused(obstacle),
    }
}

fn copied_always(metadata: &ArrayMetadata, content: &CombinedContent) -> Option<&'static str> {
    if metadata.data_type.size().is_none() {
        Some("text")
    } else if matches!(content, CombinedContent::Values(_)) {
        Some("encoded anew")
    } else if metadata.shape.is_empty() {
        Some("a scalar")
    } else if metadata.decoded_bytes() <= SMALL && metadata.dimension_names.len() == 1 {
        Some("a short list, read whole")
    } else {
        None
    }
}
