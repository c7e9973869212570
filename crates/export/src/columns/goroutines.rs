//! The tables `goroutines` and `frames`.

use std::collections::HashMap;
use std::io::Write;

use goheap_analysis::answers::goroutines::{Clock, Stacks, creator};
use goheap_analysis::answers::held::Held;
use goheap_analysis::answers::leaked::Leaks;
use goheap_analysis::{Analysis, NodeKind, RootKind, Watch, package_of};

use super::sheet::{Cell, Sheet, address, maybe, number, text};
use super::text::Texts;
use super::{About, ColumnsError, STEP};

pub(super) fn rows<W: Write + Send>(
    analysis: &Analysis,
    about: &About<'_>,
    held: &Held,
    sheet: &mut Sheet<W>,
    watch: &dyn Watch,
) -> Result<(), ColumnsError> {
    let (dump, nodes) = (&analysis.dump, &analysis.nodes);
    let leaks = Leaks::of(dump, nodes, watch)?;
    let clock = Clock::of(dump);
    let waited_by = match clock {
        Clock::Capture(_) => "capture",
        Clock::Youngest(_) => "youngest",
        Clock::None => "none",
    };
    let stacks = Stacks::of(dump);
    let mut functions = Texts::new(nodes.groups().len());
    let total = dump.goroutines().len() as u64;
    for (goroutine, index) in dump.goroutines().iter().zip(0u32..) {
        if u64::from(index).is_multiple_of(STEP) {
            watch.step("writing goroutines", index.into(), total)?;
        }
        let leaked = match leaks.unknown.is_some() || leaks.undecided.binary_search(&index).is_ok()
        {
            true => Cell::Null,
            false => Cell::Bool(leaks.is_leaked(index)),
        };
        // Each goroutine is in a group.
        let group = held.group_of(index).unwrap_or(0);
        let function = functions.get(group as usize, || {
            held.name(analysis, nodes.id(NodeKind::Group(group)))
        });
        let reason = Some(&*goroutine.wait_reason).filter(|reason| !reason.is_empty());
        sheet.row([
            number(goroutine.id),
            address(goroutine.address),
            text(&(about.state)(goroutine.status)),
            maybe(reason, text),
            maybe(clock.waited(goroutine), number),
            text(waited_by),
            Cell::Bool(goroutine.system),
            leaked,
            number(group.into()),
            Cell::Text(function),
            maybe(creator(dump, goroutine), text),
            number(goroutine.frames.len() as u64),
            number(stacks.bytes(dump, goroutine)),
            number(analysis.retained_by(NodeKind::Goroutine(index))),
            number(analysis.retained_by(NodeKind::Group(group))),
        ])?;
    }
    Ok(())
}

pub(super) fn frames<W: Write + Send>(
    analysis: &Analysis,
    sheet: &mut Sheet<W>,
    watch: &dyn Watch,
) -> Result<(), ColumnsError> {
    let dump = &analysis.dump;
    let roots: HashMap<u32, u32> = dump
        .roots()
        .iter()
        .zip(0u32..)
        .filter_map(|(root, index)| match root.kind {
            RootKind::Frame(frame) => Some((frame, index)),
            _ => None,
        })
        .collect();
    let total = dump.frames().len() as u64;
    for (frame, index) in dump.frames().iter().zip(0u32..) {
        if u64::from(index).is_multiple_of(STEP) {
            watch.step("writing frames", index.into(), total)?;
        }
        let Some(goroutine) = dump.goroutines().get(frame.goroutine as usize) else {
            continue;
        };
        let depth = (index as usize).saturating_sub(goroutine.frames.start);
        let root = roots.get(&index).copied();
        let retained = root.map_or(0, |root| analysis.retained_by(NodeKind::Root(root)));
        sheet.row([
            number(goroutine.id),
            number(depth as u64),
            text(&frame.function),
            text(package_of(&frame.function)),
            address(frame.entry),
            address(frame.pc),
            address(frame.sp),
            number(frame.len),
            maybe(root, |root| number(root.into())),
            number(retained),
        ])?;
    }
    Ok(())
}
