use super::*;

#[test]
fn files_are_mapped_whole() {
    let directory = tempfile::tempdir().unwrap();
    for contents in [&b""[..], b"x", &[7; 10000]] {
        let path = directory.path().join("file");
        std::fs::write(&path, contents).unwrap();
        assert_eq!(*map_file(&path).unwrap(), *contents);
    }
    assert_eq!(
        map_file(directory.path()).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}
