//! What registers and stack slots of x86-64 code hold, as far as it is a type, a variable, or something
//! that was made of a type.
//!
//! One pass through a function in the order of its addresses. Where ways meet, what they agree on is
//! kept; where a way leads back to, nothing is known. So what is known at an instruction is so on all
//! ways that lead there. A function that jumps to where a table says is left out.

use std::collections::{BTreeMap, HashMap, HashSet};

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    InstructionInfoOptions, MemorySize, Mnemonic, OpAccess, OpKind, Register,
};

use super::{ARGUMENTS, Callee};

/// What a register or a stack slot holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Value {
    #[default]
    Unknown,
    /// This address.
    Address(u64),
    /// What the word at this address held.
    Loaded(u64),
    /// A pointer to a new value of the type described at this address.
    New(u64),
    /// A pointer to the first of several.
    Many(u64),
    /// A value of the type.
    Of(u64),
}

/// What is said of the word at an address. Types by the addresses of their descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Is(u64),
    PointsTo(u64),
    HoldsMany(u64),
}

/// What is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Of the word at an address.
    Said { at: u64, what: What },
    /// A method is called on the variable at an address, or on what is loaded from it.
    Receiver { at: u64, loaded: bool, method: u64 },
    /// A word is set to an address, or compared with one.
    Constant { at: u64, value: u64 },
    /// A word is set to a number.
    Number { at: u64, value: u64 },
    /// The address of code is stored into the first word of a new value.
    Closure { of: u64, ty: u64 },
}

const REGISTERS: usize = 16;
/// Stack slots that are kept.
const SLOTS: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    registers: [Value; REGISTERS],
    /// By their distance from the stack pointer.
    slots: BTreeMap<u64, Value>,
}

impl State {
    /// Keeps what `other` says as well.
    fn meet(&mut self, other: &State) {
        for (one, other) in self.registers.iter_mut().zip(&other.registers) {
            if one != other {
                *one = Value::Unknown;
            }
        }
        self.slots
            .retain(|at, value| other.slots.get(at) == Some(value));
    }

    fn argument(&self, place: usize) -> Value {
        let register = ARGUMENTS.get(place);
        let value = register.and_then(|register| self.registers.get(*register));
        value.copied().unwrap_or_default()
    }

    fn set(&mut self, register: Register, value: Value) {
        if let Some(place) = place_of(register)
            && let Some(known) = self.registers.get_mut(place)
        {
            *known = value;
        }
    }

    fn get(&self, register: Register) -> Value {
        let known = place_of(register).and_then(|place| self.registers.get(place));
        known.copied().unwrap_or_default()
    }

    /// Forgets what was in the `size` bytes at a slot.
    fn overwrite(&mut self, at: u64, size: u64) {
        let end = at.saturating_add(size);
        self.slots
            .retain(|slot, _| *slot >= end || slot.saturating_add(8) <= at);
    }
}

/// The number of a general register, whatever part of it is meant.
fn place_of(register: Register) -> Option<usize> {
    register.is_gpr().then(|| register.full_register().number())
}

/// Room that is used again for each function.
pub(super) struct Flow {
    instructions: Vec<Instruction>,
    /// Where ways lead back to.
    back: HashSet<u64>,
    /// What is known where ways lead on to.
    ahead: HashMap<u64, State>,
    info: InstructionInfoFactory,
}

impl Flow {
    pub(super) fn new() -> Flow {
        Flow {
            instructions: Vec::new(),
            back: HashSet::new(),
            ahead: HashMap::new(),
            info: InstructionInfoFactory::new(),
        }
    }

