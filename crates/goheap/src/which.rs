//! Which ELF file of a process or a core is the Go program, and where it lies in memory.
//!
//! Mostly that is the executable. But Go code may also be in a library that a program of another
//! language has loaded (`-buildmode=c-shared`), in a program that was started by naming the dynamic
//! linker, or more than once in a process: then each has a runtime and a heap of its own, and the
//! user says which is meant. Plugins belong to the program that opened them.

use std::path::{Path, PathBuf};

use goheap_golang::load_bias;
use goheap_image::{Executable, GoFile};
use goheap_memory::{
    Addr, BuildIds, Core, ElfNote, Layer, MappedObject, NotesError, Target, is_mapped_at,
    loaded_notes, mapped_objects, notes_of_object,
};
use goheap_process::{Mapped, map_file};

use crate::args::ExeArg;
use crate::error::{CommandError, Shown};
use crate::live::Live;

/// The Go program of a process or a core.
pub(crate) struct Found {
    /// Its file.
    pub(crate) executable: Executable<Mapped>,
    /// How far it lies above the addresses in its file.
    pub(crate) bias: u64,
    /// Where its file was, as the program saw it.
    pub(crate) path: Option<PathBuf>,
    /// Plugins that it has opened, with their biases.
    pub(crate) plugins: Vec<(Executable<Mapped>, u64)>,
    /// What cannot be made sure of.
    pub(crate) caveat: Option<String>,
}

impl Found {
    /// What the program cannot have changed, so that the files have it as a core would.
    pub(crate) fn read_only_layers(&self) -> Vec<Layer<&[u8]>> {
        let plugins = self.plugins.iter().map(|(file, bias)| (file, *bias));
        let mut layers = Vec::new();
        for (file, bias) in std::iter::once((&self.executable, self.bias)).chain(plugins) {
            let segments = file.segments().into_iter();
            layers.extend(
                segments
                    .filter(|segment| !segment.write)
                    .filter_map(|segment| {
                        Some(Layer {
                            start: Addr::new(segment.addr.get().wrapping_add(bias)),
                            bytes: file.data().get(segment.file_range)?,
                        })
                    }),
            );
        }
        layers
    }
}

/// What has ELF files loaded.
pub(crate) enum Host<'h> {
    /// A process.
    Process(&'h Live),
    /// A core.
    Core {
        /// It.
        core: &'h Core<Mapped>,
        /// Where it is.
        path: &'h Path,
        /// What it is called in messages.
        name: &'h str,
    },
}

impl Host<'_> {
    fn target(&self) -> &dyn Target {
        match self {
            Host::Process(live) => *live,
            Host::Core { core, .. } => *core,
        }
    }

    /// What it is called in messages.
    fn name(&self) -> &str {
        match self {
            Host::Process(live) => live.name(),
            Host::Core { name, .. } => name,
        }
    }

    /// Its executable, and by what path that was read.
    fn map_main(&self) -> Result<(Mapped, PathBuf), CommandError> {
        match self {
            Host::Process(live) => Ok((live.map_executable()?, live.executable_link())),
            Host::Core { core, path, .. } => {
                let exe = core.executable().ok_or_else(|| CommandError::NoExe {
                    path: (*path).to_owned(),
                })?;
                match map_file(&exe) {
                    Ok(data) => Ok((data, exe)),
                    Err(source) => Err(CommandError::ExeOfCore {
                        path: (*path).to_owned(),
                        exe,
                        source,
                    }),
                }
            }
        }
    }

    /// A file that it has loaded, if that is to be had: the very file, as far as can be told.
    fn map_object(&self, object: &MappedObject) -> Option<Mapped> {
        match self {
            Host::Process(live) => live.map_object(object),
            Host::Core { core, .. } => {
                let data = map_file(&object.path).ok()?;
                // It may be another one by now, or that of another machine.
                (is_mapped_at(&data, *core, object.start) != Some(false)).then_some(data)
            }
        }
    }
}

/// A place in memory where an ELF file is.
enum Place {
    /// That of the executable, which the auxiliary vector tells; with its path, if that is known.
    Main(Option<PathBuf>),
    /// That of another file.
    Object(MappedObject),
}

