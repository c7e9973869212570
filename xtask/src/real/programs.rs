//! The programs of others as they run: etcd under a load, and the Go compiler, started again
//! whenever it has ended.

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program, build, others};

use super::random_up_to;

/// How long etcd may take to begin, or to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program at work.
pub(crate) enum Subject {
    /// etcd and its load; the load first, so that it ends first.
    Etcd { load: Obedient, etcd: Killed },
    /// The compiler, and what it is told.
    Compile {
        compiler: Program,
        arguments: Vec<OsString>,
        folder: PathBuf,
        running: Option<Killed>,
    },
}

/// A child process that is killed when it is dropped.
pub(crate) struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Subject {
    /// Builds it, `stripped` or not, and starts it. What it writes is in `folder`.
    pub(crate) fn start(
        name: &str,
        version: &str,
        stripped: bool,
        keys: u64,
        folder: &Path,
    ) -> Result<Subject> {
        match name {
            "etcd" => etcd(version, stripped, keys, folder),
            "compile" => {
                let compiler = others::compiler(version, stripped)?;
                let arguments = others::compiler_arguments(&compiler, folder)?;
                Ok(Subject::Compile {
                    compiler,
                    arguments,
                    folder: folder.to_owned(),
                    running: None,
                })
            }
            _ => bail!("no program is called {name}"),
        }
    }

    /// The process, at a random moment of its work.
    pub(crate) fn at_work(&mut self) -> Result<u32> {
        match self {
            Subject::Etcd { etcd, .. } => {
                std::thread::sleep(random_up_to(Duration::from_millis(500)));
                Ok(etcd.0.id())
            }
            Subject::Compile {
                compiler,
                arguments,
                folder,
                running,
            } => loop {
                let child = match running {
                    Some(child) => child,
                    None => {
                        let said = folder.join("compile.log");
                        let said = File::create(&said).context("compile.log")?;
                        let child = Command::new(&compiler.executable)
                            .args(&*arguments)
                            .env("GOROOT", &compiler.goroot)
                            .stdin(Stdio::null())
                            .stdout(said.try_clone()?)
                            .stderr(said)
                            .spawn()
                            .context("the compiler")?;
                        std::thread::sleep(Duration::from_millis(20));
                        running.insert(Killed(child))
                    }
                };
                std::thread::sleep(random_up_to(Duration::from_secs(2)));
                match child.0.try_wait()? {
                    None => return Ok(child.0.id()),
                    Some(status) => {
                        let said = std::fs::read_to_string(folder.join("compile.log"))?;
                        ensure!(status.success(), "the compiler: {status}: {said}");
                        *running = None;
                    }
                }
            },
        }
    }

    /// Whether it has come to its end, which a compiler may at any time.
    pub(crate) fn has_ended(&mut self) -> bool {
        match self {
            Subject::Compile {
                running: Some(child),
                ..
            } => !matches!(child.0.try_wait(), Ok(None)),
            _ => false,
        }
    }

    /// Makes sure that what was captured goes on.
    pub(crate) fn still_answers(&mut self) -> Result<()> {
        match self {
            Subject::Etcd { load, etcd } => {
                ensure!(
                    matches!(etcd.0.try_wait(), Ok(None)),
                    "etcd has ended after a capture"
                );
                // Its load ends by itself if a request of it keeps failing.
                ensure!(!load.has_ended(), "etcd's load: {}", load.said());
                Ok(())
            }
            // How it ended is seen when it has.
            Subject::Compile { .. } => Ok(()),
        }
    }
}

fn etcd(version: &str, stripped: bool, keys: u64, folder: &Path) -> Result<Subject> {
    let program = others::etcd(version, stripped)?;
    let load = build(version, "etcd_load", &BuildOptions::default())?;
    let url = |port| format!("http://127.0.0.1:{port}");
    let (clients, peers) = (url(free_port()?), url(free_port()?));
    let log = folder.join("etcd.log");
    let said = File::create(&log).with_context(|| log.display().to_string())?;
    let child = Command::new(&program.executable)
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(["--listen-client-urls", &clients])
        .args(["--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers])
        .args(["--quota-backend-bytes", "8589934592"])
        // What is kept of old revisions would grow without end.
        .args(["--auto-compaction-mode", "revision"])
        .args(["--auto-compaction-retention", "10000"])
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()
        .context("etcd")?;
    let etcd = Killed(child);
    let deadline = Instant::now() + PATIENCE;
    let ready = "ready to serve client requests";
    while !std::fs::read_to_string(&log)?.contains(ready) {
        ensure!(
            Instant::now() < deadline,
            "etcd does not begin; it said: {}",
            std::fs::read_to_string(&log)?
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let load = Obedient::start(&load, &[&clients, &keys.to_string()])?;
    Ok(Subject::Etcd { load, etcd })
}

/// A port on loopback that nobody listens at.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
