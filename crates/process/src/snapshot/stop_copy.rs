//! [`Method::Stop`]: the process stands still while its memory is copied. It works wherever ptrace does,
//! and asks nothing of the process.

use super::copy::{Run, copy};
use super::image::Image;
use super::imaged::{Imaged, is_copied, pages_of};
use super::{Contents, Failed, Method, Snapshot, SnapshotOptions, Taken, Watch, room};
use crate::pages::Pagemap;
use crate::{Process, ProcessError, proc};

/// Takes a snapshot in this way.
pub(super) fn take(
    process: &Process,
    options: &SnapshotOptions,
    watch: &mut dyn Watch,
) -> Result<Snapshot, Failed> {
    let pid = process.pid();
    room::check(process, &options.directory, options.beside)?;
    let mut image = Image::new(super::unnamed(process, options)?);
    let failed = |source| proc::failed(pid, proc::path(pid, "pagemap"), source);
    let mut pagemap = Pagemap::open(pid).map_err(failed)?;
    let mut stopped = super::stop(process, options, None, watch)?;
    let areas = process.read_areas()?;
    let mut runs: Vec<Run> = Vec::new();
    for area in areas.iter().filter(|area| is_copied(area)) {
        let pages = pages_of(area, &mut pagemap);
        runs.extend(pages.map_err(|errno| failed(std::io::Error::from_raw_os_error(errno)))?);
    }
    for run in &runs {
        image.reserve(run.start, run.end);
    }
    let runs_copied =
        copy(stopped.memory(), &runs, &image).map_err(|source| ProcessError::Image {
            pid,
            directory: options.directory.clone(),
            source,
        })?;
    for run in &runs_copied {
        image.mark(run.start, run.end, true);
    }
    let copied = runs_copied.iter().map(|run| run.len()).sum();
    let holder = stopped.take_supervisor();
    let (pause, _) = stopped.let_go(holder)?;
    let taken = Taken {
        method: Method::Stop,
        passed_over: Vec::new(),
        settled: stopped.settled(),
        pause,
        total: stopped.stopped_before().saturating_add(pause),
        tries: stopped.tries(),
        rounds: 0,
        copied_in_pause: copied,
        copied,
        extra: image.bytes(),
    };
    let imaged = Imaged::new(process, image, areas, stopped.memory().clone(), None);
    let contents = Contents::Imaged(imaged);
    Ok(super::snapshot(process, &stopped, contents, taken))
}
