//! Processes that cannot be captured, each with its own error.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use goheap_memory::{Addr, Machine, Target as _};
use goheap_process::{Denied, Process, ProcessError, StopOptions};

use crate::target::{Target, command_of, eventually, status};

fn refusal(pid: u32) -> ProcessError {
    Process::find(pid).expect_err("a refusal")
}

#[test]
fn a_number_without_process() {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let pid = child.id();
    assert!(matches!(refusal(pid), ProcessError::NoSuchProcess { pid: p } if p == pid));
    assert_eq!(
        refusal(pid).to_string(),
        format!("there is no process {pid}")
    );
    assert!(matches!(refusal(0), ProcessError::NoSuchProcess { pid: 0 }));
    assert!(matches!(
        refusal(u32::MAX),
        ProcessError::NoSuchProcess { .. }
    ));
}

#[test]
fn itself() {
    let own = Process::find(std::process::id()).unwrap();
    let error = own.stop(&StopOptions::default()).expect_err("a refusal");
    assert!(matches!(error, ProcessError::Itself { .. }), "{error}");
}

#[test]
fn a_zombie() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    let path = format!("/proc/{pid}/status");
    eventually("it ends", || status(&path, "State").starts_with('Z'));
    assert!(matches!(refusal(pid), ProcessError::Zombie { .. }));
    child.wait().unwrap();
}

#[test]
fn a_kernel_thread() {
    // kthreadd, unless this is a pid namespace of its own.
    let is_kthreadd = fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n");
    if !is_kthreadd {
        eprintln!("SKIPPED a_kernel_thread: no kernel threads can be seen here");
        return;
    }
    assert!(matches!(refusal(2), ProcessError::KernelThread { .. }));
}

#[test]
fn a_thread_is_told_from_its_process() {
    let target = Target::start("counter");
    let tasks = fs::read_dir(format!("/proc/{}/task", target.pid())).unwrap();
    let tids = tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap());
    let tid: u32 = tids.max().unwrap();
    let error = refusal(tid);
    assert!(
        matches!(error, ProcessError::IsThread { pid, .. } if pid == target.pid()),
        "{error}"
    );
}

#[test]
fn a_process_that_is_traced_already() {
    let target = Target::start("counter");
    let untraced = target.find();
    let holder = Target::start(&format!("holder {}", target.pid()));
    let stopping = untraced
        .stop(&StopOptions::default())
        .expect_err("a refusal");
    for error in [refusal(target.pid()), stopping] {
        let ProcessError::AlreadyTraced { tracer, .. } = error else {
            panic!("{error}");
        };
        // It is not the holder itself that traces, but its supervisor.
        let parent = status(&format!("/proc/{tracer}/status"), "PPid");
        assert_eq!(parent, holder.pid().to_string());
    }
}

#[test]
fn a_process_of_another_user() {
    let error =
        match fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)) {
            // As root: let somebody else try.
            Ok(0) => {
                let target = Target::start("counter");
                let directory = tempfile::tempdir().unwrap();
                let binary = directory.path().join("tests");
                fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
                for path in [directory.path(), &binary] {
                    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
                }
                let mut command = command_of(&binary, &format!("holder {}", target.pid()));
                let output = command
                    .uid(65534)
                    .gid(65534)
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
            // Else process 1 is somebody else's.
            _ => refusal(1).to_string(),
        };
    assert!(
        error.contains("not permitted to look into process"),
        "{error}"
    );
    assert!(error.contains("CAP_SYS_PTRACE"), "{error}");
    assert!(
        error.contains("belongs to user 0, and this is user"),
        "{error}"
    );
}

#[test]
fn denials_say_what_to_do() {
    let yama = |scope| Denied::Yama { scope }.to_string();
    assert!(yama(1).contains("ptrace_scope is 1; run with CAP_SYS_PTRACE"));
    assert!(yama(3).contains("until the next boot"));
}

#[test]
fn a_32_bit_program() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pause32");
    fs::write(&path, pause32()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut child = match Command::new(&path).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("SKIPPED a_32_bit_program: this kernel does not run such: {error}");
            return;
        }
    };
    eventually("it waits", || {
        status(&format!("/proc/{}/status", child.id()), "State").starts_with('S')
    });
    let process = Process::find(child.id()).expect("a process");
    let entry = process.auxv().iter().find(|(kind, _)| *kind == 9);
    let stopped = process.stop(&StopOptions::default()).expect("it stops");
    let registers = stopped.threads()[0].registers.clone();
    let machine = stopped.machine();
    drop(stopped);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((process.machine(), machine), (Machine::X86, Machine::X86));
    assert_eq!(entry, Some(&(9, 0x0804_8054)));
    // It waits in its second instruction, for call 29.
    assert_eq!(registers.pc, Addr::new(0x0804_8054 + 7));
    assert_eq!(registers.get("orig_eax"), Some(29));
    assert!(registers.sp > Addr::new(0x1000) && registers.sp < Addr::new(1 << 32));
}

/// The smallest 32-bit ELF executable that waits for ever: one segment, two instructions.
fn pause32() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    // mov eax, 29 (pause); int 0x80; jmp back
    let code = [0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7];
    let size = 84 + code.len() as u32;
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |elf: &mut Vec<u8>, values: &[u16]| {
        elf.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    };
    let words = |elf: &mut Vec<u8>, values: &[u32]| {
        elf.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    };
    halves(&mut elf, &[2, 3]);
    words(&mut elf, &[1, BASE + 84, 52, 0, 0]);
    halves(&mut elf, &[52, 32, 1, 0, 0, 0]);
    words(&mut elf, &[1, 0, BASE, BASE, size, size, 5, 0x1000]);
    elf.extend(code);
    elf
}

#[test]
fn an_executable_that_was_deleted_is_still_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deleted");
    fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
    let target = Target::spawn(&mut command_of(&path, "counter"));
    fs::remove_file(&path).unwrap();
    let process = target.find();
    assert_eq!(process.executable(), Some(path.as_path()));
    let mapped = process.map_executable().unwrap();
    assert_eq!(*mapped, fs::read(std::env::current_exe().unwrap()).unwrap());
}

#[test]
fn a_process_that_executes_another_program_is_not_the_same() {
    let mut child = Command::new("sh")
        .args(["-c", "read line; exec sleep 60"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let process = Process::find(child.id()).unwrap();
    drop(child.stdin.take());
    let name = format!("/proc/{}/comm", child.id());
    eventually("it executes", || {
        fs::read_to_string(&name).is_ok_and(|name| name == "sleep\n")
    });
    let error = process
        .stop(&StopOptions::default())
        .expect_err("a refusal");
    assert!(matches!(error, ProcessError::Changed { .. }), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
}
