//! What the `m`s say of their threads.

use goheap_golang::Place;
use goheap_memory::{Addr, DataModel, Part, Target};

use super::{Hazard, Moment, each_m};
use crate::{WalkError, World};

/// Where the wanted fields are.
#[derive(Debug)]
pub(super) struct Threads {
    /// `allm`.
    first: Addr,
    /// Bytes from an `m` to the first wanted field, and from there to the end of the last.
    from: u64,
    len: usize,
    procid: Place,
    mallocing: Place,
    dying: Place,
    curg: Place,
    g0: Place,
    gsignal: Place,
    p: Place,
    next: Place,
    /// Of a `g`.
    status: Place,
    stack: Place,
}

/// What is wanted of an `m`.
#[derive(Debug, Clone, Copy)]
pub(super) struct M {
    pub(super) at: Addr,
    /// The kernel's number of its thread.
    pub(super) procid: u64,
    pub(super) mallocing: i64,
    /// How often it has begun to end the program.
    pub(super) dying: i64,
    pub(super) curg: Addr,
    g0: Addr,
    gsignal: Addr,
    /// Whether it runs Go code or the collector: whoever waits has given its `p` away.
    pub(super) has_p: bool,
}

/// What is wanted of its `g`s. What an `m` does not have is 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct More {
    /// `curg.atomicstatus`.
    pub(super) status: u64,
    /// Bounds of `g0.stack` and `gsignal.stack`.
    pub(super) g0: (Addr, Addr),
    pub(super) gsignal: (Addr, Addr),
}

/// The most bytes of an `m` that are believed to lie between the wanted fields; it has some 2 KiB.
const LARGEST_M: u64 = 1 << 16;

impl Threads {
    pub(super) fn prepare(world: &World<'_>) -> Result<Threads, WalkError> {
        let place = |path: &str| world.structs.place("runtime.m", path);
        let all = [
            place("procid")?,
            place("mallocing")?,
            place("dying")?,
            place("curg")?,
            place("g0")?,
            place("gsignal")?,
            place("p")?,
            place("alllink")?,
        ];
        let from = all.iter().map(|place| place.offset).min().unwrap_or(0);
        let end = all.iter().map(|place| place.offset + place.size).max();
        let len = end.unwrap_or(0).saturating_sub(from);
        let at = world.global("runtime.allm")?;
        if len > LARGEST_M {
            return Err(WalkError::Implausible {
                what: "size of runtime.m",
                at,
                found: len,
                expected: "a sane size",
            });
        }
        let inside = |place: Place| Place {
            offset: place.offset - from,
            size: place.size,
        };
        let [procid, mallocing, dying, curg, g0, gsignal, p, next] = all.map(inside);
        Ok(Threads {
            first: at,
            from,
            len: len as usize,
            procid,
            mallocing,
            dying,
            curg,
            g0,
            gsignal,
            p,
            next,
            status: world.structs.place("runtime.g", "atomicstatus")?,
            stack: world.structs.place("runtime.g", "stack")?,
        })
    }

    /// Bytes from the start of an `m` to `mallocing`.
    pub(super) fn mallocing(&self) -> u64 {
        self.from + self.mallocing.offset
    }

    /// Reads all `m`s.
    pub(super) fn read(
        &self,
        model: DataModel,
        target: &dyn Target,
        moment: &mut Moment,
    ) -> Vec<M> {
        let mut ms = Vec::new();
        let mut bytes = vec![0; self.len];
        let first = match model.read_ptr(target, self.first) {
            Ok(first) => first,
            Err(fault) => {
                let text = format_args!("allm cannot be read: {fault}");
                moment.add(Hazard::Unseen, self.first, text);
                return ms;
            }
        };
        let read = each_m(first, |at| {
            target
                .read(at.offset(self.from), &mut bytes)
                .map_err(|fault| fault.to_string())?;
            let uint = |place: Place| {
                let start = place.offset as usize;
                let field = bytes.get(start..start + place.size.min(8) as usize);
                model.uint(field.unwrap_or_default())
            };
            ms.push(M {
                at,
                procid: uint(self.procid),
                // Both are an int32.
                mallocing: i64::from(uint(self.mallocing) as i32),
                dying: i64::from(uint(self.dying) as i32),
                curg: Addr::new(uint(self.curg)),
                g0: Addr::new(uint(self.g0)),
                gsignal: Addr::new(uint(self.gsignal)),
                has_p: uint(self.p) != 0,
            });
            Ok(Addr::new(uint(self.next)))
        });
        if let Err((at, why)) = read {
            moment.add(
                Hazard::Unseen,
                at,
                format_args!("allm cannot be followed: {why}"),
            );
        }
        ms
    }

    /// Reads what is wanted of the `g`s of `ms`, one for each, in few reads.
    pub(super) fn read_more(
        &self,
        model: DataModel,
        target: &dyn Target,
        ms: &[M],
        moment: &mut Moment,
    ) -> Vec<More> {
        let word = usize::from(model.word).min(8);
        let mut buffers = vec![[[0_u8; 16]; 3]; ms.len()];
        let mut parts = Vec::with_capacity(3 * ms.len());
        for (m, [status, g0, gsignal]) in ms.iter().zip(&mut buffers) {
            let size = (self.status.size as usize).min(8);
            for (g, place, buf) in [
                (m.curg, self.status, &mut status[..size]),
                (m.g0, self.stack, &mut g0[..2 * word]),
                (m.gsignal, self.stack, &mut gsignal[..2 * word]),
            ] {
                if !g.is_nil() {
                    let at = g.offset(place.offset);
                    parts.push(Part { at, buf });
                }
            }
        }
        if let Err(fault) = target.read_parts(&mut parts) {
            let text = format_args!("the goroutines of threads cannot be read: {fault}");
            moment.add(Hazard::Unseen, fault.at, text);
        }
        let size = (self.status.size as usize).min(8);
        let bounds = |bytes: &[u8; 16]| {
            let (lo, hi) = bytes[..2 * word].split_at(word);
            (Addr::new(model.uint(lo)), Addr::new(model.uint(hi)))
        };
        let more = buffers.iter().map(|[status, g0, gsignal]| More {
            status: model.uint(&status[..size]),
            g0: bounds(g0),
            gsignal: bounds(gsignal),
        });
        more.collect()
    }
}
