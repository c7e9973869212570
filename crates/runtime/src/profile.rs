//! The memory profile: a record for each bucket, its stack with names, files and lines
//! (runtime/heapdump.go: `dumpmemprof`; the samples are specials of spans, which the walk over
//! spans has).

use goheap_format::{MemProf, ProfFrame, Record};
use goheap_golang::Place;
use goheap_memory::Addr;

use crate::chain::Chain;
use crate::{Sink, WalkError, World};

/// The most frames of a bucket. `debug.profstackdepth` may not be set higher (runtime/mprof.go,
/// go1.23: `maxProfStackDepth`); up to go1.22 it is 32.
const FRAMES: u64 = 1024;

/// Where a bucket has what: a header, then its stack, then its counts (runtime/mprof.go:
/// `bucket.stk`, `bucket.mp`, all versions).
struct Bucket {
    header: u64,
    allnext: Place,
    size: Place,
    nstk: Place,
    allocs: Place,
    frees: Place,
}

/// Writes the buckets of the memory profile, in the order of `iterate_memprof`. There are none in
/// a program that does not link `runtime.MemProfile`.
///
/// # Errors
/// A bucket cannot be read, or the sink fails.
pub fn write_mem_profile(world: &World<'_>, sink: &mut dyn Sink) -> Result<(), WalkError> {
    const WHAT: &str = "a bucket of the memory profile";
    const BUCKET: &str = "runtime.bucket";
    const RECORD: &str = "runtime.memRecord";
    let structs = &world.structs;
    // An atomic.UnsafePointer is a struct of one word.
    let first = world.ptr(world.global("runtime.mbuckets")?, "runtime.mbuckets")?;
    if first.is_nil() {
        return Ok(());
    }
    let layout = Bucket {
        header: structs.size(BUCKET)?,
        allnext: structs.place(BUCKET, "allnext")?,
        size: structs.place(BUCKET, "size")?,
        nstk: structs.place(BUCKET, "nstk")?,
        allocs: structs.place(RECORD, "active.allocs")?,
        frees: structs.place(RECORD, "active.frees")?,
    };
    let mut chain = Chain::new(first);
    while let Some(at) = chain.at() {
        let frames = world.field(at, layout.nstk, WHAT)?;
        if frames > FRAMES {
            return Err(WalkError::Implausible {
                what: WHAT,
                at,
                found: frames,
                expected: "at most 1024 frames",
            });
        }
        let word = world.model.word_size();
        let counts = at.offset(layout.header + frames * word);
        let frames = (0..frames)
            .map(|i| {
                Frame::of(
                    world,
                    world.ptr(at.offset(layout.header + i * word), WHAT)?,
                    i,
                )
            })
            .collect::<Result<Vec<_>, WalkError>>()?;
        sink.record(&Record::MemProf(MemProf {
            bucket: at.get(),
            size: world.field(at, layout.size, WHAT)?,
            stack: frames.iter().map(Frame::record).collect(),
            allocs: world.field(counts, layout.allocs, WHAT)?,
            frees: world.field(counts, layout.frees, WHAT)?,
        }))?;
        chain.follow(Addr::new(world.field(at, layout.allnext, WHAT)?), WHAT)?;
    }
    Ok(())
}

/// What the dumper says of a frame.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    function: Vec<u8>,
    file: Vec<u8>,
    line: u64,
}

impl Frame {
    /// Describes the frame number `index` of a stack, at `pc`.
    fn of(world: &World<'_>, pc: Addr, index: u64) -> Result<Frame, WalkError> {
        let Some(found) = world.find_func(pc)? else {
            return Ok(Frame::unknown(pc));
        };
        // All but the innermost are return addresses; the call is before them.
        let call = if index > 0 && pc > found.entry() {
            pc.before(1)
        } else {
            pc
        };
        let (file, line) = found
            .module
            .text_offset(call)
            .and_then(|offset| found.func.file_line(offset).ok())
            .unwrap_or((b"?", 0));
        Ok(Frame {
            function: found.func.name().to_vec(),
            file: file.to_vec(),
            // An int32 that is written as it is, sign included.
            line: i64::from(line).cast_unsigned(),
        })
    }

    /// A pc outside of Go code.
    fn unknown(pc: Addr) -> Frame {
        Frame {
            function: format!("(0x{:x})", pc.get()).into_bytes(),
            file: b"?".to_vec(),
            line: 0,
        }
    }

    fn record(&self) -> ProfFrame<'_> {
        ProfFrame {
            function: &self.function,
            file: &self.file,
            line: self.line,
        }
    }
}

#[cfg(test)]
mod tests;
