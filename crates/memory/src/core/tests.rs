use super::*;

/// Writes cores byte by byte, by the ELF specification; shares nothing with the reader.
#[derive(Clone, Default)]
struct Builder {
    /// Start, size in memory, contents, flags.
    loads: Vec<(u64, u64, Vec<u8>, u32)>,
    notes: Vec<u8>,
}

impl Builder {
    fn load(mut self, start: u64, memory: u64, contents: &[u8], flags: u32) -> Builder {
        self.loads.push((start, memory, contents.to_vec(), flags));
        self
    }

    fn note(mut self, name: &str, kind: u32, desc: &[u8]) -> Builder {
        for word in [name.len() as u32 + 1, desc.len() as u32, kind] {
            self.notes.extend(word.to_le_bytes());
        }
        for bytes in [&[name.as_bytes(), &[0]].concat(), desc] {
            self.notes.extend(bytes);
            self.notes.resize(self.notes.len().next_multiple_of(4), 0);
        }
        self
    }

    /// A thread whose registers are `first`, `first + 1`, ...
    fn thread(self, tid: u32, first: u64) -> Builder {
        let mut desc = vec![0; 336];
        desc[32..36].copy_from_slice(&tid.to_le_bytes());
        for i in 0..27 {
            let value = first + i as u64;
            desc[112 + 8 * i..][..8].copy_from_slice(&value.to_le_bytes());
        }
        self.note("CORE", 1, &desc)
    }

    fn files(self, files: &[(u64, u64, u64, &str)]) -> Builder {
        let mut words = vec![files.len() as u64, 4096];
        words.extend(
            files
                .iter()
                .flat_map(|(start, end, offset, _)| [*start, *end, *offset]),
        );
        let mut desc: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        for (_, _, _, name) in files {
            desc.extend(name.bytes().chain([0]));
        }
        self.note("CORE", 0x4649_4c45, &desc)
    }

    fn build(&self) -> Vec<u8> {
        let mut headers = Vec::new();
        let mut contents = Vec::new();
        let base = 64 + 56 * (1 + self.loads.len());
        let mut header = |kind: u32, flags: u32, words: [u64; 6]| {
            headers.extend(kind.to_le_bytes());
            headers.extend(flags.to_le_bytes());
            headers.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        };
        let size = self.notes.len() as u64;
        header(4, 0, [base as u64, 0, 0, size, 0, 4]);
        contents.extend(&self.notes);
        for (start, memory, bytes, flags) in &self.loads {
            let offset = (base + contents.len()) as u64;
            let size = bytes.len() as u64;
            header(1, *flags, [offset, *start, 0, size, *memory, 4096]);
            contents.extend(bytes);
        }
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        for half in [4u16, 62] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1u32.to_le_bytes());
        for word in [0u64, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0u32.to_le_bytes());
        for half in [64u16, 56, 1 + self.loads.len() as u16, 0, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        [file, headers, contents].concat()
    }
}

fn parse(file: &[u8]) -> Result<Core<&[u8]>, CoreError> {
    Core::parse(file)
}

fn kind(memory: &impl Memory, at: u64, len: usize) -> Option<FaultKind> {
    let fault = memory.read(Addr::new(at), &mut vec![0; len]).err()?;
    assert_eq!((fault.at, fault.len), (Addr::new(at), len as u64));
    Some(fault.kind)
}

/// Text (first page kept), data, heap beside it, and a mapping of which only the file is known.
fn sample() -> Builder {
    Builder::default()
        .thread(11, 100)
        .note("CORE", 3, &{
            let mut desc = vec![0; 136];
            desc[24..28].copy_from_slice(&11u32.to_le_bytes());
            desc[40..44].copy_from_slice(b"prog");
            desc[56..64].copy_from_slice(b"prog -x ");
            desc
        })
        .note(
            "CORE",
            6,
            &[3u64, 0x400040, 9, 0x401000, 0, 0]
                .map(u64::to_le_bytes)
                .concat(),
        )
        .files(&[
            (0x400000, 0x403000, 0, "/bin/prog"),
            (0x403000, 0x405000, 3, "/bin/prog"),
            (0x405000, 0x406000, 5, "/bin/prog"),
        ])
        .thread(12, 200)
        // Another owner's note of the same type is no thread.
        .note("LINUX", 1, &[0; 8])
        .load(0x406000, 0x1000, &[6; 0x1000], 6)
        .load(0x400000, 0x3000, &[4; 0x1000], 5)
        .load(0x405000, 0x1000, &[5; 0x1000], 6)
        .load(0x500000, 0x1000, &[], 0)
}

