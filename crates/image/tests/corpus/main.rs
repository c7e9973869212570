//! The corpora of the fuzz targets of this crate, as plain tests: whatever is in a file, nothing
//! panics or runs long, and what is read holds together.

mod executable;
mod function_table;

use std::path::PathBuf;

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus is in the repository")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
        .collect();
    files.sort();
    files
}

#[test]
fn function_tables() {
    let mut tables = 0;
    for (path, bytes) in corpus("pclntab") {
        println!("{}", path.display());
        tables += usize::from(function_table::check(&bytes));
    }
    assert!(tables >= 10, "only {tables} tables");
}

#[test]
fn executables() {
    let mut with_types = 0;
    for (path, bytes) in corpus("executable") {
        println!("{}", path.display());
        with_types += usize::from(executable::check(&bytes));
    }
    assert!(with_types >= 4, "only {with_types} with types");
}
