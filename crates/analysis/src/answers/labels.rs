//! The labels that a program gives its goroutines (`pprof.Do`, `pprof.SetGoroutineLabels`).
//!
//! A goroutine's `labels` (runtime/runtime2.go, go1.19: `g`) is nil or leads to a `runtime/pprof.labelMap`
//! (runtime/pprof/label.go): a map of strings up to Go 1.23, from 1.24 on a struct that begins with a slice
//! of keys and values, two strings each. No other package sets it
//! (runtime/proflabel.go: `runtime_setProfLabel`).

use std::ops::ControlFlow;

use goheap_golang::{Features, GoVersion, Kind, MapGeometry, MapLayouts, Structs};
use goheap_memory::{Addr, Memory};

use crate::analysis::Analysis;
use crate::dump::{Dump, Goroutine};

/// How many labels of a goroutine are told.
const MOST: usize = 32;

/// How many slots of a map are looked at for them.
const SLOTS: u64 = 4096;

/// How many bytes of a key or a value are told.
const LONGEST: u64 = 1024;

/// The labels of a dump's goroutines.
pub struct Labels<'d> {
    dump: &'d Dump,
    /// What can be read; `None` if the dump does not tell where labels are.
    read: Option<Read>,
}

struct Read {
    /// Where in a `g` they are, bytes.
    offset: u64,
    form: Form,
}

enum Form {
    Map(MapLayouts, MapGeometry),
    List,
}

/// A label: key and value, bytes as the program has them.
pub type Label = (Vec<u8>, Vec<u8>);

impl<'d> Labels<'d> {
    /// Of a dump: none at all if its program does not use labels, or if the layout of a `g` is not known.
    pub fn of(analysis: &'d Analysis) -> Labels<'d> {
        let dump = &analysis.dump;
        Labels {
            dump,
            read: Read::of(analysis),
        }
    }

    /// Those of a goroutine, by key. Texts that are not in the dump are left out: a redacted dump has
    /// none.
    pub fn of_goroutine(&self, goroutine: &Goroutine) -> Vec<Label> {
        let mut labels = Vec::new();
        let Some(read) = &self.read else {
            return labels;
        };
        let at = goroutine.address.wrapping_add(read.offset);
        let map = match self.dump.word(at) {
            None | Some(0) => return labels,
            Some(map) => map,
        };
        match &read.form {
            Form::Map(layouts, geometry) => self.map(layouts, geometry, map, &mut labels),
            Form::List => self.list(map, &mut labels),
        }
        labels.sort();
        labels
    }

    fn map(&self, layouts: &MapLayouts, geometry: &MapGeometry, at: u64, labels: &mut Vec<Label>) {
        let Some(map) = self.dump.word(at) else {
            return;
        };
        let (dump, model) = (self.dump, self.dump.params().model);
        // What was read before an error is right.
        let _ = layouts.walk(dump, model, geometry, Addr::new(map), SLOTS, &mut |entry| {
            labels.extend(self.label(entry.key.get(), entry.elem.get()));
            match labels.len() < MOST {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
    }

    fn list(&self, at: u64, labels: &mut Vec<Label>) {
        let word = u64::from(self.dump.params().model.word);
        let (Some(first), Some(len)) = (self.dump.word(at), self.dump.word(at.wrapping_add(word)))
        else {
            return;
        };
        for number in 0..len.min(MOST as u64) {
            let key = first.wrapping_add(number * 4 * word);
            labels.extend(self.label(key, key.wrapping_add(2 * word)));
        }
    }

    fn label(&self, key: u64, value: u64) -> Option<Label> {
        Some((self.text(key)?, self.text(value)?))
    }

    /// What the string that lies there shows; `None` if that is not in the dump.
    fn text(&self, at: u64) -> Option<Vec<u8>> {
        let word = u64::from(self.dump.params().model.word);
        let (data, len) = (self.dump.word(at)?, self.dump.word(at.wrapping_add(word))?);
        let mut text = vec![0; usize::try_from(len.min(LONGEST)).ok()?];
        self.dump.read(Addr::new(data), &mut text).ok()?;
        // In a redacted dump there are zeros in its place.
        (text.is_empty() || text.iter().any(|byte| *byte != 0)).then_some(text)
    }
}

impl Read {
    fn of(analysis: &Analysis) -> Option<Read> {
        let dump = &analysis.dump;
        let catalogue = dump.catalogue();
        let structs = Structs::new(&catalogue.layouts);
        let offset = structs.offset("runtime.g", "labels").ok()?;
        let id = catalogue.named("runtime/pprof.labelMap")?;
        let form = match catalogue.get(id)?.kind {
            Kind::Struct => Form::List,
            Kind::Map => {
                let version = dump.params().go_version.parse::<GoVersion>().ok()?;
                let features = Features::of(&version).ok()?;
                let layouts = MapLayouts::new(&structs, &features).ok()?;
                Form::Map(
                    layouts,
                    MapGeometry::Buckets(analysis.types.slot_places(id)?),
                )
            }
            _ => return None,
        };
        Some(Read { offset, form })
    }
}
