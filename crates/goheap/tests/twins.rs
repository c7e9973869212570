//! Quiescent twins: a Go program that holds all that the format knows stands still inside its own
//! `debug.WriteHeapDump`; goheap's dump of it has the very bytes that the runtime then writes, but
//! for `runtime.tmpbuf`, the writer's buffer, and what that does to two memstats.
//!
//! With TWINS_KEEP=FOLDER in the environment, dumps that differ are kept there.
#![cfg(target_os = "linux")]

mod support;

fn twin(version: &str, variant: &str) {
    let variant_exists = goheap_testkit::variant::named(variant)
        .expect("a variant")
        .exists_in(version);
    if variant_exists {
        support::quiescent_twin(version, variant);
    }
}

for_every_version!(
    crate::twin,
    every: [plain],
    whole: [pie, unoptimised, race, cgo, arenas, profile, one_processor, stripped, stripped_pie,
        stripped_unoptimised, stripped_unoptimised_pie, sectionless, sectionless_pie, renamed, obfuscated,
        encrypted, garbled]
);
