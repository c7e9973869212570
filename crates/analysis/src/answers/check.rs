//! Limits for what is in a heap, and whether they hold.

use std::fmt;

use super::goroutines::{GoroutineOptions, Goroutines};
use super::top::Heap;
use super::unknown::{Unknown, stored_apart, tiny};
use crate::types::What;
use crate::{Analysis, Interrupted, Watch};

/// What has a limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// How many objects of a type are reachable, by its name.
    Type(String),
    /// The same, their bytes.
    TypeBytes(String),
    /// Bytes of what a variable, or all variables of a package, or an object at an address, retain.
    Retained(String),
    /// How many goroutines there are, the runtime's own left out.
    Goroutines,
    /// How many of these wait for ever.
    LeakedGoroutines,
    /// Bytes of all objects that are reachable.
    Heap,
    /// How many of these there are.
    Objects,
    /// Bytes of all that is not reachable, and not collected yet.
    Garbage,
}

impl Subject {
    /// Whether its limit is a number of bytes.
    pub fn is_bytes(&self) -> bool {
        matches!(
            self,
            Subject::TypeBytes(_) | Subject::Retained(_) | Subject::Heap | Subject::Garbage
        )
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Type(name) => write!(f, "type:{name}"),
            Subject::TypeBytes(name) => write!(f, "bytes:{name}"),
            Subject::Retained(name) => write!(f, "retained:{name}"),
            Subject::Goroutines => f.write_str("goroutines"),
            Subject::LeakedGoroutines => f.write_str("leaked-goroutines"),
            Subject::Heap => f.write_str("heap"),
            Subject::Objects => f.write_str("objects"),
            Subject::Garbage => f.write_str("garbage"),
        }
    }
}

/// A limit: the most that is allowed, that included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub subject: Subject,
    /// The most.
    pub most: u64,
}

/// What came of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The limit.
    pub limit: Limit,
    /// What there is.
    pub found: u64,
    /// More about what there is: which goroutines are leaked.
    pub about: Vec<String>,
    /// Of a limit for a type: reachable objects of unknown type. `found` may be too few by these.
    pub unknown: Unknown,
}

impl Outcome {
    /// Whether the limit holds.
    pub fn holds(&self) -> bool {
        self.found <= self.limit.most
    }
}

/// Why a limit makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The program has no such type.
    #[error("the program has no type {name}{}", suggestion(.like))]
    NoType {
        /// The name that was given.
        name: String,
        /// One that is like it.
        like: Option<String>,
    },
    /// Nothing is known of types.
    #[error(
        "nothing is known of the program's types, so type {name} cannot be looked for; give the executable with --exe"
    )]
    NoTypes {
        /// The name that was given.
        name: String,
    },
    /// Values of the type are no objects of their own.
    #[error(
        "values of type {name} ({size} B, no pointers) lie several to a block, so they cannot be counted"
    )]
    Tiny {
        /// The name that was given.
        name: String,
        /// Bytes of a value.
        size: u64,
    },
    /// There is no such variable or package.
    #[error("the program has no variable or package {name}{}", suggestion(.like))]
    NoHolder {
        /// The name that was given.
        name: String,
        /// One that is like it.
        like: Option<String>,
    },
    /// The dump is cut off before its roots end.
    #[error(
        "where roots are is not in this dump, for it is cut off or damaged: what is reachable cannot be told, so no limit can be checked"
    )]
    NoRoots,
    /// It cannot be told which goroutines wait for ever.
    #[error("which goroutines wait for ever cannot be told: {why}")]
    NoLeaks {
        /// Why.
        why: &'static str,
    },
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn suggestion(like: &Option<String>) -> String {
    match like {
        Some(like) => format!("; there is {like}"),
        None => String::new(),
    }
}

/// Looks whether limits hold.
///
/// # Errors
/// One of them makes no sense: a type that is not in the program would hold its limit for ever.
pub fn check(
    analysis: &Analysis,
    limits: &[Limit],
    watch: &dyn Watch,
) -> Result<Vec<Outcome>, CheckError> {
    if analysis.dump.roots_are_missing() {
        return Err(CheckError::NoRoots);
    }
    let mut checker = Checker {
        analysis,
        watch,
        types: None,
        goroutines: None,
    };
    let heap = Heap::of(analysis);
    let (mut outcomes, mut unknown) = (Vec::new(), None);
    for limit in limits {
        let mut about = Vec::new();
        let found = match &limit.subject {
            Subject::Type(name) => checker.of_type(name)?.0,
            Subject::TypeBytes(name) => checker.of_type(name)?.1,
            Subject::Retained(name) => retained(analysis, name)?,
            Subject::Goroutines => {
                let goroutines = analysis.dump.goroutines().iter();
                goroutines.filter(|goroutine| !goroutine.system).count() as u64
            }
            Subject::LeakedGoroutines => {
                let goroutines = checker.leaked()?;
                about = goroutines.groups.iter().map(leaked_in_words).collect();
                goroutines.leaks.leaked.len() as u64
            }
            Subject::Heap => heap.bytes,
            Subject::Objects => heap.objects,
            Subject::Garbage => heap.garbage_bytes,
        };
        let unknown = match &limit.subject {
            Subject::Type(_) | Subject::TypeBytes(_) => {
                *unknown.get_or_insert_with(|| Unknown::of(analysis))
            }
            _ => Unknown::default(),
        };
        outcomes.push(Outcome {
            limit: limit.clone(),
            found,
            about,
            unknown,
        });
    }
    Ok(outcomes)
}

