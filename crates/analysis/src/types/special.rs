//! Types of the standard library that say less of their words than is known: an `unsafe.Pointer` with
//! a type parameter beside it, a node that may be one of two things.

use std::collections::HashMap;

use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeId};

use super::program::{Act, Op};

/// Packages of atomic pointers (sync/atomic/type.go, go1.19; internal/runtime/atomic/types.go,
/// go1.23, before that runtime/internal/atomic).
const ATOMIC: [&str; 3] = [
    "sync/atomic.Pointer[",
    "internal/runtime/atomic.Pointer[",
    "runtime/internal/atomic.Pointer[",
];

/// Packages of hash tries (internal/concurrent/hashtriemap.go, go1.23; internal/sync/hashtriemap.go,
/// go1.24): a node is an entry or an indirect one, as its first field tells.
const TRIES: [&str; 2] = ["internal/sync.", "internal/concurrent."];

/// What is known of types beyond what they say.
#[derive(Debug, Default)]
pub(super) struct Rules {
    special: HashMap<TypeId, Vec<Op>>,
    pointers: HashMap<TypeId, Act>,
    runtimes: Vec<bool>,
    /// Of each trie the type of its entries, and that of its indirect nodes.
    pub(super) nodes: Vec<(TypeId, TypeId)>,
    /// What the runtime makes timers as: larger than `time.Timer` and `time.Ticker`, whose fields it
    /// begins with (runtime/time.go, go1.23: `timeTimer`, `newTimer`).
    pub(super) timer: Option<TypeId>,
}

impl Rules {
    pub(super) fn new(catalogue: &Catalogue) -> Rules {
        let mut rules = Rules {
            runtimes: catalogue.types().map(|(_, ty)| of_runtime(ty)).collect(),
            timer: catalogue.named("runtime.timeTimer"),
            ..Rules::default()
        };
        for (id, ty) in catalogue.types() {
            if ty.kind != Kind::Struct {
                continue;
            }
            rules.node(catalogue, id, ty);
            match ty.name.as_str() {
                "runtime.hchan" => rules.pointers.insert(id, Act::AnyChan),
                "time.Timer" | "time.Ticker" => rules.pointers.insert(id, Act::Timer(id)),
                _ => None,
            };
        }
        for (id, ty) in catalogue.types() {
            if ty.kind == Kind::Struct
                && let Some(ops) = rules.words(catalogue, ty)
            {
                rules.special.insert(id, ops);
            }
        }
        rules
    }

    fn node(&mut self, catalogue: &Catalogue, id: TypeId, ty: &GoType) {
        let Some((package, rest)) = TRIES.iter().find_map(|package| {
            let rest = ty.name.strip_prefix(package)?.strip_prefix("node[")?;
            Some((package, rest))
        }) else {
            return;
        };
        let named = |what: &str| catalogue.named(&format!("{package}{what}[{rest}"));
        if let (Some(entry), Some(indirect)) = (named("entry"), named("indirect")) {
            let place = self.nodes.len() as u32;
            self.nodes.push((entry, indirect));
            self.pointers.insert(id, Act::TrieNode(place));
        }
    }

    fn words(&self, catalogue: &Catalogue, ty: &GoType) -> Option<Vec<Op>> {
        let field = |name: &str| {
            let field = ty.fields.iter().find(|field| field.name == name)?;
            u32::try_from(field.offset).ok()
        };
        let one = |offset, act| Some(vec![Op { offset, act }]);
        match ty.name.as_str() {
            // sync/pool.go: `Pool`: local and victim are [P]poolLocal.
            "sync.Pool" => {
                let local = catalogue.named("sync.poolLocal")?;
                let counted = |name| {
                    Some(Op {
                        offset: field(name)?,
                        act: Act::Counted(local),
                    })
                };
                let new = Op {
                    offset: field("New")?,
                    act: Act::Func,
                };
                Some(vec![counted("local")?, counted("victim")?, new])
            }
            // sync/poolqueue.go: `eface`: an interface, as two unsafe pointers.
            "sync.eface" => one(0, Act::InterfaceOfPointers),
            // sync/map.go, go1.19: `entry`: p points to an interface.
            "sync.entry" => {
                let [p] = ty.fields.as_slice() else {
                    return None;
                };
                let kind = catalogue.get(p.ty)?.kind;
                let any = catalogue
                    .named("interface {}")
                    .filter(|_| kind == Kind::UnsafePointer)?;
                one(0, Act::Pointer(any))
            }
            // reflect/value.go: `Value`: type, pointer or value, flags.
            "reflect.Value" => one(0, Act::ReflectValue),
            name => {
                let of = ATOMIC.iter().find_map(|prefix| name.strip_prefix(prefix))?;
                let place = ty.fields.iter().find(|field| {
                    let kind = catalogue.get(field.ty).map(|ty| ty.kind);
                    kind == Some(Kind::UnsafePointer)
                })?;
                // From go1.20 on an array of no pointers tells the type.
                let told = ty.fields.iter().find_map(|field| {
                    let array = catalogue.get(field.ty)?;
                    let pointer = catalogue.get(array.elem.filter(|_| array.len == 0)?)?;
                    pointer.elem.filter(|_| pointer.kind == Kind::Pointer)
                });
                let elem = told.or_else(|| catalogue.named(of.strip_suffix(']')?))?;
                one(u32::try_from(place.offset).ok()?, self.pointer_to(elem))
            }
        }
    }

    /// What a type is to be taken for, if not for what it says.
    pub(super) fn special(&self, ty: TypeId) -> Option<&[Op]> {
        self.special.get(&ty).map(Vec::as_slice)
    }

    /// What is to be done with a pointer to a type.
    pub(super) fn pointer_to(&self, elem: TypeId) -> Act {
        if let Some(act) = self.pointers.get(&elem) {
            return *act;
        }
        match self.runtimes.get(elem.0 as usize) {
            Some(true) => Act::RuntimePointer(elem),
            _ => Act::Pointer(elem),
        }
    }
}

/// Whether values of the type may lie outside of the heap: the runtime's own have
/// `//go:notinheap` (go1.19), or a field of `runtime/internal/sys.NotInHeap` (go1.20 on).
fn of_runtime(ty: &GoType) -> bool {
    let package = ty.package.as_str();
    package == "runtime"
        || package.starts_with("internal/runtime/")
        || package.starts_with("runtime/internal/")
        || package == "internal/abi"
        || package.starts_with("runtime/cgo")
}
