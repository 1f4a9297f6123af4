//! Plain tables for the terminal.

use std::io::{self, Write};

/// Writes headings and rows in columns as wide as their widest cell.
pub(super) fn write_table(
    out: &mut impl Write,
    columns: &[&str],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let width_of = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.chain([columns[index].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width_of).collect();
    let headings: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["1".to_owned(), "é".to_owned()], vec!["222".to_owned(), String::new()]];
        let mut out = Vec::new();
        write_table(&mut out, &["a", "name"], &rows).expect("writes to memory");
        assert_eq!(String::from_utf8(out).expect("text"), "A    NAME\n1    é\n222\n");
    }
}