fn leaked_in_words(group: &super::goroutines::GoroutineGroup) -> String {
    let own = group
        .stack
        .iter()
        .find(|function| !super::names::is_of_runtime(function))
        .or(group.stack.first())
        .cloned()
        .unwrap_or_default();
    let created = group.created_by.first();
    let created = created.map_or(String::new(), |(name, _)| format!(", created by {name}"));
    format!("{} in {own}, {}{created}", group.leaked, group.wait_reason)
}

/// Answers are kept, for several limits may ask for them.
struct Checker<'a> {
    analysis: &'a Analysis,
    watch: &'a dyn Watch,
    /// Of each class.
    types: Option<Vec<(u64, u64)>>,
    goroutines: Option<Goroutines>,
}

impl Checker<'_> {
    /// Objects of a type, and their bytes.
    fn of_type(&mut self, name: &str) -> Result<(u64, u64), CheckError> {
        let catalogue = self.analysis.dump.catalogue();
        // A class of such a name is what little of it is told from blocks: never all.
        if let Some(size) = tiny(catalogue, name) {
            return Err(CheckError::Tiny {
                name: name.to_owned(),
                size,
            });
        }
        let classes = match self.types.take() {
            Some(classes) => classes,
            None => by_class(self.analysis, self.watch)?,
        };
        let sums = self.types.insert(classes);
        let mut found = (0, 0u64);
        for (id, class) in self.analysis.types.classes() {
            if (class.name == name || stored_apart(catalogue, class) == Some(name))
                && let Some((objects, bytes)) = sums.get(id.0 as usize)
            {
                found = (found.0 + objects, found.1.saturating_add(*bytes));
            }
        }
        if found.0 > 0 {
            return Ok(found);
        }
        // Classes are called like types, but for those of parts of maps and the like.
        let of_program = catalogue.named(name.trim_start_matches("[]")).is_some()
            || catalogue.named(name).is_some()
            || self.is_class(name);
        if of_program {
            return Ok((0, 0));
        }
        if catalogue.is_empty() {
            return Err(CheckError::NoTypes {
                name: name.to_owned(),
            });
        }
        let names = catalogue.types().map(|(_, ty)| ty.name.as_str());
        Err(CheckError::NoType {
            name: name.to_owned(),
            like: like(name, names),
        })
    }

    fn is_class(&self, name: &str) -> bool {
        let mut classes = self.analysis.types.classes();
        classes.any(|(_, class)| class.name == name && !matches!(class.what, What::Unknown { .. }))
    }

    fn leaked(&mut self) -> Result<&Goroutines, CheckError> {
        let goroutines = match self.goroutines.take() {
            Some(goroutines) => goroutines,
            None => {
                let options = GoroutineOptions { leaked: true };
                Goroutines::of(self.analysis, options, self.watch)?
            }
        };
        if let Some(why) = goroutines.leaks.unknown {
            return Err(CheckError::NoLeaks { why });
        }
        Ok(self.goroutines.insert(goroutines))
    }
}

/// Reachable objects of each class, and their bytes.
fn by_class(analysis: &Analysis, watch: &dyn Watch) -> Result<Vec<(u64, u64)>, Interrupted> {
    watch.step("adding up", 0, 0)?;
    let mut sums = vec![(0, 0u64); analysis.types.classes().count()];
    for object in analysis.dump.objects() {
        let class = analysis.types.class_of(object);
        if analysis.is_reachable(object)
            && let Some((objects, bytes)) = sums.get_mut(class.0 as usize)
        {
            *objects += 1;
            *bytes = bytes.saturating_add(analysis.dump.size(object));
        }
    }
    Ok(sums)
}

/// What a variable, the variables of a package, or an object alone hold.
fn retained(analysis: &Analysis, name: &str) -> Result<u64, CheckError> {
    use crate::dump::RootKind;
    use crate::nodes::NodeKind;
    let dump = &analysis.dump;
    let address = name
        .strip_prefix("0x")
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    if let Some(address) = address {
        // An address where nothing is any more holds nothing.
        let object = dump.find(address);
        return Ok(object.map_or(0, |(object, _)| {
            analysis.retained_by(NodeKind::Object(object))
        }));
    }
    let mut found = None;
    for (root, index) in dump.roots().iter().zip(0u32..) {
        if matches!(root.kind, RootKind::Global(_)) && &*root.name == name {
            let retained = analysis.retained_by(NodeKind::Root(index));
            found = Some(found.unwrap_or(0u64).saturating_add(retained));
        }
    }
    for (package, index) in analysis.nodes.packages().iter().zip(0u32..) {
        if package.name == name && !name.is_empty() {
            let retained = analysis.retained_by(NodeKind::Package(index));
            found = Some(found.unwrap_or(0).saturating_add(retained));
        }
    }
    let variables = || dump.catalogue().variables.iter().map(|v| v.name.as_str());
    match found {
        Some(found) => Ok(found),
        // A variable without any pointer in it, or nil.
        None if variables().any(|variable| variable == name) => Ok(0),
        None => Err(CheckError::NoHolder {
            name: name.to_owned(),
            like: like(name, variables()),
        }),
    }
}

/// A name that ends like the one that was meant, or differs by case alone: the shortest.
fn like<'n>(name: &str, all: impl Iterator<Item = &'n str>) -> Option<String> {
    let last = |name: &str| {
        let name = name.rsplit(['.', '/']).next().unwrap_or(name);
        name.to_lowercase()
    };
    let wanted = last(name);
    if wanted.is_empty() {
        return None;
    }
    all.filter(|other| last(other) == wanted)
        .min_by_key(|other| (other.len(), *other))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
