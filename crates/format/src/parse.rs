//! One record out of a slice of bytes: the format, value by value.

use crate::{
    AllocSample, Arch, Defect, Defer, FieldKind, Fields, Finalizer, Goroutine, Header, Itab,
    MemProf, MemStats, Object, OsThread, OtherRoot, Panic, Params, ProfFrame, ReadError, Record,
    RecordKind, Segment, StackFrame, TypeDescriptor, varint,
};

/// Reads the record at `data[at..]`, and tells where it ends. `base` is the offset of `data` in the
/// dump, for errors.
#[inline]
pub(crate) fn record(
    data: &[u8],
    at: usize,
    base: u64,
    header: Header,
) -> Result<(Record<'_>, usize), ReadError> {
    let mut cursor = Cursor {
        data,
        at,
        base,
        record: at,
        kind: None,
    };
    let record = cursor.record(header)?;
    Ok((record, cursor.at))
}

struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
    base: u64,
    record: usize,
    kind: Option<RecordKind>,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn record(&mut self, header: Header) -> Result<Record<'a>, ReadError> {
        if self.at >= self.data.len() {
            return Err(self.fault(self.at, "the tag", Defect::NoEof));
        }
        let start = self.at;
        let tag = self.int("the tag")?;
        let Some(kind) = RecordKind::from_tag(tag) else {
            return Err(self.fault(start, "the tag", Defect::UnknownTag(tag)));
        };
        self.kind = Some(kind);
        if kind == RecordKind::Object {
            return self.object();
        }
        self.other(kind, header)
    }

    /// Nearly all records are objects, so this one is inlined into the loop of who reads them.
    #[inline]
    fn object(&mut self) -> Result<Record<'a>, ReadError> {
        Ok(Record::Object(Object {
            address: self.int("the address")?,
            contents: self.bytes("the contents")?,
            fields: self.fields()?,
        }))
    }

    #[inline(never)]
    fn other(&mut self, kind: RecordKind, header: Header) -> Result<Record<'a>, ReadError> {
        Ok(match kind {
            RecordKind::Eof => Record::Eof,
            RecordKind::Object => self.object()?,
            RecordKind::OtherRoot => Record::OtherRoot(OtherRoot {
                description: self.bytes("the description")?,
                target: self.int("the target")?,
            }),
            RecordKind::Type => Record::Type(TypeDescriptor {
                address: self.int("the address")?,
                size: self.int("the size")?,
                name: self.bytes("the name")?,
                indirect: self.bool("the indirection")?,
            }),
            RecordKind::Goroutine => Record::Goroutine(Goroutine {
                address: self.int("the address")?,
                sp: self.int("the stack pointer")?,
                id: self.int("the id")?,
                created_at: self.int("the place of creation")?,
                status: self.int("the status")?,
                system: self.bool("the system mark")?,
                background: self.bool("the background mark")?,
                waiting_since: self.int("the start of the wait")?,
                wait_reason: self.bytes("the wait reason")?,
                context: self.int("the context")?,
                m: self.int("the m")?,
                defers: self.int("the first defer")?,
                panics: self.int("the first panic")?,
            }),
            RecordKind::StackFrame => Record::StackFrame(StackFrame {
                sp: self.int("the stack pointer")?,
                depth: self.int("the depth")?,
                child_sp: self.int("the child's stack pointer")?,
                contents: self.bytes("the contents")?,
                entry: self.int("the entry")?,
                pc: self.int("the program counter")?,
                continue_pc: self.int("the continuation")?,
                function: self.bytes("the function's name")?,
                fields: self.fields()?,
            }),
            RecordKind::Params => Record::Params(Params {
                big_endian: self.bool("the byte order")?,
                pointer_size: self.int("the pointer size")?,
                heap_start: self.int("the heap's start")?,
                heap_end: self.int("the heap's end")?,
                arch: if header.arch_is_code() {
                    Arch::Code(self.int("the architecture")?)
                } else {
                    Arch::Name(self.bytes("the architecture")?)
                },
                go_version: self.bytes("the Go version")?,
                ncpu: self.int("the number of processors")?,
            }),
            RecordKind::Finalizer => Record::Finalizer(self.finalizer()?),
            RecordKind::Itab => Record::Itab(Itab {
                address: self.int("the address")?,
                concrete_type: self.int("the type")?,
            }),
            RecordKind::OsThread => Record::OsThread(OsThread {
                address: self.int("the address")?,
                id: self.int("the id")?,
                os_id: self.int("the system's id")?,
            }),
            RecordKind::MemStats => Record::MemStats(Box::new(self.memstats()?)),
            RecordKind::QueuedFinalizer => Record::QueuedFinalizer(self.finalizer()?),
            RecordKind::Data => Record::Data(self.segment()?),
            RecordKind::Bss => Record::Bss(self.segment()?),
            RecordKind::Defer => Record::Defer(Defer {
                address: self.int("the address")?,
                g: self.int("the goroutine")?,
                sp: self.int("the stack pointer")?,
                pc: self.int("the program counter")?,
                closure: self.int("the closure")?,
                code: self.int("the code")?,
                link: self.int("the link")?,
            }),
            RecordKind::Panic => Record::Panic(Panic {
                address: self.int("the address")?,
                g: self.int("the goroutine")?,
                value_type: self.int("the value's type")?,
                value_data: self.int("the value's data")?,
                defer: self.int("the defer")?,
                link: self.int("the link")?,
            }),
            RecordKind::MemProf => Record::MemProf(MemProf {
                bucket: self.int("the bucket")?,
                size: self.int("the size")?,
                stack: self.stack()?,
                allocs: self.int("the allocations")?,
                frees: self.int("the frees")?,
            }),
            RecordKind::AllocSample => Record::AllocSample(AllocSample {
                object: self.int("the object")?,
                bucket: self.int("the bucket")?,
            }),
        })
    }

    fn finalizer(&mut self) -> Result<Finalizer, ReadError> {
        Ok(Finalizer {
            object: self.int("the object")?,
            closure: self.int("the closure")?,
            code: self.int("the code")?,
            argument_type: self.int("the argument's type")?,
            object_type: self.int("the object's type")?,
        })
    }

    fn segment(&mut self) -> Result<Segment<'a>, ReadError> {
        Ok(Segment {
            address: self.int("the address")?,
            contents: self.bytes("the contents")?,
            fields: self.fields()?,
        })
    }

    fn stack(&mut self) -> Result<Vec<ProfFrame<'a>>, ReadError> {
        let count = self.int("the depth of the stack")?;
        // The count is only believed frame by frame, each of which takes three bytes at least.
        let mut stack = Vec::new();
        for _ in 0..count {
            stack.push(ProfFrame {
                function: self.bytes("a frame's function")?,
                file: self.bytes("a frame's file")?,
                line: self.int("a frame's line")?,
            });
        }
        Ok(stack)
    }

    fn memstats(&mut self) -> Result<MemStats, ReadError> {
        Ok(MemStats {
            alloc: self.int("alloc")?,
            total_alloc: self.int("total_alloc")?,
            sys: self.int("sys")?,
            lookups: self.int("lookups")?,
            mallocs: self.int("mallocs")?,
            frees: self.int("frees")?,
            heap_alloc: self.int("heap_alloc")?,
            heap_sys: self.int("heap_sys")?,
            heap_idle: self.int("heap_idle")?,
            heap_inuse: self.int("heap_inuse")?,
            heap_released: self.int("heap_released")?,
            heap_objects: self.int("heap_objects")?,
            stack_inuse: self.int("stack_inuse")?,
            stack_sys: self.int("stack_sys")?,
            mspan_inuse: self.int("mspan_inuse")?,
            mspan_sys: self.int("mspan_sys")?,
            mcache_inuse: self.int("mcache_inuse")?,
            mcache_sys: self.int("mcache_sys")?,
            buck_hash_sys: self.int("buck_hash_sys")?,
            gc_sys: self.int("gc_sys")?,
            other_sys: self.int("other_sys")?,
            next_gc: self.int("next_gc")?,
            last_gc: self.int("last_gc")?,
            pause_total_ns: self.int("pause_total_ns")?,
            pause_ns: {
                let mut pauses = [0; 256];
                for pause in &mut pauses {
                    *pause = self.int("pause_ns")?;
                }
                pauses
            },
            num_gc: self.int("num_gc")?,
        })
    }

    #[inline]
    fn int(&mut self, field: &'static str) -> Result<u64, ReadError> {
        match varint::decode(self.data.get(self.at..).unwrap_or_default()) {
            Ok((value, len)) => {
                self.at += len;
                Ok(value)
            }
            Err(fault) => Err(self.varint_fault(field, fault)),
        }
    }

    fn bool(&mut self, field: &'static str) -> Result<bool, ReadError> {
        let start = self.at;
        match self.int(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.fault(start, field, Defect::NotABool(other))),
        }
    }

    #[inline]
    fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], ReadError> {
        let start = self.at;
        let length = self.int(field)?;
        let rest = self.data.get(self.at..).unwrap_or_default();
        match usize::try_from(length).ok().and_then(|len| rest.get(..len)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => {
                let left = rest.len() as u64;
                Err(self.fault(start, field, Defect::LengthPastEnd { length, left }))
            }
        }
    }

    /// Checks the whole list, so that walking it later cannot fail.
    #[inline]
    fn fields(&mut self) -> Result<Fields<'a>, ReadError> {
        let start = self.at;
        loop {
            // Nearly all: a pointer in the first 128 bytes.
            while let Some([1, 0..0x80]) = self.data.get(self.at..self.at + 2) {
                self.at += 2;
            }
            let at = self.at;
            match self.int("a pointer's kind")? {
                0 => break,
                1 => {}
                kind if FieldKind::from_wire(kind).is_some() => {}
                kind => {
                    return Err(self.fault(at, "a pointer's kind", Defect::UnknownFieldKind(kind)));
                }
            }
            self.int("a pointer's offset")?;
        }
        Ok(Fields::Wire(
            self.data.get(start..self.at).unwrap_or_default(),
        ))
    }

    #[cold]
    fn varint_fault(&self, field: &'static str, fault: varint::Fault) -> ReadError {
        let defect = match fault {
            varint::Fault::Short => Defect::Truncated,
            varint::Fault::Endless => Defect::EndlessVarint,
            varint::Fault::Overflow => Defect::VarintOverflow,
            varint::Fault::Padded => Defect::PaddedVarint,
        };
        self.fault(self.at, field, defect)
    }

    #[cold]
    fn fault(&self, at: usize, field: &'static str, defect: Defect) -> ReadError {
        ReadError::Malformed {
            offset: self.base + at as u64,
            record: self.base + self.record as u64,
            kind: self.kind,
            field,
            defect,
        }
    }
}