#[test]
fn threads_mappings_and_facts_are_read() {
    let file = sample().build();
    let core = parse(&file).unwrap();
    assert_eq!(core.machine(), Machine::Amd64);
    let tids: Vec<u32> = core.threads().iter().map(|thread| thread.tid).collect();
    assert_eq!(tids, [11, 12]);
    let registers = &core.threads()[1].registers;
    assert_eq!(registers.pc, Addr::new(216));
    assert_eq!(registers.sp, Addr::new(219));
    assert_eq!(registers.get("r15"), Some(200));
    assert_eq!(registers.get("gs"), Some(226));
    assert_eq!(core.auxv(), [(3, 0x400040), (9, 0x401000)]);
    assert_eq!(core.executable(), Some("/bin/prog".into()));
    let process = core.process().unwrap();
    assert_eq!(
        (process.pid, &*process.name, &*process.arguments),
        (11, "prog", "prog -x")
    );
    let mappings: Vec<_> = core
        .mappings()
        .iter()
        .map(|m| {
            (
                m.start.get(),
                m.end.get(),
                m.write,
                m.offset,
                m.name.is_some(),
            )
        })
        .collect();
    assert_eq!(
        mappings,
        [
            (0x400000, 0x403000, false, 0, true),
            (0x403000, 0x405000, false, 0x3000, true),
            (0x405000, 0x406000, true, 0x5000, true),
            (0x406000, 0x407000, true, 0, false),
            (0x500000, 0x501000, false, 0, false),
        ]
    );
    assert_eq!(core.cut_off(), None);
}

#[test]
fn reads_cross_segments_and_faults_tell_why() {
    let file = sample().build();
    let core = parse(&file).unwrap();
    let mut bytes = [0; 4];
    core.read(Addr::new(0x405ffe), &mut bytes).unwrap();
    assert_eq!(bytes, [5, 5, 6, 6]);
    assert_eq!(kind(&core, 0x400ff8, 8), None);
    assert_eq!(kind(&core, 0x400ffc, 8), Some(FaultKind::LeftOut), "text");
    assert_eq!(
        kind(&core, 0x404000, 1),
        Some(FaultKind::LeftOut),
        "only in the list of files"
    );
    assert_eq!(
        kind(&core, 0x500000, 1),
        Some(FaultKind::LeftOut),
        "no bytes"
    );
    assert_eq!(kind(&core, 0x406ffc, 8), Some(FaultKind::Unmapped));
    assert_eq!(kind(&core, 0, 1), Some(FaultKind::Unmapped));
    assert_eq!(kind(&core, u64::MAX, 2), Some(FaultKind::Unmapped));
    assert_eq!(kind(&core, 0, 0), None);
}

#[test]
fn a_core_cut_anywhere_gives_an_error_or_faults() {
    let whole = sample().build();
    let notes_end = 64 + 56 * 5 + sample().notes.len();
    for len in 0..whole.len() {
        let cut = parse(&whole[..len]);
        if len < notes_end {
            assert!(
                matches!(cut, Err(CoreError::NotElf | CoreError::CutOff { .. })),
                "{len}"
            );
            continue;
        }
        let core = cut.unwrap();
        let promised = whole.len() as u64;
        assert_eq!(
            core.cut_off(),
            Some(CutOff {
                len: len as u64,
                promised
            })
        );
        // The last segment of the file is that of 0x405000.
        assert_eq!(kind(&core, 0x405fff, 1), Some(FaultKind::CutOff));
        let start = whole.len() - 0x1000;
        let expected = (len <= start).then_some(FaultKind::CutOff);
        assert_eq!(kind(&core, 0x405000, 1), expected, "{len}");
    }
}

#[test]
fn what_is_no_core_is_named() {
    let error = |file: &[u8]| parse(file).expect_err("an error").to_string();
    assert_eq!(error(b""), "not an ELF file, so not a core");
    assert_eq!(
        error(b"#!/bin/sh and some more text"),
        "not an ELF file, so not a core"
    );
    // The wide form of the header read as the narrow one.
    let mut bits32 = sample().build();
    bits32[4] = 1;
    assert!(error(&bits32).contains("for x86-64 (32 bits), which goheap does not know"));
    let mut executable = sample().build();
    executable[16] = 2;
    assert!(error(&executable).contains("an executable or a library"));
    let mut other = sample().build();
    other[18] = 43;
    assert_eq!(
        error(&other),
        "the core of a program for sparc64 (64 bits), which goheap does not know"
    );
    other[18] = 99;
    assert!(error(&other).contains("an unknown processor (ELF machine 99)"));
    let nobody = Builder::default()
        .load(0x1000, 0x1000, &[0; 0x1000], 6)
        .build();
    assert!(error(&nobody).contains("no threads"));
    let mut odd = sample().build();
    odd[54] = 55;
    assert!(error(&odd).contains("malformed at byte 64: program headers of an odd size"));
    let mut short = sample();
    short.notes.truncate(100);
    assert!(error(&short.build()).contains("malformed"));
}

