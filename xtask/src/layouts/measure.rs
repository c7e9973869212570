//! Layouts out of the DWARF of a program that a toolchain has built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use goheap_golang::needed;
use goheap_image::layout::{Shape, TypeLayout};
use goheap_image::{Dwarf, Executable};
use goheap_testkit::{program, toolchains};

use super::merge::changes;
use super::{All, Key, Release};

/// A struct, as far as goheap asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Layout {
    /// Bytes.
    pub(crate) size: u64,
    /// Name, offset, and type as the tables write it, by offset.
    pub(crate) members: Vec<(String, u64, String)>,
}

/// Structs by name.
pub(crate) type Layouts = BTreeMap<String, Layout>;

/// Builds the program, and reads it.
pub(super) struct Builds {
    directory: PathBuf,
    /// Go's cache of compiled packages: a big one, that nobody else has a use for.
    cache: tempfile::TempDir,
    _temporary: Option<tempfile::TempDir>,
}

impl Builds {
    pub(super) fn new(keep: Option<&Path>) -> Result<Builds> {
        let temporary = keep.is_none().then(tempfile::tempdir).transpose()?;
        let directory = keep.or(temporary.as_ref().map(|t| t.path()));
        let directory = directory.context("no directory")?.to_owned();
        fs::create_dir_all(&directory)?;
        Ok(Builds {
            directory,
            cache: tempfile::tempdir()?,
            _temporary: temporary,
        })
    }

    /// What a program has that was built so.
    pub(super) fn measure(
        &self,
        release: &str,
        machine: &str,
        experiment: Option<&str>,
    ) -> Result<Layouts> {
        let suffix = experiment
            .map(|name| format!("+{name}"))
            .unwrap_or_default();
        let executable = self.directory.join(format!("{release}-{machine}{suffix}"));
        if !executable.is_file() {
            self.build(release, machine, experiment, &executable)?;
        }
        let data = fs::read(&executable)?;
        let executable =
            Executable::parse(data).with_context(|| format!("go{release} {machine}"))?;
        let dwarf = executable.dwarf()?.context("no DWARF")?;
        collect(&dwarf)
    }

    fn build(
        &self,
        release: &str,
        machine: &str,
        experiment: Option<&str>,
        to: &Path,
    ) -> Result<()> {
        let goroot = toolchains::any_goroot(release)?;
        let status = program::go(&goroot)
            .current_dir(program::programs().join("layouts"))
            .env("GOCACHE", self.cache.path())
            .env("GOARCH", machine)
            .env("GOEXPERIMENT", experiment.unwrap_or_default())
            .env("CGO_ENABLED", "0")
            .args(["build", "-o"])
            .arg(to)
            .arg(".")
            .status()
            .context("cannot run go")?;
        if !status.success() {
            bail!("go build by go{release} for {machine}: {status}");
        }
        Ok(())
    }

    /// Makes sure that the other patch release has the layouts of this one.
    pub(super) fn check_other_end(&self, index: usize, release: &Release, all: &All) -> Result<()> {
        let key = Key {
            release: index,
            machine: "amd64",
            experiment: None,
        };
        let other = self.measure(release.other_end, "amd64", None)?;
        let changes = match all.get(&key) {
            Some(known) => changes(&other, known),
            None => vec!["it is not in the tables".to_owned()],
        };
        if !changes.is_empty() {
            bail!(
                "go{} has other layouts than go{}, so make it a release of its own in RELEASES: {}",
                release.other_end,
                release.number,
                changes.join("; ")
            );
        }
        Ok(())
    }
}

/// What is asked for in a type, by field; `[]` is any element, `*` each member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Asked(BTreeMap<&'static str, Asked>);

