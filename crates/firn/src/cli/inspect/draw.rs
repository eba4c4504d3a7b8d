//! `firn inspect` for people: between `ncdump -h` and xarray's repr.

use crate::cli::outcome::Style;
use crate::cli::table::write_table;
use crate::config::size::bytes_text;
use firn_engine::verbs::inspect::{
    ArrayDescription, AttributeDescription, ChunkListing, ChunkRow, CodecDescription, GroupDescription, Inspected,
    Summary, VariableDescription, Verdict,
};
use firn_model::diagnose::shell_word;
use indexmap::IndexMap;
use serde_json::Value;
use std::io::{self, Write};

/// Longer attributes are cut in text; JSON has all of them.
const LONGEST: usize = 200;

/// Everything in a file or store.
pub fn inspected(inspected: &Inspected, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let size = inspected.size.map(|size| format!(", {}", bytes_text(size))).unwrap_or_default();
    writeln!(out, "{}", style.bold(&inspected.url))?;
    writeln!(out, "{} {}{size}", inspected.format, inspected.format_version)?;
    for group in &inspected.groups {
        draw_group(group, out, style)?;
    }
    for note in &inspected.notes {
        writeln!(out, "{} {note}", style.yellow("note:"))?;
    }
    summary(inspected, out, style)
}

fn summary(inspected: &Inspected, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let all = inspected.summary;
    let url = shell_word(&inspected.url);
    writeln!(out)?;
    let Summary { virtual_, copied, transformable, refused } = all;
    writeln!(out, "{virtual_} virtual, {copied} copied, {transformable} transformable, {refused} refused")?;
    if virtual_ + copied + transformable + refused == 0 {
        return Ok(());
    }
    let next = if matches!(inspected.format.as_str(), "zarr" | "icechunk") {
        format!("firn verify {url}")
    } else if virtual_ > 0 && transformable == 0 && refused == 0 {
        format!("firn virtualize {url} --target TARGET")
    } else if refused == 0 {
        format!("firn transform {url} --target TARGET")
    } else {
        format!("firn init DIR --from {url}")
    };
    writeln!(out, "{} {next}", style.dim("next:"))
}

fn draw_group(group: &GroupDescription, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out)?;
    if group.path != "/" {
        writeln!(out, "{} {}", style.dim("group"), style.bold(&group.path))?;
    }
    if !group.dimensions.is_empty() {
        writeln!(out, "{}", style.dim("dimensions:"))?;
        let rows: Vec<Vec<String>> = group
            .dimensions
            .iter()
            .map(|dimension| {
                let unlimited = if dimension.unlimited { "unlimited" } else { "" };
                vec![dimension.name.clone(), dimension.size.to_string(), unlimited.to_owned()]
            })
            .collect();
        write_table(out, 2, &rows)?;
    }
    if !group.variables.is_empty() {
        writeln!(out, "{}", style.dim("variables:"))?;
    }
    for variable in &group.variables {
        draw_variable(variable, out, style)?;
    }
    if !group.attributes.is_empty() {
        writeln!(out, "{}", style.dim("attributes:"))?;
        draw_attributes(&group.attributes, 2, out)?;
    }
    Ok(())
}

fn draw_variable(variable: &VariableDescription, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let name = style.bold(&variable.name);
    match &variable.array {
        Some(array) => {
            let axes: Vec<String> = array
                .dimensions
                .iter()
                .zip(&array.shape)
                .map(|(dimension, extent)| format!("{dimension}: {extent}"))
                .collect();
            writeln!(out, "  {name} ({}) {}", axes.join(", "), array.data_type)?;
            writeln!(out, "      {}", layout(array))?;
        }
        None => writeln!(out, "  {name}")?,
    }
    match &variable.verdict {
        Verdict::Virtual => writeln!(out, "      {}", style.green("virtual"))?,
        Verdict::Copied { reason } => writeln!(out, "      {} into a virtual store: {reason}", style.green("copied"))?,
        Verdict::Transformable { code, reason, fix } => {
            writeln!(out, "      {}: {reason} [{code}]", style.yellow("transformable"))?;
            writeln!(out, "        fix: {fix}")?;
        }
        Verdict::Refused { code, reason, fix } => {
            writeln!(out, "      {}: {reason} [{code}]", style.red("refused"))?;
            writeln!(out, "        fix: {fix}")?;
        }
    }
    draw_attributes(&variable.attributes, 6, out)
}

