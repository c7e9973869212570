//! Whether a running program writes little now.

use goheap_memory::{Addr, DataModel, Memory};

use crate::{WalkError, World};

/// `_GCoff` (runtime/mgc.go, go1.19 to go1.27): no collection is marking.
const GC_OFF: u64 = 0;

/// Where the word is that tells whether the collector is marking. While it does, the program writes to
/// many more pages than otherwise: mark bits, work buffers, the write barrier's buffers.
#[derive(Debug, Clone, Copy)]
pub struct QuietCheck {
    model: DataModel,
    phase: Addr,
}

impl QuietCheck {
    /// Looks up where it is.
    ///
    /// # Errors
    /// The program has no such word.
    pub fn prepare(world: &World<'_>) -> Result<QuietCheck, WalkError> {
        Ok(QuietCheck {
            model: world.model,
            // runtime/mgc.go, go1.19 to go1.27: `gcphase`, 32 bits.
            phase: world.global("runtime.gcphase")?,
        })
    }

    /// Whether the collector is not marking. `memory` may be that of a running program. What cannot be
    /// read is not waited for.
    pub fn is_quiet(&self, memory: &dyn Memory) -> bool {
        let phase = self.model.read_uint(memory, self.phase, 4);
        phase.map_or(true, |phase| phase == GC_OFF)
    }
}
