//! How the objects of each class are told: as an instance, or as an array of words.

use std::collections::HashMap;

use goheap_analysis::paths::slot;
use goheap_analysis::types::{ClassId, MapPart, What};
use goheap_analysis::{Analysis, Interrupted, ObjectId, Watch};

use crate::text::{LONGEST, clean};

/// Words of an object that is told by fields.
const MOST_WORDS: u64 = 1024;

/// How the objects of a class are told.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// As an instance, if an object has just these words.
    pub(super) instance: Option<Words>,
    /// Whether some are told as arrays.
    pub(super) has_arrays: bool,
}

/// The words of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// Bytes of the object.
    pub(super) size: u64,
    /// Of each word, whether it is a pointer.
    pub(super) is_pointer: Vec<bool>,
    /// The first object that has them.
    pub(super) example: ObjectId,
}

/// The layouts of all classes that have objects, by class.
pub(super) fn layouts(
    analysis: &Analysis,
    watch: &dyn Watch,
) -> Result<Vec<(ClassId, Layout)>, Interrupted> {
    let (dump, types) = (&analysis.dump, &analysis.types);
    let mut all: HashMap<ClassId, Layout> = HashMap::new();
    for object in dump.objects() {
        if object.0.is_multiple_of(1 << 16) {
            watch.step(
                "looking at layouts",
                object.0.into(),
                dump.object_count().into(),
            )?;
        }
        let class = types.class_of(object);
        let layout = all.entry(class).or_insert_with(|| Layout {
            instance: is_by_fields(analysis, class, object).then(|| Words::of(analysis, object)),
            has_arrays: false,
        });
        let is_instance = layout
            .instance
            .as_ref()
            .is_some_and(|words| words.fit(analysis, object));
        layout.has_arrays |= !is_instance;
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(class, _)| *class);
    Ok(all)
}

/// Whether the objects of a class have the same words, and not too many.
fn is_by_fields(analysis: &Analysis, class: ClassId, object: ObjectId) -> bool {
    let word = u64::from(analysis.dump.params().model.word).max(1);
    if analysis.dump.size(object) / word > MOST_WORDS {
        return false;
    }
    match analysis.types.class(class).map(|class| &class.what) {
        Some(What::Array(_) | What::StringBytes | What::Chan(_)) | None => false,
        Some(What::MapPart(_, part)) => matches!(part, MapPart::Key | MapPart::Elem),
        Some(
            What::Unknown { .. }
            | What::Value(_)
            | What::Tiny
            | What::Map(_)
            | What::Closure(_)
            | What::Runtime(_),
        ) => true,
    }
}

impl Words {
    fn of(analysis: &Analysis, object: ObjectId) -> Words {
        let word = u64::from(analysis.dump.params().model.word).max(1);
        let size = analysis.dump.size(object);
        let mut is_pointer = vec![false; size.div_ceil(word) as usize];
        each_pointer(analysis, object, |offset| {
            if let Some(is_pointer) = is_pointer.get_mut((offset / word) as usize) {
                *is_pointer = true;
            }
        });
        Words {
            size,
            is_pointer,
            example: object,
        }
    }

    /// Whether an object has just these words.
    pub(super) fn fit(&self, analysis: &Analysis, object: ObjectId) -> bool {
        if analysis.dump.size(object) != self.size {
            return false;
        }
        let word = u64::from(analysis.dump.params().model.word).max(1);
        let mut next = 0usize;
        let mut fits = true;
        each_pointer(analysis, object, |offset| {
            let at = (offset / word) as usize;
            // None was left out before it.
            let before = self.is_pointer.get(next..at).unwrap_or_default();
            fits &= !before.contains(&true) && self.is_pointer.get(at) == Some(&true);
            fits &= at >= next;
            next = at + 1;
        });
        fits && !self
            .is_pointer
            .get(next..)
            .unwrap_or_default()
            .contains(&true)
    }

    /// What the words are called.
    pub(super) fn names(&self, analysis: &Analysis) -> Vec<String> {
        let word = u64::from(analysis.dump.params().model.word).max(1);
        let mut names: Vec<String> = Vec::with_capacity(self.is_pointer.len());
        let mut last = (String::new(), 0);
        for place in 0..self.is_pointer.len() as u64 {
            let offset = place * word;
            let name = slot(analysis, self.example, offset);
            let name = clean(name.trim_start_matches('.'), LONGEST);
            // Further words of a string or slice have the name of the first.
            let (name, at) = match name == last.0 {
                true => (format!("{name}+{:#x}", offset - last.1), last.1),
                false => {
                    last = (name.clone(), offset);
                    (name, offset)
                }
            };
            names.push(match name.is_empty() {
                true => format!("+{at:#x}"),
                false => name,
            });
        }
        names
    }
}

/// Shows where the pointers of an object are, nil ones too.
fn each_pointer(analysis: &Analysis, object: ObjectId, mut visit: impl FnMut(u64)) {
    let size = analysis.dump.size(object);
    if let Some(record) = analysis.dump.object(object) {
        let fields = record.fields.iter().map(|(_, offset)| offset);
        fields.filter(|offset| *offset < size).for_each(&mut visit);
    }
}
