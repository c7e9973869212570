use std::fs;
use std::path::Path;

use super::view::{descend, mount_of};
use super::*;

/// Groups as they are told, and the mounts here.
fn view(groups: &str, mounts: &str) -> View {
    View {
        groups: groups.to_owned(),
        own: mounts.to_owned(),
        theirs: None,
        top_is_seen: true,
    }
}

fn cgroup(groups: &str, mounts: &str) -> Cgroup {
    Cgroup::from(&view(groups, mounts))
}

fn hidden(path: &str) -> Cgroup {
    Cgroup {
        path: path.to_owned(),
        hidden: true,
        ..Cgroup::default()
    }
}

/// Files of a hierarchy.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    folder
}

#[test]
fn the_tightest_of_version_2_counts() {
    let folder = tree(&[
        ("a/memory.max", "1000000\n"),
        ("a/memory.current", "900000\n"),
        ("a/memory.stat", "anon 1\ninactive_file 100000\n"),
        ("a/memory.oom.group", "1\n"),
        ("a/b/memory.max", "max\n"),
        ("a/b/memory.current", "800000\n"),
        ("a/b/pids.max", "20\n"),
        ("a/b/pids.current", "7\n"),
    ]);
    let mount = folder.path().display();
    let mounts = format!("1 2 0:1 / {mount} rw - cgroup2 cgroup2 rw\n");
    let got = cgroup("0::/a/b\n", &mounts);
    let expected = Cgroup {
        path: "/a/b".to_owned(),
        hidden: false,
        memory: Some(Limit {
            most: 1_000_000,
            used: 800_000,
        }),
        oom_group: true,
        pids: Some(Limit { most: 20, used: 7 }),
    };
    assert_eq!(got, expected);
    assert_eq!(got.pids.map(|pids| pids.left()), Some(13));
    // Outside of this namespace's part, and of what is mounted; and not mounted at all.
    assert_eq!(cgroup("0::/../x\n", &mounts), hidden("/../x"));
    let own = format!("1 2 0:1 /docker/own {mount} rw - cgroup2 cgroup2 rw\n");
    for elsewhere in ["/docker/a/b", "/docker/own-not/a/b", "/a/b"] {
        assert_eq!(
            cgroup(&format!("0::{elsewhere}\n"), &own),
            hidden(elsewhere)
        );
    }
    let below = cgroup("0::/docker/own/a/b\n", &own);
    assert_eq!((below.memory, below.pids), (got.memory, got.pids));
    assert_eq!(cgroup("0::/a/b\n", ""), hidden("/a/b"));
}

#[test]
fn version_1_with_a_mount_of_a_part() {
    let folder = tree(&[
        ("memory.limit_in_bytes", "9223372036854771712\n"),
        ("memory.usage_in_bytes", "5\n"),
        ("x/memory.limit_in_bytes", "4096000\n"),
        ("x/memory.usage_in_bytes", "4000000\n"),
        (
            "x/memory.stat",
            "inactive_file 1\ntotal_inactive_file 1000000\n",
        ),
    ]);
    let mount = folder.path().display();
    let mounts = format!("1 2 0:1 /docker {mount} rw shared:1 - cgroup cgroup rw,memory\n");
    let groups = "8:pids:/\n4:cpu,memory:/docker/x\n0::/\n";
    let got = cgroup(groups, &mounts);
    let memory = Limit {
        most: 4_096_000,
        used: 3_000_000,
    };
    assert_eq!(got.memory, Some(memory));
    let Found::Here(group) = view(groups, &mounts).find("memory") else {
        panic!("no group");
    };
    let directory = folder.path().join("x");
    let limited = |takes_all| {
        vec![Limited {
            directory: directory.clone(),
            limit: memory,
            takes_all,
        }]
    };
    assert_eq!(group.memory_limits(), limited(false));
    let control = "oom_kill_disable 1\nunder_oom 0\n";
    fs::write(directory.join("memory.oom_control"), control).expect("a file");
    assert_eq!(group.memory_limits(), limited(true));
    assert_eq!((got.pids, got.oom_group), (None, false));
    assert_eq!(got.path, "/docker/x");
}

/// Whatever this machine has, this process is in it.
#[test]
fn of_this_process() {
    let own = Cgroup::of(std::process::id());
    assert!(own.memory.is_none_or(|memory| memory.most > 0));
    assert!(own.pids.is_none_or(|pids| pids.used > 0));
}

/// The top has no limits; what a namespace shows as its top may have some.
#[test]
fn the_top_is_in_no_group() {
    assert_eq!(cgroup("0::/\n", ""), Cgroup::default());
    assert_eq!(cgroup("", ""), Cgroup::default());
    let mut inside = view("0::/\n", "");
    inside.top_is_seen = false;
    assert_eq!(Cgroup::from(&inside), hidden("/"));
}

