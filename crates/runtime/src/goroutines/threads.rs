//! Which thread runs which `m`, and what each was doing.

use std::collections::HashMap;

use goheap_memory::{Addr, Machine, Registers, Thread};

use super::layout::G;
use super::machine::M;
use super::signal_frame::SignalFrame;
use crate::World;

/// Threads that are asked where they keep their goroutine.
const ASKED: usize = 64;

/// How many words below a thread's base that can be. The linker's own choice is the first; C
/// libraries' thread-local variables can lie in between (cmd/link: `runtime.tlsg`).
const TLS_WORDS: usize = 128;

/// All threads and the `m`s that they run.
pub(super) struct Threads {
    pub(super) ms: Vec<M>,
    pub(super) list: Vec<ThreadState>,
    /// Indexes in `ms` by the goroutine that is `curg`.
    running: HashMap<Addr, Vec<usize>>,
    /// Index in `list` by index in `ms`.
    of_m: HashMap<usize, usize>,
}

/// What a thread was doing.
pub(super) struct ThreadState {
    /// The kernel's number.
    pub(super) tid: u32,
    /// Its registers.
    pub(super) registers: Registers,
    /// What it did before it got a signal, if it is in a handler.
    pub(super) interrupted: Option<SignalFrame>,
    /// It is on the signal stack, and there is no such frame.
    pub(super) lost: bool,
    /// Index of its `m`; `None` for threads that do not run Go.
    pub(super) m: Option<usize>,
    /// What it takes for its goroutine (the `g` of its thread-local storage), `None` if that is
    /// not known.
    g: Option<Addr>,
}

impl ThreadState {
    /// The registers of the program's or the runtime's code: those that a signal interrupted, if
    /// there is one.
    pub(super) fn code(&self) -> &Registers {
        match &self.interrupted {
            Some(frame) => &frame.registers,
            None => &self.registers,
        }
    }

    /// The goroutine that that code takes for its own, if it is known.
    pub(super) fn g(&self, m: &M) -> Option<Addr> {
        // A handler puts its own there (runtime/signal_unix.go: `sigtrampgo`).
        self.g
            .filter(|g| self.interrupted.is_none() || *g != m.gsignal)
    }
}

impl Threads {
    pub(super) fn new(world: &World<'_>, ms: Vec<M>) -> Threads {
        let threads = world.target.threads();
        let mut running: HashMap<Addr, Vec<usize>> = HashMap::new();
        for (i, m) in ms.iter().enumerate().filter(|(_, m)| !m.curg.is_nil()) {
            running.entry(m.curg).or_default().push(i);
        }
        let own = OwnG::find(world, threads, &ms);
        let code = |pc: Addr| world.find_func(pc).is_ok_and(|found| found.is_some());
        let mut list: Vec<ThreadState> = Vec::with_capacity(threads.len());
        let mut of_m = HashMap::new();
        for thread in threads {
            let g = own.g(world, thread, &code);
            let m = g.and_then(|g| own.ms.get(&g).copied());
            if let Some(m) = m {
                of_m.entry(m).or_insert(list.len());
            }
            list.push(ThreadState {
                tid: thread.tid,
                registers: thread.registers.clone(),
                interrupted: None,
                lost: false,
                m,
                g,
            });
        }
        by_number(&ms, &mut list, &mut of_m);
        for thread in &mut list {
            let Some(m) = thread.m.and_then(|m| ms.get(m)) else {
                continue;
            };
            let (stack, sp) = (m.gsignal_stack, thread.registers.sp);
            // At its very end the handler has taken all off.
            if stack.lo <= sp && sp <= stack.hi && stack.lo < stack.hi {
                thread.interrupted = SignalFrame::find(world, stack, sp);
                thread.lost = thread.interrupted.is_none();
            }
        }
        Threads {
            ms,
            list,
            running,
            of_m,
        }
    }

