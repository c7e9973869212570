//! Entry twins: a Go program that allocates and collects flat out is stopped where its
//! `debug.WriteHeapDump` begins, with caches not flushed and most spans not swept; goheap's dump of
//! it tells what the runtime's dump tells, once that has flushed and swept.
#![cfg(target_os = "linux")]

mod support;

use goheap_testkit::entry::Entry;
use goheap_testkit::symbols::Symbols;

fn twin(version: &str, variant: &str) {
    let (program, variant) = support::program(version, variant, "churn");
    let symbols = Symbols::of(&program).expect("symbols");
    let folder = tempfile::tempdir().expect("a folder");
    let entry =
        Entry::start(&program, variant.environment, folder.path()).expect("a program at the entry");
    let load_bias = entry.load_bias();
    let goheap = support::goheap_dump(&entry.pid().to_string(), None);
    let runtime = entry.finish().expect("the runtime's dump");
    let mut allowed = support::allowed(&symbols, load_bias);
    // Between the entry and the segments' records the runtime flushes, sweeps and writes, and so
    // changes its own globals: mheap_, work, typecache, buf and others. All that is not the
    // runtime's is compared, and so are the pointers everywhere.
    allowed.ignored = symbols
        .with_prefix("runtime.")
        .map(|s| (s.address.wrapping_add(load_bias), s.size))
        .collect();
    let differ = support::differences(&runtime, &goheap, &allowed, &symbols, load_bias);
    let name = format!("entry-{version}-{}", variant.name);
    support::assert_equal(&name, &runtime, &goheap, &differ);
}

for_every_version!(crate::twin, every: [plain], whole: [pie, unoptimised, race]);
