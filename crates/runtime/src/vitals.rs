//! How a running program is: few words of its runtime that are read without stopping it.
//!
//! They are what the program itself would tell by `runtime.MemStats.HeapInuse` and
//! `runtime.NumGoroutine` at that moment: single words that the runtime keeps up to date with each
//! span and each goroutine. Of several words that change together the sum may be off by what happens
//! in between, as it may be in the runtime's own function.

use goheap_golang::Place;
use goheap_memory::{Addr, DataModel, Fault, FaultKind, Memory};

use crate::limit::PROCS;
use crate::{WalkError, World};

/// What a look at a running program told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// Bytes of spans that are in use (`gcController.heapInUse`, which is `MemStats.HeapInuse`;
    /// runtime/mgcpacer.go, go1.19 to go1.27).
    pub heap_in_use: u64,
    /// Goroutines that live, without the runtime's own (runtime/proc.go: `gcount`, go1.19 to go1.27).
    pub goroutines: u64,
}

/// Where the words are that tell how a program is. Making it takes longer than reading them.
#[derive(Debug)]
pub struct VitalSigns {
    model: DataModel,
    heap_in_use: (Addr, Place),
    allglen: Addr,
    /// Goroutines of `allgs` that are none: dead ones that wait to be used again, and the runtime's own.
    less: Vec<(Addr, Place)>,
    allp: Addr,
    /// Dead goroutines of a `p`.
    dead_of_p: Place,
}

impl VitalSigns {
    /// Looks up where they are. The program may be running.
    ///
    /// # Errors
    /// The layouts or symbols lack something that each known version has.
    pub fn prepare(world: &World<'_>) -> Result<VitalSigns, WalkError> {
        let structs = &world.structs;
        let sched = world.global("runtime.sched")?;
        let mut less = vec![structs.first("runtime.schedt", &["ngsys"])?];
        match structs.optional("runtime.schedt", "gFree.n") {
            Some(count) => less.push(count),
            // go1.25 counts the lists themselves.
            None => {
                less.push(structs.place("runtime.schedt", "gFree.stack.size")?);
                less.push(structs.place("runtime.schedt", "gFree.noStack.size")?);
            }
        }
        let controller = world.global("runtime.gcController")?;
        let in_use = structs.place("runtime.gcControllerState", "heapInUse")?;
        Ok(VitalSigns {
            model: world.model,
            heap_in_use: (controller.offset(in_use.offset), in_use),
            allglen: world.global("runtime.allglen")?,
            less: less
                .into_iter()
                .map(|place| (sched.offset(place.offset), place))
                .collect(),
            allp: world.global("runtime.allp")?,
            dead_of_p: structs.first("runtime.p", &["gFree.n", "gFree.size"])?,
        })
    }

    /// Reads them.
    ///
    /// # Errors
    /// They cannot be read: the program has ended.
    pub fn read(&self, memory: &dyn Memory) -> Result<Vitals, Fault> {
        let number = |at: Addr, size: u64| -> Result<u64, Fault> {
            let mut bytes = [0; 8];
            let size = usize::try_from(size).unwrap_or(8).min(8);
            let bytes = &mut bytes[..size];
            memory.read(at, bytes)?;
            Ok(self.model.uint(bytes))
        };
        // Counts of 32 bits that may be below 0 for a moment.
        let count = |at: Addr, place: Place| -> Result<i64, Fault> {
            let value = number(at, place.size)?;
            Ok(i64::from(
                u32::try_from(value).unwrap_or(u32::MAX).cast_signed(),
            ))
        };
        let word = u64::from(self.model.word);
        let (at, place) = self.heap_in_use;
        let heap_in_use = number(at, place.size)?;
        let mut goroutines = i64::try_from(number(self.allglen, word)?).unwrap_or(i64::MAX);
        for &(at, place) in &self.less {
            goroutines = goroutines.saturating_sub(count(at, place)?);
        }
        let (allp, procs) = (
            number(self.allp, word)?,
            number(self.allp.offset(word), word)?,
        );
        if procs > PROCS {
            return Err(Fault::new(self.allp, 16, FaultKind::Unmapped));
        }
        for i in 0..procs {
            let p = number(Addr::new(allp).offset(i * word), word)?;
            if p != 0 {
                let at = Addr::new(p).offset(self.dead_of_p.offset);
                goroutines = goroutines.saturating_sub(count(at, self.dead_of_p)?);
            }
        }
        Ok(Vitals {
            heap_in_use,
            goroutines: u64::try_from(goroutines.max(1)).unwrap_or(1),
        })
    }
}
