//! Processes and files that cannot be dumped, each with its own reason and what to do about it.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use goheap_testkit::altered::Alteration;
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program, build, variant};

use crate::doctor::go_program_for;
use crate::live::{GO, wait_until};
use crate::{Said, command, file, folder, goheap, names, recorded};

/// A process that ends with the test.
struct Ends(Child);

impl Ends {
    /// Starts it, and waits until it bears its own name: for a moment behind exec it has the one of
    /// the thread that started it.
    fn start(command: &mut Command) -> Ends {
        let ends = Ends(
            command
                .stdin(Stdio::null())
                .spawn()
                .expect("a program to run"),
        );
        let program = Path::new(command.get_program())
            .file_name()
            .unwrap()
            .to_owned();
        let comm = format!("/proc/{}/comm", ends.0.id());
        wait_until("exec", || {
            fs::read_to_string(&comm).is_ok_and(|name| name.trim_end() == program)
        });
        ends
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn dump(source: &str) -> Said {
    let folder = folder();
    let output = folder.path().join("x.heapdump");
    let said = goheap(["dump", source, "--exact", "-o", output.to_str().unwrap()]);
    assert_eq!(names(folder.path()), [""; 0], "nothing is left behind");
    said
}

#[test]
fn no_such_process() {
    for pid in ["0", "4194305", "99999999999999999999"] {
        dump(pid).refused(&[&format!("no process {pid}")]);
        goheap(["info", pid]).refused(&[&format!("no process {pid}")]);
    }
}

#[test]
fn a_process_cannot_talk_to_the_terminal_by_its_name() {
    let folder = folder();
    let program = folder.path().join("red\x1b[31m");
    symlink("/bin/sleep", &program).unwrap();
    let mut ended = Ends::start(Command::new(&program).arg0("sleep").arg("60"));
    ended.0.kill().unwrap();
    let status = format!("/proc/{}/status", ended.pid());
    wait_until("its end", || {
        fs::read_to_string(&status).is_ok_and(|status| status.contains("State:\tZ"))
    });
    dump(&ended.pid()).refused(&["(red\\u{1b}[31m) has ended"]);
}

#[test]
fn not_go() {
    let sleep = Ends::start(Command::new("sleep").arg("100"));
    dump(&sleep.pid()).refused(&[&sleep.pid(), "sleep", "not a Go program"]);
}

/// Without inlining the runtime's functions are others, and are known; those of the race detector that
/// are not inlined either are not.
#[test]
fn stripped_go_that_is_not_optimised() {
    let start = |race| {
        let options = BuildOptions {
            gcflags: Some("-N -l"),
            ldflags: Some("-s -w"),
            race,
            ..BuildOptions::default()
        };
        let program = build(GO, "linked", &options).unwrap();
        Obedient::start(&program, &["1000"]).unwrap()
    };
    goheap(["info", &start(false).pid().to_string()]).done();
    dump(&start(true).pid().to_string()).refused(&["linked", "cannot be told", "--exe"]);
}

/// Where the runtime's variables are is told by functions, and where they have lost their names, these are
/// recognised by their code, if it is as known toolchains compile it.
#[test]
fn stripped_go_with_obfuscated_names() {
    let renamed = |gcflags| {
        let options = BuildOptions {
            gcflags,
            ldflags: Some("-s -w"),
            ..BuildOptions::default()
        };
        let program = build(GO, "linked", &options).unwrap();
        let executable = Alteration::AllRenamed.copy_of(&program.executable).unwrap();
        let renamed = Program {
            executable,
            ..program.clone()
        };
        (Obedient::start(&renamed, &["1000"]).unwrap(), program)
    };
    let (running, program) = renamed(None);
    let pid = running.pid().to_string();
    goheap(["info", &pid]).done();
    // The file from before that has the same build id.
    goheap(["info", &pid, "--exe", program.executable.to_str().unwrap()]).done();
    let (running, _) = renamed(Some("-N -l"));
    dump(&running.pid().to_string()).refused(&[
        "linked",
        "names of its functions are obfuscated",
        "--exe",
    ]);
}

/// garble encrypts the function table, and hides the version, which readers of a dump go by: it is told by
/// code, and a mended dump has it.
#[test]
fn garbled_go() {
    let garbled = variant::named("garbled").unwrap();
    let program = garbled.program(GO, "linked").unwrap();
    let running = Obedient::start(&program, &["1000"]).unwrap();
    let pid = running.pid().to_string();
    let info = goheap(["info", &pid]).done();
    let said = String::from_utf8_lossy(&info.out);
    let minor = GO.rsplit_once('.').unwrap().0;
    let version = said.lines().find(|line| line.contains("Go version"));
    assert!(
        version.is_some_and(|line| line.ends_with(&format!("go{minor}"))),
        "{said}"
    );
    let top = goheap(["top", &pid]).done();
    let said = String::from_utf8_lossy(&top.out);
    assert!(said.contains("reachable"), "{said}");
}

/// What a symbol table tells is asked as well. With DWARF a wrong answer is a gap, for a dump may be right
/// without it; without, it might as well be the layouts that are wrong.
#[test]
fn a_symbol_table_that_is_wrong() {
    let start = |ldflags, is_altered| {
        let options = BuildOptions {
            ldflags,
            ..BuildOptions::default()
        };
        let mut program = build(GO, "linked", &options).unwrap();
        if is_altered {
            let altered = Alteration::SymbolsSwapped.copy_of(&program.executable);
            program.executable = altered.unwrap();
        }
        Obedient::start(&program, &["1000"]).unwrap()
    };
    for is_altered in [false, true] {
        let running = start(None, is_altered);
        let said = goheap(["info", &running.pid().to_string()]).done();
        let said = String::from_utf8_lossy(&said.out);
        let told = said.contains("the runtime's variables") && said.contains("not at m0");
        assert_eq!(told, is_altered, "{said}");
    }
    let running = start(Some("-w"), true);
    let said = goheap(["info", &running.pid().to_string()]);
    said.refused(&["linked", "not at runtime.m0", "--exe"]);
}

#[test]
fn another_build_as_exe() {
    let program = build(GO, "linked", &BuildOptions::default()).unwrap();
    let other = BuildOptions {
        gcflags: Some("-N -l"),
        ..BuildOptions::default()
    };
    let other = build(GO, "linked", &other).unwrap();
    let running = Obedient::start(&program, &["1000"]).unwrap();
    let pid = running.pid().to_string();
    goheap(["info", &pid, "--exe", other.executable.to_str().unwrap()]).refused(&[
        "another build",
        "linked",
        &pid,
    ]);
    goheap(["info", &pid, "--exe", "/no/such/file"]).refused(&["cannot open /no/such/file"]);
    goheap(["info", &pid, "--exe", program.executable.to_str().unwrap()]).done();
}

#[test]
fn thirty_two_bits() {
    let folder = folder();
    let source = "package main\nimport \"time\"\nfunc main() { time.Sleep(time.Hour) }\n";
    let program = go_program_for("386", &folder, "small", source);
    let running = Ends::start(&mut Command::new(&program));
    let pid = running.pid();
    goheap(["info", &pid, "--method", "fork"]).refused(&[&pid, "small", "32-bit"]);
    goheap(["info", &pid]).done();
}

#[test]
fn another_users_process() {
    let victim = Ends::start(Command::new("sleep").arg("100"));
    let is_root = fs::metadata("/proc/self").map(|data| std::os::unix::fs::MetadataExt::uid(&data));
    if is_root.unwrap() != 0 {
        // Then process 1 is somebody else's, if it can be seen at all.
        dump("1").refused(&["1"]);
        return;
    }
    // A copy that user 65534 may run, wherever the build folder is.
    let folder = folder();
    let copy = folder.path().join("goheap");
    fs::copy(env!("CARGO_BIN_EXE_goheap"), &copy).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(&copy)
        .args(["info", &victim.pid()])
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    Said::of(output).refused(&[&victim.pid(), "sleep", "user 0", "CAP_SYS_PTRACE"]);
}

#[test]
fn destinations_that_cannot_be() {
    let folder = folder();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    symlink("elsewhere", path("link")).unwrap();
    fs::create_dir(path("directory")).unwrap();
    let program = build(GO, "linked", &BuildOptions::default()).unwrap();
    let running = Obedient::start(&program, &["1000"]).unwrap();
    let pid = running.pid().to_string();
    for (output, words) in [
        (path("link"), &["link", "symbolic link"][..]),
        (path("directory"), &["directory"]),
        (path("missing/x.heapdump"), &["missing", "no such file"]),
        (
            PathBuf::from("/dev/full"),
            &["/dev/full", "byte 0", "no space left"],
        ),
        (path(".."), &["not the name of a file"]),
        (path("x.heapdump.gz"), &["x.heapdump.gz", "zstd", ".zst"]),
    ] {
        let said = goheap(["dump", &pid, "--exact", "-o", output.to_str().unwrap()]);
        said.refused(words);
    }
    assert_eq!(
        names(folder.path()),
        ["directory", "link"],
        "nothing came to be"
    );

    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let said = command(["dump", &pid, "--exact", "-o", "-"])
        .stdout(full)
        .output()
        .unwrap();
    Said::of(said).refused(&["standard output", "no space left"]);
}

#[test]
fn cores_that_are_none() {
    let folder = folder();
    let head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0";
    let core = file(&folder, "core", head);
    let core = core.to_str().unwrap();
    dump(core).refused(&["core: ", "cut off"]);
    goheap(["info", core]).refused(&["core: ", "cut off"]);
    let mut bits32 = head.to_vec();
    bits32[4] = 1;
    let core = file(&folder, "core32", &bits32);
    dump(core.to_str().unwrap()).refused(&["core32: ", "cut off"]);
    // Long enough for the ELF header, and of a SPARC.
    let mut sparc = head.to_vec();
    sparc[18] = 43;
    sparc.resize(64, 0);
    let core = file(&folder, "sparc", &sparc);
    dump(core.to_str().unwrap()).refused(&["sparc: ", "sparc64", "does not know"]);
    let program = Path::new(env!("CARGO_BIN_EXE_goheap")).to_str().unwrap();
    dump(program).refused(&["executable, not a core"]);
    dump(recorded().to_str().unwrap()).refused(&["dump already"]);
}
