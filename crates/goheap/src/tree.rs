//! `goheap tree`: the dominator tree, the largest branches first.

use std::io::{self, Write};
use std::process::ExitCode;

use goheap_analysis::answers::top::Heap;
use goheap_analysis::answers::tree::{Branch, Rest, TreeOptions, tree};
use goheap_analysis::answers::what::what;

use crate::args::TreeArgs;
use crate::error::CommandError;
use crate::examined;
use crate::room;
use crate::text::{self, Align, Table, printable};
use crate::top;
use crate::units;

mod json;

pub(crate) use json::TreeValue;

pub(crate) fn run(args: &TreeArgs) -> Result<ExitCode, CommandError> {
    let examined = examined::open(&args.examine)?;
    let analysis = &examined.of;
    let under = match &args.under {
        Some(text) => Some(what(analysis, text).map_err(|source| CommandError::What {
            of: examined.name.clone(),
            source,
        })?),
        None => None,
    };
    let options = TreeOptions {
        depth: args.depth,
        min: args.min,
        branches: args.rows,
    };
    let answer =
        tree(analysis, under.as_ref(), &options, &examined.watch()).map_err(examined::ended)?;
    let mut out = text::stdout();
    let missing = analysis.dump.missing();
    let written = match args.json {
        true => text::json(&mut out, &TreeValue::of(&examined.name, &answer, missing)),
        false if analysis.dump.roots_are_missing() => top::print_missing(missing, &mut out)
            .and_then(|()| writeln!(out, "  note: {}", top::NO_ROOTS)),
        false => print(&answer.heap, &answer.top, missing, &mut out),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

/// A line of the tree.
struct Line {
    retained: u64,
    own: Option<u64>,
    text: String,
}

fn print(heap: &Heap, branch: &Branch, missing: &[String], out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Vec::new();
    flatten(branch, &mut lines);
    let mut head = top::heap(heap);
    head.row([String::new(), String::new(), String::new()]);
    head.print(out)?;
    top::print_missing(missing, out)?;
    let width = room::width();
    let mut table = Table::new(&[Align::Right, Align::Right, Align::Right, Align::Left]);
    table.row(["retained", "share", "own", ""].map(str::to_owned));
    for line in lines {
        let own = match line.own {
            Some(0) | None => String::new(),
            Some(own) => units::bytes(own),
        };
        // The numbers take no more than three columns of ten characters.
        table.row([
            units::bytes(line.retained),
            top::share(line.retained, heap.bytes),
            own,
            room::fitted(line.text, width, 34),
        ]);
    }
    table.print(out)
}

/// The lines of a tree, each with what leads to it drawn before it.
fn flatten(top: &Branch, lines: &mut Vec<Line>) {
    enum Next<'a> {
        Branch(&'a Branch),
        Rest(&'a Rest),
    }
    // What is still to be shown, the next last: with what is drawn before it, and whether it is the
    // last of its siblings.
    let mut open = vec![(Next::Branch(top), String::new(), true, true)];
    while let Some((next, before, is_last, is_top)) = open.pop() {
        let corner = match (is_top, is_last) {
            (true, _) => "",
            (_, true) => "└─ ",
            (_, false) => "├─ ",
        };
        let branch = match next {
            Next::Rest(rest) => {
                let count = units::count(rest.branches);
                lines.push(Line {
                    retained: rest.retained,
                    own: None,
                    text: format!("{before}{corner}… and {count} more"),
                });
                continue;
            }
            Next::Branch(branch) => branch,
        };
        lines.push(Line {
            retained: branch.retained,
            own: Some(branch.shallow),
            text: format!("{before}{corner}{}", title(branch)),
        });
        let inner = match (is_top, is_last) {
            (true, _) => before,
            (_, true) => format!("{before}   "),
            (_, false) => format!("{before}│  "),
        };
        let has_rest = branch.rest.branches > 0;
        if has_rest {
            open.push((Next::Rest(&branch.rest), inner.clone(), true, false));
        }
        for (place, child) in branch.branches.iter().enumerate().rev() {
            let is_last = !has_rest && place + 1 == branch.branches.len();
            open.push((Next::Branch(child), inner.clone(), is_last, false));
        }
    }
}

fn title(branch: &Branch) -> String {
    let name = printable(branch.name.as_bytes());
    let mut title = match branch.count {
        0 | 1 => name.to_string(),
        count => format!("{} × {name}", units::count(count)),
    };
    if !branch.about.is_empty() {
        title = format!("{title}  {}", printable(branch.about.as_bytes()));
    }
    if branch.address != 0 {
        title = format!("{title}  {:#x}", branch.address);
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(name: &str, count: u64, retained: u64, branches: Vec<Branch>) -> Branch {
        Branch {
            name: name.to_owned(),
            count,
            shallow: 16,
            retained,
            branches,
            ..Branch::default()
        }
    }

    #[test]
    fn branches_are_drawn() {
        let mut sessions = branch("main.Session", 9812, 2048, Vec::new());
        sessions.rest = Rest {
            branches: 3,
            count: 7,
            retained: 1024,
        };
        let top = branch(
            "all",
            1,
            5000,
            vec![
                branch("main.cache", 1, 3000, vec![sessions]),
                branch("a\x1b[31m", 1, 1000, Vec::new()),
            ],
        );
        let heap = Heap {
            objects: 10,
            bytes: 5000,
            garbage_objects: 2,
            garbage_bytes: 100,
        };
        let mut out = Vec::new();
        print(&heap, &top, &[], &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let tree = out.split_once("retained").unwrap().1;
        assert_eq!(
            tree,
            "    share   own\n  \
             4.88 KiB  100.0 %  16 B  all\n  \
             2.93 KiB   60.0 %  16 B  ├─ main.cache\n  \
             2.00 KiB   41.0 %  16 B  │  └─ 9,812 × main.Session\n  \
             1.00 KiB   20.5 %        │     └─ … and 3 more\n    \
             1000 B   20.0 %  16 B  └─ a\\u{1b}[31m\n"
        );
    }
}
