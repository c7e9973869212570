//! Core twins: of a program that stands still, goheap's dump of a core has the same bytes as its
//! dump of the process, and as the runtime's own dump but for what differs there.
#![cfg(target_os = "linux")]

mod support;

use goheap_testkit::quiescent::Quiescent;

fn twin(version: &str, variant: &str) {
    let (program, variant) = support::program(version, variant, "everything");
    let symbols = variant.symbols(&program).expect("symbols");
    let folder = tempfile::tempdir().expect("a folder");
    let twin = Quiescent::start(&program, variant.environment).expect("a program at a standstill");
    let load_bias = twin.load_bias(&symbols).expect("its load bias");
    let live = support::goheap_dump(&twin.pid().to_string(), None, &[]);
    let core = goheap_testkit::core::of(twin.pid(), folder.path()).expect("a core");
    assert!(
        twin.stands_still().expect("the program"),
        "taking the core moved the program"
    );
    let runtime = twin.finish().expect("the runtime's dump");

    let source = core.to_str().expect("a path in UTF-8");
    let of_core = support::goheap_dump(source, Some(&program.executable), &[]);
    let name = format!("core-{version}-{}", variant.name);
    let allowed = support::allowed(&symbols, load_bias);
    let differ = support::differences(&runtime, &of_core, &allowed, &symbols, load_bias);
    support::assert_equal(&name, &runtime, &of_core, &differ);
    assert!(
        live == of_core,
        "{name}: the core's dump is not the process's"
    );
}

for_every_version!(crate::twin, every: [plain], whole: [pie, cgo, stripped, sectionless_pie]);