/// What this process sees of itself in its own mounts, it sees as somebody else as well.
#[test]
fn through_the_root_of_a_process() {
    let direct = View::of(std::process::id());
    let through = View {
        groups: direct.groups.clone(),
        own: String::new(),
        theirs: Some("/proc/self".into()),
        top_is_seen: direct.top_is_seen,
    };
    for controller in ["memory", "pids"] {
        match (direct.find(controller), through.find(controller)) {
            (Found::Here(one), Found::Here(other)) => {
                assert_eq!(one.path, other.path);
                assert_eq!(one.version_2, other.version_2);
                assert_eq!(one.directories.len(), other.directories.len());
                for (one, other) in one.directories.iter().zip(&other.directories) {
                    let below = other.shown.strip_prefix("/proc/self/root").expect("below");
                    assert_eq!(one.shown, Path::new("/").join(below));
                    let (name, nothing) = ("cgroup.procs", "cgroup.nothing");
                    assert_eq!(one.read(name).is_some(), other.read(name).is_some());
                    assert_eq!(other.read(nothing), None);
                }
            }
            (one, other) => assert_eq!(format!("{one:?}"), format!("{other:?}")),
        }
    }
    let (one, other) = (Cgroup::from(&direct), Cgroup::from(&through));
    assert_eq!((one.path, one.hidden), (other.path, other.hidden));
    let most = |cgroup: Option<Limit>| cgroup.map(|limit| limit.most);
    assert_eq!(most(one.memory), most(other.memory));
    assert_eq!(most(one.pids), most(other.pids));
}

/// What lives in a container may have put anything where its groups should be.
#[test]
fn what_is_forged_is_not_believed() {
    let folder = tree(&[
        ("root/sys/a/b/memory.max", "4096\n"),
        ("root/sys/a/b/memory.current", "1024\n"),
        ("root/sys/a/memory.max", "max\n"),
        ("elsewhere/memory.max", "8192\n"),
    ]);
    let base = folder.path();
    let root = base.join("root");
    let number = mount_of(&descend(&root, Path::new("/sys")).expect("opened")).expect("a number");
    let told = |number: &str, at: &str, more: &str| {
        let line = format!("{number} 2 0:1 / {at} rw - cgroup2 cgroup2 rw\n{more}");
        fs::write(base.join("mountinfo"), line).expect("a file");
        let mut view = view("0::/a/b\n", "");
        view.theirs = Some(base.to_owned());
        Cgroup::from(&view)
    };
    let limit = Some(Limit {
        most: 4096,
        used: 1024,
    });
    // A directory on the very mount that the kernel names.
    assert_eq!(told(&number, "/sys", "").memory, limit);
    // On another one.
    assert_eq!(told("1", "/sys", ""), hidden("/a/b"));
    // Behind a program that may never answer.
    for (at, is_hidden) in [
        ("/", true),
        ("/sys", true),
        ("/sy", false),
        ("/sys/a", false),
    ] {
        let fuse = format!("9 2 0:2 / {at} rw - fuse.evil evil rw\n");
        assert_eq!(told(&number, "/sys", &fuse).hidden, is_hidden, "{at}");
    }
    // No link is followed: neither on the way, nor to a group, nor to a file of one.
    let link = |to: &str, from: &str| {
        std::os::unix::fs::symlink(base.join(to), base.join(from)).expect("a link");
    };
    link("root/sys", "root/linked");
    assert_eq!(told(&number, "/linked", ""), hidden("/a/b"));
    fs::remove_file(root.join("sys/a/b/memory.max")).expect("removed");
    link("elsewhere/memory.max", "root/sys/a/b/memory.max");
    assert_eq!(told(&number, "/sys", "").memory, None);
    fs::rename(root.join("sys/a/b"), root.join("sys/a/c")).expect("renamed");
    link("root/sys/a/c", "root/sys/a/b");
    assert_eq!(told(&number, "/sys", ""), hidden("/a/b"));
    assert!(descend(&root, Path::new("/../elsewhere")).is_none());
}

/// A pipe in the place of a file would hold whoever opens it to read.
#[test]
fn a_pipe_is_not_read() {
    let folder = tree(&[("root/sys/memory.current", "1024\n")]);
    let pipe = folder.path().join("root/sys/memory.max");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "no mkfifo");
    let at = descend(&folder.path().join("root"), Path::new("/sys")).expect("opened");
    let number = mount_of(&at).expect("a number");
    let line = format!("{number} 2 0:1 / /sys rw - cgroup2 cgroup2 rw\n");
    fs::write(folder.path().join("mountinfo"), line).expect("a file");
    let mut view = view("0::/\n", "");
    view.theirs = Some(folder.path().to_owned());
    assert_eq!(Cgroup::from(&view).memory, None);
}

#[test]
fn blanks_in_the_paths_of_mounts() {
    let folder = tree(&[
        ("a b/memory.max", "4096\n"),
        ("a b/memory.current", "1024\n"),
    ]);
    let mount = format!("{}/a\\040b", folder.path().display());
    let mounts = format!("1 2 0:1 / {mount} rw - cgroup2 cgroup2 rw\n");
    assert!(cgroup("0::/\n", &mounts).memory.is_some());
}
