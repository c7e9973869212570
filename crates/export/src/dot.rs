//! Pictures for Graphviz: the top of the dominator tree, and who holds a thing.
//!
//! The language is that of Graphviz's documentation (*DOT language*): in a quoted string `\"` is a quote;
//! in a label a backslash begins an escape (*escString*), and
//! `&` an entity of HTML. So all three are escaped, and what a name says is shown, not obeyed.
//!
//! # What it cannot say
//! A picture is for tens of boxes. What is too small to be shown is a box that says how much it is.

use std::io::{self, Write};

use goheap_analysis::answers::tree::{Branch, Tree};
use goheap_analysis::answers::why::{Held, Hop, Why};
use goheap_page::units::bytes;

use crate::text::clean;

/// How many characters a line of a box has at most.
const LINE: usize = 100;

/// How many objects of a path are drawn; of longer ones, those at both ends.
const HOPS: usize = 24;

/// Draws a dominator tree: each box is held by the one above alone.
///
/// # Errors
/// Of the writer.
pub fn tree(tree: &Tree, out: &mut dyn Write) -> io::Result<()> {
    begin(out)?;
    let all = tree.top.retained.max(1);
    // Boxes still to be drawn: with the one that holds them.
    let mut open: Vec<(&Branch, Option<u64>)> = vec![(&tree.top, None)];
    let mut next = 0u64;
    while let Some((branch, above)) = open.pop() {
        let own = next;
        next += 1;
        let mut lines = vec![match branch.count {
            0 | 1 => branch.name.clone(),
            count => format!("{count} × {}", branch.name),
        }];
        if !branch.about.is_empty() {
            lines.push(branch.about.clone());
        }
        if branch.address != 0 {
            lines.push(format!("{:#x}", branch.address));
        }
        let held = bytes(branch.retained);
        lines.push(match branch.shallow {
            0 => format!("holds {held}"),
            shallow => format!("holds {held}, own {}", bytes(shallow)),
        });
        node(out, own, &lines, branch.retained as f64 / all as f64)?;
        if let Some(above) = above {
            edge(out, above, own, "")?;
        }
        if branch.rest.branches > 0 {
            let rest = next;
            next += 1;
            let said = format!("… and {} more", branch.rest.branches);
            node(
                out,
                rest,
                &[said, format!("hold {}", bytes(branch.rest.retained))],
                0.0,
            )?;
            edge(out, own, rest, "")?;
        }
        open.extend(
            branch
                .branches
                .iter()
                .rev()
                .map(|branch| (branch, Some(own))),
        );
    }
    writeln!(out, "}}")
}

/// Draws who holds a thing: the paths that `why` tells, joined where they go through the same objects.
///
/// # Errors
/// Of the writer.
pub fn why(why: &Why, out: &mut dyn Write) -> io::Result<()> {
    begin(out)?;
    let mut drawing = Drawing::default();
    match why {
        Why::Object(object) => {
            for held in &object.paths {
                drawing.path(held, out)?;
            }
            if object.paths.is_empty() {
                let said = format!("{} at {:#x}", object.class, object.address);
                node(
                    out,
                    0,
                    &[said, "nothing that is alive holds it".to_owned()],
                    0.0,
                )?;
            }
        }
        Why::Variable(variable) => {
            for held in variable.objects.iter().flat_map(|object| &object.paths) {
                drawing.path(held, out)?;
            }
        }
        Why::Class(class) => {
            let said = format!("{} × {}", class.objects, class.name);
            node(
                out,
                0,
                &[said, format!("hold {}", bytes(class.retained))],
                1.0,
            )?;
            for (way, own) in class.ways.iter().zip(1..) {
                let merged = &way.merged;
                let lines = [
                    merged.signature.clone(),
                    format!(
                        "{} objects, holding {}",
                        merged.objects,
                        bytes(merged.retained)
                    ),
                ];
                node(
                    out,
                    own,
                    &lines,
                    merged.retained as f64 / class.retained.max(1) as f64,
                )?;
                edge(out, own, 0, "")?;
            }
            if class.more.0 > 0 {
                let own = class.ways.len() as u64 + 1;
                let said = format!(
                    "… and {} more ways, to {} objects",
                    class.more.0, class.more.1
                );
                node(out, own, &[said], 0.0)?;
                edge(out, own, 0, "")?;
            }
        }
        Why::Root { name, retained } => {
            node(
                out,
                0,
                &[name.clone(), format!("holds {}", bytes(*retained))],
                1.0,
            )?;
        }
    }
    writeln!(out, "}}")
}

/// What was drawn of paths: boxes by what they are.
#[derive(Default)]
struct Drawing {
    known: std::collections::HashMap<String, u64>,
    edges: std::collections::HashSet<(u64, u64)>,
}

impl Drawing {
    /// The number of a box, and whether it is new.
    fn number(&mut self, key: String) -> (u64, bool) {
        let next = self.known.len() as u64;
        let own = *self.known.entry(key).or_insert(next);
        (own, own == next)
    }

    fn path(&mut self, held: &Held, out: &mut dyn Write) -> io::Result<()> {
        // What the path begins with, up to the first step, says who holds the first object.
        let (start, is_new) = self.number(format!("path {}", held.path));
        if is_new {
            node(out, start, std::slice::from_ref(&held.path), 0.0)?;
        }
        let mut before = start;
        let ends = HOPS / 2;
        let hops = &held.objects;
        let left = hops.len().saturating_sub(HOPS);
        for (
            place,
            Hop {
                address,
                class,
                retained,
            },
        ) in hops.iter().enumerate()
        {
            if left > 0 && (ends..ends + left).contains(&place) {
                continue;
            }
            let (own, is_new) = self.number(format!("at {address:x}"));
            if is_new {
                let lines = [
                    class.clone(),
                    format!("{address:#x}"),
                    format!("holds {}", bytes(*retained)),
                ];
                node(out, own, &lines, 0.0)?;
            }
            let skipped = held.length.saturating_sub(HOPS.min(hops.len()) as u64);
            let said = match left > 0 && place == ends + left {
                true => format!("{skipped} more"),
                false => String::new(),
            };
            if self.edges.insert((before, own)) {
                edge(out, before, own, &said)?;
            }
            before = own;
        }
        Ok(())
    }
}

fn begin(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "digraph heap {{")?;
    writeln!(out, "  rankdir=LR;")?;
    writeln!(
        out,
        "  node [shape=box, style=filled, colorscheme=oranges5, fillcolor=1, fontname=\"sans-serif\", fontsize=10];"
    )
}

/// A box; the larger its share of all, the darker.
fn node(out: &mut dyn Write, number: u64, lines: &[String], share: f64) -> io::Result<()> {
    let label: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    let shade = 1 + (share.clamp(0.0, 1.0) * 3.0).round() as u8;
    let label = label.join("\\l");
    writeln!(
        out,
        "  n{number} [label=\"{label}\\l\", fillcolor={shade}];"
    )
}

fn edge(out: &mut dyn Write, from: u64, to: u64, said: &str) -> io::Result<()> {
    match said {
        "" => writeln!(out, "  n{from} -> n{to};"),
        said => writeln!(out, "  n{from} -> n{to} [label=\"{}\"];", escaped(said)),
    }
}

/// A line of a label.
fn escaped(line: &str) -> String {
    let mut out = String::new();
    for c in clean(line, LINE).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_shown_and_not_obeyed() {
        assert_eq!(
            escaped("a\"];\n\\N &lt; <b>"),
            "a\\\"];\\\\n\\\\N &amp;lt; &lt;b&gt;"
        );
    }
}
