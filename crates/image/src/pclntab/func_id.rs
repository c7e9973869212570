//! Special functions of the runtime, numbered anew when one is added.

/// A function that the runtime's own unwinder treats specially (`abi.FuncID`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each is the function of this name in package runtime"
)]
#[expect(non_camel_case_types, reason = "the names are Go's")]
pub enum FuncId {
    /// Any other function.
    normal,
    abort,
    asmcgocall,
    asyncPreempt,
    cgocallback,
    corostart,
    debugCallV2,
    gcBgMarkWorker,
    goexit,
    gogo,
    gopanic,
    handleAsyncEvent,
    mcall,
    morestack,
    mstart,
    panicwrap,
    rt0_go,
    /// The finalizer goroutine, before go1.25.
    runfinq,
    runtime_main,
    /// The finalizer goroutine, since go1.25.
    runFinalizers,
    /// A cleanup goroutine, since go1.25.
    runCleanups,
    sigpanic,
    systemstack,
    systemstack_switch,
    /// Generated code: method wrappers, hash and equality functions.
    wrapper,
}

use FuncId::*;

/// runtime/symtab.go, go1.19: funcID; internal/abi/symtab.go, go1.21: FuncID (the same list).
const GO_1_19: &[FuncId] = &[
    normal,
    abort,
    asmcgocall,
    asyncPreempt,
    cgocallback,
    debugCallV2,
    gcBgMarkWorker,
    goexit,
    gogo,
    gopanic,
    handleAsyncEvent,
    mcall,
    morestack,
    mstart,
    panicwrap,
    rt0_go,
    runfinq,
    runtime_main,
    sigpanic,
    systemstack,
    systemstack_switch,
    wrapper,
];

/// internal/abi/symtab.go, go1.22, go1.23, go1.24: FuncID: `corostart` is new.
const GO_1_22: &[FuncId] = &[
    normal,
    abort,
    asmcgocall,
    asyncPreempt,
    cgocallback,
    corostart,
    debugCallV2,
    gcBgMarkWorker,
    goexit,
    gogo,
    gopanic,
    handleAsyncEvent,
    mcall,
    morestack,
    mstart,
    panicwrap,
    rt0_go,
    runfinq,
    runtime_main,
    sigpanic,
    systemstack,
    systemstack_switch,
    wrapper,
];

/// internal/abi/symtab.go, go1.25, go1.26, go1.27: FuncID: `runfinq` has become `runFinalizers`,
/// and `runCleanups` is new, both behind `runtime_main`.
const GO_1_25: &[FuncId] = &[
    normal,
    abort,
    asmcgocall,
    asyncPreempt,
    cgocallback,
    corostart,
    debugCallV2,
    gcBgMarkWorker,
    goexit,
    gogo,
    gopanic,
    handleAsyncEvent,
    mcall,
    morestack,
    mstart,
    panicwrap,
    rt0_go,
    runtime_main,
    runFinalizers,
    runCleanups,
    sigpanic,
    systemstack,
    systemstack_switch,
    wrapper,
];

impl FuncId {
    /// The function of this number in the numbering of go1.`go_minor`. `None` for a number that the
    /// version does not use, and for versions whose numbering is not known here: before go1.19 and
    /// after go1.27.
    pub fn from_raw(raw: u8, go_minor: u32) -> Option<FuncId> {
        let list = match go_minor {
            19..=21 => GO_1_19,
            22..=24 => GO_1_22,
            25..=27 => GO_1_25,
            _ => return None,
        };
        list.get(usize::from(raw)).copied()
    }
}
