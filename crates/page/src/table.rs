//! Tables.

use maud::{Markup, html};

/// How a column is sorted, and how it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// Where it is sorted by this column, or the other way round.
    pub href: String,
    /// How it is sorted by this column now.
    pub now: Option<Direction>,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The smallest.
    Ascending,
    /// The largest.
    Descending,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    title: String,
    number: bool,
    minor: bool,
    sort: Option<Sort>,
}

impl Column {
    /// Of numbers, to the right.
    pub fn number(title: &str) -> Column {
        Column {
            title: title.to_owned(),
            number: true,
            minor: false,
            sort: None,
        }
    }

    /// Of text, to the left.
    pub fn text(title: &str) -> Column {
        Column {
            number: false,
            ..Column::number(title)
        }
    }

    /// Left out where there is little room.
    pub fn minor(self) -> Column {
        Column {
            minor: true,
            ..self
        }
    }

    /// Its title sorts the table.
    pub fn sort(self, sort: Option<Sort>) -> Column {
        Column { sort, ..self }
    }

    fn class(&self) -> Option<&'static str> {
        match (self.number, self.minor) {
            (true, true) => Some("n minor"),
            (true, false) => Some("n"),
            (false, true) => Some("minor"),
            (false, false) => None,
        }
    }
}

/// A table: what it is of for those who hear it, columns, rows, and what stands below.
#[derive(Debug)]
pub struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Markup>>,
    foot: Option<Markup>,
}

impl Table {
    /// Without rows.
    pub fn new(caption: &str, columns: Vec<Column>) -> Table {
        Table {
            caption: caption.to_owned(),
            columns,
            rows: Vec::new(),
            foot: None,
        }
    }

    /// One more row, of as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<Markup>) {
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What stands below: what is not shown, other pages of it.
    pub fn foot(&mut self, foot: Markup) {
        self.foot = Some(foot);
    }

    /// As HTML.
    pub fn markup(&self) -> Markup {
        html! {
            div.scroll {
                table {
                    caption.hidden { (self.caption) }
                    thead { tr { @for column in &self.columns { (head(column)) } } }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (cell, column) in row.iter().zip(&self.columns) {
                                    td class=[column.class()] { (cell) }
                                }
                            }
                        }
                        @if self.rows.is_empty() {
                            tr { td.none colspan=(self.columns.len()) { "none" } }
                        }
                    }
                }
            }
            @if let Some(foot) = &self.foot { div.foot { (foot) } }
        }
    }
}

fn head(column: &Column) -> Markup {
    let now = column.sort.as_ref().and_then(|sort| sort.now);
    let (aria, arrow) = match now {
        Some(Direction::Ascending) => (Some("ascending"), " ▲"),
        Some(Direction::Descending) => (Some("descending"), " ▼"),
        None => (None, ""),
    };
    html! {
        th class=[column.class()] scope="col" aria-sort=[aria] {
            @match &column.sort {
                Some(sort) => a href=(sort.href) {
                    (column.title) span aria-hidden="true" { (arrow) }
                },
                None => (column.title),
            }
        }
    }
}
