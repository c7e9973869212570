//! The ways to objects: by the same objects, from the same root, and what fields and indexes are named
//! are the twin's.

use goheap_analysis::NoWatch;
use goheap_analysis::paths::{Holders, Path, Piece};

use crate::captured::{Captured, assert_none};

/// Each so many of the objects that are reachable is asked for.
const STEP: usize = 5;

pub(crate) fn check(captured: &Captured, name: &str) {
    let (a, b) = (&captured.stripped.analysis, &captured.twin.analysis);
    let holders = Holders::of(a, &NoWatch).expect("holders");
    let full = Holders::of(b, &NoWatch).expect("holders");
    let mut wrong = Vec::new();
    let (mut asked, mut whole, mut words) = (0, 0, 0);
    for object in a.dump.objects().step_by(STEP) {
        if !a.is_reachable(object) {
            continue;
        }
        let said = holders.path(object, None).expect("a path");
        let full = full.path(object, None).expect("a path");
        asked += 1;
        let unknown = said.pieces.iter();
        let unknown = unknown.filter(|piece| matches!(piece, Piece::Word(_)));
        match unknown.count() {
            0 => whole += 1,
            some => words += some,
        }
        if said.objects != full.objects || said.strength != full.strength {
            wrong.push(format!(
                "{} is another way than {}",
                said.text(),
                full.text()
            ));
        } else if !agrees(&said, &full) {
            wrong.push(format!("{}, but {}", said.text(), full.text()));
        }
    }
    eprintln!(
        "{name}: of {asked} paths {whole} have all their steps named; in the others {words} steps are \
         told by their bytes"
    );
    assert!(asked > 1000 && whole > 0);
    assert_none(&format!("{name}: paths"), &wrong);
}

/// Whether what a path names is named so in its twin's, in the same order; what it tells by bytes alone
/// may be anything there.
fn agrees(said: &Path, full: &Path) -> bool {
    let is_start = |piece: &&Piece| matches!(piece, Piece::Start { .. });
    let starts = |path: &Path| -> Vec<String> {
        let starts = path.pieces.iter().filter(is_start);
        let prefix = starts.map(|piece| match piece {
            Piece::Start { prefix, .. } => prefix.clone(),
            _ => String::new(),
        });
        // A frame's words have no names without DWARF: the goroutine and the function are told.
        let end = |prefix: String| prefix.split("): ").next().unwrap_or_default().to_owned();
        prefix.map(end).collect()
    };
    if starts(said) != starts(full) {
        return false;
    }
    let mut left: &[Piece] = &full.pieces;
    let chunks: Vec<&[Piece]> = said
        .pieces
        .split(|piece| matches!(piece, Piece::Word(_) | Piece::Start { .. }))
        .filter(|chunk| !chunk.is_empty())
        .collect();
    let ends_named = !matches!(said.pieces.last(), Some(Piece::Word(_)));
    for (i, chunk) in chunks.iter().enumerate() {
        if i + 1 == chunks.len() && ends_named {
            return left.ends_with(chunk);
        }
        let at = left
            .windows(chunk.len())
            .position(|window| window == *chunk);
        let Some(at) = at else { return false };
        left = &left[at + chunk.len()..];
    }
    true
}
