//! The records of the format: bytes only. What is written big-endian is so in all of them.
//!
//! Source: the HPROF agent's manual, "HPROF Binary Format" (heap/hprof_b_spec.h of OpenJDK up to 8; today
//! the comment at the top of src/hotspot/share/services/heapDumper.cpp).

use std::io::{self, Write};

/// What the file begins with; identifiers are 8 bytes; no time, so that the same heap is the same file.
const HEADER: &[u8] = b"JAVA PROFILE 1.0.2\0\0\0\0\x08\0\0\0\0\0\0\0\0";

/// Bytes of a segment, unless one array is longer.
const SEGMENT: usize = 1 << 20;

/// Types of fields.
pub(super) const OBJECT: u8 = 2;
pub(super) const INT: u8 = 10;
pub(super) const LONG: u8 = 11;

/// No frame.
pub(super) const NO_FRAME: u32 = u32::MAX;

/// The stack trace of what has none.
pub(super) const NO_TRACE: u32 = 1;

/// A field of a class, or one that the class itself has.
pub(super) struct Field {
    /// Its name, by the number of the string.
    pub(super) name: u64,
    pub(super) ty: u8,
    /// Of one that the class itself has: what it leads to.
    pub(super) value: u64,
}

/// An array of references that is being written.
pub(super) struct Array {
    len: u64,
    /// How many elements are there already.
    done: u64,
    is_long: bool,
}

/// Writes records; those of the heap are gathered to segments.
pub(super) struct Records<'o> {
    out: &'o mut dyn Write,
    segment: Vec<u8>,
    next_string: u64,
}

impl<'o> Records<'o> {
    pub(super) fn new(out: &'o mut dyn Write) -> io::Result<Records<'o>> {
        out.write_all(HEADER)?;
        Ok(Records {
            out,
            segment: Vec::with_capacity(SEGMENT + (1 << 16)),
            next_string: 1,
        })
    }

    fn record(&mut self, tag: u8, parts: &[&[u8]]) -> io::Result<()> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.head(tag, len)?;
        parts.iter().try_for_each(|part| self.out.write_all(part))
    }

    fn head(&mut self, tag: u8, len: usize) -> io::Result<()> {
        let len = u32::try_from(len).map_err(io::Error::other)?;
        self.out.write_all(&[tag, 0, 0, 0, 0])?;
        self.out.write_all(&len.to_be_bytes())
    }

    /// A string, and its number.
    pub(super) fn string(&mut self, text: &str) -> io::Result<u64> {
        let id = self.next_string;
        self.next_string += 1;
        self.record(0x01, &[&id.to_be_bytes(), text.as_bytes()])?;
        Ok(id)
    }

    pub(super) fn load_class(&mut self, serial: u32, class: u64, name: u64) -> io::Result<()> {
        self.record(
            0x02,
            &[
                &serial.to_be_bytes(),
                &class.to_be_bytes(),
                &NO_TRACE.to_be_bytes(),
                &name.to_be_bytes(),
            ],
        )
    }

    /// A frame: its function, by the number of the string.
    pub(super) fn frame(
        &mut self,
        id: u64,
        function: u64,
        none: u64,
        class: u32,
    ) -> io::Result<()> {
        // The line is not known.
        self.record(
            0x04,
            &[
                &id.to_be_bytes(),
                &function.to_be_bytes(),
                &none.to_be_bytes(),
                &none.to_be_bytes(),
                &class.to_be_bytes(),
                &(-1i32).to_be_bytes(),
            ],
        )
    }

    pub(super) fn trace(&mut self, serial: u32, thread: u32, frames: &[u64]) -> io::Result<()> {
        let ids: Vec<u8> = frames.iter().flat_map(|id| id.to_be_bytes()).collect();
        let count = u32::try_from(frames.len()).map_err(io::Error::other)?;
        self.record(
            0x05,
            &[
                &serial.to_be_bytes(),
                &thread.to_be_bytes(),
                &count.to_be_bytes(),
                &ids,
            ],
        )
    }

    pub(super) fn thread(
        &mut self,
        serial: u32,
        object: u64,
        trace: u32,
        name: u64,
        group: u64,
    ) -> io::Result<()> {
        self.record(
            0x0a,
            &[
                &serial.to_be_bytes(),
                &object.to_be_bytes(),
                &trace.to_be_bytes(),
                &name.to_be_bytes(),
                &group.to_be_bytes(),
                &group.to_be_bytes(),
            ],
        )
    }

    /// Begins a record of the heap.
    fn sub(&mut self, tag: u8) -> io::Result<()> {
        if self.segment.len() >= SEGMENT {
            self.flush()?;
        }
        self.segment.push(tag);
        Ok(())
    }

    fn u4(&mut self, value: u32) {
        self.segment.extend(value.to_be_bytes());
    }

    pub(super) fn id(&mut self, value: u64) {
        self.segment.extend(value.to_be_bytes());
    }

    fn u2(&mut self, len: usize) -> io::Result<()> {
        let len = u16::try_from(len).map_err(io::Error::other)?;
        self.segment.extend(len.to_be_bytes());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.segment.is_empty() {
            return Ok(());
        }
        self.head(0x1c, self.segment.len())?;
        self.out.write_all(&self.segment)?;
        self.segment.clear();
        Ok(())
    }

