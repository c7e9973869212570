//! Groups of goroutines in words, which page and text share.

use std::time::Duration;

use goheap_analysis::answers::goroutines::{Clock, GoroutineGroup, Goroutines};

use crate::units;

/// How many frames of a stack are shown.
pub(super) const FRAMES: usize = 12;

/// How many there are, and how many of these are leaked.
pub(super) fn summary(goroutines: &Goroutines) -> String {
    let leaks = &goroutines.leaks;
    let mut said = format!(
        "{}, {} of the runtime itself, with {} of stacks; ",
        units::counted(goroutines.count, "goroutine"),
        units::count(goroutines.system),
        units::bytes(goroutines.stack_bytes),
    );
    match (leaks.unknown, leaks.leaked.len() as u64) {
        (Some(why), _) => {
            said.push_str("which wait for ever cannot be told: ");
            said.push_str(why);
        }
        (None, 0) => said.push_str("none waits for what nobody else can reach"),
        (None, 1) => said.push_str("1 is leaked: it waits for what nobody else can reach"),
        (None, n) => {
            said.push_str(&units::count(n));
            said.push_str(" are leaked: they wait for what nobody else can reach");
        }
    }
    said
}

/// For how long the goroutines of a group have waited; empty if that is not known.
pub(super) fn waited(group: &GoroutineGroup, clock: Clock) -> String {
    // The youngest has waited for nothing at all, by its own clock.
    let Some(waited) = group.waited.filter(|waited| waited.longest > 0) else {
        return String::new();
    };
    let at_least = match clock {
        Clock::Youngest(_) => "at least ",
        _ => "",
    };
    let longest = units::duration(Duration::from_nanos(waited.longest));
    format!("{at_least}{longest}")
}

/// What a group waits for: its wait reason, or that it does not.
pub(super) fn state(group: &GoroutineGroup) -> &str {
    match group.wait_reason.as_str() {
        "" => "does not wait",
        reason => reason,
    }
}
