//! `firn virtualize`: references to bytes that stay where they are.

use super::advice::by_flags;
use super::transform::{build_options, rules, source_files};
use crate::build::{BuildReport, Destination, build_icechunk, build_kerchunk};
use crate::error::EngineError;
use crate::pipeline::{BuildSpec, prepare};
use crate::settings::Engine;
use crate::store::refuse_inside;
use crate::verbs::requests::{VirtualizeFormat, VirtualizeRequest};
use firn_model::diagnose::At;
use firn_model::plan::TargetOptions;
use firn_storage::ObjectUrl;

/// Writes references to the sources into an Icechunk repository, or a file of kerchunk references.
///
/// # Errors
/// Anything on the way; then nothing is published, and the same call continues.
pub fn virtualize(engine: &Engine, request: &VirtualizeRequest) -> Result<BuildReport, EngineError> {
    if request.format == VirtualizeFormat::KerchunkParquet {
        return Err(EngineError::Unsupported {
            code: "unsupported-kerchunk",
            at: At::nowhere(),
            what: "kerchunk references in Parquet are not written yet".to_owned(),
            next: "the same command with --format kerchunk-json, or icechunk".to_owned(),
        });
    }
    let target = ObjectUrl::parse(&request.target)?.absolute()?;
    refuse_inside(engine, &target)?;
    let spec = BuildSpec {
        files: source_files(engine, &request.sources)?,
        rules: rules(&request.concat),
        ..BuildSpec::default()
    };
    let told = |error| by_flags(&spec.files, error);
    let mut prepared = prepare(engine, &spec).map_err(told)?;
    let options = build_options(TargetOptions::default(), &request.concat, true, request.icechunk_spec);
    let report = match request.format {
        VirtualizeFormat::KerchunkJson => build_kerchunk(engine, &mut prepared, &Destination::Bare(target), &options),
        _ => build_icechunk(engine, &mut prepared, &Destination::Bare(target), &options),
    }
    .map_err(told)?;
    report.with_snippet(engine, &options)
}
