use std::collections::HashMap;

use goheap_memory::FaultKind;

use super::*;

/// A stack as an array of words, and functions as a map from program counters.
struct Words {
    base: u64,
    words: Vec<u64>,
}

impl Memory for Words {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let fault = || Fault::new(at, buf.len(), FaultKind::Unmapped);
        let index = at.get().checked_sub(self.base).ok_or_else(fault)? / 8;
        let word = self.words.get(index as usize).ok_or_else(fault)?;
        buf.copy_from_slice(&word.to_le_bytes());
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Site(Step);

impl AsRef<Step> for Site {
    fn as_ref(&self) -> &Step {
        &self.0
    }
}

struct Functions(HashMap<u64, Step>);

impl Code for Functions {
    type Site = Site;

    fn site(&self, pc: Addr) -> Result<Option<Rc<Site>>, UnwindError> {
        Ok(self
            .0
            .get(&pc.get())
            .map(|step| Rc::new(Site(step.clone()))))
    }
}

fn function(pc: u64, sp_delta: u64) -> (u64, Step) {
    let step = Step {
        entry: Addr::new(pc & !0xfff),
        sp_delta: Some(sp_delta),
        top_frame: false,
        sp_write: false,
        sigpanic: false,
        injected: false,
        deferreturn: None,
    };
    (pc, step)
}

const BASE: u64 = 0xc000_1000;

/// `leaf` (16 bytes of frame) called by `caller` (8 bytes) called by `goexit`.
fn three_frames() -> (Words, Functions) {
    let words = vec![0xaa, 0xbb, 0x2010, 0xcc, 0x3001, 0xdd];
    let (goexit, mut top) = function(0x3001, 0);
    top.top_frame = true;
    let functions = [function(0x1010, 16), function(0x2010, 8), (goexit, top)];
    (Words { base: BASE, words }, Functions(functions.into()))
}

fn unwind(memory: &Words, code: &Functions, pc: u64) -> (Vec<Frame<Site>>, Option<UnwindError>) {
    let end = BASE + 8 * memory.words.len() as u64;
    let stack = Stack {
        lo: Addr::new(BASE),
        hi: Addr::new(end),
    };
    let top = Addr::new(end - 8);
    let start = Saved::on_stack(Addr::new(pc), Addr::new(BASE));
    let arch = Arch::of(Machine::Amd64);
    let mut unwinder = Unwinder::new(memory, arch, code, stack, top, start);
    let mut frames = Vec::new();
    loop {
        match unwinder.next() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => {
                assert!(unwinder.next().is_ok_and(|frame| frame.is_none()));
                return (frames, Some(error));
            }
        }
    }
}

fn shape(frames: &[Frame<Site>]) -> Vec<(u64, u64, u64, u64)> {
    let offset = |at: Addr| at.get() - BASE;
    frames
        .iter()
        .map(|f| (f.pc.get(), offset(f.sp), offset(f.fp), offset(f.varp)))
        .collect()
}

#[test]
fn walks_to_the_top() {
    let (memory, code) = three_frames();
    let (frames, error) = unwind(&memory, &code, 0x1010);
    assert_eq!(error, None);
    // The saved frame pointer lies above the locals, but not in a frame without any.
    let expected = [
        (0x1010, 0, 24, 8),
        (0x2010, 24, 40, 24),
        (0x3001, 40, 48, 40),
    ];
    assert_eq!(shape(&frames), expected);
    assert!(frames.iter().all(|frame| frame.continue_pc == frame.pc));
}

#[test]
fn a_call_of_nil_begins_in_its_caller() {
    let (mut memory, code) = three_frames();
    memory.words = vec![0x2010, 0xcc, 0x3001, 0xdd];
    let (frames, error) = unwind(&memory, &code, 0);
    assert_eq!(error, None);
    assert_eq!(shape(&frames), [(0x2010, 8, 24, 8), (0x3001, 24, 32, 24)]);
}

