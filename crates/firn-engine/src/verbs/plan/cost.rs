//! What a run would take: bytes, objects, tasks, memory, time.

use super::report::{Cost, VariablePlan};
use crate::objects::advice::{price, who_pays};
use crate::pipeline::Prepared;
use crate::settings::Engine;
use firn_model::dataset::NodePath;
use firn_model::hosting::Egress;
use firn_model::plan::{ArrayLayout, Plan};
use firn_storage::ObjectUrl;

/// Layouts of native arrays, in their order.
pub(super) type Layouts = Vec<(NodePath, ArrayLayout)>;

/// Bytes that one worker decodes, encodes and hashes in a second: zstd, which is what most of the time goes into.
const BYTES_OF_A_WORKER: u64 = 100 << 20;
/// Stored bytes that come over a network in a second, all connections together.
const BYTES_OF_A_NETWORK: u64 = 50 << 20;

/// Sums over the variables, whose reading is corrected by how often the plan reads each source chunk.
pub(super) fn plan(engine: &Engine, prepared: &Prepared, tasks: &Plan, variables: &mut [VariablePlan]) -> Cost {
    for planned in &tasks.arrays {
        let variable = variables.iter_mut().find(|variable| variable.path == planned.path.as_str());
        let Some(array) = variable.and_then(|variable| variable.array.as_mut()) else { continue };
        array.read_bytes = (array.read_bytes as f64 * planned.read_amplification).round() as u64;
        // A hundredth more is not worth a word.
        if planned.read_amplification > 1.01 {
            array.read_amplification = Some((planned.read_amplification * 100.0).round() / 100.0);
        }
    }
    let arrays = || variables.iter().filter_map(|variable| variable.array.as_ref());
    let native = || arrays().filter(|array| array.objects > 0);
    let total = |numbers: &mut dyn Iterator<Item = u64>| numbers.fold(0, u64::saturating_add);
    let read_bytes = total(&mut native().map(|array| array.read_bytes));
    let copied = total(&mut native().map(|array| array.decoded_bytes));
    let is_remote = prepared.sources.iter().any(|source| is_remote(&source.url));
    let workers = tasks.workers.max(1) as u64;
    let of_workers = copied / BYTES_OF_A_WORKER.saturating_mul(workers);
    let of_network = if is_remote { read_bytes / BYTES_OF_A_NETWORK } else { 0 };
    let network = if is_remote {
        format!(", {} MiB/s of stored bytes over the network", BYTES_OF_A_NETWORK >> 20)
    } else {
        String::new()
    };
    let (egress, egress_because, egress_cost) = traffic(engine, prepared, read_bytes);
    Cost {
        egress,
        egress_because,
        egress_cost,
        read_bytes,
        write_bytes: total(&mut native().map(|array| array.write_bytes)),
        decoded_bytes: total(&mut arrays().map(|array| array.decoded_bytes)),
        objects: total(&mut native().map(|array| array.objects)),
        references: total(&mut arrays().map(|array| array.references)),
        tasks: tasks.tasks.len() as u64,
        peak_memory: tasks.peak_memory,
        memory_limit: engine.settings.memory,
        jobs: engine.settings.jobs as u64,
        seconds: of_workers.max(of_network).max(1),
        assumes: format!("{} MiB/s of decoded bytes for each of {workers} workers{network}", BYTES_OF_A_WORKER >> 20),
    }
}

/// Who pays when the sources are read, why that is known, and how much it is where the configuration has a price. Of the first
/// source: the others lie with it, or nobody could say.
fn traffic(engine: &Engine, prepared: &Prepared, bytes: u64) -> (Egress, String, Option<String>) {
    let unknown = || (Egress::Unknown, "nothing is known of where the sources lie".to_owned(), None);
    let Some(url) = prepared.sources.first().and_then(|source| ObjectUrl::parse(&source.url).ok()) else {
        return unknown();
    };
    let Ok(answer) = who_pays(engine, &url) else { return unknown() };
    (answer.egress, answer.because, price(engine, &url, bytes).ok().flatten())
}

fn is_remote(url: &str) -> bool {
    ObjectUrl::parse(url).is_ok_and(|url| url.local_path().is_none())
}
