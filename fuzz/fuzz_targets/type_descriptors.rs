//! Any bytes at all as type descriptors and maps: see `goheap_golang`'s `tests/corpus.rs`, which
//! runs the same code on the corpus.

#![no_main]

#[path = "../../crates/golang/tests/support/any_memory.rs"]
mod any_memory;
#[path = "../../crates/golang/tests/support/fixed_layouts.rs"]
mod fixed_layouts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| any_memory::read_all(data));