#[test]
fn a_trapped_function_goes_on_at_its_deferreturn_or_never() {
    for (deferreturn, expected) in [(None, 0), (Some(Addr::new(0x2080)), 0x2081)] {
        let (memory, mut code) = three_frames();
        code.0.get_mut(&0x1010).unwrap().sigpanic = true;
        code.0.get_mut(&0x2010).unwrap().deferreturn = deferreturn;
        let (frames, error) = unwind(&memory, &code, 0x1010);
        assert_eq!(error, None);
        let continues: Vec<_> = frames.iter().map(|f| f.continue_pc.get()).collect();
        assert_eq!(continues, [0x1010, expected, 0x3001]);
    }
}

#[test]
fn a_function_that_moves_the_stack_pointer_is_trusted_as_the_innermost_only() {
    let (memory, mut code) = three_frames();
    code.0.get_mut(&0x1010).unwrap().sp_write = true;
    assert_eq!(unwind(&memory, &code, 0x1010).1, None);
    code.0.get_mut(&0x2010).unwrap().sp_write = true;
    let (frames, error) = unwind(&memory, &code, 0x1010);
    assert_eq!(frames.len(), 1);
    assert_eq!(
        error,
        Some(UnwindError::SpWrite {
            pc: Addr::new(0x2010)
        })
    );
}

#[test]
fn stops_where_it_cannot_go_on() {
    let (memory, code) = three_frames();
    let (frames, error) = unwind(&memory, &code, 0x9999);
    assert!(frames.is_empty());
    assert_eq!(
        error,
        Some(UnwindError::UnknownPc {
            pc: Addr::new(0x9999)
        })
    );

    let (mut memory, code) = three_frames();
    memory.words[4] = 0x9999;
    let (frames, error) = unwind(&memory, &code, 0x1010);
    assert_eq!(frames.len(), 2);
    let (pc, lr) = (Addr::new(0x2010), Addr::new(0x9999));
    assert_eq!(error, Some(UnwindError::UnknownCaller { pc, lr }));
}

#[test]
fn an_early_end_is_noticed() {
    let (mut memory, code) = three_frames();
    memory.words[4] = 0;
    let (frames, error) = unwind(&memory, &code, 0x1010);
    assert_eq!(frames.len(), 2);
    assert!(
        matches!(error, Some(UnwindError::Incomplete { .. })),
        "{error:?}"
    );
}

#[test]
fn no_frame_leaves_the_stack() {
    // Huge, wrapping, and such that the stack pointer would go down or stand still.
    for sp_delta in [
        48,
        1 << 40,
        u64::MAX - 6,
        u64::MAX - 7,
        u64::MAX - 15,
        u64::MAX - 0xffff,
    ] {
        let (memory, mut code) = three_frames();
        code.0.get_mut(&0x2010).unwrap().sp_delta = Some(sp_delta);
        let (frames, error) = unwind(&memory, &code, 0x1010);
        assert_eq!(frames.len(), 1);
        assert!(
            matches!(error, Some(UnwindError::OutsideOfStack { .. })),
            "{sp_delta:#x}"
        );
    }
}

#[test]
fn code_without_a_frame_table_ends_the_walk() {
    let (memory, mut code) = three_frames();
    code.0.get_mut(&0x3001).unwrap().sp_delta = None;
    let (frames, error) = unwind(&memory, &code, 0x1010);
    assert_eq!((frames.len(), error), (2, None));
}

