//! Files are whole or not there, their owner's alone, and never behind a link.
#![cfg(unix)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;

use common::every_kind;
use goheap_format::output::{Durability, OutputError, OutputFile, OutputFolder};
use goheap_format::{Object, Record, WriteError, Writer};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn it_appears_whole_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.heapdump");
    for durability in [Durability::Visible, Durability::Durable] {
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        // Under its temporary name it is private already.
        let temporary = names(dir.path()).remove(0);
        assert!(temporary.starts_with(".app.heapdump."), "{temporary}");
        let mode = |name: &str| {
            dir.path()
                .join(name)
                .metadata()
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode(&temporary) & 0o777, 0o600);
        file.write_all(b" and half").unwrap();
        file.commit(durability).unwrap();
        assert_eq!(names(dir.path()), ["app.heapdump"]);
        assert_eq!(mode("app.heapdump") & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"half and half");
    }
}

#[test]
fn what_fails_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.heapdump");
    fs::write(&path, "the old one").unwrap();
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"the new one, but not all").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"the old one");
    drop(file);
    assert_eq!(names(dir.path()), ["app.heapdump"]);
    assert_eq!(fs::read(&path).unwrap(), b"the old one");
}

#[test]
fn links_and_what_is_no_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target");
    let link = dir.path().join("link");
    symlink(&target, &link).unwrap();
    let error = OutputFile::create(&link).unwrap_err();
    assert!(matches!(error, OutputError::Symlink(_)), "{error}");
    fs::write(&target, "precious").unwrap();
    assert!(matches!(
        OutputFile::create(&link),
        Err(OutputError::Symlink(_))
    ));
    assert_eq!(fs::read(&target).unwrap(), b"precious");

    let error = OutputFile::create(dir.path()).unwrap_err().to_string();
    assert!(error.contains("is a directory, not a file"), "{error}");
    assert!(matches!(
        OutputFile::create("/"),
        Err(OutputError::NoName(_))
    ));
    let missing = OutputFile::create(dir.path().join("no/such/dir")).unwrap_err();
    assert!(matches!(missing, OutputError::Create { .. }), "{missing}");
    let under_a_file = OutputFile::create(target.join("x")).unwrap_err();
    assert!(
        matches!(under_a_file, OutputError::Look { .. }),
        "{under_a_file}"
    );
    assert_eq!(names(dir.path()), ["link", "target"]);
}

#[test]
fn a_link_that_comes_later_is_replaced_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target");
    let path = dir.path().join("app.heapdump");
    fs::write(&target, "precious").unwrap();
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"dump").unwrap();
    symlink(&target, &path).unwrap();
    file.commit(Durability::Visible).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert!(path.symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read(&path).unwrap(), b"dump");
}

#[test]
fn devices_are_written_to_as_they_are() {
    let mut null = OutputFile::create("/dev/null").unwrap();
    null.write_all(b"gone").unwrap();
    null.commit(Durability::Durable).unwrap();
    let kind = fs::metadata("/dev/null").unwrap().file_type();
    assert!(kind.is_char_device());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let mut writer = Writer::new(OutputFile::create("/dev/full").unwrap());
    for record in every_kind() {
        writer.write(&record).unwrap();
    }
    let error = writer.finish().unwrap_err();
    assert!(
        matches!(error, WriteError::Sink { offset: 0, .. }),
        "{error}"
    );

    // And in the middle of a record that does not go through the buffer.
    let mut writer = Writer::new(OutputFile::create("/dev/full").unwrap());
    let error = writer
        .write(&Record::Object(Object {
            address: 8,
            contents: &[0; 1 << 20],
            fields: goheap_format::Fields::NONE,
        }))
        .unwrap_err();
    assert!(matches!(error, WriteError::Sink { .. }), "{error}");
}

fn filled(folder: &OutputFolder, names: &[&str]) {
    for name in names {
        folder
            .file(name)
            .unwrap()
            .write_all(name.as_bytes())
            .unwrap();
    }
}

#[test]
fn a_folder_appears_whole_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fleet/capture=1");
    let folder = OutputFolder::create(&path, false).unwrap();
    filled(&folder, &["a", "b"]);
    assert!(!path.exists());
    assert_eq!(names(&dir.path().join("fleet")).len(), 1);
    folder.commit().unwrap();
    assert_eq!(names(&dir.path().join("fleet")), ["capture=1"]);
    assert_eq!(names(&path), ["a", "b"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("a"))), (0o700, 0o600));
    // An empty one is as good as none.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let folder = OutputFolder::create(&empty, false).unwrap();
    filled(&folder, &["a"]);
    folder.commit().unwrap();
    assert_eq!(names(&empty), ["a"]);
}

#[test]
fn a_folder_that_fails_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OutputFolder::create(dir.path().join("out"), false).unwrap();
    filled(&folder, &["a"]);
    drop(folder);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_folder_with_files_is_refused_unless_they_are_to_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a"), "the old one").unwrap();
    fs::write(path.join("own"), "not ours").unwrap();
    let refused = OutputFolder::create(&path, false).unwrap_err();
    assert!(matches!(refused, OutputError::NotEmpty(_)), "{refused}");
    let folder = OutputFolder::create(&path, true).unwrap();
    filled(&folder, &["a", "b"]);
    assert_eq!(fs::read(path.join("a")).unwrap(), b"the old one");
    folder.commit().unwrap();
    assert_eq!(names(dir.path()), ["out"]);
    assert_eq!(names(&path), ["a", "b", "own"]);
    assert_eq!(fs::read(path.join("a")).unwrap(), b"a");
}

#[test]
fn a_folder_stands_where_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    symlink(dir.path(), dir.path().join("link")).unwrap();
    let create = |name: &str| OutputFolder::create(dir.path().join(name), true).unwrap_err();
    assert!(matches!(create("file"), OutputError::NotAFolder(_)));
    assert!(matches!(create("link"), OutputError::Symlink(_)));
    assert!(matches!(create(".."), OutputError::NoName(_)));
    // A folder in a file.
    assert!(matches!(
        create("file/out"),
        OutputError::Look { .. } | OutputError::Create { .. }
    ));
    assert_eq!(names(dir.path()), ["file", "link"]);
}
