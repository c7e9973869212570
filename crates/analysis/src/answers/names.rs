//! What nodes are called.

use crate::Analysis;

/// What a group of goroutines is called, and what it waits for: the function that is nearest to where
/// it stands and is none of the runtime's.
pub(super) fn group_name(analysis: &Analysis, group: u32) -> (String, String) {
    let dump = &analysis.dump;
    let goroutine = analysis
        .nodes
        .groups()
        .get(group as usize)
        .and_then(|group| group.goroutines.first())
        .and_then(|goroutine| dump.goroutines().get(*goroutine as usize));
    let Some(goroutine) = goroutine else {
        return (String::new(), String::new());
    };
    let frames = dump.frames().get(goroutine.frames.clone()).unwrap_or(&[]);
    let own = frames
        .iter()
        .find(|frame| !is_of_runtime(&frame.function))
        .or(frames.first());
    let name = match own {
        Some(frame) => format!("goroutines in {}", &*frame.function),
        None => "goroutines without frames".to_owned(),
    };
    (name, goroutine.wait_reason.to_string())
}

/// Whether a function is one that every goroutine passes through that waits.
pub(super) fn is_of_runtime(function: &str) -> bool {
    const PREFIXES: [&str; 6] = [
        "runtime.",
        "internal/poll.",
        "internal/runtime/",
        "sync.",
        "internal/sync.",
        "syscall.",
    ];
    PREFIXES.iter().any(|prefix| function.starts_with(prefix))
}

/// How types are known, in words: bytes of each kind.
pub(super) fn in_words(sure: u64, guessed: u64, unknown: u64) -> String {
    let all = sure.saturating_add(guessed).saturating_add(unknown);
    if all == 0 {
        return String::new();
    }
    let percent = |n: u64| (100.0 * n as f64 / all as f64).round() as u64;
    if unknown == all {
        "unknown".to_owned()
    } else if guessed == all {
        "a guess".to_owned()
    } else if sure == all {
        "sure".to_owned()
    } else if guessed > 0 {
        format!("{} % a guess", percent(guessed).max(1))
    } else {
        format!("{} % unknown", percent(unknown).max(1))
    }
}
