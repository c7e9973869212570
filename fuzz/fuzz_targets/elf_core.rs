//! Any bytes at all as a core file: see `goheap_memory`'s `tests/corpus.rs`, which checks the same.

#![no_main]

#[path = "../../crates/memory/tests/check/mod.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check::check_core(data);
});
