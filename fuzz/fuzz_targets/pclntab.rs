//! Any bytes at all as a function table: see `goheap_image`'s `tests/corpus.rs`, which checks the
//! same.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/image/tests/corpus/function_table.rs"]
mod function_table;

fuzz_target!(|data: &[u8]| {
    function_table::check(data);
});
