//! Names for the variables of an executable without symbols: by the functions that use them.
//!
//! Nothing in such a file says where a variable ends, or what it is called. But its code names every
//! variable by its address. What is loaded and stored is a variable, or a part of one, of that many
//! bytes; one whose address is taken reaches up to the next that any code uses, or that another
//! variable points to as the linker has set it: no code names the parts of a composite literal. It is
//! called by one function that uses it, one of its own package where that can be told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, Range};

use goheap_image::FileAddr;
use goheap_image::pclntab::Func;

use super::code::{Code, Where};
use super::{amd64, arm64};

/// A variable, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedVariable {
    /// Where it begins.
    pub at: FileAddr,
    /// How many bytes of it there are for sure, or up to the next one.
    pub size: u64,
    /// A function that uses it.
    pub function: String,
}

/// Functions that are kept of those that use one address; the first of each package that sets it up
/// stands in front.
const MOST_USERS: usize = 8;

/// Addresses that are kept. The largest programs have some hundred thousand.
const MOST_ADDRESSES: usize = 1 << 22;

/// Bytes of a pointer on amd64 and arm64, the processors whose code is understood here.
const WORD: usize = 8;

/// What is known of an address.
#[derive(Default)]
struct Uses {
    /// Numbers of functions, and whether each sets its package's variables up.
    users: Vec<(u32, bool)>,
    /// Bytes that are loaded or stored at once.
    size: u64,
    /// Its address is taken.
    taken: bool,
}

impl<D: Deref<Target = [u8]>> Code<'_, D> {
    /// The variables that the program's functions use, by address.
    pub fn used_variables(&self) -> Vec<UsedVariable> {
        let writable = self.writable();
        let mut functions: Vec<Func<'_>> = Vec::new();
        let mut uses: BTreeMap<u64, Uses> = BTreeMap::new();
        for ((func, place, code), number) in self.codes().zip(0u32..) {
            functions.push(func);
            let sets_up = sets_up(func.name());
            let mut note = |at: u64, size: Option<u64>| {
                let inside = writable.iter().any(|range| range.contains(&at));
                if !inside || uses.len() >= MOST_ADDRESSES && !uses.contains_key(&at) {
                    return;
                }
                let one = uses.entry(at).or_default();
                one.size = one.size.max(size.unwrap_or(0));
                one.taken |= size.is_none();
                let known = one.users.iter().any(|(user, _)| *user == number);
                let front = sets_up && one.users.iter().all(|(_, sets_up)| !sets_up);
                if front && !known {
                    one.users.insert(0, (number, true));
                    one.users.truncate(MOST_USERS);
                } else if !known && one.users.len() < MOST_USERS {
                    one.users.push((number, sets_up));
                }
            };
            match self.executable().goarch() {
                "amd64" => amd64::uses(code, place.start.get(), &mut note),
                "arm64" => {
                    let found = arm64::references(code, place.start.get());
                    for found in found.unwrap_or_default() {
                        if let Where::Data(at) = found.to {
                            let words =
                                found.op.starts_with("load") || found.op.starts_with("store");
                            note(at, words.then_some(8));
                        }
                    }
                }
                _ => return Vec::new(),
            }
        }
        let name = |number: u32| {
            let func = functions.get(number as usize);
            func.map_or(&b""[..], |func| func.name())
        };
        let pointed = self.pointed_to(&writable);
        let next = uses.keys().copied().skip(1).map(Some).chain([None]);
        let found = uses.iter().zip(next);
        found
            .filter_map(|((&at, one), next)| {
                let end = writable.iter().find(|range| range.contains(&at))?.end;
                let next = next
                    .into_iter()
                    .chain(pointed.range(at + 1..).next().copied());
                let most = next.fold(end, u64::min) - at;
                let size = match one.taken {
                    true => most,
                    false => one.size.min(most),
                };
                let user = chosen(&one.users, name)?;
                Some(UsedVariable {
                    at: FileAddr::new(at),
                    size,
                    function: String::from_utf8_lossy(name(user)).into_owned(),
                })
            })
            .collect()
    }

    /// Where words of variables point to that are variables too, as the linker has set them.
    fn pointed_to(&self, writable: &[Range<u64>]) -> BTreeSet<u64> {
        let executable = self.executable();
        let is_inside = |at: &u64| writable.iter().any(|range| range.contains(at));
        let relocated = executable.relocations().into_iter();
        let relocated = relocated.filter(|(at, _)| is_inside(&at.get()));
        let mut found: BTreeSet<u64> = relocated
            .map(|(_, to)| to.get())
            .filter(is_inside)
            .take(MOST_ADDRESSES)
            .collect();
        if executable.is_pie() {
            return found;
        }
        for range in writable {
            // What is not in the file is zero.
            let rest = executable.rest_at(FileAddr::new(range.start));
            let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let bytes = rest.and_then(|rest| rest.get(..rest.len().min(size)));
            for word in bytes.unwrap_or_default().chunks_exact(WORD) {
                let to = word.try_into().map_or(0, u64::from_le_bytes);
                if is_inside(&to) && found.len() < MOST_ADDRESSES {
                    found.insert(to);
                }
            }
        }
        found
    }

    /// Where variables are.
    pub(super) fn writable(&self) -> Vec<Range<u64>> {
        let segments = self.executable().segments().into_iter();
        let writable = segments.filter(|segment| segment.write && !segment.execute);
        writable
            .map(|segment| {
                let start = segment.addr.get();
                start..start.saturating_add(segment.mem_size)
            })
            .collect()
    }
}

