//! What nodes are called.

use crate::Analysis;
use crate::nodes::package_of;

/// What a group of goroutines is called, and what it waits for: the function that is nearest to where
/// it stands and is none of Go's own packages, else the one that it began with.
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
    let named = || frames.iter().filter(|frame| frame.entry != 0);
    let own = named()
        .find(|frame| !is_of_runtime(&frame.function))
        .or_else(|| named().rfind(|frame| &*frame.function != "runtime.goexit"));
    let name = match own {
        Some(frame) => frame.function.to_string(),
        None => "no function".to_owned(),
    };
    (name, goroutine.wait_reason.to_string())
}

/// Whether a function is one of Go's own packages: the first part of the path of any other but `main`
/// has a dot, as far as it was fetched from somewhere; and one that only the runtime starts.
pub(super) fn is_of_runtime(function: &str) -> bool {
    let package = package_of(function);
    package.is_empty() || is_gos(package)
}

/// Whether a package is one of Go's own.
pub(super) fn is_gos(package: &str) -> bool {
    let first = package.split('/').next().unwrap_or_default();
    const GO: [&str; 46] = [
        "archive",
        "bufio",
        "bytes",
        "compress",
        "container",
        "context",
        "crypto",
        "database",
        "debug",
        "embed",
        "encoding",
        "errors",
        "expvar",
        "fmt",
        "go",
        "hash",
        "html",
        "image",
        "index",
        "internal",
        "io",
        "iter",
        "log",
        "maps",
        "math",
        "mime",
        "net",
        "os",
        "path",
        "plugin",
        "reflect",
        "regexp",
        "runtime",
        "slices",
        "sort",
        "strconv",
        "strings",
        "sync",
        "syscall",
        "testing",
        "text",
        "time",
        "unicode",
        "unique",
        "vendor",
        "weak",
    ];
    GO.contains(&first)
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