/// The same three functions on a processor with a link register: each saves it at the bottom of its
/// frame, and `leaf` has none.
fn with_link_register() -> (Words, Functions) {
    // `caller` (32 bytes): its return address, two words, the caller's frame pointer. `goexit`.
    let words = vec![0x3001, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    let (goexit, mut top) = function(0x3001, 0);
    top.top_frame = true;
    let functions = [function(0x1010, 0), function(0x2010, 32), (goexit, top)];
    (Words { base: BASE, words }, Functions(functions.into()))
}

fn unwind_on(
    machine: Machine,
    memory: &Words,
    code: &Functions,
    at: Saved,
) -> (Vec<Frame<Site>>, Option<UnwindError>) {
    let end = Addr::new(BASE + 8 * memory.words.len() as u64);
    let stack = Stack {
        lo: Addr::new(BASE),
        hi: end,
    };
    let arch = Arch::of(machine);
    let mut unwinder = Unwinder::new(memory, arch, code, stack, end.before(16), at);
    let mut frames = Vec::new();
    loop {
        match unwinder.next() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

#[test]
fn a_leaf_returns_to_where_the_link_register_says() {
    let (memory, code) = with_link_register();
    let at = Saved {
        pc: Addr::new(0x1010),
        sp: Addr::new(BASE),
        lr: Addr::new(0x2010),
    };
    let (frames, error) = unwind_on(Machine::Arm64, &memory, &code, at);
    assert_eq!(error, None);
    // The frame pointer of the caller's caller is below its frame's end.
    assert_eq!(
        shape(&frames),
        [(0x1010, 0, 0, 0), (0x2010, 0, 32, 24), (0x3001, 32, 32, 32)]
    );
    let arguments = |frames: &[Frame<Site>]| -> Vec<u64> {
        frames.iter().map(|f| f.argp.get() - BASE).collect()
    };
    assert_eq!(arguments(&frames), [8, 40, 40]);
    // Frame pointers are for two processors; of ppc64, four words belong to the callee.
    let (frames, error) = unwind_on(Machine::Ppc64le, &memory, &code, at);
    assert_eq!(error, None);
    assert_eq!(shape(&frames)[1], (0x2010, 0, 32, 32));
    assert_eq!(arguments(&frames), [32, 64, 64]);
}

#[test]
fn a_function_with_a_frame_has_saved_the_link_register() {
    let (memory, code) = with_link_register();
    // What is in the register is of an earlier call.
    let at = Saved {
        pc: Addr::new(0x2010),
        sp: Addr::new(BASE),
        lr: Addr::new(0x9999),
    };
    let (frames, error) = unwind_on(Machine::Loong64, &memory, &code, at);
    assert_eq!((frames.len(), error), (2, None));
}

#[test]
fn who_was_interrupted_has_its_link_register_below_its_frame() {
    // A handler has put it there, and pretends that `sigpanic` was called at 0x1010, which has no
    // frame: that returns to 0x2010 therefore.
    let (_, mut code) = with_link_register();
    let (pc, mut sigpanic) = function(0x4000, 16);
    (sigpanic.sigpanic, sigpanic.injected) = (true, true);
    code.0.insert(pc, sigpanic);
    let mut words = vec![0x1010, 0xaa, 0x2010, 0xab];
    words.extend([0x3001, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
    let memory = Words { base: BASE, words };
    let at = Saved::on_stack(Addr::new(pc), Addr::new(BASE));
    let (frames, error) = unwind_on(Machine::Arm64, &memory, &code, at);
    assert_eq!(error, None);
    assert_eq!(
        shape(&frames),
        [
            (0x4000, 0, 16, 8),
            (0x1010, 32, 32, 32),
            (0x2010, 32, 64, 56),
            (0x3001, 64, 64, 64)
        ]
    );
    assert_eq!(frames[1].continue_pc, Addr::NIL, "it was trapped");
}

#[test]
fn a_circle_without_frames_ends() {
    let (memory, _) = with_link_register();
    let functions = [function(0x3001, 0)];
    let at = Saved::on_stack(Addr::new(0x3001), Addr::new(BASE));
    let (frames, error) = unwind_on(Machine::Riscv64, &memory, &Functions(functions.into()), at);
    assert!(frames.len() <= 2, "{}", frames.len());
    assert!(error.is_some());
}
