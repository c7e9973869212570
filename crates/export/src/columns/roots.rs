//! The table `roots`.

use std::io::Write;

use goheap_analysis::paths::EdgeNames;
use goheap_analysis::{Analysis, NodeKind, Root, RootKind, Watch, package_of};

use super::sheet::{Cell, Sheet, address, maybe, number, text};
use super::{ColumnsError, STEP};

pub(super) fn rows<W: Write + Send>(
    analysis: &Analysis,
    sheet: &mut Sheet<W>,
    watch: &dyn Watch,
) -> Result<(), ColumnsError> {
    let dump = &analysis.dump;
    let names: EdgeNames<'_, ()> = EdgeNames::new(analysis, |_| ());
    let total = dump.roots().len() as u64;
    for (root, index) in dump.roots().iter().zip(0u32..) {
        watch.step("writing roots", index.into(), total)?;
        let own = Own::of(analysis, root, index);
        let mut written = Ok(());
        let mut edges = 0u64;
        names.each_of_root(index, |edge| {
            edges += 1;
            if written.is_ok() && edges.is_multiple_of(STEP) {
                written = watch
                    .step("writing roots", index.into(), total)
                    .map_err(ColumnsError::from);
            }
            if written.is_ok() {
                written = sheet.row([
                    number(index.into()),
                    own.kind.clone(),
                    own.name.clone(),
                    own.package.clone(),
                    own.ty.clone(),
                    own.goroutine.clone(),
                    maybe((edge.at != 0).then_some(edge.at), address),
                    maybe((edge.of != 0).then_some(edge.of), address),
                    address(dump.address(edge.to)),
                    number(edge.to_offset),
                    text(&edge.path),
                    own.retained.clone(),
                ]);
            }
        });
        written?;
    }
    Ok(())
}

/// What is the same in all rows of a root.
struct Own {
    kind: Cell,
    name: Cell,
    package: Cell,
    ty: Cell,
    goroutine: Cell,
    retained: Cell,
}

impl Own {
    fn of(analysis: &Analysis, root: &Root, index: u32) -> Own {
        let dump = &analysis.dump;
        let goroutine = match root.kind {
            RootKind::Frame(frame) => dump.frames().get(frame as usize).map(|f| f.goroutine),
            RootKind::Goroutine(goroutine) | RootKind::Thread(goroutine) => Some(goroutine),
            _ => None,
        };
        let goroutine = goroutine.and_then(|index| dump.goroutines().get(index as usize));
        let is_function = matches!(root.kind, RootKind::Frame(_));
        let variable = match root.kind {
            RootKind::Global(variable) => dump.catalogue().variables.get(variable as usize),
            _ => None,
        };
        let package = (is_function || variable.is_some()).then(|| package_of(&root.name));
        let ty = variable.and_then(|variable| dump.catalogue().get(variable.ty?));
        Own {
            kind: text(kind_of(root.kind)),
            name: text(&root.name),
            package: maybe(package, text),
            ty: maybe(ty, |ty| text(&ty.name)),
            goroutine: maybe(goroutine, |goroutine| number(goroutine.id)),
            retained: number(analysis.retained_by(NodeKind::Root(index))),
        }
    }
}

/// What a root is.
pub(super) fn kind_of(kind: RootKind) -> &'static str {
    match kind {
        RootKind::Global(_) => "variable",
        RootKind::Segment(_) => "data",
        RootKind::Frame(_) => "frame",
        RootKind::Goroutine(_) => "deferred",
        RootKind::Finalizers => "finalizers",
        RootKind::QueuedFinalizers => "queued finalizers",
        RootKind::Cleanups => "cleanups",
        RootKind::WeakHandles => "weak handles",
        RootKind::TinyBlocks => "tiny blocks",
        RootKind::Thread(_) => "thread",
        RootKind::Other => "other",
    }
}
