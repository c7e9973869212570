//! What Go does differently on different processors.

use goheap_memory::Machine;

/// What the runtime takes off an address before it divides the address space into arenas
/// (runtime/malloc.go, go1.19 to go1.27: `arenaBaseOffset`).
pub const fn arena_base_offset(machine: Machine) -> u64 {
    match machine {
        Machine::Amd64 => 0xffff_8000_0000_0000,
        // Machine is open for more; no other is claimed yet, and 0 is what most of them have.
        _ => 0,
    }
}
