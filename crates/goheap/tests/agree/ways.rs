//! The ways to objects: by the same objects, from the same root, and what fields and indexes are named
//! are the twin's.

use goheap_analysis::paths::{Holders, Path, Piece};
use goheap_analysis::{Dump, Frame, NoWatch, RootKind};

use crate::captured::{Captured, Side, assert_none};

/// Each so many of the objects that are reachable is asked for.
const STEP: usize = 5;

pub(crate) fn check(captured: &Captured, name: &str) {
    let (a, b) = (&captured.stripped.analysis, &captured.twin.analysis);
    let holders = Holders::of(a, &NoWatch).expect("holders");
    let full = Holders::of(b, &NoWatch).expect("holders");
    let mut wrong = Vec::new();
    let (mut asked, mut whole, mut words, mut elsewhere) = (0, 0, 0, 0);
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
        } else if begin_elsewhere(captured, &said, &full) {
            elsewhere += 1;
        } else if !agrees(&b.dump, &said, &full) {
            wrong.push(format!("{}, but {}", said.text(), full.text()));
        }
    }
    eprintln!(
        "{name}: of {asked} paths {whole} have all their steps named; in the others {words} steps are \
         told by their bytes"
    );
    assert!(asked > 1000 && whole > 0 && elsewhere * 100 < asked);
    assert_none(&format!("{name}: paths"), &wrong);
}

/// Whether two frames of one goroutine are told, `goroutine 7 (main.work`, the first of which calls the
/// second. An argument that the called one has spilled lies in the frame of its caller (the Go internal
/// ABI, "spill space"): DWARF alone tells whose it is.
fn calls(dump: &Dump, caller: &str, called: &str) -> bool {
    let parts = |told: &str| -> Option<(u64, String)> {
        let (id, function) = told.strip_prefix("goroutine ")?.split_once(" (")?;
        Some((id.parse().ok()?, function.to_owned()))
    };
    let (Some((id, caller)), Some((other, called))) = (parts(caller), parts(called)) else {
        return false;
    };
    let goroutines = dump.goroutines();
    let of_it = |frame: &&Frame| {
        let goroutine = goroutines.get(frame.goroutine as usize);
        goroutine.is_some_and(|goroutine| goroutine.id == id)
    };
    let frames: Vec<&Frame> = dump.frames().iter().filter(of_it).collect();
    let meet = |pair: &[&Frame]| {
        pair[0].function.as_str() == called && pair[1].function.as_str() == caller
    };
    id == other && frames.windows(2).any(meet)
}

/// Whether two paths begin in two variables: of shortest paths it is as well this as that. Which words
/// of variables lead to objects is compared for all roots.
fn begin_elsewhere(captured: &Captured, said: &Path, full: &Path) -> bool {
    let variable = |side: &Side, path: &Path| {
        let dump = &side.analysis.dump;
        match dump.roots().get(path.root as usize)?.kind {
            RootKind::Global(at) => dump.catalogue().variables.get(at as usize).cloned(),
            _ => None,
        }
    };
    let ours = variable(&captured.stripped, said);
    let theirs = variable(&captured.twin, full);
    // What is one without symbols may be a part of one.
    ours.zip(theirs).is_some_and(|(ours, theirs)| {
        let into = ours.address.checked_sub(theirs.address);
        into.is_none_or(|into| into > 0 && into >= theirs.size)
    })
}

/// Whether what a path names is named so in its twin's, in the same order; what it tells by bytes alone
/// may be anything there.
fn agrees(dump: &Dump, said: &Path, full: &Path) -> bool {
    let starts = |path: &'_ Path| -> Vec<String> {
        let starts = path.pieces.iter().filter_map(|piece| match piece {
            Piece::Start { prefix, .. } => Some(prefix),
            _ => None,
        });
        // A frame's words have no names without DWARF: the goroutine and the function are told.
        let end = |prefix: &String| prefix.split("): ").next().unwrap_or_default().to_owned();
        starts.map(end).collect()
    };
    let (ours, theirs) = (starts(said), starts(full));
    let same = |(ours, theirs): (&String, &String)| ours == theirs || calls(dump, ours, theirs);
    if ours.len() != theirs.len() || !ours.iter().zip(&theirs).all(same) {
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
        // A variable without a type that points into an array leads to the array, and to an element of
        // that; one of a type leads to what it points to.
        let into_array = i == 0 && !left.windows(chunk.len()).any(|window| window == *chunk);
        let chunk = match chunk {
            [Piece::Index(_), rest @ ..] if into_array && !rest.is_empty() => rest,
            whole => whole,
        };
        if i + 1 == chunks.len() && ends_named {
            return left.ends_with(chunk);
        }
        let at = left.windows(chunk.len()).position(|window| window == chunk);
        let Some(at) = at else { return false };
        left = &left[at + chunk.len()..];
    }
    true
}
