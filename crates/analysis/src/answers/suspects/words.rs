//! Suspects in words: sentences whose parts say what they are, so that whoever shows them escapes and
//! writes each by the rules of the place.

use super::super::Subject;
use super::{Content, LEAST, Name, SHARE, Suspect, SuspectKind, Suspects, Useless};

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Words of goheap's own.
    Text(&'static str),
    /// What the dump calls something; it may tell of contents, and may be hostile and long.
    Name {
        /// What.
        name: Name,
        /// The same, to ask further for.
        of: Option<Subject>,
    },
    /// A size in bytes.
    Bytes(u64),
    /// How many.
    Count(u64),
    /// So many of so many bytes, for a percentage.
    Share {
        /// The part.
        part: u64,
        /// The whole.
        all: u64,
    },
}

/// A sentence without its full stop.
pub type Sentence = Vec<Part>;

impl Part {
    /// A name that tells of no contents.
    fn name(name: &str, of: Option<Subject>) -> Part {
        let name = Name {
            text: name.to_owned(),
            signature: name.to_owned(),
        };
        Part::Name { name, of }
    }
}

use Part::Text;

impl Suspects {
    /// What was found as a whole, if that is nothing, or nothing can be.
    pub fn verdict(&self) -> Option<Sentence> {
        if self.roots_missing {
            return Some(vec![Text(
                "Where roots are is not in this dump: who holds what cannot be told",
            )]);
        }
        if !self.found.is_empty() {
            return None;
        }
        Some(vec![
            Text("Nothing stands out: no single thing, type or group of goroutines holds "),
            Part::Count(100 / SHARE),
            Text(" % of the heap and "),
            Part::Bytes(LEAST),
        ])
    }

    /// What a suspect is and how much of the heap it holds:
    /// `main.cache.shards holds 71.3 % of the heap (812 MiB): 1,200,000 main.Session, mostly through
    /// [*].sessions[*]`.
    pub fn sentence(&self, suspect: &Suspect) -> Sentence {
        let mut said = Vec::new();
        let share = |said: &mut Sentence| {
            said.extend([
                Part::Share {
                    part: suspect.bytes,
                    all: self.heap.bytes,
                },
                Text(" of the heap ("),
                Part::Bytes(suspect.bytes),
                Text(")"),
            ]);
        };
        match suspect.kind {
            SuspectKind::Holder => {
                said.push(suspect.named());
                said.push(Text(match suspect.count {
                    1 => " holds ",
                    _ => " hold ",
                }));
                share(&mut said);
                suspect.says_content(&mut said);
            }
            SuspectKind::Type => {
                said.extend([
                    Part::Count(suspect.count),
                    Text(" "),
                    suspect.named(),
                    Text(" hold "),
                ]);
                share(&mut said);
                said.push(Text(", and no single thing holds them all"));
                if let Some(content) = &suspect.content {
                    said.push(match content.objects * 2 > suspect.count {
                        true => Text("; most are held by "),
                        false => Text("; the largest part is held by "),
                    });
                    said.push(Part::name(&content.through.signature, None));
                }
            }
            SuspectKind::Goroutines => {
                said.extend([
                    Part::Count(suspect.count),
                    Text(match suspect.count {
                        1 => " goroutine in ",
                        _ => " goroutines in ",
                    }),
                    suspect.named(),
                ]);
                if !suspect.about.is_empty() {
                    said.extend([Text(" ("), Part::name(&suspect.about, None), Text(")")]);
                }
                said.push(Text(match suspect.count {
                    1 => " holds ",
                    _ => " hold ",
                }));
                said.extend([
                    Part::Bytes(suspect.retained),
                    Text(" of the heap alone ("),
                    Part::Share {
                        part: suspect.retained,
                        all: self.heap.bytes,
                    },
                    Text(") and have "),
                    Part::Bytes(suspect.own),
                    Text(" of stacks"),
                ]);
                suspect.says_content(&mut said);
            }
            SuspectKind::Finalizers { .. } => {
                said.extend([Text("Only "), suspect.named(), Text(" hold ")]);
                share(&mut said);
                suspect.says_content(&mut said);
            }
            SuspectKind::Waste(why) => {
                share(&mut said);
                said.push(Text(match why {
                    Useless::SliceTails => " are capacity of slices beyond their length, in ",
                    Useless::Pinned => " are parts that nobody shows of arrays and strings, in ",
                    Useless::MapSlots => " are slots of maps without an entry, in ",
                    Useless::Duplicates => " are strings that are there more than once, in ",
                    Useless::Channels => " are buffers of channels without an element, in ",
                    Useless::Pools => " is held by nothing but sync.Pool, in ",
                }));
                says_objects(suspect.count, &mut said);
            }
            SuspectKind::Garbage => {
                said.extend([Part::Bytes(suspect.bytes), Text(" in ")]);
                says_objects(suspect.count, &mut said);
                said.push(Text(
                    " are garbage that was not collected yet: more than all that is reachable",
                ));
            }
        }
        said
    }