/// `30 chunks of 1×720×1440, shuffle(4) → zlib(4), 1.6 MiB of 3.0 MiB (1.9×)`
fn layout(array: &ArrayDescription) -> String {
    let count = array.grid_shape.iter().fold(1u64, |product, extent| product.saturating_mul(*extent));
    let noun = if count == 1 { "chunk" } else { "chunks" };
    let shape = match &array.chunk_shape {
        Some(shape) if !shape.is_empty() => {
            let extents: Vec<String> = shape.iter().map(u64::to_string).collect();
            format!(" of {}", extents.join("×"))
        }
        Some(_) => String::new(),
        None => " of differing shapes".to_owned(),
    };
    let codecs: Vec<String> = array.codecs.iter().map(codec).collect();
    let mut parts = vec![format!("{count} {noun}{shape}"), codecs.join(" → ")];
    match array.chunks {
        Some(chunks) => {
            let ratio = if chunks.stored_bytes > 0 && chunks.stored_bytes != array.decoded_bytes {
                format!(" ({:.1}×)", array.decoded_bytes as f64 / chunks.stored_bytes as f64)
            } else {
                String::new()
            };
            parts.push(format!("{} of {}{ratio}", bytes_text(chunks.stored_bytes), bytes_text(array.decoded_bytes)));
            if chunks.empty > 0 {
                parts.push(format!("{} never written", chunks.empty));
            }
            if chunks.unknown > 0 {
                parts.push(format!("{} unknown", chunks.unknown));
            }
        }
        None => parts.push(format!("{} decoded", bytes_text(array.decoded_bytes))),
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// `zlib(4)`, `blosc(lz4, 5, shuffle)`, `bytes(little)`.
fn codec(codec: &CodecDescription) -> String {
    let name = codec.name.strip_prefix("numcodecs.").unwrap_or(&codec.name);
    let wanted = ["endian", "level", "elementsize", "cname", "clevel", "shuffle", "order", "chunk_shape"];
    let values: Vec<String> = wanted.iter().filter_map(|key| codec.configuration.get(*key)).map(plain).collect();
    if values.is_empty() { name.to_owned() } else { format!("{name}({})", values.join(", ")) }
}

fn draw_attributes(
    attributes: &IndexMap<String, AttributeDescription>,
    indent: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let indent = " ".repeat(indent);
    for (name, attribute) in attributes {
        let value = attribute_text(&attribute.value);
        let kind = if attribute.data_type == "string" { String::new() } else { format!(" ({})", attribute.data_type) };
        writeln!(out, "{indent}{name}: {value}{kind}")?;
    }
    Ok(())
}

fn attribute_text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        other => plain(other),
    };
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(plain).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

/// The chunks of a variable, a line each.
pub fn chunks(listing: &ChunkListing, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{} {}", style.bold(&listing.url), listing.path)?;
    writeln!(out, "{} chunks, grid {:?}", listing.count(), listing.grid_shape())?;
    writeln!(out, "{}", style.dim("index            state       offset      length  filters skipped, place"))?;
    for row in listing.rows() {
        writeln!(out, "{}", chunk_line(&row).trim_end())?;
    }
    Ok(())
}

fn chunk_line(row: &ChunkRow) -> String {
    let index: Vec<String> = row.index.iter().map(u64::to_string).collect();
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mask = row.filter_mask.map(|mask| format!("0b{mask:b} ")).unwrap_or_default();
    let place = row.url.as_deref().or(row.key.as_deref()).unwrap_or_default();
    format!(
        "{:<15}  {:<7} {:>12} {:>10}  {mask}{place}",
        index.join("."),
        row.state,
        number(row.offset),
        number(row.length)
    )
}
