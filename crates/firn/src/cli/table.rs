//! Columns that line up.

use std::io::{self, Write};

/// Rows of cells, each column as wide as its widest cell, two spaces between; `indent` spaces before each row.
///
/// # Errors
/// What writing says.
pub fn write_table(out: &mut dyn Write, indent: usize, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters() {
        let mut out = Vec::new();
        let rows = vec![vec!["°C".to_owned(), "x".to_owned()], vec!["kelvin".to_owned(), "y".to_owned()]];
        write_table(&mut out, 2, &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "  °C      x\n  kelvin  y\n");
    }
}
