//! Answers about a heap as pages to look at. Its place: process → memory → runtime → records →
//! dump file → graph → **answers**, in front of people.
//!
//! # Start here
//! [`shell::Shell`] is a whole page; [`table::Table`], [`bar::bar`], [`link::Links`] are what pages
//! are made of; [`tops`], [`suspects`], [`ledger`] and [`map`] put answers into them, [`report`] all of
//! them in one file. [`site`] has the addresses and [`views`] the contents of the pages that are
//! served. [`units`], [`mod@words`] and [`text`] say how numbers and names read: the command takes them
//! from here, so that a page and a terminal agree.
//!
//! # Invariants
//! - Whatever a dump says is text: it is escaped where it is put into a page, by the type that
//!   pages are made of. Names pass through [`text::name`], so that nothing in them hides or goes on
//!   for ever.
//! - No `style` attribute and no script in a page: they are refused by the policy that pages are
//!   served under. Bars and maps are SVG with presentation attributes.
//! - The same answers give the same bytes.
//! - A page asks no other host for anything.
//!
//! # Not here
//! Serving them, writing them to files: the command, `goheap`.
//!
//! # Example
//! ```
//! use goheap_page::{table::{Column, Table}, units};
//! use maud::html;
//!
//! let mut table = Table::new("Types", vec![Column::number("own"), Column::text("type")]);
//! table.row(vec![html! { (units::bytes(2048)) }, html! { "<b>" }]);
//! let page = table.markup().into_string();
//! assert!(page.contains("2.00 KiB") && page.contains("&lt;b&gt;"));
//! ```

pub mod bar;
pub mod ledger;
pub mod link;
pub mod map;
pub mod report;
pub mod shell;
pub mod site;
pub mod suspects;
pub mod table;
pub mod text;
pub mod tops;
pub mod units;
pub mod views;
mod waste;
pub mod words;

pub use maud::{Markup, html};
