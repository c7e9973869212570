//! Any bytes at all as an executable, with its symbols and its DWARF: see `goheap_image`'s
//! `tests/corpus`, which checks the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/image/tests/corpus/executable.rs"]
mod executable;
#[path = "../../crates/image/tests/corpus/function_table.rs"]
mod function_table;

fuzz_target!(|data: &[u8]| {
    executable::check(data);
});