    /// The `m` that says that it runs `g`, and its thread. There can be two: a coroutine that was
    /// switched away from may be taken over before its thread has forgotten it (runtime/coro.go:
    /// `coroswitch_m`). Then it tells itself which one it is.
    pub(super) fn running(&self, g: &G) -> Option<(&M, Option<&ThreadState>)> {
        let indexes = self.running.get(&g.address)?;
        let own = indexes
            .iter()
            .find(|i| self.ms.get(**i).is_some_and(|m| m.address == g.m));
        let index = own.or_else(|| indexes.first())?;
        let thread = self.of_m.get(index).and_then(|i| self.list.get(*i));
        Some((self.ms.get(*index)?, thread))
    }

    /// The `m`s that no thread is known to run.
    pub(super) fn lost(&self) -> impl Iterator<Item = &M> {
        let ms = self.ms.iter().enumerate();
        ms.filter(|(i, _)| !self.of_m.contains_key(i))
            .map(|(_, m)| m)
    }
}

/// Threads that do not tell their goroutine (they are about to begin, or cannot be read) are known
/// by number. That is the second choice, for a core from inside a container has other numbers.
fn by_number(ms: &[M], list: &mut [ThreadState], of_m: &mut HashMap<usize, usize>) {
    let numbers: HashMap<u64, usize> = ms
        .iter()
        .enumerate()
        .filter(|(i, m)| m.procid != 0 && !of_m.contains_key(i))
        .map(|(i, m)| (m.procid, i))
        .collect();
    for (i, thread) in list.iter_mut().enumerate() {
        if thread.m.is_none()
            && let Some(m) = numbers.get(&u64::from(thread.tid))
        {
            thread.m = Some(*m);
            of_m.entry(*m).or_insert(i);
        }
    }
}

/// Where each thread keeps the goroutine that it takes for its own: on amd64 in its thread-local
/// storage, on others in a register, as long as it runs Go code. On 386 it is in such a storage too,
/// but no core tells where that is.
struct OwnG {
    register: Option<&'static str>,
    /// Words below the thread's base.
    below: Option<u64>,
    /// The `m`s by the goroutines that they can have there.
    ms: HashMap<Addr, usize>,
}

impl OwnG {
    /// Finds the place: the one nearest to the base at which most threads of the runtime have one of
    /// the goroutines that they can have. A thread that is about to begin has none there yet; and
    /// further down, without cgo, lie fields of `m` that have one always (runtime/sys_linux_amd64.s:
    /// `clone` and `settls` make the base point into `m.tls`).
    fn find(world: &World<'_>, threads: &[Thread], ms: &[M]) -> OwnG {
        let mut known = HashMap::new();
        for (i, m) in ms.iter().enumerate() {
            for g in [m.curg, m.gsignal, m.g0] {
                if !g.is_nil() {
                    known.insert(g, i);
                }
            }
        }
        let word = world.model.word_size();
        let mut scores = [0_u32; TLS_WORDS];
        for thread in threads.iter().take(ASKED) {
            let Some(base) = base(thread) else { continue };
            for (score, i) in scores.iter_mut().zip(1..) {
                let at = base.before(i * word);
                match world.model.read_ptr(&world.memory, at) {
                    Ok(g) => *score += u32::from(known.contains_key(&g)),
                    Err(_) => break,
                }
            }
        }
        let best = scores.iter().max().copied().unwrap_or(0);
        let first = scores.iter().position(|score| *score > best / 2);
        OwnG {
            register: match world.arch.machine {
                Machine::Amd64 => None,
                _ => world.arch.goroutine_register,
            },
            below: first.map(|i| (i as u64 + 1) * word),
            ms: known,
        }
    }

    fn g(
        &self,
        world: &World<'_>,
        thread: &Thread,
        is_code: &dyn Fn(Addr) -> bool,
    ) -> Option<Addr> {
        if let Some(register) = self.register {
            let g = Addr::new(thread.registers.get(register)?);
            let known = self.ms.contains_key(&g) && is_code(thread.registers.pc);
            return known.then_some(g);
        }
        let at = base(thread)?.before(self.below?);
        world.model.read_ptr(&world.memory, at).ok()
    }
}

/// The base of a thread's local storage.
fn base(thread: &Thread) -> Option<Addr> {
    let base = thread.registers.get("fs_base")?;
    (base != 0).then_some(Addr::new(base))
}
