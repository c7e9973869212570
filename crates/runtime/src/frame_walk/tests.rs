use std::collections::HashMap;

use goheap_memory::{Fault, FaultKind, Machine};

use super::*;
use crate::stack_map::{Bits, FrameMaps};
use crate::unwind::Step;

const BASE: u64 = 0xc000_1000;

/// A stack as an array of words.
struct Stackful(Vec<u64>);

impl Memory for Stackful {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        let fault = || Fault::new(at, buf.len(), FaultKind::Unmapped);
        let from = at.get().checked_sub(BASE).ok_or_else(fault)? as usize;
        let part = bytes.get(from..from + buf.len()).ok_or_else(fault)?;
        buf.copy_from_slice(part);
        Ok(())
    }
}

struct Functions(HashMap<u64, Rc<Site>>);

impl Functions {
    fn change(&mut self, pc: u64, change: impl Fn(&mut Site)) {
        let site = self.0.get_mut(&pc).and_then(Rc::get_mut).unwrap();
        change(site);
    }
}

impl Code for Functions {
    type Site = Site;

    fn site(&self, pc: Addr) -> Result<Option<Rc<Site>>, UnwindError> {
        Ok(self.0.get(&pc.get()).map(Rc::clone))
    }
}

fn function(pc: u64, sp_delta: u64) -> (u64, Rc<Site>) {
    let bits = Bits {
        words: 0,
        pointers: Box::default(),
    };
    let site = Site {
        step: Step {
            entry: Addr::new(pc & !0xfff),
            sp_delta: Some(sp_delta),
            top_frame: pc == TOP,
            sp_write: false,
            sigpanic: false,
            injected: false,
            deferreturn: None,
        },
        name: format!("f{pc:x}").into_bytes().into(),
        own_name: None,
        assembly: false,
        id: FuncId::normal,
        maps: Ok(FrameMaps {
            locals: PointerMap::Bits(bits),
            args: None,
            locals_in_range: true,
            args_in_range: true,
        }),
        args_len: ArgsLen::Fixed(0),
    };
    (pc, Rc::new(site))
}

const LEAF: u64 = 0x1010;
const MIDDLE: u64 = 0x2010;
const OUTER: u64 = 0x3010;
const TOP: u64 = 0x4001;

/// `LEAF` (16 bytes of frame) called by `MIDDLE` (16) called by `OUTER` (16) called by `TOP`.
fn four() -> (Stackful, Functions) {
    let words = vec![1, 2, MIDDLE, 3, 4, OUTER, 5, 6, TOP, 0];
    let functions = [
        function(LEAF, 16),
        function(MIDDLE, 16),
        function(OUTER, 16),
        function(TOP, 0),
    ];
    (Stackful(words), Functions(functions.into()))
}

fn start(memory: &Stackful) -> Start {
    let end = BASE + 8 * memory.0.len() as u64;
    Start {
        at: Saved::on_stack(Addr::new(LEAF), Addr::new(BASE)),
        at_call: true,
        lost: false,
        stack: Stack {
            lo: Addr::new(BASE),
            hi: Addr::new(end),
        },
        top: Addr::new(end - 8),
    }
}

/// Function, first and last word, and how it is scanned.
type Seen = (u64, u64, u64, char);

fn walk(memory: &Stackful, code: &Functions, start: Start) -> (Vec<Seen>, Vec<UnwindError>) {
    let searches = Searches::new();
    let arch = Arch::of(Machine::Amd64);
    let mut walk = FrameWalk::new(memory, arch, code, &searches, start);
    let mut seen = Vec::new();
    while let Some(frame) = walk.next() {
        let word = |at: Addr| (at.get() - BASE) / 8;
        let how = match frame.scan {
            Scan::Dead => 'd',
            Scan::Maps(_) => 'm',
            Scan::Words => 'w',
        };
        let function = frame.site.map_or(0, |_| frame.pc.get());
        seen.push((function, word(frame.sp), word(frame.fp), how));
    }
    (seen, walk.problems())
}

#[test]
fn frames_at_calls_are_scanned_by_their_maps() {
    let (memory, code) = four();
    let (seen, problems) = walk(&memory, &code, start(&memory));
    let expected = [
        (LEAF, 0, 3, 'm'),
        (MIDDLE, 3, 6, 'm'),
        (OUTER, 6, 9, 'm'),
        (TOP, 9, 10, 'm'),
    ];
    assert_eq!((seen.as_slice(), problems.len()), (expected.as_slice(), 0));
}

