//! Specials: what the runtime hangs on single objects of a span (finalizers, profile samples).

use goheap_golang::{Place, SpecialKinds};
use goheap_memory::Addr;

use crate::chain::Chain;
use crate::cleanup::{Cleanup, CleanupLayout};
use crate::span::Span;
use crate::{WalkError, World};

/// What a special is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpecialKind {
    /// A finalizer waits for the object.
    Finalizer,
    /// A weak pointer refers to it.
    WeakHandle,
    /// The memory profile has sampled it.
    Profile,
    /// A cleanup waits for its death.
    Cleanup,
    /// Anything else: pins, tests' reachability, tiny blocks.
    Other,
}

/// A special.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Special {
    /// Its struct.
    pub(crate) at: Addr,
    /// Offset in its span.
    pub(crate) offset: u64,
    /// What it is for.
    pub(crate) kind: SpecialKind,
}

/// How to read specials.
#[derive(Debug)]
pub(crate) struct Specials {
    next: Place,
    offset: Place,
    kind: Place,
    kinds: SpecialKinds,
    finalizer: FinalizerLayout,
    bucket: Place,
    /// `specialWeakHandle.handle`.
    handle: Option<Place>,
    /// `specialCleanup`, in the versions that have cleanups.
    cleanup: Option<CleanupLayout>,
    /// Whether the sweep queues cleanups as finalizers.
    cleanups_become_finalizers: bool,
}

#[derive(Debug)]
struct FinalizerLayout {
    fn_: Place,
    fint: Place,
    ot: Place,
}

impl Specials {
    pub(crate) fn new(world: &World<'_>) -> Result<Specials, WalkError> {
        let place = |strukt: &str, path: &str| world.structs.place(strukt, path);
        Ok(Specials {
            next: place("runtime.special", "next")?,
            offset: place("runtime.special", "offset")?,
            kind: place("runtime.special", "kind")?,
            kinds: world.features.specials,
            finalizer: FinalizerLayout {
                fn_: place("runtime.specialfinalizer", "fn")?,
                fint: place("runtime.specialfinalizer", "fint")?,
                ot: place("runtime.specialfinalizer", "ot")?,
            },
            bucket: place("runtime.specialprofile", "b")?,
            handle: match world.features.specials.weak_handle {
                Some(_) => Some(place("runtime.specialWeakHandle", "handle")?),
                None => None,
            },
            cleanup: match world.features.specials.cleanup {
                Some(_) => Some(CleanupLayout::of_special(world)?),
                None => None,
            },
            cleanups_become_finalizers: world.features.cleanups_queue_as_finalizers,
        })
    }

    /// The specials of `span`, in the order of their list: by offset, then by kind.
    pub(crate) fn list(&self, world: &World<'_>, span: &Span) -> Result<Vec<Special>, WalkError> {
        const WHAT: &str = "a special of a span";
        let mut list = Vec::new();
        let mut chain = Chain::new(span.specials);
        while let Some(at) = chain.at() {
            let offset = world.field(at, self.offset, WHAT)?;
            if offset >= span.bytes {
                return Err(WalkError::Implausible {
                    what: "the offset of a special",
                    at,
                    found: offset,
                    expected: "one inside of its span",
                });
            }
            let kind = world.field(at, self.kind, WHAT)? as u8;
            let kind = match kind {
                k if k == self.kinds.finalizer => SpecialKind::Finalizer,
                k if k == self.kinds.profile => SpecialKind::Profile,
                k if Some(k) == self.kinds.weak_handle => SpecialKind::WeakHandle,
                k if Some(k) == self.kinds.cleanup => SpecialKind::Cleanup,
                _ => SpecialKind::Other,
            };
            list.push(Special { at, offset, kind });
            let next = Addr::new(world.field(at, self.next, WHAT)?);
            chain.follow(next, "the list of specials of a span")?;
        }
        Ok(list)
    }

    /// The record of a finalizer of the object at `object`.
    pub(crate) fn finalizer(
        &self,
        world: &World<'_>,
        special: &Special,
        object: Addr,
    ) -> Result<goheap_format::Finalizer, WalkError> {
        const WHAT: &str = "a finalizer";
        let closure = world.field(special.at, self.finalizer.fn_, WHAT)?;
        Ok(goheap_format::Finalizer {
            object: object.get(),
            closure,
            code: world.word(Addr::new(closure), "a finalizer's function")?,
            argument_type: world.field(special.at, self.finalizer.fint, WHAT)?,
            object_type: world.field(special.at, self.finalizer.ot, WHAT)?,
        })
    }

    /// What a cleanup calls when its object has died.
    pub(crate) fn cleanup(
        &self,
        world: &World<'_>,
        special: &Special,
    ) -> Result<Option<Cleanup>, WalkError> {
        match &self.cleanup {
            Some(layout) => layout.read(world, special.at).map(Some),
            None => Ok(None),
        }
    }

    /// The record that a cleanup becomes when its object has died, if it is queued with the
    /// finalizers.
    pub(crate) fn queued_cleanup(
        &self,
        world: &World<'_>,
        special: &Special,
    ) -> Result<Option<goheap_format::Finalizer>, WalkError> {
        if !self.cleanups_become_finalizers {
            return Ok(None);
        }
        let Some(cleanup) = self.cleanup(world, special)? else {
            return Ok(None);
        };
        Ok(Some(goheap_format::Finalizer {
            object: 0,
            closure: cleanup.closure.get(),
            code: cleanup.code(world)?,
            argument_type: 0,
            object_type: 0,
        }))
    }

    /// The word that weak pointers to an object go through: the sweep clears it when that dies.
    pub(crate) fn weak_handle(
        &self,
        world: &World<'_>,
        special: &Special,
    ) -> Result<Addr, WalkError> {
        let Some(place) = self.handle else {
            return Ok(Addr::NIL);
        };
        world
            .field(special.at, place, "a weak handle")
            .map(Addr::new)
    }

    /// The bucket of a sample.
    pub(crate) fn bucket(&self, world: &World<'_>, special: &Special) -> Result<u64, WalkError> {
        world.field(special.at, self.bucket, "a profile sample")
    }
}
