//! The program `truth` and what it tells of itself: each object's address and type, who holds it and
//! by what path, what it wastes, which of its goroutines are stuck.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::obedient::Obedient;
use crate::{BuildOptions, Error, Program, Result, build};

/// How the type of an object is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// One value of the type.
    Value,
    /// The array of a slice; the type is that of its elements.
    Backing,
    /// The bytes of a string.
    String,
    /// The head of a map.
    Map,
    /// The head of a channel, with its buffer if that has no pointers.
    Chan,
    /// A closure; the type is the name of its function.
    Closure,
    /// In a block of the tiny allocator, with others.
    Tiny,
    /// An array that only a pointer to an element leads to; as `Backing`.
    Interior,
    /// Nothing tells its type: an unsafe pointer leads to it, or nothing at all.
    Raw,
    /// A value that only a `sync.Pool` has, as an interface.
    Pooled,
    /// A value that only a cleanup has as its argument: a closure of a generic function tells of it.
    Cleanup,
}

/// An object.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where it is; a malloc header may lie before it in the same slot.
    pub address: u64,
    /// Its type, by [`shape`](Self::shape).
    pub ty: String,
    /// How that is meant.
    pub shape: Shape,
    /// Elements in it, or bytes of a string.
    pub len: u64,
    /// Elements that there is room for.
    pub capacity: u64,
    /// The ways of writing its path; `[?]` stands for any key. Empty if no path is certain.
    pub paths: Vec<String>,
    /// What its path begins with; empty if that is not certain either.
    pub begins: String,
    /// The root without which it would not be reachable; empty if there are several.
    pub only: String,
    /// Whether anything holds it.
    pub held: bool,
}

impl Told {
    /// Whether a path, as [`plain`] has it, is one of those that it was told to have.
    pub fn is_at(&self, path: &str) -> bool {
        match self.paths.as_slice() {
            [] => path.starts_with(&self.begins),
            paths => paths.iter().any(|pattern| matches(path, pattern)),
        }
    }

    /// Whether a class of objects of that name is what it was told to be: `[]T` or `[8]T` for an
    /// array of T, `func f` for a closure of f.
    pub fn is_of(&self, class: &str) -> bool {
        match self.shape {
            Shape::Value | Shape::Map | Shape::Chan | Shape::Raw => match self.ty.as_str() {
                "string" => class == "string (header)",
                ty if ty.starts_with("[]") => class.strip_suffix(" (header)") == Some(ty),
                // Which lies about it since go1.23 (time/sleep.go: newTimer).
                "time.Timer" => class == "time.Timer" || class == "runtime.timeTimer",
                ty => class == ty,
            },
            Shape::Pooled | Shape::Cleanup => class == self.ty,
            Shape::Interior if self.ty == "string" => class == "string",
            Shape::Backing | Shape::Interior => {
                let elem = class
                    .strip_prefix('[')
                    .and_then(|rest| rest.split_once(']'))
                    .filter(|(count, _)| count.bytes().all(|b| b.is_ascii_digit()));
                elem.is_some_and(|(_, elem)| elem == self.ty)
                    // A slice of one element is a pointer to it, as far as can be seen.
                    || self.capacity == 1 && class == self.ty
            }
            Shape::String => class == "string",
            Shape::Closure => class.strip_prefix("func ") == Some(&self.ty),
            Shape::Tiny => class == "tiny objects",
        }
    }

    /// Whether anything was told of its path.
    pub fn has_path(&self) -> bool {
        !self.paths.is_empty() || !self.begins.is_empty()
    }
}

/// What is wasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waste {
    /// `slice`, `pin`, `duplicate`, `map`, `chan`, `pool`, `finalizer` or `cleanup`.
    pub kind: String,
    /// The path that leads to it; a duplicate's text; the type of what is kept.
    pub path: String,
    /// How many objects.
    pub count: u64,
    /// How many bytes at least.
    pub bytes: u64,
}

/// Goroutines of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The function that they were started with.
    pub function: String,
    /// How many.
    pub count: u64,
    /// Whether they are blocked on what nobody else can reach.
    pub leaked: bool,
}

