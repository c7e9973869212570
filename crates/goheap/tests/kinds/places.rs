//! Files that are gone, were replaced, or are in another mount namespace; processes in another pid
//! namespace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program, core, host};

use super::{GO, Said, copy, folder, holds, library, lives, program};

const OBJECTS: &str = "4000";
const SMALL: u64 = 3_000;

#[test]
fn an_executable_that_is_gone_or_another_by_now() {
    let folder = folder();
    let linked = program(GO, "linked", &BuildOptions::default());
    let other = program("1.27.3", "linked", &BuildOptions::default());
    let executable = copy(&linked.executable, folder.path(), "linked");
    let copied = Program {
        executable: executable.clone(),
        ..linked.clone()
    };
    let mut running = Obedient::start(&copied, &[OBJECTS]).expect("a program");
    let pid = running.pid().to_string();
    let core = core::of(running.pid(), folder.path()).expect("a core");
    let core = core.to_str().expect("UTF-8");

    fs::remove_file(&executable).expect("the executable to go");
    holds(&pid, &[], "main.small", SMALL);
    Said::of(["info", core]).refused(&["cannot open the executable", "linked", "--exe"]);
    copy(&other.executable, folder.path(), "linked");
    holds(&pid, &[], "main.small", SMALL);
    Said::of(["info", core]).refused(&["another build", "linked", "--exe"]);
    for source in [&pid, core] {
        let given =
            |exe: &Path| [source.as_ref(), "--exe".as_ref(), exe.as_os_str()].map(|a| a.to_owned());
        let wrong = given(&executable);
        Said::of([&["info".into()], &wrong[..]].concat()).refused(&["another build", "linked"]);
        let exe = linked.executable.to_str().expect("UTF-8");
        holds(source, &["--exe", exe], "main.small", SMALL);
    }
    lives(&mut running);
}

#[test]
fn a_library_that_is_gone_or_another_by_now() {
    let folder = folder();
    let file = library(GO).executable;
    let copied = copy(&file, folder.path(), "carried.so");
    let mut running = host::start(&[(&copied, 2_000)]).expect("a host");
    let pid = running.pid().to_string();
    for replaced in [false, true] {
        fs::remove_file(&copied).expect("the library to go");
        if replaced {
            copy(&library("1.27.3").executable, folder.path(), "carried.so");
        } else {
            fs::write(&copied, "no library at all").expect("a file");
        }
        let exe = file.to_str().expect("UTF-8");
        holds(&pid, &["--exe", exe], "main.link", 2_000);
        // Only some may open what has no name any more (proc(5): map_files).
        let info = Said::of(["info", &pid]);
        match may_open_mapped_files() {
            true => {
                holds(&pid, &[], "main.link", 2_000);
            }
            false => info.refused(&["carried.so", "cannot be opened any more", "--exe"]),
        }
    }
    lives(&mut running);
}

/// Whether this process may open what another has mapped.
fn may_open_mapped_files() -> bool {
    let entries = fs::read_dir("/proc/self/map_files").expect("proc");
    let mut entries = entries.filter_map(Result::ok);
    entries
        .next()
        .is_some_and(|entry| fs::File::open(entry.path()).is_ok())
}

/// A process whose executable and libraries lie where only it can see them, and whose threads have
/// other numbers there.
#[test]
fn in_a_container() {
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
        .expect("a folder for all");
    let hidden = folder.path().join("hidden");
    fs::create_dir(&hidden).expect("a folder");
    let unshare = |script: &str, files: [&Path; 2], argument: &str| {
        // What is mounted there is seen inside alone.
        let script = format!(
            "mount -t tmpfs none {0} && cp \"$1\" {0}/program && cp \"$2\" {0}/library && \
             mount -t proc proc /proc && {script}",
            hidden.display()
        );
        let sh = Program {
            name: "unshare".to_owned(),
            version: "(namespaces)",
            executable: "/usr/bin/unshare".into(),
            goroot: "/".into(),
        };
        let files = files.map(|file| file.to_str().expect("UTF-8"));
        let arguments = [
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            &script,
            "sh",
            files[0],
            files[1],
            argument,
        ];
        Obedient::start(&sh, &arguments)
    };
    let may = Command::new("/usr/bin/unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "true",
        ])
        .status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("namespaces are not to be had here");
        return;
    }
    let linked = program(GO, "linked", &BuildOptions::default()).executable;
    let library = library(GO).executable;
    let inner = hidden.display();

    let run = format!("exec {inner}/program \"$3\"");
    let outer = unshare(&run, [&linked, &library], OBJECTS).expect("a program");
    let pid = inside(outer.pid()).to_string();
    holds(&pid, &[], "main.small", SMALL);

    let run = format!("exec {inner}/program {inner}/library \"$3\"");
    let host = host::host().expect("a host");
    let outer = unshare(&run, [&host, &library], "2000").expect("a host");
    let pid = inside(outer.pid()).to_string();
    holds(&pid, &[], "main.link", 2_000);
    assert!(super::file_of(&pid, &[]).ends_with("hidden/library"));
}

/// The only child of a process.
fn inside(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).expect("its children");
    text.trim().parse().expect("one child")
}
