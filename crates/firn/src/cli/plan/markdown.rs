//! `firn plan` for the comment of a pull request.

use super::text::{row, seconds, traffic};
use crate::cli::build::bytes;
use crate::cli::outcome::Style;
use firn_engine::verbs::inspect::Verdict;
use firn_engine::verbs::plan::{Cost, Files, PlanReport, Proposal, RecipePlan, Sample, VariablePlan};
use std::io::{self, Write};

/// Draws a plan; the last line is the next command.
pub(super) fn draw(report: &PlanReport, out: &mut dyn Write, _style: Style) -> io::Result<()> {
    writeln!(out, "## Plan of {}\n", code(&report.subject))?;
    if let Some(proposed) = &report.proposal {
        proposal(proposed, out)?;
    }
    for plan in &report.recipes {
        recipe(plan, out)?;
    }
    for same in &report.duplicates {
        writeln!(
            out,
            "- **in the catalog already**: {} ({}), the same {}: {}",
            code(&same.id),
            escaped(&same.title),
            same.same,
            code(&same.url)
        )?;
    }
    for note in &report.notes {
        writeln!(out, "- note: {}", escaped(note))?;
    }
    for file in &report.written {
        writeln!(out, "- wrote {}", code(file))?;
    }
    if let Some(before) = &report.before {
        writeln!(out, "\nFirst: {}", escaped(before))?;
    }
    writeln!(out, "\nNext: {}", code(&report.next))
}

fn proposal(proposed: &Proposal, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "- files: {}", code(&proposed.files))?;
    for dim in &proposed.dimensions {
        let keys = if dim.keys.is_empty() { "ordered by what is in the files".to_owned() } else { code(&dim.keys) };
        writeln!(out, "- dimension {} ({}): {keys}", code(&dim.name), dim.role)?;
    }
    sample("matches", &proposed.matches, out)?;
    sample("others beside them", &proposed.others, out)?;
    sample("without a file", &proposed.absent, out)?;
    let fence = "`".repeat(longest_run(&proposed.recipe).max(2) + 1);
    writeln!(
        out,
        "\n<details><summary>recipe.yaml</summary>\n\n{fence}yaml\n{}{fence}\n\n</details>\n",
        proposed.recipe
    )
}

fn sample(label: &str, sample: &Sample, out: &mut dyn Write) -> io::Result<()> {
    if sample.count == 0 {
        return Ok(());
    }
    let names: Vec<String> = sample.first.iter().map(|name| code(name)).collect();
    let more = if sample.count > names.len() as u64 { ", …" } else { "" };
    writeln!(out, "- {label}: {} ({}{more})", sample.count, names.join(", "))
}

fn recipe(plan: &RecipePlan, out: &mut dyn Write) -> io::Result<()> {
    let verdict = match (plan.problems.first(), &plan.strategy) {
        (Some(problem), _) => format!("**stops** ({})", code(&problem.code)),
        (None, Some(strategy)) => format!("**{}** into {}", strategy.name, strategy.format),
        (None, None) => "nothing known".to_owned(),
    };
    writeln!(out, "### {}: {verdict}\n", escaped(&plan.recipe))?;
    writeln!(out, "| | |\n|---|---|")?;
    let mut line = |name: &str, text: &str| writeln!(out, "| {name} | {} |", cell(text));
    line("files", &files(&plan.files))?;
    if let Some(dims) = &plan.dimensions {
        let dims: Vec<String> = dims.iter().map(|dim| format!("{}: {}", dim.name, dim.size)).collect();
        line("joined", &dims.join(", "))?;
    }
    if let Some(strategy) = &plan.strategy {
        line("strategy", &format!("{} into {}: {}", strategy.name, strategy.format, strategy.because))?;
    }
    let target = &plan.destination;
    line("destination", &format!("{} ({})", target.url.as_deref().unwrap_or("not known"), target.because))?;
    for rule in &target.rules {
        line("rule", rule)?;
    }
    if let Some(cost) = &plan.cost {
        costs(cost, &mut line)?;
    }
    writeln!(out)?;
    variables(&plan.variables, out)?;
    lists(plan, out)
}

fn files(files: &Files) -> String {
    let size = if files.bytes > 0 { format!(", {}", bytes(files.bytes)) } else { String::new() };
    format!(
        "{} of {} found{size}; {} declared as gaps, {} missing, {} cannot be opened",
        files.found, files.wanted, files.gaps, files.missing.count, files.unreadable.count
    )
}

fn costs(cost: &Cost, line: &mut dyn FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
    line("reads", &format!("{} of chunks ({} decoded in all)", bytes(cost.read_bytes), bytes(cost.decoded_bytes)))?;
    line(
        "writes",
        &format!("about {} in {} objects, {} references", bytes(cost.write_bytes), cost.objects, cost.references),
    )?;
    line("work", &format!("{} tasks, {} at most in memory", cost.tasks, bytes(cost.peak_memory)))?;
    line("time", &format!("about {}, at {}", seconds(cost.seconds), cost.assumes))?;
    line("traffic", &traffic(cost))
}

fn variables(variables: &[VariablePlan], out: &mut dyn Write) -> io::Result<()> {
    if variables.is_empty() {
        return Ok(());
    }
    writeln!(out, "| variable | | type | dimensions | source chunks | chunks | shards | pieces | decoded |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    for variable in variables {
        let mut cells = row(variable);
        cells.resize(9, String::new());
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    writeln!(out)
}

fn lists(plan: &RecipePlan, out: &mut dyn Write) -> io::Result<()> {
    for problem in &plan.problems {
        writeln!(
            out,
            "- **stops** {}: {} Fix: {}",
            code(&problem.code),
            escaped(&problem.what),
            escaped(&problem.fix)
        )?;
    }
    for url in &plan.files.missing.first {
        writeln!(out, "- missing: {}", code(url))?;
    }
    for gap in &plan.files.declared {
        writeln!(out, "- gap: {} ({})", code(&gap.url), escaped(&gap.reason))?;
    }
    for variable in &plan.variables {
        let name = code(&variable.path);
        if let Some(because) = &variable.because {
            writeln!(out, "- {name} is copied because {}", escaped(because))?;
            continue;
        }
        match &variable.verdict {
            Verdict::Virtual | Verdict::Copied { .. } => {}
            Verdict::Transformable { code: barrier, reason, fix } => {
                writeln!(
                    out,
                    "- {name} cannot be virtual: {} ({}). Fix: {}",
                    escaped(reason),
                    code(barrier),
                    escaped(fix)
                )?;
            }
            Verdict::Refused { code: barrier, reason, fix } => {
                writeln!(
                    out,
                    "- **{name} is refused**: {} ({}). Fix: {}",
                    escaped(reason),
                    code(barrier),
                    escaped(fix)
                )?;
            }
        }
    }
    for noted in &plan.noted {
        writeln!(out, "- {}: {} ({})", code(&noted.at), escaped(&noted.what), code(&noted.code))?;
    }
    writeln!(out)
}

/// Text from elsewhere between backticks, which it may have itself: it must not leave them.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text from elsewhere as text: no markup, no mention of people.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\n' | '\r' => out.push(' '),
            '<' => out.push_str("&lt;"),
            // A zero-width space keeps a name from being called.
            '@' => out.push_str("@\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        out
    })
}

/// A cell of a table.
fn cell(text: &str) -> String {
    escaped(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_is_no_markup() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(escaped("<b>|x|\n@who *y*"), "&lt;b>\\|x\\| @\u{200b}who \\*y\\*");
    }
}