    /// Shows what the code at `at` says of types; `callee` tells what the function at an address does.
    pub(super) fn of(
        &mut self,
        code: &[u8],
        at: u64,
        callee: &dyn Fn(u64) -> Option<Callee>,
        show: &mut dyn FnMut(Event),
    ) {
        if !self.decode(code, at, callee) {
            return;
        }
        let end = at.saturating_add(code.len() as u64);
        let mut state = Some(State::default());
        let instructions = std::mem::take(&mut self.instructions);
        for instruction in &instructions {
            let here = instruction.ip();
            if let Some(other) = self.ahead.remove(&here) {
                match &mut state {
                    Some(state) => state.meet(&other),
                    None => state = Some(other),
                }
            }
            if self.back.contains(&here) {
                state = Some(State::default());
            }
            // Nothing is known to lead here: a way that is not seen may.
            let known = state.get_or_insert_default();
            match instruction.flow_control() {
                FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                    let to = instruction.near_branch_target();
                    if to > here && to < end {
                        match self.ahead.get_mut(&to) {
                            Some(other) => other.meet(known),
                            None => {
                                self.ahead.insert(to, known.clone());
                            }
                        }
                    }
                    if instruction.flow_control() == FlowControl::UnconditionalBranch {
                        state = None;
                    }
                }
                FlowControl::Call => {
                    let to = instruction.near_branch_target();
                    call(known, to, callee(to), show);
                }
                FlowControl::IndirectCall => known.registers = Default::default(),
                FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => {
                    state = None;
                }
                _ => self.step(known, instruction, show),
            }
        }
        self.instructions = instructions;
    }

    /// Decodes a function. Whether it is worth going through: it is code, calls something that deals with
    /// types, and has no jump to where a table says.
    fn decode(&mut self, code: &[u8], at: u64, callee: &dyn Fn(u64) -> Option<Callee>) -> bool {
        self.instructions.clear();
        self.back.clear();
        self.ahead.clear();
        let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
        let mut calls = false;
        while decoder.can_decode() {
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                return false;
            }
            match instruction.flow_control() {
                FlowControl::IndirectBranch => return false,
                FlowControl::Call => {
                    let callee = callee(instruction.near_branch_target());
                    calls |= callee.is_some_and(|callee| callee != Callee::Keeps);
                }
                FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                    let to = instruction.near_branch_target();
                    if to <= instruction.ip() {
                        self.back.insert(to);
                    }
                }
                _ => {}
            }
            self.instructions.push(instruction);
        }
        calls
    }

    /// What an instruction that goes on to the next does.
    fn step(&mut self, state: &mut State, instruction: &Instruction, show: &mut dyn FnMut(Event)) {
        let rip = instruction.is_ip_rel_memory_operand();
        let wide = instruction.memory_size() == MemorySize::UInt64;
        match (
            instruction.mnemonic(),
            instruction.op0_kind(),
            instruction.op1_kind(),
        ) {
            (Mnemonic::Lea, OpKind::Register, _) => {
                let value = match rip {
                    true => Value::Address(instruction.ip_rel_memory_address()),
                    false => Value::Unknown,
                };
                state.set(instruction.op0_register(), value);
                return;
            }
            (Mnemonic::Mov, OpKind::Register, OpKind::Register) => {
                let (to, from) = (instruction.op0_register(), instruction.op1_register());
                let value = match to.is_gpr64() {
                    true => state.get(from),
                    false => Value::Unknown,
                };
                if to.full_register() == Register::RSP {
                    state.slots.clear();
                }
                state.set(to, value);
                return;
            }
            (Mnemonic::Mov, OpKind::Register, OpKind::Memory) => {
                let value = match slot(instruction) {
                    _ if !wide => Value::Unknown,
                    _ if rip => Value::Loaded(instruction.ip_rel_memory_address()),
                    Some(slot) => state.slots.get(&slot).copied().unwrap_or_default(),
                    None => Value::Unknown,
                };
                state.set(instruction.op0_register(), value);
                return;
            }
            (Mnemonic::Mov, OpKind::Memory, OpKind::Register) if wide => {
                let value = state.get(instruction.op1_register());
                self.store(state, instruction, value, show);
                return;
            }
            (Mnemonic::Mov, OpKind::Memory, OpKind::Immediate32to64) if rip => {
                let at = instruction.ip_rel_memory_address();
                let value = instruction.immediate(1);
                show(Event::Number { at, value });
                return;
            }
            (Mnemonic::Cmp, _, _) if rip => {
                let other = match instruction.op0_kind() {
                    OpKind::Register => instruction.op0_register(),
                    _ => instruction.op1_register(),
                };
                if let Value::Address(value) = state.get(other) {
                    let at = instruction.ip_rel_memory_address();
                    show(Event::Constant { at, value });
                }
                return;
            }
            (Mnemonic::Cmp, OpKind::Register, OpKind::Register) => {
                let both = [instruction.op0_register(), instruction.op1_register()];
                if let (Value::Loaded(at), Value::Address(value))
                | (Value::Address(value), Value::Loaded(at)) =
                    (state.get(both[0]), state.get(both[1]))
                {
                    show(Event::Constant { at, value });
                }
                return;
            }
            (Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop, _, _) => return,
            _ => {}
        }
        self.other(state, instruction);
    }

    /// A word is stored.
    fn store(
        &self,
        state: &mut State,
        instruction: &Instruction,
        value: Value,
        show: &mut dyn FnMut(Event),
    ) {
        if instruction.is_ip_rel_memory_operand() {
            let at = instruction.ip_rel_memory_address();
            match value {
                Value::New(ty) => show(Event::Said {
                    at,
                    what: What::PointsTo(ty),
                }),
                Value::Many(ty) => show(Event::Said {
                    at,
                    what: What::HoldsMany(ty),
                }),
                Value::Of(ty) => show(Event::Said {
                    at,
                    what: What::Is(ty),
                }),
                Value::Address(value) => show(Event::Constant { at, value }),
                Value::Loaded(_) | Value::Unknown => {}
            }
            return;
        }
        if let Some(slot) = slot(instruction) {
            state.overwrite(slot, 8);
            if value != Value::Unknown && state.slots.len() < SLOTS {
                state.slots.insert(slot, value);
            }
            return;
        }
        if on_stack(instruction) {
            state.slots.clear();
        }
        let plain = instruction.memory_index() == Register::None
            && instruction.memory_displacement64() == 0;
        if let (Value::Address(of), Value::New(ty), true) =
            (value, state.get(instruction.memory_base()), plain)
        {
            show(Event::Closure { of, ty });
        }
    }

    /// An instruction that is none of those that move words: what it changes is unknown.
    fn other(&mut self, state: &mut State, instruction: &Instruction) {
        let info = self
            .info
            .info_options(instruction, InstructionInfoOptions::NO_MEMORY_USAGE);
        for used in info.used_registers() {
            let changed = !matches!(
                used.access(),
                OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
            );
            if !changed {
                continue;
            }
            if used.register().full_register() == Register::RSP {
                state.slots.clear();
            }
            state.set(used.register(), Value::Unknown);
        }
        if instruction.op0_kind() == OpKind::Memory && on_stack(instruction) {
            match slot(instruction) {
                Some(slot) => {
                    let size = instruction.memory_size().size().max(8);
                    state.overwrite(slot, size as u64);
                }
                None => state.slots.clear(),
            }
        }
    }
}

