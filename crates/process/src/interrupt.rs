//! Ctrl-C and its kin, noticed between two steps of the work.
//!
//! While a process is held, the default action of SIGINT would end this one in the middle. The
//! kernel would set the target free then, unharmed; but output would be left half-written. So the
//! first signal is only remembered: the work asks [`requested`] at each step, and unwinds. A second
//! signal acts at once.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static REQUESTED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Remembers SIGINT, SIGTERM and SIGHUP from now on, instead of being ended by the first of them.
/// Calls after the first do nothing.
///
/// # Errors
/// If the operating system refuses the handlers.
pub fn install() -> io::Result<()> {
    let mut first = false;
    let requested = REQUESTED.get_or_init(|| {
        first = true;
        Arc::default()
    });
    if !first {
        return Ok(());
    }
    // Actions run in the order of registration: the first signal of any kind finds it unset.
    let armed = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&armed))?;
        signal_hook::flag::register(signal, Arc::clone(&armed))?;
        let number = usize::try_from(signal).unwrap_or_default();
        signal_hook::flag::register_usize(signal, Arc::clone(requested), number)?;
    }
    Ok(())
}

/// The signal that asked this process to end, if one came since [`install`].
pub fn requested() -> Option<i32> {
    let number = REQUESTED.get()?.load(Ordering::Relaxed);
    i32::try_from(number).ok().filter(|&number| number != 0)
}
