//! The corpus of the fuzz target `elf_core`, run as a plain test.

mod check;

use std::path::PathBuf;

#[test]
fn every_file_of_the_corpus_holds() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/elf_core");
    let (mut files, mut cores) = (0, 0);
    for entry in std::fs::read_dir(&directory).expect("the corpus") {
        let path = entry.expect("a file").path();
        let data = std::fs::read(&path).expect("a readable file");
        // Named so that a failure tells which.
        eprintln!("{}", path.display());
        cores += usize::from(check::check_core(&data));
        files += 1;
    }
    assert!(
        files >= 8 && cores >= 4,
        "{files} files, {cores} of them cores"
    );
}