    /// A class: what it itself has, and its objects' fields.
    pub(super) fn class(
        &mut self,
        class: u64,
        above: u64,
        own: &[Field],
        fields: &[Field],
    ) -> io::Result<()> {
        self.sub(0x20)?;
        self.id(class);
        self.u4(NO_TRACE);
        self.id(above);
        // Loader, signers, protection domain, and two that are reserved.
        (0..5).for_each(|_| self.id(0));
        let bytes: usize = fields.iter().map(|field| size_of(field.ty)).sum();
        self.u4(u32::try_from(bytes).map_err(io::Error::other)?);
        self.u2(0)?;
        self.u2(own.len())?;
        for field in own {
            self.id(field.name);
            self.segment.push(field.ty);
            self.id(field.value);
        }
        self.u2(fields.len())?;
        for field in fields {
            self.id(field.name);
            self.segment.push(field.ty);
        }
        Ok(())
    }

    /// The head of an object of a class; `bytes` of fields follow.
    pub(super) fn instance(&mut self, object: u64, class: u64, bytes: usize) -> io::Result<()> {
        self.sub(0x21)?;
        self.id(object);
        self.u4(NO_TRACE);
        self.id(class);
        self.u4(u32::try_from(bytes).map_err(io::Error::other)?);
        Ok(())
    }

    /// What the fields of an object hold.
    pub(super) fn fields(&mut self, bytes: &[u8]) {
        self.segment.extend_from_slice(bytes);
    }

    /// Begins an array of references: [`Self::element`] follows for those that are not nil, by place,
    /// ascending, and [`Self::end_array`].
    pub(super) fn begin_array(&mut self, object: u64, class: u64, len: u64) -> io::Result<Array> {
        let count = u32::try_from(len).map_err(io::Error::other)?;
        // Head and elements: what is long is a segment of its own, and is never held whole.
        let is_long = count as usize >= SEGMENT / 8;
        if is_long {
            self.flush()?;
        }
        self.sub(0x22)?;
        self.id(object);
        self.u4(NO_TRACE);
        self.u4(count);
        self.id(class);
        if is_long {
            self.head(0x1c, self.segment.len() + count as usize * 8)?;
            self.out.write_all(&self.segment)?;
            self.segment.clear();
        }
        Ok(Array {
            len,
            done: 0,
            is_long,
        })
    }

    /// An element. Of two at one place the first counts; what lies beyond the end is left out.
    pub(super) fn element(&mut self, array: &mut Array, place: u64, value: u64) -> io::Result<()> {
        if place < array.done || place >= array.len {
            return Ok(());
        }
        self.nil_until(array, place)?;
        self.words(array.is_long, &value.to_be_bytes())?;
        array.done += 1;
        Ok(())
    }

    pub(super) fn end_array(&mut self, array: &mut Array) -> io::Result<()> {
        self.nil_until(array, array.len)
    }

    fn nil_until(&mut self, array: &mut Array, place: u64) -> io::Result<()> {
        /// So many zeros are written at once.
        const ZEROS: [u8; 4096] = [0; 4096];
        while array.done < place {
            let step = (place - array.done).min(ZEROS.len() as u64 / 8);
            let zeros = ZEROS.get(..step as usize * 8).unwrap_or(&ZEROS);
            self.words(array.is_long, zeros)?;
            array.done += step;
        }
        Ok(())
    }

    fn words(&mut self, is_long: bool, bytes: &[u8]) -> io::Result<()> {
        match is_long {
            true => self.out.write_all(bytes),
            false => {
                self.segment.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// A root of a kind that has nothing but the object.
    pub(super) fn root(&mut self, tag: u8, object: u64) -> io::Result<()> {
        self.sub(tag)?;
        self.id(object);
        Ok(())
    }

    /// "JNI global": a root that no thread has.
    pub(super) fn root_global(&mut self, object: u64) -> io::Result<()> {
        self.sub(0x01)?;
        self.id(object);
        self.id(0);
        Ok(())
    }

    /// "Java frame": a local variable of a thread's frame.
    pub(super) fn root_frame(&mut self, object: u64, thread: u32, frame: u32) -> io::Result<()> {
        self.sub(0x03)?;
        self.id(object);
        self.u4(thread);
        self.u4(frame);
        Ok(())
    }

    /// "Native stack": something else that a thread holds.
    pub(super) fn root_native(&mut self, object: u64, thread: u32) -> io::Result<()> {
        self.sub(0x04)?;
        self.id(object);
        self.u4(thread);
        Ok(())
    }

    /// A thread's own object.
    pub(super) fn root_thread(&mut self, object: u64, thread: u32, trace: u32) -> io::Result<()> {
        self.sub(0x08)?;
        self.id(object);
        self.u4(thread);
        self.u4(trace);
        Ok(())
    }

    /// The end of the heap.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.record(0x2c, &[])
    }
}

/// Bytes of a field's value.
pub(super) fn size_of(ty: u8) -> usize {
    match ty {
        INT => 4,
        _ => 8,
    }
}
