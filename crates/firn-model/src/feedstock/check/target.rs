//! Rules of `target:`.

use crate::document::{DocumentPath, Findings, Severity};
use crate::feedstock::recipe::{Extents, Recipe, Strategy, TargetFormat};

/// `lengths_intact`: whether all of `chunks` and `shards` could be read, so that they can be compared.
pub(super) fn check(recipe: &Recipe, recipe_path: &DocumentPath, lengths_intact: bool, findings: &mut Findings<'_>) {
    let target = &recipe.target;
    let path = recipe_path.key("target");
    if target.chunks.is_some() && target.layout.is_some() {
        let message = "use and chunks exclude each other".to_owned();
        findings.about_key(
            "target-chunks-and-use",
            Severity::Error,
            &path.key("use"),
            message,
            "keep one of the two".to_owned(),
        );
    }
    for (key, extents) in [("chunks", &target.chunks), ("shards", &target.shards)] {
        for (dim, extent) in extents.iter().flatten() {
            if *extent == crate::feedstock::recipe::Extent::Length(0) {
                findings.error(
                    "target-length",
                    &path.keys([key, dim]),
                    "a length of 0",
                    "write a number from 1, or all",
                );
            }
        }
    }
    if let (true, Some(chunks), Some(shards)) = (lengths_intact, &target.chunks, &target.shards) {
        check_shards(chunks, shards, &path.key("shards"), findings);
    }
    if target.consolidated == Some(false) {
        let message =
            "without consolidated metadata a store opens as empty over plain HTTP, and is refused on public locations";
        findings.warning(
            "target-not-consolidated",
            &path.key("consolidated"),
            message,
            "remove it, unless the location is private",
        );
    }
    check_virtual(recipe, recipe_path, findings);
}

/// A shard holds whole chunks.
fn check_shards(chunks: &Extents, shards: &Extents, path: &DocumentPath, findings: &mut Findings<'_>) {
    for (dim, shard) in shards {
        let Some(shard) = shard.length() else { continue };
        let path = path.key(dim);
        let Some(chunk) = chunks.get(dim) else {
            let message = format!("chunks leaves {dim:?} whole, so that a shard of {shard} cannot hold whole chunks");
            findings.error("target-shards", &path, message, format!("name {dim} under chunks too, or write all"));
            continue;
        };
        match chunk.length() {
            Some(chunk) if shard % chunk != 0 => {
                let below = (shard / chunk).max(1) * chunk;
                let message = format!("{shard} is not a multiple of the chunk length {chunk}");
                findings.error("target-shards", &path, message, format!("write {below}"));
            }
            None if chunk.is_whole() => {
                let message =
                    format!("the chunks of {dim:?} are whole, so that a shard of {shard} cannot hold whole chunks");
                findings.error("target-shards", &path, message, "write all".to_owned());
            }
            _ => {}
        }
    }
}

/// References keep the bytes of the source as they are.
fn check_virtual(recipe: &Recipe, recipe_path: &DocumentPath, findings: &mut Findings<'_>) {
    if recipe.strategy != Strategy::Virtualize {
        return;
    }
    let target = &recipe.target;
    let path = recipe_path.key("target");
    if target.format == Some(TargetFormat::Zarr3) {
        let message = "plain Zarr cannot hold references";
        findings.error(
            "target-virtual",
            &path.key("format"),
            message,
            "write format: icechunk, or strategy: transform",
        );
    }
    let given = [
        ("chunks", target.chunks.is_some()),
        ("shards", target.shards.is_some()),
        ("codec", target.codec.is_some()),
        ("use", target.layout.is_some()),
    ];
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        let message = format!("references keep the chunks of the source, so {key} means nothing");
        findings.about_key(
            "target-virtual",
            Severity::Error,
            &path.key(*key),
            message,
            "remove it, or write strategy: transform".to_owned(),
        );
    }
}
