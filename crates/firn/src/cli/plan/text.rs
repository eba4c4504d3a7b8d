//! `firn plan` for a terminal.

use crate::cli::build::bytes;
use crate::cli::cp::who_pays;
use crate::cli::outcome::Style;
use crate::cli::table::write_table;
use firn_engine::verbs::inspect::Verdict;
use firn_engine::verbs::plan::{
    ArrayPlan, Cost, Files, PlanReport, Problem, Proposal, RecipePlan, Sample, VariablePlan,
};
use std::io::{self, Write};

/// Draws a plan; the last line is the next command.
pub(super) fn draw(report: &PlanReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{} {}", style.bold(&report.subject), style.dim(&report.kind))?;
    if let Some(proposed) = &report.proposal {
        proposal(proposed, out, style)?;
    }
    for plan in &report.recipes {
        writeln!(out)?;
        recipe(plan, out, style)?;
    }
    if !report.duplicates.is_empty() || !report.notes.is_empty() || !report.written.is_empty() {
        writeln!(out)?;
    }
    for same in &report.duplicates {
        let word = style.yellow("in the catalog already:");
        writeln!(out, "{word} {} ({}), the same {}: {}", same.id, same.title, same.same, same.url)?;
    }
    for note in &report.notes {
        writeln!(out, "{} {note}", style.yellow("note:"))?;
    }
    for file in &report.written {
        writeln!(out, "wrote {file}")?;
    }
    writeln!(out)?;
    if let Some(before) = &report.before {
        writeln!(out, "{} {before}", style.dim("first:"))?;
    }
    writeln!(out, "{}\n{}", style.dim("next"), report.next)
}

fn proposal(proposed: &Proposal, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{} {}", style.dim("files     "), proposed.files)?;
    for dim in &proposed.dimensions {
        let keys = if dim.keys.is_empty() { "ordered by what is in the files" } else { &dim.keys };
        writeln!(out, "{} {} ({}): {keys}", style.dim("dimension "), dim.name, dim.role)?;
    }
    if let Some(listed) = &proposed.listed {
        writeln!(out, "{} {listed}", style.dim("listed    "))?;
    }
    sample(out, &style.dim("matches   "), &proposed.matches)?;
    sample(out, &style.dim("others    "), &proposed.others)?;
    sample(out, &style.yellow("no file of"), &proposed.absent)
}

fn sample(out: &mut dyn Write, label: &str, sample: &Sample) -> io::Result<()> {
    if sample.count == 0 {
        return Ok(());
    }
    writeln!(out, "{label} {}", sample.count)?;
    for one in &sample.first {
        writeln!(out, "             {one}")?;
    }
    let more = sample.count - sample.first.len() as u64;
    if more > 0 { writeln!(out, "             and {more} more") } else { Ok(()) }
}

fn recipe(plan: &RecipePlan, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let id = plan.id.as_deref().map(|id| format!(" as {id}")).unwrap_or_default();
    writeln!(out, "{}{id}", style.bold(&plan.recipe))?;
    files(&plan.files, out, style)?;
    if let Some(dims) = &plan.dimensions {
        let words: Vec<String> = dims
            .iter()
            .map(|dim| {
                let along = if dim.concat { " (concat)" } else { "" };
                let key = dim.key.as_ref().map(|key| format!(" by {key}")).unwrap_or_default();
                format!("{}: {}{along}{key}", dim.name, dim.size)
            })
            .collect();
        writeln!(out, "  joined       {}", words.join(", "))?;
    }
    if let Some(strategy) = &plan.strategy {
        let name = style.green(&strategy.name);
        let because = strategy.because.replace('\n', "\n               ");
        writeln!(out, "  strategy     {name} into {}: {because}", strategy.format)?;
    }
    let target = &plan.destination;
    match &target.url {
        Some(url) => {
            let current = target.current.as_ref().map(|v| format!("; {v} is there")).unwrap_or_default();
            writeln!(out, "  destination  {url} ({}{current})", target.because)?;
            for rule in &target.rules {
                writeln!(out, "  rule         {rule}")?;
            }
        }
        None => writeln!(out, "  destination  not known: {}", target.because)?,
    }
    if let Some(cost) = &plan.cost {
        costs(cost, out)?;
    }
    variables(&plan.variables, out, style)?;
    for noted in &plan.noted {
        writeln!(out, "  {} {}: {} [{}]", style.yellow("note"), noted.at, noted.what, noted.code)?;
    }
    for found in &plan.problems {
        problem(found, out, style)?;
    }
    Ok(())
}

