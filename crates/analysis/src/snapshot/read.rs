//! Reading what an analysis found out: the tree on one thread, the types on another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use goheap_format::annex::{AnnexReader, Checksum, Note, NoteKind, Numbers};

use super::{STEP, Unfit, VERSION, compared};
use crate::dump::{Analysed, Dump};
use crate::graph::Dominators;
use crate::nodes::Nodes;
use crate::types::{Stored, StoredClass, StoredLength, Types};
use crate::{Interrupted, Watch};

const PHASE: &str = "reading the analysis";

/// Why nothing was read.
pub(super) enum Failed {
    Unfit(Unfit),
    Interrupted(Interrupted),
}

impl<E: Into<Unfit>> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed::Unfit(error.into())
    }
}

impl From<Interrupted> for Failed {
    fn from(interrupted: Interrupted) -> Failed {
        Failed::Interrupted(interrupted)
    }
}

/// What was found out of a dump; `None` if nothing was.
pub(super) fn read(
    dump: &Dump,
    nodes: &Nodes,
    watch: &dyn Watch,
) -> Result<Option<(Dominators, Types)>, Failed> {
    let Some(analysed) = dump.analysed() else {
        return Ok(None);
    };
    compare(dump, nodes, &analysed)?;
    // Somebody wants an end: only this thread may ask.
    let ended = AtomicBool::new(false);
    let (tree, types) = thread::scope(|scope| {
        let beside = thread::Builder::new()
            .name("goheap-tree".to_owned())
            .spawn_scoped(scope, || tree(dump, nodes, &analysed, &ended));
        let types = checksum(dump, &analysed, watch).and_then(|()| types(dump, &analysed, watch));
        if types.is_err() {
            ended.store(true, Ordering::Relaxed);
        }
        let tree = match beside {
            Ok(beside) => beside.join().unwrap_or_else(|_| {
                let why = "its tree of dominators cannot be read";
                Err(Unfit::Wrong(why).into())
            }),
            // No thread is to be had.
            Err(_) => tree(dump, nodes, &analysed, &ended),
        };
        (tree, types)
    });
    // What the tree says of an end is that of the types.
    let types = types?;
    Ok(Some((tree?, types)))
}

/// Compares what it says of itself with what is there.
fn compare(dump: &Dump, nodes: &Nodes, analysed: &Analysed) -> Result<(), Unfit> {
    let told = &analysed.told;
    if told.version != VERSION {
        return Err(Unfit::Version(told.version));
    }
    let (until, at) = (told.until, analysed.at);
    if until != at {
        return Err(Unfit::Place { until, at });
    }
    for (what, found, expected) in [
        ("objects", dump.object_count().into(), told.objects),
        ("nodes", nodes.len().into(), told.nodes),
    ] {
        if found != expected {
            return Err(Unfit::Count {
                what,
                found,
                expected,
            });
        }
    }
    match told.reachable <= told.nodes {
        true => Ok(()),
        false => Err(Unfit::Wrong("more nodes are reachable than there are")),
    }
}

fn checksum(dump: &Dump, analysed: &Analysed, watch: &dyn Watch) -> Result<(), Failed> {
    let before = usize::try_from(analysed.at).ok();
    let before = before.and_then(|at| dump.bytes().get(..at)).unwrap_or(&[]);
    let mut checksum = Checksum::new();
    for (piece, at) in before.chunks(STEP).zip((0..).step_by(STEP)) {
        watch.step(PHASE, at, dump.bytes().len() as u64)?;
        checksum.update(piece);
    }
    Ok(compared(&analysed.told, &checksum)?)
}

