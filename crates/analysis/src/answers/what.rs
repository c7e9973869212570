//! What a question is about: an address, a type, a variable, a goroutine or a package, by name.

use goheap_golang::catalogue::TypeId;

use super::unknown::{Unknown, stored_apart, tiny};
use crate::Analysis;
use crate::dump::{ObjectId, RootKind};
use crate::types::ClassId;

/// How many names an error lists.
const LISTED: usize = 8;

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// An object, and the place in it that the address is.
    Object {
        /// The object.
        object: ObjectId,
        /// Bytes into it.
        offset: u64,
    },
    /// All objects of these classes, which have one name.
    Class {
        /// Their name.
        name: String,
        /// The classes.
        classes: Vec<ClassId>,
    },
    /// A variable: its place in [`crate::Dump::roots`].
    Variable(u32),
    /// A goroutine: its place in [`crate::Dump::goroutines`].
    Goroutine(u32),
    /// A package with variables: its place in [`crate::Nodes::packages`].
    Package(u32),
}

/// Why there is nothing of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhatError {
    /// The address is in no object.
    #[error("no object is at {address:#x}{hint}")]
    NoObject {
        /// The address.
        address: u64,
        /// Where it is instead, if that is known.
        hint: String,
    },
    /// Several types or variables end in that name.
    #[error("{name} may be {}; say which", list(candidates, *more))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it may be.
        candidates: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// None does.
    #[error("nothing is called {name}{}", similar(candidates, *more))]
    NotFound {
        /// What was asked for.
        name: String,
        /// What is called nearly so.
        candidates: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// The variable is there, but leads to nothing in the heap.
    #[error("the variable {name} leads to nothing in the heap")]
    LeadsNowhere {
        /// Its name.
        name: String,
    },
    /// The program has the type, but no object is known to be of it.
    #[error("{}", no_objects(name, *unknown))]
    NoObjects {
        /// Its name.
        name: String,
        /// Objects that may be of it.
        unknown: Unknown,
    },
    /// The program has the type, but its values are no objects of their own.
    #[error(
        "values of type {name} ({size} B, no pointers) are no objects of their own: the runtime puts several into one block; those are called tiny objects"
    )]
    Tiny {
        /// Its name.
        name: String,
        /// Bytes of a value.
        size: u64,
    },
}

fn list(names: &[String], more: usize) -> String {
    let names = names.join(", ");
    match more {
        0 => names,
        more => format!("{names}, and {more} more"),
    }
}

fn no_objects(name: &str, unknown: Unknown) -> String {
    match unknown.objects {
        0 => format!("there is no object of type {name} in the heap"),
        _ => format!("no object in the heap is known to be of type {name}, but {unknown}"),
    }
}

fn similar(names: &[String], more: usize) -> String {
    match names {
        [] => "; give an address (0x...), a type or a variable".to_owned(),
        names => format!("; there is {}", list(names, more)),
    }
}

/// Finds out what is meant: an address (`0xc000012340`, also in the middle of an object or of a
/// variable), the name of a variable or type (`main.Session`), the unique end of one (`Session`), or a
/// goroutine (`goroutine 17`). `type:`, `var:`, `package:` and `goroutine:` in front of a name leave no
/// doubt. What `top` calls a class is taken as it stands there.
///
/// # Errors
/// There is no such thing, or more than one.
pub fn what(analysis: &Analysis, text: &str) -> Result<Asked, WhatError> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X"))
        && let Ok(address) = u64::from_str_radix(hex, 16)
    {
        return at(analysis, address);
    }
    for prefix in ["goroutine:", "goroutine "] {
        if let Some(number) = text.strip_prefix(prefix)
            && let Ok(number) = number.trim().parse::<u64>()
        {
            let goroutines = analysis.dump.goroutines();
            return match goroutines.iter().position(|g| g.id == number) {
                Some(index) => Ok(Asked::Goroutine(index as u32)),
                None => Err(not_found(text, Vec::new())),
            };
        }
    }
    if let Some(name) = text.strip_prefix("package:") {
        let packages = analysis.nodes.packages();
        return match packages.iter().position(|package| package.name == name) {
            Some(index) => Ok(Asked::Package(index as u32)),
            None => Err(not_found(name, Vec::new())),
        };
    }
    let (name, variables, types) = match (text.strip_prefix("var:"), text.strip_prefix("type:")) {
        (Some(name), _) => (name, true, false),
        (_, Some(name)) => (name, false, true),
        _ => (text, true, true),
    };
    // Behind a name, `top` says how types are known.
    match name.rsplit_once("  (") {
        Some((name, said)) if said.ends_with(')') => named(analysis, name, variables, types),
        _ => named(analysis, name, variables, types),
    }
}