fn files(files: &Files, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let mut words = vec![format!("{} of {} found", files.found, files.wanted)];
    if files.bytes > 0 {
        words.push(bytes(files.bytes));
    }
    for (count, what) in [
        (files.gaps, "declared as gaps"),
        (files.missing.count, "missing"),
        (files.unreadable.count, "cannot be opened"),
    ] {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    writeln!(out, "  files        {}", words.join(", "))?;
    for gap in &files.declared {
        let fill = if gap.fill { ", filled" } else { "" };
        writeln!(out, "               {} {} ({}{fill})", style.dim("gap"), gap.url, gap.reason)?;
    }
    for (list, word) in [(&files.missing, "missing"), (&files.unreadable, "unreadable")] {
        for url in &list.first {
            writeln!(out, "               {} {url}", style.red(word))?;
        }
        let more = list.count - list.first.len() as u64;
        if more > 0 {
            writeln!(out, "               and {more} more {word}")?;
        }
    }
    Ok(())
}

fn costs(cost: &Cost, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "  reads        {} of chunks ({} decoded in all); metadata of every file besides",
        bytes(cost.read_bytes),
        bytes(cost.decoded_bytes)
    )?;
    writeln!(
        out,
        "  writes       about {} in {} objects, {} references",
        bytes(cost.write_bytes),
        cost.objects,
        cost.references
    )?;
    writeln!(
        out,
        "  work         {} tasks, {} at most in memory (of {}), {} at a time on this machine or shared out by --task-range",
        cost.tasks,
        bytes(cost.peak_memory),
        bytes(cost.memory_limit),
        cost.jobs
    )?;
    writeln!(out, "  time         about {}, at {}", seconds(cost.seconds), cost.assumes)?;
    writeln!(out, "  traffic      {}", traffic(cost))
}

/// Who pays when the sources are read.
pub(super) fn traffic(cost: &Cost) -> String {
    let price = cost.egress_cost.as_ref().map(|price| format!(", about {price}")).unwrap_or_default();
    format!("paid by: {} ({}){price}", who_pays(cost.egress), cost.egress_because)
}

/// `40 s`, `12 min`, `3.5 h`.
pub(super) fn seconds(seconds: u64) -> String {
    match seconds {
        0..=90 => format!("{seconds} s"),
        91..=5400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

fn variables(variables: &[VariablePlan], out: &mut dyn Write, style: Style) -> io::Result<()> {
    let rows: Vec<Vec<String>> = variables.iter().map(row).collect();
    if !rows.is_empty() {
        let head = ["variable", "", "type", "dimensions", "source chunks", "chunks", "shards", "pieces", "decoded"];
        let mut all = vec![head.map(str::to_owned).to_vec()];
        all.extend(rows);
        write_table(out, 2, &all)?;
    }
    for variable in variables {
        if let Some(because) = &variable.because {
            // Small ones are copied whatever they are.
            writeln!(out, "  {} {}: copied because {because}", style.dim("why"), variable.path)?;
            continue;
        }
        match &variable.verdict {
            Verdict::Virtual | Verdict::Copied { .. } => {}
            Verdict::Transformable { code, reason, fix } => {
                writeln!(out, "  {} {}: not virtual, {reason} [{code}]", style.yellow("why"), variable.path)?;
                writeln!(out, "      fix: {fix}")?;
            }
            Verdict::Refused { code, reason, fix } => {
                writeln!(out, "  {} {}: {reason} [{code}]", style.red("refused"), variable.path)?;
                writeln!(out, "      fix: {fix}")?;
            }
        }
        if let Some(times) = variable.array.as_ref().and_then(|array| array.read_amplification) {
            writeln!(
                out,
                "  {} {}: each source chunk is read {times} times on average",
                style.yellow("note"),
                variable.path
            )?;
        }
    }
    Ok(())
}

/// A variable in words, as the tables of both forms show it.
pub(super) fn row(variable: &VariablePlan) -> Vec<String> {
    let mut cells = vec![variable.path.clone(), variable.storage.clone()];
    if let Some(array) = &variable.array {
        cells.extend(array_cells(array));
    }
    cells
}

fn array_cells(array: &ArrayPlan) -> [String; 7] {
    let shape = |shape: &[u64]| {
        if shape.is_empty() {
            return "scalar".to_owned();
        }
        shape.iter().map(u64::to_string).collect::<Vec<_>>().join("×")
    };
    let optional = |known: &Option<Vec<u64>>| known.as_deref().map_or_else(|| "-".to_owned(), shape);
    let dims: Vec<String> = array.dimensions.iter().zip(&array.shape).map(|(dim, n)| format!("{dim}: {n}")).collect();
    let pieces = match (array.objects, array.references) {
        (0, 0) => "-".to_owned(),
        (0, 1) => "1 reference".to_owned(),
        (0, references) => format!("{references} references"),
        (1, _) => "1 object".to_owned(),
        (objects, _) => format!("{objects} objects"),
    };
    [
        array.data_type.clone(),
        format!("({})", dims.join(", ")),
        optional(&array.source_chunk_shape),
        shape(&array.chunk_shape),
        optional(&array.shard_shape),
        pieces,
        bytes(array.decoded_bytes),
    ]
}

fn problem(problem: &Problem, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "  {} {} [{}]", style.red("stops"), problem.what.replace('\n', "\n        "), problem.code)?;
    writeln!(out, "        fix: {}", problem.fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_in_their_unit() {
        let told: Vec<String> = [0, 90, 91, 5400, 7200].into_iter().map(seconds).collect();
        assert_eq!(told, ["0 s", "90 s", "2 min", "90 min", "2.0 h"]);
    }
}