impl Place {
    /// All of them, that of the executable first.
    fn all(target: &dyn Target) -> Vec<Place> {
        let main = target.executable();
        let objects = mapped_objects(target.mappings(), target);
        let others = objects
            .into_iter()
            .filter(|object| main.as_ref() != Some(&object.path))
            .map(Place::Object);
        let mut places: Vec<Place> = others.collect();
        places.insert(0, Place::Main(main));
        places
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Place::Main(path) => path.as_deref(),
            Place::Object(object) => Some(&object.path),
        }
    }

    /// Whether `module`, a path or the end of one, means it.
    fn is(&self, module: &Path) -> bool {
        self.path().is_some_and(|path| path.ends_with(module))
    }

    /// The notes that lie there.
    fn notes(&self, target: &dyn Target) -> Result<Vec<ElfNote>, NotesError> {
        match self {
            Place::Main(_) => loaded_notes(target),
            Place::Object(object) => notes_of_object(target, object.start),
        }
    }

    /// Whether `file` is of the build that lies there; `None` if nobody can tell: a core without the
    /// file's first page has no ids, and a program may be linked without.
    fn has_build(&self, target: &dyn Target, file: &Executable<Mapped>) -> Option<bool> {
        let ids = BuildIds {
            gnu: file.gnu_build_id().map(<[u8]>::to_vec),
            go: file.go_build_id().map(|id| id.as_bytes().to_vec()),
        };
        let notes = self.notes(target).ok()?;
        BuildIds::of(&notes).same_build(&ids)
    }

    /// How far `file` lies above its addresses there.
    fn bias(&self, target: &dyn Target, file: &Executable<Mapped>) -> u64 {
        match self {
            Place::Main(_) => load_bias(file, target),
            Place::Object(object) => {
                let mut segments = file.segments().into_iter();
                let first = segments.find(|segment| segment.file_range.start == 0);
                let first = first.map_or(0, |segment| segment.addr.get());
                object.start.get().wrapping_sub(first)
            }
        }
    }

    /// The program of `file` that lies there.
    fn found(self, target: &dyn Target, file: Executable<Mapped>) -> Found {
        Found {
            bias: self.bias(target, &file),
            executable: file,
            path: self.path().map(Path::to_owned),
            plugins: Vec::new(),
            caveat: None,
        }
    }
}

/// Finds the Go program that `args` means, or the only one that there is.
///
/// # Errors
/// There is none, there are several, or its file is not to be had.
pub(crate) fn find(host: &Host<'_>, args: &ExeArg) -> Result<Found, CommandError> {
    let module = args.module.as_deref();
    let all = look(host, args.exe.is_none())?;
    match &args.exe {
        Some(exe) => {
            let mut found = given(host, exe, module)?;
            found.plugins = all.plugins;
            Ok(found)
        }
        None => all.choose(host, module),
    }
}

/// The program of the executable that somebody named.
fn given(host: &Host<'_>, exe: &Path, module: Option<&Path>) -> Result<Found, CommandError> {
    let target = host.target();
    let file = program_of(open_exe(exe)?, exe)?;
    let places = Place::all(target).into_iter();
    let places: Vec<Place> = places
        .filter(|place| module.is_none_or(|module| place.is(module)))
        .collect();
    let other_build = || CommandError::OtherBuild {
        path: exe.to_owned(),
        of: host.name().to_owned(),
    };
    let (machine, program) = (file.goarch(), target.machine().goarch());
    if machine != program {
        return Err(CommandError::OtherProcessor {
            path: exe.to_owned(),
            of: host.name().to_owned(),
            file: machine,
            program,
        });
    }
    let mut unsure = Vec::new();
    for place in places {
        match place.has_build(target, &file) {
            Some(true) => return Ok(place.found(target, file)),
            Some(false) => {}
            None => unsure.push(place),
        }
    }
    // Nobody knows better than who has named it. A library without any id is told by its name.
    let named = |place: &Place| place.path().and_then(Path::file_name) == exe.file_name();
    let at = unsure.iter().position(named);
    let at = at.or_else(|| {
        let main = |place: &Place| matches!(place, Place::Main(_));
        unsure
            .iter()
            .position(|place| module.is_some() || main(place))
    });
    let place = at.map(|at| unsure.swap_remove(at));
    let mut found = place.ok_or_else(other_build)?.found(target, file);
    found.caveat = Some(believed(host, exe));
    Ok(found)
}

fn believed(host: &Host<'_>, path: &Path) -> String {
    format!(
        "{} does not tell which build it runs, so {} is believed to be that one",
        host.name(),
        Shown(path)
    )
}

/// What was found in all that is loaded.
#[derive(Default)]
struct Loaded {
    programs: Vec<(Place, Executable<Mapped>)>,
    plugins: Vec<(Executable<Mapped>, u64)>,
    /// Files with Go code that are not to be had.
    lost: Vec<PathBuf>,
    /// Why the executable cannot be looked into.
    main: Option<CommandError>,
}

