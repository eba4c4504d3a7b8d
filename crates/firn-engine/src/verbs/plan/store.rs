//! A subject that is a store already: nothing has to be brought into another form.

use super::report::{ArrayPlan, RecipePlan, StrategyPlan, VariablePlan};
use crate::verbs::inspect::{Opened, Verdict};
use firn_model::dataset::Dataset;

/// Why a store is linked.
const BECAUSE: &str = "it is analysis-ready and cloud-optimized already: nothing has to be copied";

/// The command that copies a store into other chunks, with the dimensions of its largest array.
pub(super) fn rechunk(opened: &Opened) -> String {
    let largest = opened.dataset.arrays().max_by_key(|(_, array)| array.metadata.decoded_bytes());
    let dims = largest.map(|(_, array)| array.metadata.dimension_names.as_slice()).unwrap_or_default();
    let lengths: Vec<String> = dims.iter().map(|dim| format!("{dim}=N")).collect();
    let chunks = if lengths.is_empty() { String::new() } else { format!(" --chunks {}", lengths.join(",")) };
    format!("firn transform {} --target TARGET{chunks}", firn_model::diagnose::shell_word(&opened.url))
}

/// The plan of a store as it is.
pub(super) fn plan(dataset: &Dataset, format: &str) -> RecipePlan {
    let variables = dataset.arrays().map(|(path, array)| {
        let metadata = &array.metadata;
        let chunk_shape = metadata.chunk_grid.chunk_shape().map(<[u64]>::to_vec);
        VariablePlan {
            path: path.to_string(),
            storage: "linked".to_owned(),
            verdict: Verdict::Virtual,
            because: None,
            array: Some(ArrayPlan {
                data_type: metadata.data_type.to_string(),
                dimensions: metadata.dimension_names.clone(),
                shape: metadata.shape.clone(),
                source_chunk_shape: chunk_shape.clone(),
                chunk_shape: chunk_shape.unwrap_or_default(),
                shard_shape: None,
                objects: 0,
                references: 0,
                decoded_bytes: metadata.decoded_bytes(),
                read_bytes: 0,
                write_bytes: 0,
                read_amplification: None,
            }),
        }
    });
    let mut plan = RecipePlan { recipe: "link".to_owned(), variables: variables.collect(), ..RecipePlan::default() };
    plan.files.wanted = 1;
    plan.files.found = 1;
    plan.strategy =
        Some(StrategyPlan { name: "link".to_owned(), format: format.to_owned(), because: BECAUSE.to_owned() });
    "it stays where it is".clone_into(&mut plan.destination.because);
    plan
}
