//! `firn du`.

use super::arguments::Resources;
use super::build::{blocking, bytes};
use super::context::Context;
use super::outcome::{Outcome, Style};
use crate::error::FirnError;
use clap::Args;
use firn_engine::verbs::du::{Usage, du};
use std::io::{self, Write};

/// Sum up objects and bytes, by Zarr store and array
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  firn du osn:leap\n  firn du s3://bucket/air.zarr local.zarr -o json")]
pub struct Arguments {
    /// Folders or objects
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
}

impl Arguments {
    pub(super) async fn perform(&self, context: &Context) -> Result<Outcome, FirnError> {
        let engine = context.engine(&Resources::default())?;
        let urls = self.urls.clone();
        Ok(Outcome::of(blocking(move || du(&engine, &urls)).await?, draw))
    }
}

fn draw(usage: &Usage, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let line = |out: &mut dyn Write, objects: u64, size: u64, name: String| {
        writeln!(out, "{:>10}  {objects:>9} objects  {name}", bytes(size))
    };
    for place in &usage.places {
        for store in &place.stores {
            let name = if store.key.is_empty() { place.url.as_str() } else { store.key.as_str() };
            for node in store.nodes.iter().filter(|_| store.nodes.len() > 1) {
                let path = if node.path.is_empty() { "(root)" } else { node.path.as_str() };
                line(out, node.objects, node.bytes, style.dim(format!("  {name} {path}")))?;
            }
            line(out, store.objects, store.bytes, format!("  {name} (Zarr v{})", store.format.number()))?;
        }
        if place.other_objects > 0 && !place.stores.is_empty() {
            line(out, place.other_objects, place.other_bytes, "  (in no store)".to_owned())?;
        }
        line(out, place.objects, place.bytes, style.bold(&place.url))?;
        if place.unusable > 0 {
            writeln!(out, "  and {} with keys that firn leaves alone: firn ls -r tells them", place.unusable)?;
        }
    }
    if usage.places.len() > 1 {
        line(out, usage.objects, usage.bytes, style.bold("in all"))?;
    }
    Ok(())
}
