//! From a process or a core to records: find it, open its executable, stop it, walk it, let it go.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use goheap_golang::catalogue::Catalogue;
use goheap_golang::{ElfProgram, Features};
use goheap_memory::{Core, DataModel, Memory, PageCache, Spliced, Target};
use goheap_process::{Mapped, map_file};
use goheap_runtime::{
    Fidelity, Gaps, Moment, MomentCheck, QuietCheck, Sink, Summary, WalkError, World, dump,
    patient_sites,
};

#[cfg(target_os = "linux")]
use goheap_runtime::{VitalSigns, Vitals};

use crate::args::{ExeArg, HowArgs};
use crate::error::CommandError;
use crate::learn::learn_catalogue;
use crate::live::{Live, LiveMemory, Stopped, Watch, monotonic_ns};
use crate::source::{Source, begins_like_a_dump};
use crate::standstill::Standstill;
use crate::which::{self, Found, Host};

/// A program that is about to be walked: its source and its executable are open, and nothing is
/// stopped yet.
pub(crate) struct Subject {
    from: From,
    found: Found,
    /// What is known of the program before the walk.
    pub(crate) facts: Facts,
}

enum From {
    Process(Live),
    Core(Core<Mapped>),
}

/// What a program's executable and its source say of it.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// What it is called in messages: `process 4711 (etcd)`, or the core's path.
    pub(crate) name: String,
    /// Where the executable is, as the program saw it.
    pub(crate) executable: Option<PathBuf>,
    /// Go's build id.
    pub(crate) go_build_id: Option<String>,
    /// The system linker's build id.
    pub(crate) gnu_build_id: Option<Vec<u8>>,
    /// The path of the main package.
    pub(crate) main_package: Option<String>,
    /// The version of the main module.
    pub(crate) main_version: Option<String>,
    /// The version of Go that it was built with.
    pub(crate) go_version: Option<String>,
    /// Parts of the program that the source lacks, known before the walk.
    pub(crate) caveat: Option<String>,
}

/// What a walk gave, beside its records.
pub(crate) struct Walked {
    /// Counts and gaps. What made the moment unsafe is among the gaps.
    pub(crate) summary: Summary,
    /// How the process stood still; `None` for a core, which does anyway.
    pub(crate) standstill: Option<Standstill>,
    /// Whether nothing that the walk read was being changed when the program was stopped.
    pub(crate) safe_moment: bool,
    /// When the program was stopped, or the core was read.
    pub(crate) at: SystemTime,
    /// When, in nanoseconds of the machine's monotonic clock; `None` for a core.
    pub(crate) monotonic_ns: Option<u64>,
    /// What /proc told of the process, right after it was let go; `None` for a core.
    pub(crate) process: Option<ProcessFacts>,
    /// Types, variables and functions of the program, if they were asked for.
    pub(crate) catalogue: Catalogue,
}

/// Where a capture may keep what it needs for its time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scratch<'a> {
    /// The directory, for a file without a name.
    pub(crate) directory: &'a Path,
    /// Bytes that are going to be written to the same disk.
    pub(crate) beside: u64,
}

/// What a catalogue is to have.
pub(crate) struct Learn<'a> {
    /// What DWARF tells.
    pub(crate) dwarf: bool,
    /// Entries of the functions whose local variables are wanted, once the walk is over.
    pub(crate) functions: &'a dyn Fn() -> HashSet<u64>,
}

/// What /proc tells of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessFacts {
    /// Its number.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
    /// Bytes of it that are in RAM.
    pub(crate) rss: u64,
    /// Bytes of these that are of no file.
    pub(crate) rss_anon: u64,
}

/// Looks at each moment at which the process stands still, and remembers the last.
struct Moments {
    check: MomentCheck,
    quiet: QuietCheck,
    moment: Moment,
    at: SystemTime,
    monotonic_ns: Option<u64>,
}

impl Moments {
    fn new(check: MomentCheck, quiet: QuietCheck) -> Moments {
        Moments {
            check,
            quiet,
            moment: Moment::default(),
            at: SystemTime::now(),
            monotonic_ns: None,
        }
    }
}

