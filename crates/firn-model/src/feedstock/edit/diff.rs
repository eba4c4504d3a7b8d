//! Unified diffs.

use std::fmt::Write;

/// Lines of context.
const CONTEXT: usize = 3;
/// Larger tables are not made; the changed part is shown as replaced in whole.
const MAX_CELLS: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq)]
enum Line<'t> {
    Same(&'t str),
    Old(&'t str),
    New(&'t str),
}

/// The difference of two texts; empty where they are equal.
pub(super) fn unified(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let lines = compare(&split(old), &split(new));
    let mut diff = format!("--- a/{name}\n+++ b/{name}\n");
    let changed: Vec<usize> = (0..lines.len()).filter(|at| !matches!(lines[*at], Line::Same(_))).collect();
    let mut next = 0;
    while let Some(&first) = changed.get(next) {
        let mut last = first;
        while let Some(&at) = changed.get(next).filter(|at| **at <= last + 2 * CONTEXT + 1) {
            last = at;
            next += 1;
        }
        let (from, to) = (first.saturating_sub(CONTEXT), (last + CONTEXT + 1).min(lines.len()));
        hunk(&mut diff, &lines, from, to);
    }
    diff
}

fn hunk(diff: &mut String, lines: &[Line<'_>], from: usize, to: usize) {
    let olds = |lines: &[Line<'_>]| lines.iter().filter(|line| !matches!(line, Line::New(_))).count();
    let news = |lines: &[Line<'_>]| lines.iter().filter(|line| !matches!(line, Line::Old(_))).count();
    let (before, body) = (&lines[..from], &lines[from..to]);
    let position = |before: usize, count: usize| if count == 0 { before } else { before + 1 };
    let (old_count, new_count) = (olds(body), news(body));
    let (old_at, new_at) = (position(olds(before), old_count), position(news(before), new_count));
    // Writing to a String cannot fail.
    let _ = writeln!(diff, "@@ -{old_at},{old_count} +{new_at},{new_count} @@");
    for line in body {
        let (mark, text) = match line {
            Line::Same(text) => (' ', text),
            Line::Old(text) => ('-', text),
            Line::New(text) => ('+', text),
        };
        diff.push(mark);
        diff.push_str(text);
        if !text.ends_with('\n') {
            diff.push_str("\n\\ No newline at end of file\n");
        }
    }
}

fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A shortest list of changes (longest common subsequence of what differs).
fn compare<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut lines: Vec<Line<'t>> = old[..head].iter().map(|line| Line::Same(line)).collect();
    let width = b.len() + 1;
    if (a.len() + 1) * width > MAX_CELLS {
        lines.extend(a.iter().map(|line| Line::Old(line)));
        lines.extend(b.iter().map(|line| Line::New(line)));
    } else {
        let mut common = vec![0u32; (a.len() + 1) * width];
        for i in (0..a.len()).rev() {
            for j in (0..b.len()).rev() {
                common[i * width + j] = if a[i] == b[j] {
                    common[(i + 1) * width + j + 1] + 1
                } else {
                    common[(i + 1) * width + j].max(common[i * width + j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            if i < a.len() && j < b.len() && a[i] == b[j] {
                lines.push(Line::Same(a[i]));
                (i, j) = (i + 1, j + 1);
            } else if j == b.len() || (i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
                lines.push(Line::Old(a[i]));
                i += 1;
            } else {
                lines.push(Line::New(b[j]));
                j += 1;
            }
        }
    }
    lines.extend(old[old.len() - tail..].iter().map(|line| Line::Same(line)));
    lines
}

/// How many lines of the old text are gone, and both texts put together again from the comparison.
#[cfg(test)]
pub(super) fn sides(old: &str, new: &str) -> (usize, String, String) {
    let lines = compare(&split(old), &split(new));
    let text = |keep: fn(&Line<'_>) -> bool| -> String {
        let kept = lines.iter().filter(|line| keep(line));
        kept.map(|(Line::Same(text) | Line::Old(text) | Line::New(text))| *text).collect()
    };
    let gone = lines.iter().filter(|line| matches!(line, Line::Old(_))).count();
    (gone, text(|line| !matches!(line, Line::New(_))), text(|line| !matches!(line, Line::Old(_))))
}