/// The function that a variable is called by: one that sets it up, or else the first of the package
/// that most of its users are of.
fn chosen<'n>(users: &[(u32, bool)], name: impl Fn(u32) -> &'n [u8]) -> Option<u32> {
    let &(first, sets_up) = users.first()?;
    if sets_up {
        return Some(first);
    }
    let count = |user: u32| {
        let package = package(name(user));
        users
            .iter()
            .filter(|(other, _)| self::package(name(*other)) == package)
            .count()
    };
    // Of equals the first.
    users
        .iter()
        .map(|(user, _)| *user)
        .rev()
        .max_by_key(|user| count(*user))
}

/// The package of a function: up to the first dot behind the last slash.
fn package(function: &[u8]) -> &[u8] {
    // Type arguments have slashes and dots of their own.
    let plain = function
        .split(|&byte| byte == b'[')
        .next()
        .unwrap_or(function);
    let last = plain
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    let rest = plain.get(last..).unwrap_or_default();
    let dot = rest.iter().position(|&byte| byte == b'.');
    let end = dot.map_or(plain.len(), |dot| last + dot);
    plain.get(..end).unwrap_or(plain)
}

/// Whether a function sets up its package's variables: `init`, `init.0`, `map.init.0`, `init.func1`
/// (cmd/compile/internal/pkginit, staticinit/sched.go; as of go1.19 to go1.27).
fn sets_up(function: &[u8]) -> bool {
    let package = package(function).len();
    let rest = function.get(package..).unwrap_or_default();
    rest == b".init" || rest.starts_with(b".init.") || rest.starts_with(b".map.init.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_what_sets_them_up() {
        for (name, wanted, init) in [
            ("main.(*Server).serve.func1", "main", false),
            (
                "go.etcd.io/etcd/mvcc.newStore",
                "go.etcd.io/etcd/mvcc",
                false,
            ),
            ("gopkg.in/yaml%2ev3.init", "gopkg.in/yaml%2ev3", true),
            ("slices.Sort[go.shape.[]a/b.T]", "slices", false),
            ("main.init.0", "main", true),
            ("unicode.map.init.1", "unicode", true),
            ("main.initialise", "main", false),
            ("_cgo_init", "_cgo_init", false),
        ] {
            assert_eq!(package(name.as_bytes()), wanted.as_bytes());
            assert_eq!(sets_up(name.as_bytes()), init, "{name}");
        }
    }

    #[test]
    fn who_a_variable_is_called_by() {
        let names: [&[u8]; 4] = [b"os.a", b"main.b", b"main.c", b"os.init"];
        let name = |user: u32| names[user as usize];
        assert_eq!(chosen(&[], name), None);
        assert_eq!(chosen(&[(0, false), (1, false)], name), Some(0));
        let users = [(0, false), (1, false), (2, false)];
        assert_eq!(chosen(&users, name), Some(1));
        assert_eq!(chosen(&[(3, true), (1, false), (2, false)], name), Some(3));
    }
}