impl Asked {
    fn add(&mut self, path: &'static str) {
        let mut at = self;
        for part in path.split('.') {
            let (field, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
            at = at.0.entry(field).or_default();
            for _ in 0..indexes.len() / 2 {
                at = at.0.entry("[]").or_default();
            }
        }
    }

    /// Adds what `other` asks for; whether that was more.
    fn merge(&mut self, other: &Asked) -> bool {
        let mut more = false;
        for (field, asked) in &other.0 {
            more |= !self.0.contains_key(field);
            more |= self.0.entry(field).or_default().merge(asked);
        }
        more
    }
}

/// Takes what goheap asks for out of DWARF.
pub(super) fn collect(dwarf: &Dwarf<'_>) -> Result<Layouts> {
    let mut collector = Collector {
        dwarf,
        asked: BTreeMap::new(),
    };
    for (strukt, paths) in needed() {
        let mut asked = Asked::default();
        paths.iter().for_each(|path| asked.add(path));
        collector.ask(strukt, strukt, &asked);
    }
    // A struct may turn out to be asked for in others, until nothing new turns up.
    loop {
        let before = collector.asked.clone();
        let mut layouts = Layouts::new();
        for (name, (dwarf_name, asked)) in &before {
            if let Some(layout) = collector.layout(name, dwarf_name, asked)? {
                layouts.insert(name.clone(), layout);
            }
        }
        if collector.asked == before {
            return Ok(layouts);
        }
    }
}

struct Collector<'d, 'e> {
    dwarf: &'d Dwarf<'e>,
    /// By the name in the tables: the name in DWARF, and what is asked for.
    asked: BTreeMap<String, (String, Asked)>,
}

impl Collector<'_, '_> {
    fn ask(&mut self, name: &str, dwarf_name: &str, asked: &Asked) {
        let entry = self.asked.entry(name.to_owned());
        let (_, known) = entry.or_insert_with(|| (dwarf_name.to_owned(), Asked::default()));
        known.merge(asked);
    }

    fn type_layout(&self, name: &str) -> Result<Option<TypeLayout>> {
        self.dwarf
            .type_layout(name)
            .with_context(|| name.to_owned())
    }

    fn layout(&mut self, name: &str, dwarf_name: &str, asked: &Asked) -> Result<Option<Layout>> {
        let Some(layout) = self.type_layout(dwarf_name)? else {
            return Ok(None);
        };
        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        if let Shape::Struct { members: all } = &layout.shape {
            let nothing = Asked::default();
            let each = asked.0.contains_key("*");
            for member in all {
                let inside = asked.0.get(member.name.as_str());
                // The first of a name answers, as it does in the reader.
                if (inside.is_none() && !each) || !seen.insert(&member.name) {
                    continue;
                }
                let place = format!("{name}.{}", member.name);
                let ty = self.describe(&member.type_name, inside.unwrap_or(&nothing), &place)?;
                members.push((member.name.clone(), member.offset, ty));
            }
        }
        if members.iter().any(|(name, ..)| name.contains([' ', ';'])) {
            bail!("{name} has a member that the tables cannot hold");
        }
        Ok(Some(Layout {
            size: layout.size,
            members,
        }))
    }

    /// A type as the tables write it: a size, a name, `N*` for arrays.
    fn describe(&mut self, dwarf_name: &str, asked: &Asked, place: &str) -> Result<String> {
        let layout = self
            .type_layout(dwarf_name)?
            .with_context(|| dwarf_name.to_owned())?;
        match &layout.shape {
            Shape::Array { element, count } => {
                let inside = asked.0.get("[]").cloned().unwrap_or_default();
                let place = format!("{place}[]");
                let element = self.describe(element, &inside, &place)?;
                Ok(format!("{count}*{element}"))
            }
            Shape::Struct { .. } if !asked.0.is_empty() => {
                // A struct without a name is called by its place.
                let name = match dwarf_name.starts_with("struct {") {
                    true => place,
                    false => dwarf_name,
                };
                if name.contains(['*', ';']) || name.contains(" in ") {
                    bail!("the tables cannot hold a type called {name}");
                }
                self.ask(name, dwarf_name, asked);
                Ok(name.to_owned())
            }
            _ => Ok(layout.size.to_string()),
        }
    }
}
