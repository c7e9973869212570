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

/// A numbering of the special functions. Which one a Go version has, its features tell
/// (`goheap_golang::Features::func_ids`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FuncIds {
    /// That of go1.19 to go1.21.
    Go119,
    /// That of go1.22 to go1.24.
    Go122,
    /// That of go1.25 to go1.27.
    Go125,
}

impl FuncId {
    /// The function of this number; `None` for a number that the numbering does not use.
    pub fn from_raw(raw: u8, numbering: FuncIds) -> Option<FuncId> {
        let list = match numbering {
            FuncIds::Go119 => GO_1_19,
            FuncIds::Go122 => GO_1_22,
            FuncIds::Go125 => GO_1_25,
        };
        list.get(usize::from(raw)).copied()
    }
}