/// All that the program has told.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Its objects, as they were told.
    pub objects: Vec<Told>,
    /// Roots, and whether all that each holds alone was told (or only some of it).
    pub retained: BTreeMap<String, bool>,
    /// Its goroutines but for its first and the one that takes orders.
    pub groups: Vec<Group>,
    /// What it wastes.
    pub waste: Vec<Waste>,
}

impl Truth {
    /// Reads what the program has written.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is not what the program writes; a file without an
    /// end.
    pub fn read(path: &Path) -> Result<Truth> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let mut truth = Truth::default();
        let mut ended = false;
        for line in text.lines() {
            let told = serde_json::from_str(line)
                .ok()
                .and_then(|value| truth.line(&value));
            match told {
                Some(end) => ended |= end,
                None => {
                    let (path, text) = (path.to_owned(), line.to_owned());
                    return Err(Error::Proc { path, text });
                }
            }
        }
        if ended {
            return Ok(truth);
        }
        Err(Error::Incomplete {
            what: path.display().to_string(),
            missing: "end".into(),
        })
    }

    /// Takes in a line; whether it is the last.
    fn line(&mut self, value: &Value) -> Option<bool> {
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let int = |name: &str| value[name].as_u64();
        match value["is"].as_str()? {
            "object" => self.objects.push(Told {
                address: u64::from_str_radix(value["at"].as_str()?, 16).ok()?,
                ty: text("type")?,
                shape: shape(value["shape"].as_str()?)?,
                len: int("len")?,
                capacity: int("cap")?,
                paths: strings(&value["paths"])?,
                begins: text("begins")?,
                only: text("only")?,
                held: value["held"].as_bool()?,
            }),
            "retained" => {
                self.retained
                    .insert(text("root")?, value["whole"].as_bool()?);
            }
            "goroutines" => self.groups.push(Group {
                function: text("function")?,
                count: int("count")?,
                leaked: value["leaked"].as_bool()?,
            }),
            "waste" => self.waste.push(Waste {
                kind: text("kind")?,
                path: text("path")?,
                count: int("count")?,
                bytes: int("bytes")?,
            }),
            "end" => return Some(true),
            _ => return None,
        }
        Some(false)
    }

    /// Addresses of the objects of each type that are told as single values.
    pub fn values(&self) -> BTreeMap<&str, BTreeSet<u64>> {
        let mut values: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for told in &self.objects {
            if told.shape == Shape::Value {
                values.entry(&told.ty).or_default().insert(told.address);
            }
        }
        values
    }

    /// What a root holds alone, as far as it was told.
    pub fn only(&self, root: &str) -> impl Iterator<Item = &Told> {
        self.objects.iter().filter(move |told| told.only == root)
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|v| Some(v.as_str()?.to_owned()))
        .collect()
}

fn shape(name: &str) -> Option<Shape> {
    Some(match name {
        "value" => Shape::Value,
        "backing" => Shape::Backing,
        "string" => Shape::String,
        "map" => Shape::Map,
        "chan" => Shape::Chan,
        "closure" => Shape::Closure,
        "tiny" => Shape::Tiny,
        "interior" => Shape::Interior,
        "raw" => Shape::Raw,
        "pooled" => Shape::Pooled,
        "cleanup" => Shape::Cleanup,
        _ => return None,
    })
}

/// A path with its repeated steps written out (`(.Next × 4)`; up to a thousand).
fn written_out(path: &str) -> String {
    let repeated = |at: usize| {
        let (steps, rest) = path[at..].strip_prefix('(')?.split_once(" × ")?;
        let (count, rest) = rest.split_once(')')?;
        let count: usize = count.parse().ok().filter(|count| *count <= 1000)?;
        let is_step = steps.starts_with('.') && !steps.contains(['"', ' ']);
        is_step.then(|| (steps.repeat(count), path.len() - rest.len()))
    };
    let mut out = String::new();
    let mut at = 0;
    while let Some(c) = path[at..].chars().next() {
        match repeated(at) {
            Some((steps, end)) => {
                out.push_str(&steps);
                at = end;
            }
            None => {
                out.push(c);
                at += c.len_utf8();
            }
        }
    }
    out
}

