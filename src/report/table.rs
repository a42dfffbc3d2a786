//! A plain-text table: the first column to the left, all others to the right.
//! Knows nothing of what stands in its cells.

use std::fmt::{self, Write};

/// Rows of text, under a head or not. A missing cell is blank.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// With the head, if there is one, as the first.
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads; the first may be empty.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        Table { rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether it has neither a head nor rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Characters of the widest cell of each column.
    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    /// One line per row, two blanks between columns, none at a line's end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(line, "{cell:<width$}")?,
                    _ => write!(line, "  {cell:>width$}")?,
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_under_their_heads() {
        let mut table = Table::new(["", "requests", "P50"]);
        table.row(["worker 0", "7", "54.3 µs"]);
        table.row(["total", "1,234,567,890", "-"]);
        assert_eq!(
            table.to_string(),
            "               requests      P50\n\
             worker 0              7  54.3 µs\n\
             total     1,234,567,890        -\n"
        );
    }

    #[test]
    fn a_missing_cell_leaves_no_blanks_behind() {
        let mut table = Table::new(["name", "count"]);
        table.row(["short"]);
        assert_eq!(table.to_string(), "name   count\nshort\n");
    }
}