/// Whether an instruction's memory is told by the stack pointer.
fn on_stack(instruction: &Instruction) -> bool {
    instruction.memory_base() == Register::RSP
}

/// The stack slot that is an instruction's memory, if it is one word told by the stack pointer alone.
fn slot(instruction: &Instruction) -> Option<u64> {
    (on_stack(instruction) && instruction.memory_index() == Register::None)
        .then(|| instruction.memory_displacement64())
}

/// A function is called: what it is given says something, and of what it returns something is known.
fn call(state: &mut State, to: u64, callee: Option<Callee>, show: &mut dyn FnMut(Event)) {
    let address = |place: usize| match state.argument(place) {
        Value::Address(at) => Some(at),
        _ => None,
    };
    let mut said = |value: Value, what: What| match (value, what) {
        // The address of a variable points to what the variable is.
        (Value::Address(at), What::PointsTo(ty)) => show(Event::Said {
            at,
            what: What::Is(ty),
        }),
        (Value::Loaded(at), what) => show(Event::Said { at, what }),
        _ => {}
    };
    let mut result = Value::Unknown;
    match callee {
        None => {}
        Some(Callee::Keeps) => return,
        Some(Callee::Makes(place)) => {
            result = address(place).map_or(result, Value::New);
        }
        Some(Callee::MakesMany(place)) => {
            result = address(place).map_or(result, Value::Many);
        }
        Some(Callee::Returns(place)) => {
            result = address(place).map_or(result, Value::Of);
        }
        Some(Callee::Uses) => {
            if let Some(ty) = address(0) {
                said(state.argument(1), What::Is(ty));
            }
        }
        Some(Callee::Reads) => {
            if let Some(ty) = address(0) {
                said(state.argument(1), What::PointsTo(ty));
            }
        }
        Some(Callee::Moves) => {
            if let Some(ty) = address(0) {
                said(state.argument(1), What::PointsTo(ty));
                said(state.argument(2), What::PointsTo(ty));
            }
        }
        Some(Callee::Copies(places)) => {
            if let Some(ty) = address(0) {
                for place in places {
                    said(state.argument(place), What::HoldsMany(ty));
                }
            }
        }
        Some(Callee::Grows { ty, old }) => {
            if let Some(ty) = address(ty) {
                said(state.argument(old), What::HoldsMany(ty));
                result = Value::Many(ty);
            }
        }
        Some(Callee::Method) => match state.argument(0) {
            Value::Address(at) => show(Event::Receiver {
                at,
                loaded: false,
                method: to,
            }),
            Value::Loaded(at) => show(Event::Receiver {
                at,
                loaded: true,
                method: to,
            }),
            _ => {}
        },
    }
    state.registers = Default::default();
    if let Some(first) = state.registers.first_mut() {
        *first = result;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWOBJECT: u64 = 0x9000;

    /// What code at 0x1000 says, if the function at 0x9000 is newobject.
    fn events(code: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let callee = |to| (to == NEWOBJECT).then_some(Callee::Makes(0));
        Flow::new().of(code, 0x1000, &callee, &mut |event| events.push(event));
        events
    }

    /// lea rax, [rip+0x100]: 0x1107; call 0x9000.
    fn makes() -> Vec<u8> {
        let mut code = b"\x48\x8d\x05\x00\x01\0\0\xe8".to_vec();
        code.extend((NEWOBJECT as u32 - 0x100c).to_le_bytes());
        code
    }

    const STORED: Event = Event::Said {
        at: 0x2000,
        what: What::PointsTo(0x1107),
    };

    /// mov [0x2000], rax for an instruction at `at`.
    fn stores(at: u64) -> Vec<u8> {
        let mut code = b"\x48\x89\x05".to_vec();
        code.extend((0x2000 - at as u32 - 7).to_le_bytes());
        code
    }

    #[test]
    fn what_is_made_and_stored() {
        let mut code = makes();
        code.extend(stores(0x100c));
        assert_eq!(events(&code), [STORED]);
        // By way of a stack slot: mov [rsp+8], rax; xor eax, eax; mov rax, [rsp+8].
        let mut code = makes();
        code.extend(b"\x48\x89\x44\x24\x08\x31\xc0\x48\x8b\x44\x24\x08");
        code.extend(stores(0x1018));
        assert_eq!(events(&code), [STORED]);
        // mov rcx, rax; call 0x8000; mov [0x2000], rcx: no register outlives a call.
        let mut code = makes();
        code.extend(b"\x48\x89\xc1\xe8");
        code.extend((0x8000u32 - 0x1014).to_le_bytes());
        code.extend(b"\x48\x89\x0d");
        code.extend((0x2000u32 - 0x1014 - 7).to_le_bytes());
        assert_eq!(events(&code), []);
        // xor eax, eax forgets it, and so does a vector over the slot: movups [rsp], xmm0.
        let mut code = makes();
        code.extend(b"\x31\xc0");
        code.extend(stores(0x100e));
        assert_eq!(events(&code), []);
        let mut code = makes();
        code.extend(b"\x48\x89\x44\x24\x08\x0f\x11\x04\x24\x48\x8b\x44\x24\x08");
        code.extend(stores(0x101a));
        assert_eq!(events(&code), []);
    }

    #[test]
    fn numbers_and_constants() {
        // mov qword [0x2000], 39.
        let mut code = makes();
        code.extend(b"\x48\xc7\x05");
        code.extend((0x2000u32 - 0x100c - 11).to_le_bytes());
        code.extend(39u32.to_le_bytes());
        let number = Event::Number {
            at: 0x2000,
            value: 39,
        };
        assert_eq!(events(&code), [number]);
        // lea rcx, [rip+0x10]; cmp [0x2000], rcx: what an interface begins with.
        let mut code = makes();
        code.extend(b"\x48\x8d\x0d\x10\0\0\0\x48\x39\x0d");
        code.extend((0x2000u32 - 0x1013 - 7).to_le_bytes());
        let constant = Event::Constant {
            at: 0x2000,
            value: 0x1023,
        };
        assert_eq!(events(&code), [constant]);
    }

    #[test]
    fn where_ways_meet() {
        // je +2; xor eax, eax: one of two ways forgets.
        let mut code = makes();
        code.extend(b"\x74\x02\x31\xc0");
        code.extend(stores(0x1010));
        assert_eq!(events(&code), []);
        // je +2; xor ecx, ecx: neither does.
        let mut code = makes();
        code.extend(b"\x74\x02\x31\xc9");
        code.extend(stores(0x1010));
        assert_eq!(events(&code), [STORED]);
        // A way leads back to the store: jmp -9.
        let mut code = makes();
        code.extend(stores(0x100c));
        code.extend(b"\xeb\xf7");
        assert_eq!(events(&code), []);
        // A jump to where a register says: jmp rcx.
        let mut code = makes();
        code.extend(stores(0x100c));
        code.extend(b"\xff\xe1");
        assert_eq!(events(&code), []);
    }

    #[test]
    fn closures() {
        // lea rcx, [rip+0x10]; mov [rax], rcx.
        let mut code = makes();
        code.extend(b"\x48\x8d\x0d\x10\0\0\0\x48\x89\x08");
        let closure = Event::Closure {
            of: 0x1023,
            ty: 0x1107,
        };
        assert_eq!(events(&code), [closure]);
        // mov [rax+8], rcx: not its first word.
        let mut code = makes();
        code.extend(b"\x48\x8d\x0d\x10\0\0\0\x48\x89\x48\x08");
        assert_eq!(events(&code), []);
    }
}