/// Shows the notes of some kinds that stand behind what says that there is an analysis; `step` is asked
/// before each block, given where that is.
fn each(
    dump: &Dump,
    analysed: &Analysed,
    wanted: &[NoteKind],
    mut step: impl FnMut(u64) -> Result<(), Failed>,
    mut take: impl FnMut(&Note<'_>) -> Result<(), Unfit>,
) -> Result<(), Failed> {
    let start = dump.records_len();
    let annex = usize::try_from(start).ok();
    let annex = annex.and_then(|at| dump.bytes().get(at..)).unwrap_or(&[]);
    let Some(mut reader) = AnnexReader::open(annex, start)? else {
        return Err(Unfit::Wrong("the annex is gone").into());
    };
    while let Some(block) = reader.next_block()? {
        step(block.offset())?;
        let kind = block.kind();
        if block.offset() < analysed.at || !kind.is_some_and(|kind| wanted.contains(&kind)) {
            continue;
        }
        let rows = block.rows()?;
        for note in rows.notes().into_iter().flatten() {
            take(&note)?;
        }
    }
    Ok(())
}

/// The tree of dominators.
fn tree(
    dump: &Dump,
    nodes: &Nodes,
    analysed: &Analysed,
    ended: &AtomicBool,
) -> Result<Dominators, Failed> {
    let wrong = Unfit::Wrong;
    // No more than there are nodes: that was compared.
    let reachable = analysed.told.reachable as usize;
    let mut order: Vec<u32> = Vec::with_capacity(reachable);
    let mut size: Vec<u32> = Vec::with_capacity(reachable);
    let step = |_| match ended.load(Ordering::Relaxed) {
        true => Err(Interrupted.into()),
        false => Ok(()),
    };
    each(dump, analysed, &[NoteKind::Dominated], step, |note| {
        let Note::Dominated(piece) = note else {
            return Ok(());
        };
        let number = || wrong("a node in its tree of dominators is no number");
        let mut numbers = Numbers::new(piece.order);
        let mut before = 0u64;
        while let Some(node) = numbers.difference(before) {
            if order.len() == reachable {
                return Err(wrong("its tree of dominators has more nodes than it says"));
            }
            order.push(u32::try_from(node).map_err(|_| number())?);
            before = node;
        }
        let mut sizes = Numbers::new(piece.subtree);
        for nodes in sizes.by_ref() {
            if size.len() == reachable {
                return Err(wrong("its tree of dominators has more nodes than it says"));
            }
            size.push(u32::try_from(nodes).map_err(|_| number())?);
        }
        match numbers.is_at_end() && sizes.is_at_end() {
            true => Ok(()),
            false => Err(number()),
        }
    })?;
    if order.len() != reachable {
        return Err(wrong("its tree of dominators has fewer nodes than it says").into());
    }
    step(0)?;
    Dominators::restored(nodes.all().0, nodes.len(), order, size)
        .ok_or_else(|| wrong("its tree of dominators is none").into())
}

/// What the objects are.
fn types(dump: &Dump, analysed: &Analysed, watch: &dyn Watch) -> Result<Types, Failed> {
    let wrong = Unfit::Wrong;
    let wanted = [
        NoteKind::Class,
        NoteKind::CapturedLength,
        NoteKind::ObjectClass,
    ];
    let total = dump.bytes().len() as u64;
    let mut stored = Stored::new(dump.object_count());
    let step = |at| Ok(watch.step(PHASE, at, total)?);
    each(dump, analysed, &wanted, step, |note| match note {
        Note::Class(class) => {
            let class = StoredClass {
                what: class.what,
                number: class.number,
                pointers: class.pointers,
            };
            let why = wrong("it has a class that cannot be");
            stored.class(dump, class).ok_or(why)
        }
        Note::CapturedLength(length) => {
            let length = StoredLength {
                function: length.function,
                offset: length.offset,
                size: length.size,
            };
            let why = wrong("it tells of a closure of no function");
            stored.length(dump, length).ok_or(why)
        }
        Note::ObjectClass(piece) => {
            let why = || wrong("an object has a class that is not there, or there are too many");
            let mut codes = Numbers::new(piece.codes);
            for code in codes.by_ref() {
                stored.code(code).ok_or_else(why)?;
            }
            codes.is_at_end().then_some(()).ok_or_else(why)
        }
        _ => Ok(()),
    })?;
    stored
        .finish(dump, analysed.told.refused)
        .ok_or_else(|| wrong("not all objects have a class").into())
}
