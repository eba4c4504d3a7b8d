//! `firn transform`: sources into a copy with chunks of its own.

use super::advice::by_flags;
use crate::build::{BuildOptions, BuildReport, Destination, build_icechunk, build_zarr3};
use crate::error::EngineError;
use crate::open::SourceFile;
use crate::pipeline::{BuildSpec, prepare};
use crate::provenance::Provenance;
use crate::settings::Engine;
use crate::store::refuse_inside;
use crate::verbs::requests::{self, ConcatRequest, IcechunkSpec, TransformFormat, TransformRequest, VerifyDepth};
use firn_formats::TextEncoding;
use firn_model::combine::CombineRules;
use firn_model::plan::{ChunkLength, CodecChoice, TargetOptions};
use firn_model::source::SourceError;
use firn_storage::ObjectUrl;
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// Copies the sources into one store.
///
/// # Errors
/// Anything on the way; then nothing is published, and the same call continues.
pub fn transform(engine: &Engine, request: &TransformRequest) -> Result<BuildReport, EngineError> {
    let target = ObjectUrl::parse(&request.target)?.absolute()?;
    refuse_inside(engine, &target)?;
    let options = TargetOptions {
        chunks: request.chunks.as_ref().map(lengths),
        shards: request.shards.as_ref().map(lengths),
        codec: request.codec.as_deref().map(CodecChoice::parse).transpose()?.unwrap_or_default(),
        codec_of: IndexMap::new(),
    };
    let spec = BuildSpec {
        files: source_files(engine, &request.sources)?,
        rules: rules(&request.concat),
        options: options.clone(),
        encoding: encoding(request.encoding),
        ..BuildSpec::default()
    };
    let told = |error| by_flags(&spec.files, error);
    let mut prepared = prepare(engine, &spec).map_err(told)?;
    let build = build_options(options, &request.concat, false, IcechunkSpec::V1);
    let report = match request.format {
        TransformFormat::Zarr3 => build_zarr3(engine, &mut prepared, &Destination::Bare(target), &build),
        TransformFormat::Icechunk => build_icechunk(engine, &mut prepared, &Destination::Bare(target), &build),
    }?;
    report.with_snippet(engine, &build)
}

/// The sources of a plain list; a glob that the shell left as it is stands for its files.
pub(super) fn source_files(engine: &Engine, sources: &[String]) -> Result<Vec<SourceFile>, EngineError> {
    if sources.is_empty() {
        return Err(EngineError::usage("no source is named", "the same command with at least one URL"));
    }
    let mut files = Vec::with_capacity(sources.len());
    let file = |url| SourceFile { url, keys: BTreeMap::new() };
    for source in sources {
        let url = ObjectUrl::parse(source)?;
        // A name that is there stands for itself, whatever characters it has.
        let is_there = || match url.local_path() {
            Some(path) => path.exists(),
            None => source.starts_with("http") || matches!(engine.storage.open(&url), Ok(Some(_))),
        };
        if !firn_storage::is_pattern(source) || is_there() {
            files.push(file(url.absolute()?));
            continue;
        }
        let found = engine.storage.glob(source)?;
        if found.is_empty() {
            return Err(SourceError::NotFound { at: url.at() }.into());
        }
        for (url, _) in found {
            files.push(file(url.absolute()?));
        }
    }
    Ok(files)
}

/// The rules of a call without a recipe: the defaults.
pub(super) fn rules(concat: &ConcatRequest) -> CombineRules {
    CombineRules {
        concat_dims: concat.dims.clone(),
        keys: concat.keys.iter().map(|(dim, key)| (dim.clone(), key.clone())).collect(),
        gaps_declared: concat.allow_gaps,
        ..CombineRules::default()
    }
}

/// Options of a call without a recipe.
pub(super) fn build_options(
    target: TargetOptions,
    concat: &ConcatRequest,
    is_virtual: bool,
    spec: IcechunkSpec,
) -> BuildOptions {
    BuildOptions {
        target,
        is_virtual,
        spec: match spec {
            IcechunkSpec::V1 => crate::icechunk::SpecVersion::V1,
            IcechunkSpec::V2 => crate::icechunk::SpecVersion::V2,
        },
        provenance: Provenance { started: crate::clock::now(), ..Provenance::default() },
        ordered: ordered(&concat.dims, concat.keys.iter()),
        missing: None,
        verify: VerifyDepth::default(),
        consolidated: true,
        part: None,
        finish: false,
    }
}

/// Dimensions whose own coordinate orders the files: only these must be strictly monotonic.
pub(super) fn ordered<'a>(dims: &[String], keys: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<String> {
    let keyed: Vec<&String> = keys.filter(|(dim, key)| dim != key).map(|(dim, _)| dim).collect();
    dims.iter().filter(|dim| !keyed.contains(dim)).cloned().collect()
}

fn lengths(lengths: &IndexMap<String, requests::ChunkLength>) -> IndexMap<String, ChunkLength> {
    let convert = |length: &requests::ChunkLength| match length {
        requests::ChunkLength::Of(n) => ChunkLength::Of(*n),
        requests::ChunkLength::Whole => ChunkLength::Whole,
        requests::ChunkLength::Auto => ChunkLength::Auto,
    };
    lengths.iter().map(|(dim, length)| (dim.clone(), convert(length))).collect()
}

/// The reader's word for an encoding.
pub(super) fn encoding(encoding: requests::TextEncoding) -> TextEncoding {
    match encoding {
        requests::TextEncoding::Utf8 => TextEncoding::Utf8,
        requests::TextEncoding::Latin1 => TextEncoding::Latin1,
    }
}
