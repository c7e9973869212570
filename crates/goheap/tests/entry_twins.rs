//! Entry twins: a Go program that allocates and collects flat out is stopped where its
//! `debug.WriteHeapDump` begins, with caches not flushed and most spans not swept; goheap's dump of
//! it tells what the runtime's dump tells, once that has flushed and swept.
#![cfg(target_os = "linux")]

mod support;

use goheap_testkit::entry::Entry;
use goheap_testkit::second_reader;
use goheap_testkit::symbols::Symbols;
use goheap_testkit::twin::Allowed;

fn twin(version: &str, variant: &str) {
    let (program, variant) = support::program(version, variant, "churn");
    let symbols = Symbols::of(&program).expect("symbols");
    let folder = tempfile::tempdir().expect("a folder");
    let entry =
        Entry::start(&program, variant.environment, folder.path()).expect("a program at the entry");
    let load_bias = entry.load_bias();
    let goheap = support::goheap_dump(&entry.pid().to_string(), None, &[]);
    let runtime = entry.finish().expect("the runtime's dump");
    let read = second_reader::read(&runtime).expect("a dump");
    let allowed = Allowed::at_entry(&read, &runtime, &symbols, load_bias);
    let differ = support::differences(&runtime, &goheap, &allowed, &symbols, load_bias);
    let name = format!("entry-{version}-{}", variant.name);
    support::assert_equal(&name, &runtime, &goheap, &differ);
}

for_every_version!(crate::twin, every: [plain], whole: [pie, unoptimised, race]);
