//! A live process, as this system can look at one; on others than Linux, a clear no.

#[cfg(target_os = "linux")]
pub(crate) use linux::{
    Live, LiveMemory, Snapshot, Stopped, Watch, install_interrupts, monotonic_ns, stop_requested,
};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{
    Live, LiveMemory, Snapshot, Stopped, Watch, install_interrupts, monotonic_ns, stop_requested,
};

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::ops::Range;
    use std::path::{Path, PathBuf};

    use goheap_memory::{
        Addr, Fault, Machine, MappedObject, Mapping, Memory, Part, Target, Thread,
    };
    pub(crate) use goheap_process::{LiveMemory, Snapshot, Stopped, Watch};
    use goheap_process::{
        Mapped, Method, Process, Prospect, SnapshotOptions, StopOptions, interrupt, map_opened,
    };

    use crate::args::{HowArgs, MethodArg};
    use crate::capture::{ProcessFacts, Scratch};
    use crate::error::CommandError;

    /// A process that was found and that runs on. As a [`Target`] it has no threads, and its memory
    /// may change under the reader: enough for what is known before the stop, so that the stop does
    /// not have to wait for it.
    pub(crate) struct Live {
        process: Process,
        memory: LiveMemory,
        name: String,
    }

    impl Live {
        pub(crate) fn find(pid: u32) -> Result<Live, CommandError> {
            let process = Process::find(pid)?;
            let name = crate::text::printable(process.name().as_bytes()).to_string();
            let name = format!("process {pid} ({name})");
            Ok(Live {
                memory: process.memory(),
                process,
                name,
            })
        }

        pub(crate) fn map_executable(&self) -> Result<Mapped, CommandError> {
            Ok(self.process.map_executable()?)
        }

        /// A file that it has loaded, if that is to be had.
        pub(crate) fn map_object(&self, object: &MappedObject) -> Option<Mapped> {
            let file = self.process.open_object(object).ok()?;
            map_opened(&file).ok()
        }

        pub(crate) fn executable_link(&self) -> PathBuf {
            self.process.executable_link()
        }

        pub(crate) fn name(&self) -> &str {
            &self.name
        }

        /// Takes a snapshot of it.
        pub(crate) fn snapshot(
            &self,
            how: &HowArgs,
            scratch: Scratch<'_>,
            sites: Vec<Range<Addr>>,
            watch: &mut dyn Watch,
        ) -> Result<Snapshot, CommandError> {
            let options = options(how, scratch, sites);
            Ok(self.process.snapshot(&options, watch)?)
        }

        /// Bytes of it in RAM now.
        pub(crate) fn resident_now(&self) -> Result<u64, CommandError> {
            Ok(self.process.resident_now()?)
        }

        /// What is in the way of each method.
        pub(crate) fn prospects(
            &self,
            scratch: Scratch<'_>,
            sites: Vec<Range<Addr>>,
        ) -> Result<Vec<Prospect>, CommandError> {
            let options = options(&HowArgs::default(), scratch, sites);
            Ok(self.process.prospects(&options)?)
        }

        /// Bytes of its memory that are in RAM and its own; 0 if /proc does not tell.
        pub(crate) fn resident_bytes(&self) -> u64 {
            self.facts().rss_anon
        }

        /// What /proc tells of it; sizes are 0 where it does not.
        pub(crate) fn facts(&self) -> ProcessFacts {
            let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid()));
            let status = status.unwrap_or_default();
            // proc(5): "RssAnon:     1234 kB"
            let size = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                let number =
                    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
                number.unwrap_or_default().saturating_mul(1024)
            };
            ProcessFacts {
                pid: self.process.pid(),
                started: self.process.started(),
                rss: size("VmRSS:"),
                rss_anon: size("RssAnon:"),
            }
        }
    }

    fn options(how: &HowArgs, scratch: Scratch<'_>, sites: Vec<Range<Addr>>) -> SnapshotOptions {
        SnapshotOptions {
            stop: StopOptions {
                moments: how.tries,
                max_pause: how.max_pause,
                ..StopOptions::default()
            },
            method: how.method.map(|method| match method {
                MethodArg::PreCopy => Method::PreCopy,
                MethodArg::Fork => Method::Fork,
                MethodArg::Stop => Method::Stop,
            }),
            directory: scratch.directory.to_owned(),
            beside: scratch.beside,
            sites,
        }
    }

    impl Memory for Live {
        fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
            self.memory.read(at, buf)
        }

        fn read_parts(&self, parts: &mut [Part<'_>]) -> Result<(), Fault> {
            self.memory.read_parts(parts)
        }
    }

    impl Target for Live {
        fn machine(&self) -> Machine {
            self.process.machine()
        }

        fn threads(&self) -> &[Thread] {
            &[]
        }

        fn mappings(&self) -> &[Mapping] {
            self.process.mappings()
        }

        fn auxv(&self) -> &[(u64, u64)] {
            self.process.auxv()
        }

        fn executable(&self) -> Option<PathBuf> {
            self.process.executable().map(Path::to_path_buf)
        }
    }

    pub(crate) use goheap_process::monotonic_ns;

    /// From here on, the first Ctrl-C is only noticed.
    pub(crate) fn install_interrupts() -> Result<(), CommandError> {
        interrupt::install().map_err(CommandError::Signals)
    }

    /// The signal that asked goheap to end.
    pub(crate) fn stop_requested() -> Option<i32> {
        interrupt::requested()
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::convert::Infallible;
    use std::ops::Range;
    use std::path::PathBuf;

    use goheap_memory::{Addr, Fault, Machine, MappedObject, Mapping, Memory, Target, Thread};
    use goheap_process::Mapped;

    use crate::args::HowArgs;
    use crate::capture::Scratch;
    use crate::error::CommandError;

    /// There is none.
    pub(crate) struct Live(Infallible);

    /// There is none.
    pub(crate) struct Stopped(Infallible);

    /// There is none.
    pub(crate) struct Snapshot(Infallible);

    /// There is none.
    pub(crate) struct LiveMemory(Infallible);

    /// What a snapshot would ask about the program.
    pub(crate) trait Watch {
        fn is_quiet(&mut self, memory: &LiveMemory) -> bool;

        fn suits(&mut self, stopped: &Stopped) -> bool;
    }

    impl Snapshot {
        pub(crate) fn is_lost(&self) -> bool {
            match self.0 {}
        }

        /// What it cost.
        pub(crate) fn standstill(self) -> crate::standstill::Standstill {
            match self.0 {}
        }
    }

    impl Live {
        pub(crate) fn find(pid: u32) -> Result<Live, CommandError> {
            Err(CommandError::NoProcessesHere { pid })
        }

        pub(crate) fn map_executable(&self) -> Result<Mapped, CommandError> {
            match self.0 {}
        }

        pub(crate) fn map_object(&self, _object: &MappedObject) -> Option<Mapped> {
            match self.0 {}
        }

        pub(crate) fn executable_link(&self) -> PathBuf {
            match self.0 {}
        }

        pub(crate) fn name(&self) -> &str {
            match self.0 {}
        }

        pub(crate) fn snapshot(
            &self,
            _how: &HowArgs,
            _scratch: Scratch<'_>,
            _sites: Vec<Range<Addr>>,
            _watch: &mut dyn Watch,
        ) -> Result<Snapshot, CommandError> {
            match self.0 {}
        }

        pub(crate) fn resident_bytes(&self) -> u64 {
            match self.0 {}
        }

        pub(crate) fn facts(&self) -> crate::capture::ProcessFacts {
            match self.0 {}
        }
    }

    macro_rules! impl_never {
        ($name:ident) => {
            impl Memory for $name {
                fn read(&self, _: Addr, _: &mut [u8]) -> Result<(), Fault> {
                    match self.0 {}
                }
            }

            impl Target for $name {
                fn machine(&self) -> Machine {
                    match self.0 {}
                }

                fn threads(&self) -> &[Thread] {
                    match self.0 {}
                }

                fn mappings(&self) -> &[Mapping] {
                    match self.0 {}
                }

                fn auxv(&self) -> &[(u64, u64)] {
                    match self.0 {}
                }

                fn executable(&self) -> Option<PathBuf> {
                    match self.0 {}
                }
            }
        };
    }
    impl_never!(Live);
    impl_never!(Stopped);
    impl_never!(Snapshot);

    impl Memory for LiveMemory {
        fn read(&self, _: Addr, _: &mut [u8]) -> Result<(), Fault> {
            match self.0 {}
        }
    }

    pub(crate) fn monotonic_ns() -> Option<u64> {
        None
    }

    pub(crate) fn install_interrupts() -> Result<(), CommandError> {
        Ok(())
    }

    pub(crate) fn stop_requested() -> Option<i32> {
        None
    }
}