fn at(analysis: &Analysis, address: u64) -> Result<Asked, WhatError> {
    let dump = &analysis.dump;
    if let Some((object, offset)) = dump.find(address) {
        return Ok(Asked::Object { object, offset });
    }
    if let Some(variable) = dump.catalogue().variable_at(address) {
        let name = variable.name.clone();
        return match variable_roots(analysis, |of| of == name).first() {
            Some((root, _)) => Ok(Asked::Variable(*root)),
            None => Err(WhatError::LeadsNowhere { name }),
        };
    }
    let (low, high) = dump.params().heap;
    let frame = dump
        .frames()
        .iter()
        .find(|frame| address.wrapping_sub(frame.sp) < frame.len);
    let hint = match frame {
        Some(frame) => {
            let id = dump.goroutines().get(frame.goroutine as usize);
            let id = id.map_or(0, |goroutine| goroutine.id);
            format!(
                ": it is on the stack of goroutine {id}, in {}",
                &*frame.function
            )
        }
        None if (low..high).contains(&address) => ": it is in the heap, but free".to_owned(),
        None => format!(": the heap is from {low:#x} to {high:#x}"),
    };
    Err(WhatError::NoObject { address, hint })
}

/// Roots that are variables whose name is wanted, with that.
fn variable_roots(analysis: &Analysis, is_wanted: impl Fn(&str) -> bool) -> Vec<(u32, String)> {
    let roots = analysis.dump.roots().iter().zip(0u32..);
    roots
        .filter(|(root, _)| matches!(root.kind, RootKind::Global(_)) && is_wanted(&root.name))
        .map(|(root, index)| (index, root.name.to_string()))
        .collect()
}

/// Classes whose name is wanted, with that. What a map stores outside of its slots has two: that of
/// its type, too.
fn class_names(analysis: &Analysis, is_wanted: impl Fn(&str) -> bool) -> Vec<(ClassId, String)> {
    let catalogue = analysis.dump.catalogue();
    let mut names = Vec::new();
    for (id, class) in analysis.types.classes() {
        let apart = stored_apart(catalogue, class);
        let all = [Some(class.name.as_str()), apart].into_iter().flatten();
        names.extend(
            all.filter(|name| is_wanted(name))
                .map(|name| (id, name.to_owned())),
        );
    }
    names
}

/// Whether a name ends in another, from where a part of it begins: `main.Session` in `Session`.
fn ends_in(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|before| {
        before.ends_with(['.', '/']) && !before.contains(['[', '(', '{', ' ', '*'])
    })
}

fn named(
    analysis: &Analysis,
    name: &str,
    variables: bool,
    types: bool,
) -> Result<Asked, WhatError> {
    let roots = |is_wanted: &dyn Fn(&str) -> bool| match variables {
        true => variable_roots(analysis, is_wanted),
        false => Vec::new(),
    };
    let classes = |is_wanted: &dyn Fn(&str) -> bool| match types {
        true => class_names(analysis, is_wanted),
        false => Vec::new(),
    };
    for is_wanted in [
        &(|of: &str| of == name) as &dyn Fn(&str) -> bool,
        &|of: &str| ends_in(of, name),
    ] {
        let (roots, mut classes) = (roots(is_wanted), classes(is_wanted));
        classes.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        let mut names: Vec<String> = roots
            .iter()
            .map(|(_, name)| format!("var:{name}"))
            .collect();
        let mut of_types: Vec<String> = classes
            .iter()
            .map(|(_, name)| format!("type:{name}"))
            .collect();
        of_types.dedup();
        names.append(&mut of_types);
        match (names.len(), roots.first(), classes.first()) {
            (0, ..) => {}
            (1, Some((root, _)), _) => return Ok(Asked::Variable(*root)),
            (1, None, Some((_, name))) => {
                return Ok(Asked::Class {
                    name: name.clone(),
                    classes: classes.iter().map(|(class, _)| *class).collect(),
                });
            }
            _ => {
                let more = names.len().saturating_sub(LISTED);
                names.truncate(LISTED);
                return Err(WhatError::Ambiguous {
                    name: name.to_owned(),
                    candidates: names,
                    more,
                });
            }
        }
    }
    let catalogue = analysis.dump.catalogue();
    if variables && catalogue.variables.iter().any(|of| of.name == name) {
        return Err(WhatError::LeadsNowhere {
            name: name.to_owned(),
        });
    }
    let of_type: Option<TypeId> = catalogue.named(name).filter(|_| types);
    if of_type.is_some() {
        let name = name.to_owned();
        return Err(match tiny(catalogue, &name) {
            Some(size) => WhatError::Tiny { name, size },
            None => WhatError::NoObjects {
                name,
                unknown: Unknown::of(analysis),
            },
        });
    }
    let lower = name.to_lowercase();
    let is_near = |of: &str| !lower.is_empty() && of.to_lowercase().contains(&lower);
    let mut near: Vec<String> = classes(&is_near)
        .into_iter()
        .chain(
            roots(&is_near)
                .into_iter()
                .map(|(_, name)| (ClassId(0), name)),
        )
        .map(|(_, name)| name)
        .collect();
    near.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    near.dedup();
    Err(not_found(name, near))
}

fn not_found(name: &str, mut candidates: Vec<String>) -> WhatError {
    let more = candidates.len().saturating_sub(LISTED);
    candidates.truncate(LISTED);
    WhatError::NotFound {
        name: name.to_owned(),
        candidates,
        more,
    }
}
