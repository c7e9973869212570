//! What x86-64 code refers to.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, MemorySize, Mnemonic, OpKind};

use super::code::{Found, Where};

/// What each instruction of the code at `at` refers to, in order: memory relative to RIP, which is how
/// Go's compiler and assembler name every variable, and functions that are called or jumped to.
/// `None` if something is no instruction.
pub(super) fn references(code: &[u8], at: u64) -> Option<Vec<Found>> {
    let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut found = Vec::new();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            return None;
        }
        if instruction.is_ip_rel_memory_operand() {
            found.push(Found {
                op: operation(&instruction),
                to: Where::Data(instruction.ip_rel_memory_address()),
            });
            continue;
        }
        let op = match instruction.code() {
            Code::Call_rel32_64 => "call",
            Code::Jmp_rel32_64 | Code::Jmp_rel8_64 => "jump",
            _ => continue,
        };
        found.push(Found {
            op: op.to_owned(),
            to: Where::Code(instruction.near_branch64()),
        });
    }
    Some(found)
}

/// Shows the places in memory that the code at `at` names relative to RIP: each with how many bytes are
/// loaded or stored there at once, or none if only its address is taken. What is no instruction ends it.
pub(super) fn uses(code: &[u8], at: u64, show: &mut dyn FnMut(u64, Option<u64>)) {
    let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            return;
        }
        if instruction.is_ip_rel_memory_operand() {
            let taken = instruction.mnemonic() == Mnemonic::Lea;
            let size = match instruction.memory_size() {
                MemorySize::UInt8 | MemorySize::Int8 => 1,
                MemorySize::UInt16 | MemorySize::Int16 => 2,
                MemorySize::UInt32 | MemorySize::Int32 | MemorySize::Float32 => 4,
                MemorySize::UInt64 | MemorySize::Int64 | MemorySize::Float64 => 8,
                // Two words at once, as the compiler copies and clears.
                _ => 16,
            };
            show(
                instruction.ip_rel_memory_address(),
                (!taken).then_some(size),
            );
        }
    }
}

/// What it does: its name, how many bytes of memory it is about, and `=` if these are what it
/// changes.
fn operation(instruction: &Instruction) -> String {
    let changes = instruction.op0_kind() == OpKind::Memory;
    let size = match instruction.memory_size() {
        MemorySize::UInt8 | MemorySize::Int8 => "1",
        MemorySize::UInt16 | MemorySize::Int16 => "2",
        MemorySize::UInt32 | MemorySize::Int32 | MemorySize::Float32 => "4",
        MemorySize::UInt64 | MemorySize::Int64 | MemorySize::Float64 | MemorySize::QwordOffset => {
            "8"
        }
        _ => "",
    };
    match (instruction.mnemonic(), changes) {
        (Mnemonic::Lea, _) => "lea".to_owned(),
        (Mnemonic::Mov, false) => format!("load{size}"),
        (Mnemonic::Mov, true) => format!("store{size}"),
        (other, false) => format!("{other:?}{size}").to_lowercase(),
        (other, true) => format!("{other:?}{size}=").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_calls() {
        // lea rax, [rip+0x10]; mov rcx, [rip+8]; mov [rip+8], rcx; cmp dword [rip+1], 0; call +0; ret
        let code = b"\x48\x8d\x05\x10\0\0\0\x48\x8b\x0d\x08\0\0\0\x48\x89\x0d\x08\0\0\0\x83\x3d\x01\0\0\0\0\xe8\0\0\0\0\xc3";
        let found = references(code, 0x1000).unwrap();
        let data = |op: &str, to| Found {
            op: op.to_owned(),
            to: Where::Data(to),
        };
        assert_eq!(
            found,
            [
                data("lea", 0x1017),
                data("load8", 0x1016),
                data("store8", 0x101d),
                data("cmp4=", 0x101d),
                Found {
                    op: "call".into(),
                    to: Where::Code(0x1021)
                },
            ]
        );
        assert_eq!(references(b"\x06", 0), None);
    }
}