/// A path without what says how it goes on: type assertions (`.(*main.item)`) and stars
/// (`(*main.pp).User`); with steps that are repeated written out.
pub fn plain(path: &str) -> String {
    let path = written_out(path);
    let mut out = String::new();
    // What each open bracket is: left out, or a part of a name.
    let mut open = Vec::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = path.as_str();
    while let Some(c) = rest.chars().next() {
        let hidden = open.contains(&'.');
        let mut taken = c.len_utf8();
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '.' if rest.starts_with(".(") => {
                open.push('.');
                taken = 2;
            }
            '(' if rest.starts_with("(*") => {
                open.push('*');
                taken = 2;
            }
            '(' => open.push('('),
            ')' => match open.pop() {
                Some('(') | None => {}
                Some(_) => {
                    rest = &rest[1..];
                    continue;
                }
            },
            _ => {}
        }
        if !hidden && taken == c.len_utf8() {
            out.push(c);
        }
        rest = &rest[taken..];
    }
    out
}

/// Whether a path is what a pattern says: equal, but for what stands in the brackets of a `[?]`.
pub fn matches(path: &str, pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once("[?]") else {
        return path == pattern;
    };
    let Some(rest) = path.strip_prefix(before) else {
        return false;
    };
    if !rest.starts_with('[') {
        return false;
    }
    // Brackets nest, and a quoted key may have any in it.
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    for (i, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' if !quoted => depth += 1,
            b']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return matches(&rest[i + 1..], after);
                }
            }
            _ => {}
        }
    }
    false
}

/// The program `truth`, running, and what it has told.
#[derive(Debug)]
pub struct Honest {
    /// The process; it stands still until it gets orders.
    pub running: Obedient,
    /// What it runs.
    pub program: Program,
    /// What it has told.
    pub truth: Truth,
}

impl Honest {
    /// Builds and starts it.
    ///
    /// # Errors
    /// A program that cannot be built, does not get ready, or tells what cannot be read.
    pub fn start(version: &str, options: &BuildOptions) -> Result<Honest> {
        Honest::start_in(version, options, &[])
    }

    /// The same with more in its environment.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_in(
        version: &str,
        options: &BuildOptions,
        environment: &[(&str, &str)],
    ) -> Result<Honest> {
        Honest::of(build(version, "truth", options)?, environment)
    }

    /// The same of the program as it was built already.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn of(program: Program, environment: &[(&str, &str)]) -> Result<Honest> {
        let folder = tempfile::tempdir().map_err(Error::io("create", &std::env::temp_dir()))?;
        let path = folder.path().join("truth");
        let name = path.to_string_lossy().into_owned();
        let mut all = vec![("TRUTH_FILE", name.as_str())];
        all.extend_from_slice(environment);
        let running = Obedient::start_in(&program, &[], &all)?;
        let truth = Truth::read(&path)?;
        Ok(Honest {
            running,
            program,
            truth,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, plain};

    #[test]
    fn a_plain_path_has_fields_and_keys_alone() {
        for (path, wanted) in [
            ("main.a.(*main.item).Next", "main.a.Next"),
            ("(*main.doubly[3]).Ref", "main.doubly[3].Ref"),
            (
                "main.m[\".(x)\"].(func main.(*T).f-fm).it",
                "main.m[\".(x)\"].it",
            ),
            ("main.chain(.Next × 3).ID", "main.chain.Next.Next.Next.ID"),
            ("main.queue(buffer)[3]", "main.queue(buffer)[3]"),
            (
                "main.ctx.(*context.valueCtx).val.(*main.item)",
                "main.ctx.val",
            ),
        ] {
            assert_eq!(plain(path), wanted);
        }
    }

    #[test]
    fn any_key_is_a_key_with_its_brackets() {
        assert!(matches("main.m[\"a]b\"].x", "main.m[?].x"));
        assert!(matches("main.m[{A:1 B:[1 2]}].x", "main.m[?].x"));
        assert!(matches("main.m[1][2]", "main.m[?][?]"));
        assert!(!matches("main.m[1].y", "main.m[?].x"));
        assert!(!matches("main.m.x", "main.m[?].x"));
        assert!(!matches("main.m[1", "main.m[?]"));
        assert!(!matches("main.m[1]", "main.m[1].x"));
    }
}