/// Looks into all files that are loaded; into the executable if `main` says so.
fn look(host: &Host<'_>, main: bool) -> Result<Loaded, CommandError> {
    let target = host.target();
    let mut loaded = Loaded::default();
    for place in Place::all(target) {
        let file = match &place {
            Place::Main(_) if !main => continue,
            Place::Main(_) => match main_file(host) {
                Ok(file) => file,
                Err(error) => {
                    loaded.main = Some(error);
                    continue;
                }
            },
            Place::Object(object) => match host.map_object(object) {
                Some(data) => match Executable::parse(data) {
                    Ok(file) => file,
                    // Something else that is mapped, of another machine for instance.
                    Err(_) => continue,
                },
                None => {
                    let notes = place.notes(target).unwrap_or_default();
                    if BuildIds::of(&notes).go.is_some() {
                        loaded.lost.push(object.path.clone());
                    }
                    continue;
                }
            },
        };
        // Of another processor is what an emulator runs.
        let same = file.goarch() == target.machine().goarch();
        match file
            .go_file()
            .filter(|_| same || matches!(place, Place::Main(_)))
        {
            Some(GoFile::Program) => loaded.programs.push((place, file)),
            Some(GoFile::Plugin) => {
                let bias = place.bias(target, &file);
                loaded.plugins.push((file, bias));
            }
            None => {}
        }
    }
    Ok(loaded)
}

fn main_file(host: &Host<'_>) -> Result<Executable<Mapped>, CommandError> {
    let (data, path) = host.map_main()?;
    Executable::parse(data).map_err(|source| CommandError::Image { path, source })
}

impl Loaded {
    /// The one program that is meant.
    fn choose(self, host: &Host<'_>, module: Option<&Path>) -> Result<Found, CommandError> {
        let target = host.target();
        let of = host.name().to_owned();
        let paths = |programs: &[(Place, Executable<Mapped>)]| -> Vec<PathBuf> {
            let paths = programs.iter().filter_map(|(place, _)| place.path());
            paths.map(Path::to_owned).collect()
        };
        if self.programs.is_empty() {
            return Err(match (self.main, self.lost) {
                (_, paths) if !paths.is_empty() => CommandError::LostObject { of, paths },
                (Some(error), _) => error,
                (None, _) => CommandError::NotGo { of },
            });
        }
        let all = paths(&self.programs);
        let mut meant = self.programs;
        if let Some(module) = module {
            meant.retain(|(place, _)| place.is(module));
        }
        let several = paths(&meant);
        let Some((place, file)) = meant.pop() else {
            return Err(CommandError::NoModule {
                of,
                module: module.unwrap_or(Path::new("")).to_owned(),
                paths: all,
            });
        };
        if !meant.is_empty() {
            return Err(CommandError::SeveralPrograms { of, paths: several });
        }
        let mut caveat = None;
        if let Host::Core { .. } = host {
            let (machine, program) = (file.goarch(), target.machine().goarch());
            if machine != program {
                return Err(CommandError::OtherProcessor {
                    path: place.path().unwrap_or(Path::new("?")).to_owned(),
                    of,
                    file: machine,
                    program,
                });
            }
            let path = place.path().unwrap_or(Path::new("its executable"));
            match place.has_build(target, &file) {
                Some(true) => {}
                Some(false) => {
                    let path = path.to_owned();
                    return Err(CommandError::OtherBuild { path, of });
                }
                None => caveat = Some(believed(host, path)),
            }
        }
        let found = place.found(target, file);
        Ok(Found {
            plugins: self.plugins,
            caveat,
            ..found
        })
    }
}

/// Opens an executable.
///
/// # Errors
/// There is none, or it is none of Go's.
pub(crate) fn open_exe(path: &Path) -> Result<Executable<Mapped>, CommandError> {
    let data = map_file(path).map_err(|source| CommandError::Open {
        path: path.to_owned(),
        source,
    })?;
    let file = Executable::parse(data).map_err(|source| CommandError::Image {
        path: path.to_owned(),
        source,
    })?;
    match file.go_file() {
        Some(_) => Ok(file),
        None => Err(CommandError::NoGoFile {
            path: path.to_owned(),
        }),
    }
}

/// Makes sure that a file has a runtime of its own.
fn program_of(file: Executable<Mapped>, path: &Path) -> Result<Executable<Mapped>, CommandError> {
    match file.go_file() {
        Some(GoFile::Program) => Ok(file),
        _ => Err(CommandError::Plugin {
            path: path.to_owned(),
        }),
    }
}