    /// What else is to be said of a suspect, most important first.
    pub fn notes(&self, suspect: &Suspect) -> Vec<Sentence> {
        let mut notes = Vec::new();
        if suspect.kind == SuspectKind::Goroutines && suspect.leaked > 0 {
            notes.push(match suspect.leaked == suspect.count {
                true => vec![Text(
                    "They wait for ever: for what nobody who can still run leads to",
                )],
                false => vec![
                    Part::Count(suspect.leaked),
                    Text(" of them wait for ever: for what nobody who can still run leads to"),
                ],
            });
        }
        if suspect.kind == SuspectKind::Holder && suspect.retained > suspect.bytes {
            notes.push(vec![
                Text("With what other suspects hold below it, it holds "),
                Part::Bytes(suspect.retained),
            ]);
        }
        if suspect.kind == SuspectKind::Holder && !suspect.about.is_empty() {
            let mut note = vec![Text("Its type: "), Part::name(&suspect.about, None)];
            if let Some(entries) = suspect.entries {
                let is_array = suspect.about.starts_with("[]");
                note.push(Text(match is_array {
                    true => ", with room for ",
                    false => ", with ",
                }));
                note.push(Part::Count(entries));
                note.push(Text(match (is_array, entries) {
                    (true, _) => "",
                    (false, 1) => " entry",
                    (false, _) => " entries",
                }));
            }
            if suspect.own > 0 {
                note.extend([Text("; "), Part::Bytes(suspect.own), Text(" itself")]);
            }
            notes.push(note);
        }
        if suspect.kind == (SuspectKind::Finalizers { queued: true }) {
            notes.push(vec![Text(
                "They are ready to run, one after the other: the goroutine that runs them may wait for \
                 something",
            )]);
        }
        if let Some(content) = &suspect.content {
            notes.extend(content.how_sure());
        }
        if suspect.kind == SuspectKind::Garbage {
            notes.push(vec![Text(
                "The next collection frees it, but for what finalizers keep; a high GOGC or a GOMEMLIMIT \
                 lets it grow",
            )]);
        }
        notes
    }
}

impl Suspect {
    fn named(&self) -> Part {
        Part::Name {
            name: self.name.clone(),
            of: self.of,
        }
    }

    /// `: 1,200,000 main.Session, mostly through .sessions[*]`.
    fn says_content(&self, said: &mut Sentence) {
        // More than the half of goroutines' own: their stacks are told of already.
        let objects = match self.kind {
            SuspectKind::Goroutines => self.retained,
            _ => self.bytes,
        };
        let Some(content) = self.content.as_ref().filter(|content| content.retained > 0) else {
            return;
        };
        if self.kind == SuspectKind::Holder && self.own > objects / 2 && content.bytes < self.own {
            said.push(Text(", most of it itself"));
            return;
        }
        said.extend([
            Text(": "),
            Part::Count(content.objects),
            Text(" "),
            Part::name(&content.class, content.of),
        ]);
        if content.retained < objects / 2 {
            said.extend([
                Text(" with "),
                Part::Bytes(content.retained),
                Text(" of it"),
            ]);
        }
        if !content.through.text.is_empty() {
            said.push(Text(match content.objects {
                1 => ", through ",
                _ => ", mostly through ",
            }));
            // Keys and indexes of one of them say nothing of the others.
            said.push(Part::name(&content.through.signature, None));
        }
    }
}

impl Content {
    /// How the type is known, if not for sure.
    fn how_sure(&self) -> Option<Sentence> {
        let all = self
            .known
            .sure
            .saturating_add(self.known.guessed)
            .saturating_add(self.known.unknown);
        if all == self.known.sure {
            return None;
        }
        if all == self.known.unknown {
            return Some(vec![Text("Their type is not known")]);
        }
        Some(vec![
            Text("That they are "),
            Part::name(&self.class, self.of),
            Text(" is a guess for "),
            Part::Share {
                part: self.known.guessed.saturating_add(self.known.unknown),
                all,
            },
            Text(" of their bytes"),
        ])
    }
}

fn says_objects(count: u64, said: &mut Sentence) {
    said.push(Part::Count(count));
    said.push(Text(match count {
        1 => " object",
        _ => " objects",
    }));
}