#[test]
fn segments_that_overlap_or_wrap_are_refused() {
    let thread = Builder::default().thread(1, 1);
    let overlap = thread
        .clone()
        .load(0x1000, 0x2000, &[], 6)
        .load(0x2fff, 0x1000, &[], 6);
    let error = parse(&overlap.build()).expect_err("an error");
    assert_eq!(
        error,
        CoreError::Overlap {
            at: Addr::new(0x2fff)
        }
    );
    let wraps = thread.load(u64::MAX - 10, 12, &[], 6);
    assert!(matches!(
        parse(&wraps.build()),
        Err(CoreError::Malformed { .. })
    ));
}

#[test]
fn a_hostile_list_of_files_is_refused() {
    for count in [1u64, 1 << 20, u64::MAX / 24, u64::MAX] {
        let desc = [count.to_le_bytes(), 4096u64.to_le_bytes()].concat();
        let core = Builder::default()
            .thread(1, 1)
            .note("CORE", 0x4649_4c45, &desc);
        assert!(
            matches!(parse(&core.build()), Err(CoreError::Malformed { .. })),
            "{count}"
        );
    }
}

#[test]
fn build_ids_are_found_in_memory() {
    // The first page of an executable: its header, two program headers, one note.
    let notes = Builder::default()
        .note("GNU", 3, b"0123")
        .note("Go", 4, b"a/b/c/d")
        .notes;
    let mut page = vec![0; 0x1000];
    let mut at = 64;
    let mut header = |kind: u32, words: [u64; 6]| {
        page[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        for (i, word) in words.iter().enumerate() {
            page[at + 8 + 8 * i..][..8].copy_from_slice(&word.to_le_bytes());
        }
        at += 56;
    };
    header(1, [0, 0x1000, 0, 0x1000, 0x1000, 0x1000]);
    header(4, [0x300, 0x1300, 0, 0, notes.len() as u64, 4]);
    page[0x300..][..notes.len()].copy_from_slice(&notes);
    let core = |headers: u64| {
        let auxv = [3, 0x7000_0040, 4, 56, 5, headers]
            .map(u64::to_le_bytes)
            .concat();
        Builder::default()
            .thread(1, 1)
            .note("CORE", 6, &auxv)
            .load(0x7000_0000, 0x1000, &page, 4)
            .build()
    };
    let file = core(2);
    let notes = crate::loaded_notes(&parse(&file).unwrap()).unwrap();
    let ids = crate::BuildIds::of(&notes);
    assert_eq!(ids.gnu.as_deref(), Some(&b"0123"[..]));
    assert_eq!(ids.go.as_deref(), Some(&b"a/b/c/d"[..]));
    let other = crate::BuildIds {
        gnu: None,
        go: Some(b"other".to_vec()),
    };
    assert_eq!(ids.same_build(&ids), Some(true));
    assert_eq!(ids.same_build(&other), Some(false));
    assert_eq!(ids.same_build(&crate::BuildIds::default()), None);
    for absurd in [1 << 40, u64::MAX] {
        let file = core(absurd);
        let error = crate::loaded_notes(&parse(&file).unwrap()).expect_err("an error");
        assert!(matches!(error, crate::NotesError::Malformed { .. }));
    }
}

/// A core of another processor, by the same specification: one thread whose registers are `first`,
/// `first + 1`, and so on from the start of its `elf_gregset_t`; a process; an auxiliary vector; a
/// list of one file; a page of memory.
fn other(machine: Machine, e_machine: u16, first: u64, prpsinfo: usize) -> Vec<u8> {
    let model = machine.data_model();
    let word = usize::from(model.word);
    let int = |value: u64, size: usize| match model.is_little() {
        true => value.to_le_bytes()[..size].to_vec(),
        false => value.to_be_bytes()[8 - size..].to_vec(),
    };
    let words =
        |values: &[u64]| -> Vec<u8> { values.iter().flat_map(|value| int(*value, word)).collect() };
    let mut notes = Vec::new();
    let mut note = |kind: u64, desc: &[u8]| {
        for value in [5, desc.len() as u64, kind] {
            notes.extend(int(value, 4));
        }
        notes.extend(b"CORE\0\0\0\0");
        notes.extend(desc);
        notes.resize(notes.len().next_multiple_of(4), 0);
    };
    // Signal's facts, pending and held signals, four ids, four times.
    let mut status = vec![0; 16 + 2 * word];
    for id in [4711, 1, 1, 1] {
        status.extend(int(id, 4));
    }
    status.resize(status.len() + 8 * word, 0);
    let registers: Vec<u64> = (0..50).map(|i| first + i).collect();
    status.extend(words(&registers));
    note(1, &status);
    let mut process = vec![0; prpsinfo];
    let pid = prpsinfo - 112;
    process[pid..pid + 4].copy_from_slice(&int(4710, 4));
    process[pid + 16..pid + 20].copy_from_slice(b"prog");
    process[pid + 32..pid + 39].copy_from_slice(b"prog -x");
    note(3, &process);
    note(6, &words(&[9, 0x10040, 0, 0]));
    let mut files = words(&[1, 4096, 0x10000, 0x12000, 3]);
    files.extend(b"/bin/prog\0");
    note(0x4649_4c45, &files);

    let (header, entry) = match word {
        4 => (52, 32),
        _ => (64, 56),
    };
    let mut file = vec![
        0x7f,
        b'E',
        b'L',
        b'F',
        word as u8 / 4,
        1 + u8::from(!model.is_little()),
        1,
    ];
    file.resize(16, 0);
    file.extend([int(4, 2), int(e_machine.into(), 2), int(1, 4)].concat());
    file.extend(words(&[0, header, 0]));
    file.extend(int(0, 4));
    for half in [header, entry, 2, 0, 0, 0] {
        file.extend(int(half, 2));
    }
    let notes_at = header + 2 * entry;
    let page_at = notes_at + notes.len() as u64;
    for (kind, flags, offset, start, size) in [
        (4, 0, notes_at, 0, notes.len() as u64),
        (1, 6, page_at, 0x20000, 4096),
    ] {
        // The flags stand elsewhere in the narrow form.
        let fields = match word {
            4 => [vec![kind, offset, start, 0, size, size], vec![flags, 4]].concat(),
            _ => vec![offset, start, 0, size, size, 4],
        };
        if word == 8 {
            file.extend([int(kind, 4), int(flags, 4)].concat());
        }
        file.extend(words(&fields));
    }
    file.extend(notes);
    file.extend([7; 4096]);
    file
}

#[test]
fn cores_of_other_processors_are_read() {
    // Number in ELF, bytes of a prpsinfo, and which words of the registers are which
    // (arch/*/include/uapi/asm/ptrace.h).
    let machines = [
        (Machine::Arm64, 183, 136, (32, 31), ("x28", 28)),
        (Machine::Arm, 40, 124, (15, 13), ("lr", 14)),
        (Machine::X86, 3, 124, (12, 15), ("eax", 6)),
        (Machine::Loong64, 258, 136, (33, 3), ("r22", 22)),
        (Machine::Mips, 8, 128, (40, 35), ("r31", 37)),
        (Machine::Mips64le, 8, 136, (34, 29), ("r31", 31)),
        (Machine::Ppc64le, 21, 136, (32, 1), ("link", 36)),
        (Machine::Riscv64, 243, 136, (0, 2), ("ra", 1)),
        (Machine::S390x, 22, 136, (1, 17), ("r14", 16)),
    ];
    for (machine, number, prpsinfo, (pc, sp), (name, place)) in machines {
        let file = other(machine, number, 0x1000, prpsinfo);
        let core = parse(&file).unwrap_or_else(|error| panic!("{machine:?}: {error}"));
        assert_eq!(core.machine(), machine);
        let thread = &core.threads()[0];
        assert_eq!(thread.tid, 4711, "{machine:?}");
        let registers = &thread.registers;
        assert_eq!(registers.pc, Addr::new(0x1000 + pc), "{machine:?}");
        assert_eq!(registers.sp, Addr::new(0x1000 + sp), "{machine:?}");
        assert_eq!(registers.get(name), Some(0x1000 + place), "{machine:?}");
        assert_eq!(core.auxv(), [(9, 0x10040)], "{machine:?}");
        let process = core.process().unwrap();
        let told = (process.pid, &*process.name, &*process.arguments);
        assert_eq!(told, (4710, "prog", "prog -x"), "{machine:?}");
        let files: Vec<_> = core
            .mappings()
            .iter()
            .map(|m| (m.start, m.offset))
            .collect();
        let expected = [(Addr::new(0x10000), 3 * 4096), (Addr::new(0x20000), 0)];
        assert_eq!(files, expected, "{machine:?}");
        assert_eq!(kind(&core, 0x20ffc, 4), None, "{machine:?}");
        for len in 0..file.len() - 4096 {
            assert!(parse(&file[..len]).is_err(), "{machine:?}, {len}");
        }
    }
}