impl Watch for Moments {
    fn is_quiet(&mut self, memory: &LiveMemory) -> bool {
        self.quiet.is_quiet(memory)
    }

    fn suits(&mut self, stopped: &Stopped) -> bool {
        self.at = SystemTime::now();
        self.monotonic_ns = monotonic_ns();
        self.moment = self.check.look(stopped);
        self.moment.is_safe()
    }
}

/// What gaps that come from an unsafe moment are called.
const MOMENT: &str = "the moment";

impl Walked {
    fn new(
        mut summary: Summary,
        moment: Moment,
        standstill: Option<Standstill>,
        at: SystemTime,
    ) -> Walked {
        let mut gaps = Gaps::default();
        for reason in &moment.reasons {
            gaps.add(MOMENT, reason.at, &reason.text);
        }
        // In front: it may be why there are others.
        gaps.append(std::mem::take(&mut summary.gaps));
        summary.gaps = gaps;
        Walked {
            summary,
            standstill,
            safe_moment: moment.is_safe(),
            at,
            monotonic_ns: None,
            process: None,
            catalogue: Catalogue::default(),
        }
    }

    /// How it was captured, in a word (`goheap_format::annex::Capture`).
    pub(crate) fn method(&self) -> &'static str {
        self.standstill
            .as_ref()
            .map_or("core", |standstill| standstill.method)
    }

    /// How long the process stood still for the walk.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.standstill.as_ref().map(|standstill| standstill.pause)
    }

    /// When it was captured, in nanoseconds since 1970 (UTC).
    pub(crate) fn unix_ns(&self) -> u64 {
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Subject {
    /// Opens a process or a core, and the file of the Go program that runs in it: the one that `exe`
    /// says, or what the source has.
    ///
    /// # Errors
    /// Whatever shows before anything is stopped; a dump is neither of the two.
    pub(crate) fn open(source: &Source, exe: &ExeArg) -> Result<Subject, CommandError> {
        match source {
            Source::Process(pid) => {
                let live = Live::find(*pid)?;
                let found = which::find(&Host::Process(&live), exe)?;
                let facts = Facts::of(live.name(), &found, None);
                Ok(Subject {
                    from: From::Process(live),
                    found,
                    facts,
                })
            }
            Source::Core(path) => {
                let data = map_file(path).map_err(|source| CommandError::Open {
                    path: path.clone(),
                    source,
                })?;
                let core = Core::parse(data).map_err(|source| CommandError::Core {
                    path: path.clone(),
                    source,
                })?;
                let name = crate::error::Shown(path).to_string();
                let found = which::find(
                    &Host::Core {
                        core: &core,
                        path,
                        name: &name,
                    },
                    exe,
                )?;
                let cut_off = core.cut_off().map(|cut| {
                    format!(
                        "the core is cut off: it has {} of the {} bytes that its headers promise",
                        cut.len, cut.promised
                    )
                });
                let facts = Facts::of(&name, &found, cut_off);
                Ok(Subject {
                    from: From::Core(core),
                    found,
                    facts,
                })
            }
            Source::Dump(path) if begins_like_a_dump(path) => {
                Err(CommandError::AlreadyADump { path: path.clone() })
            }
            Source::Dump(path) => Err(CommandError::NoCore { path: path.clone() }),
        }
    }

    /// About how many bytes a walk will hand out: what the program has written to, at most.
    pub(crate) fn expected_bytes(&self) -> u64 {
        match &self.from {
            From::Process(live) => live.resident_bytes(),
            From::Core(core) => core
                .mappings()
                .iter()
                .filter(|mapping| mapping.write)
                .filter_map(|mapping| mapping.end.since(mapping.start))
                .fold(0, u64::saturating_add),
        }
    }

    /// When the process started, in clock ticks since boot; `None` for a core.
    #[cfg(target_os = "linux")]
    pub(crate) fn started(&self) -> Option<u64> {
        match &self.from {
            From::Process(live) => Some(live.facts().started),
            From::Core(_) => None,
        }
    }

    /// Bytes of the process in RAM now; 0 for a core.
    ///
    /// # Errors
    /// It has ended, or runs another program.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident_now(&self) -> Result<u64, CommandError> {
        match &self.from {
            From::Process(live) => live.resident_now(),
            From::Core(_) => Ok(0),
        }
    }

    /// Where the words of the running program are that tell how it is.
    ///
    /// # Errors
    /// They are not where they should be.
    #[cfg(target_os = "linux")]
    pub(crate) fn vital_signs(&self) -> Result<VitalSigns, CommandError> {
        let target: &dyn Target = match &self.from {
            From::Process(live) => live,
            From::Core(core) => core,
        };
        let program = self.program()?;
        let failed = |source| self.walk_error(source, &program);
        let world = World::open(target, &program).map_err(failed)?;
        VitalSigns::prepare(&world).map_err(failed)
    }

    /// How the program is.
    ///
    /// # Errors
    /// It has ended.
    #[cfg(target_os = "linux")]
    pub(crate) fn vitals(&self, signs: &VitalSigns) -> Result<Vitals, CommandError> {
        let memory: &dyn Memory = match &self.from {
            From::Process(live) => live,
            From::Core(core) => core,
        };
        signs.read(memory).map_err(|fault| {
            // Most likely it is gone by now.
            match self.resident_now() {
                Err(error) => error,
                Ok(_) => CommandError::Walk {
                    of: self.facts.name.clone(),
                    source: WalkError::Fault {
                        what: "how the program is",
                        fault,
                    },
                },
            }
        })
    }

    /// Which ways there are to capture it, and what is in the way of the others. It is only looked at;
    /// all that [`walk`](Subject::walk) does before it touches it is done.
    ///
    /// # Errors
    /// No way will do. A core needs none.
    #[cfg(target_os = "linux")]
    pub(crate) fn prospects(
        &self,
        scratch: Scratch<'_>,
    ) -> Result<Vec<goheap_process::Prospect>, CommandError> {
        let From::Process(live) = &self.from else {
            return Ok(Vec::new());
        };
        let program = self.program()?;
        let failed = |source| self.walk_error(source, &program);
        let world = World::open(live, &program).map_err(failed)?;
        MomentCheck::prepare(&world).map_err(failed)?;
        let sites = patient_sites(&world).map_err(failed)?;
        live.prospects(scratch, sites)
    }

    /// Captures the program, if it is a process, at a moment that is safe to look at it, and walks what
    /// was captured while it runs on. If there is no safe moment in the tries allowed, the last one has
    /// to do, and what is doubtful then is among the gaps. What the capture needs for its time goes to
    /// a file without a name in `scratch`.
    ///
    /// # Errors
    /// It does not stop; the walk or the sink fails.
    pub(crate) fn walk(
        &self,
        fidelity: Fidelity,
        how: &HowArgs,
        scratch: Scratch<'_>,
        sink: &mut dyn Sink,
        learn: Option<Learn<'_>>,
    ) -> Result<Walked, CommandError> {
        match &self.from {
            From::Process(live) => {
                let program = self.program()?;
                let failed = |source| self.walk_error(source, &program);
                // All that can be looked up while it still runs.
                let world = World::open(live, &program).map_err(failed)?;
                let (features, model) = (world.features.clone(), world.model);
                let check = MomentCheck::prepare(&world).map_err(failed)?;
                let sites = patient_sites(&world).map_err(failed)?;
                let quiet = QuietCheck::prepare(&world).map_err(failed)?;
                let mut moments = Moments::new(check, quiet);
                let snapshot = live.snapshot(how, scratch, sites, &mut moments)?;
                let process = live.facts();
                let walked = world
                    .stopped(&snapshot)
                    .and_then(|world| dump(&world, fidelity, sink));
                // Of the snapshot: the process may have ended meanwhile.
                let catalogue = learn.filter(|_| walked.is_ok()).map(|learn| {
                    let memory = PageCache::new(&snapshot);
                    self.catalogue(&program, &features, model, &memory, &learn)
                });
                let is_lost = snapshot.is_lost();
                let standstill = Standstill::of(snapshot);
                if is_lost {
                    let why = standstill
                        .left
                        .unwrap_or_else(|| "it was killed".to_owned());
                    return Err(CommandError::CopyLost { why });
                }
                let summary = walked.map_err(failed)?;
                let Moments {
                    moment,
                    at,
                    monotonic_ns,
                    ..
                } = moments;
                Ok(Walked {
                    monotonic_ns,
                    process: Some(process),
                    catalogue: catalogue.unwrap_or_default(),
                    ..Walked::new(summary, moment, Some(standstill), at)
                })
            }
            From::Core(core) => {
                let spliced = Spliced::new(core, self.found.read_only_layers());
                let program = self.program()?;
                let failed = |source| self.walk_error(source, &program);
                let at = SystemTime::now();
                let world = World::open(&spliced, &program).map_err(failed)?;
                let moment = MomentCheck::prepare(&world).map_err(failed)?.look(&spliced);
                let summary = dump(&world, fidelity, sink).map_err(failed)?;
                let catalogue = learn.map(|learn| {
                    let (features, model) = (&world.features, world.model);
                    self.catalogue(&program, features, model, &world.memory, &learn)
                });
                Ok(Walked {
                    catalogue: catalogue.unwrap_or_default(),
                    ..Walked::new(summary, moment, None, at)
                })
            }
        }
    }

    /// What the executable says of the program's types, variables and functions, and the process of
    /// what is not in the file. Neither changes while the program runs on.
    fn catalogue(
        &self,
        program: &ElfProgram<'_, Mapped>,
        features: &Features,
        model: DataModel,
        memory: &dyn Memory,
        learn: &Learn<'_>,
    ) -> Catalogue {
        let functions = (learn.functions)();
        learn_catalogue(
            &self.found.executable,
            program,
            &self.found.plugins,
            features,
            model,
            Some(memory),
            learn.dwarf.then_some(&functions),
        )
    }

    fn program(&self) -> Result<ElfProgram<'_, Mapped>, CommandError> {
        let Found {
            executable, bias, ..
        } = &self.found;
        ElfProgram::at(executable, *bias).map_err(|source| CommandError::Program {
            of: self.facts.name.clone(),
            source,
        })
    }

    fn walk_error(&self, source: WalkError, program: &ElfProgram<'_, Mapped>) -> CommandError {
        let of = self.facts.name.clone();
        match (source, program.take_damage()) {
            // The layout is missing because the DWARF that has it is damaged.
            (WalkError::Layout(_), Some(damage)) => CommandError::Program {
                of,
                source: damage.into(),
            },
            (source, _) => CommandError::Walk { of, source },
        }
    }
}

impl Facts {
    fn of(name: &str, found: &Found, caveat: Option<String>) -> Facts {
        let executable = &found.executable;
        let info = executable.build_info().and_then(|info| info.module_info);
        // runtime/debug/mod.go, go1.24: lines of "path\tPATH" and "mod\tPATH\tVERSION\tSUM".
        let field = |key: &str, at: usize| {
            let line = info
                .as_deref()?
                .lines()
                .find(|line| line.split('\t').next() == Some(key))?;
            Some(line.split('\t').nth(at)?.to_owned())
        };
        Facts {
            name: name.to_owned(),
            executable: found.path.clone(),
            go_build_id: executable.go_build_id().map(str::to_owned),
            gnu_build_id: executable.gnu_build_id().map(<[u8]>::to_vec),
            main_package: field("path", 1),
            main_version: field("mod", 2),
            go_version: executable.build_info().map(|info| info.go_version),
            caveat: match (caveat, found.caveat.clone()) {
                (Some(first), Some(second)) => Some(format!("{first}; {second}")),
                (first, second) => first.or(second),
            },
        }
    }
}