#[test]
fn whoever_was_stopped_between_calls_is_scanned_word_by_word() {
    let hows = |code: &Functions, at_call: bool| -> String {
        let (memory, _) = four();
        let start = Start {
            at_call,
            ..start(&memory)
        };
        let (seen, problems) = walk(&memory, code, start);
        assert_eq!(problems, []);
        seen.iter().map(|frame| frame.3).collect()
    };
    let (_, code) = four();
    assert_eq!(hows(&code, false), "wmmm");
    // It has saved the registers of its caller.
    for id in [FuncId::asyncPreempt, FuncId::debugCallV2] {
        let (_, mut code) = four();
        code.change(MIDDLE, |site| site.id = id);
        assert_eq!(hows(&code, true), "mwwm");
    }
    // The compiler takes it for no call.
    for name in [
        "gcWriteBarrier",
        "runtime.gcWriteBarrier2",
        "runtime.duffcopy",
    ] {
        let (_, mut code) = four();
        code.change(LEAF, |site| site.name = name.as_bytes().into());
        assert_eq!(hows(&code, false), "wwmm", "{name}");
    }
}

#[test]
fn a_frame_without_a_map_may_have_pointers_everywhere() {
    let missing = |site: &mut Site| {
        site.maps.as_mut().unwrap().locals = PointerMap::Missing;
    };
    let (memory, mut code) = four();
    code.change(MIDDLE, missing);
    let (seen, problems) = walk(&memory, &code, start(&memory));
    assert_eq!(seen[1], (MIDDLE, 3, 6, 'w'));
    let pc = Addr::new(MIDDLE);
    assert_eq!(problems, [UnwindError::NoMap { pc }]);

    // Assembly has none.
    code.change(MIDDLE, |site| site.assembly = true);
    let (seen, problems) = walk(&memory, &code, start(&memory));
    assert_eq!((seen[1].3, problems.len()), ('w', 0));
    assert_eq!(seen.len(), 4);

    let damage = UnwindError::Implausible {
        pc,
        what: "length of a stack map",
        found: 1 << 40,
    };
    code.change(MIDDLE, |site| site.maps = Err(damage.clone()));
    let (seen, problems) = walk(&memory, &code, start(&memory));
    assert_eq!((seen[1].3, seen.len()), ('w', 4));
    assert_eq!(problems, [damage]);
}

#[test]
fn who_never_goes_on_is_dead() {
    let (memory, mut code) = four();
    code.change(LEAF, |site| site.step.sigpanic = true);
    let (seen, problems) = walk(&memory, &code, start(&memory));
    let hows: String = seen.iter().map(|frame| frame.3).collect();
    assert_eq!((hows.as_str(), problems.len()), ("mdmm", 0));
}

#[test]
fn a_stack_goes_on_behind_what_cannot_be_unwound() {
    // Unknown code at the beginning, as far as the first return address that leads to the top.
    let (memory, code) = four();
    let unknown = Start {
        at: Saved::on_stack(Addr::new(0x9999), Addr::new(BASE)),
        ..start(&memory)
    };
    let (seen, problems) = walk(&memory, &code, unknown);
    let expected = [
        (0, 0, 3, 'w'),
        (MIDDLE, 3, 6, 'w'),
        (OUTER, 6, 9, 'm'),
        (TOP, 9, 10, 'm'),
    ];
    assert_eq!(seen, expected);
    let pc = Addr::new(0x9999);
    assert_eq!(problems, [UnwindError::UnknownPc { pc }]);

    // Unknown code in the middle.
    let (mut memory, code) = four();
    memory.0[2] = 0x9999;
    let (seen, problems) = walk(&memory, &code, start(&memory));
    let expected = [
        (LEAF, 0, 3, 'm'),
        (0, 3, 6, 'w'),
        (OUTER, 6, 9, 'w'),
        (TOP, 9, 10, 'm'),
    ];
    assert_eq!((seen.as_slice(), problems.len()), (expected.as_slice(), 1));
}

#[test]
fn what_leads_nowhere_is_one_frame_up_to_the_end() {
    let (mut memory, code) = four();
    // The return address of the outermost is lost.
    memory.0[8] = 0x9999;
    let (seen, problems) = walk(&memory, &code, start(&memory));
    assert_eq!(seen.last(), Some(&(0, 9, 10, 'w')));
    assert_eq!((seen.len(), problems.len()), (4, 1));

    let (memory, code) = four();
    let lost = Start {
        lost: true,
        ..start(&memory)
    };
    let (seen, problems) = walk(&memory, &code, lost);
    assert_eq!(
        (seen.as_slice(), problems.len()),
        ([(0, 0, 10, 'w')].as_slice(), 0)
    );
}
