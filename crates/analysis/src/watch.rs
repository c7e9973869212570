//! Who is told how far the work is, and who may end it.

/// Is told how far long work is, and says whether it shall end.
pub trait Watch {
    /// Says that `done` of `total` of a phase is done. The units are the phase's own.
    fn at(&self, phase: &'static str, done: u64, total: u64);

    /// Whether somebody wants this to end.
    fn interrupted(&self) -> bool;

    /// Both at once, for loops that ask now and then.
    ///
    /// # Errors
    /// [`Interrupted`] if it shall end.
    fn step(&self, phase: &'static str, done: u64, total: u64) -> Result<(), Interrupted> {
        self.at(phase, done, total);
        if self.interrupted() {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }
}

/// Nobody looks, and nobody ends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWatch;

impl Watch for NoWatch {
    fn at(&self, _: &'static str, _: u64, _: u64) {}

    fn interrupted(&self) -> bool {
        false
    }
}

/// Somebody wanted the work to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;
