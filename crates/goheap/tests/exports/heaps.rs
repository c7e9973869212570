//! The heap that is exported.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use goheap_analysis::{Analysis, Dump, NoWatch, ObjectId, OpenOptions};

/// Names that mean something to one format or the other, and what no name should be.
pub(crate) const HOSTILE: [&str; 8] = [
    "\"];\n}\ndigraph evil { x [label=\"</script><script>alert(1)</script>",
    "a;b;c 99999999\nroot;x 1",
    "\u{1b}]0;owned\u{7}\u{1b}[31m\u{202e}gnp.exe",
    "\\N\\G\\\\\" \\\"],\"nodes\":[],\"strings\":[\"",
    "[Ljava/lang/Object;",
    "\u{0}\u{1}\u{7f}\r\n\t",
    "&lt;&#60;%s%n${jndi:ldap://x}'; DROP TABLE heap; --",
    "",
];

fn dump() -> Dump {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readme/shop.heapdump.zst");
    let file = File::open(path).expect("the recorded dump");
    let mut bytes = Vec::new();
    goheap_format::open_stream(file)
        .expect("a dump")
        .read_to_end(&mut bytes)
        .expect("all of it");
    opened(bytes)
}

fn opened(bytes: Vec<u8>) -> Dump {
    Dump::open(Box::new(bytes), &OpenOptions::default(), &NoWatch).expect("a dump")
}

/// What goheap's library makes of a dump.
pub(crate) fn analysed(bytes: Vec<u8>) -> Analysis {
    Analysis::of(opened(bytes), &NoWatch).expect("an analysis")
}

/// The heap of the program that README.md shows.
pub(crate) fn shop() -> Analysis {
    Analysis::of(dump(), &NoWatch).expect("an analysis")
}

/// The same, with names that mean harm.
pub(crate) fn hostile() -> Analysis {
    let mut dump = dump();
    let mut catalogue = dump.catalogue().clone();
    let name = |place: usize| match place % 9 {
        8 => format!("main.{}", "long".repeat(100_000)),
        place => format!("{}{place}", HOSTILE[place]),
    };
    let ids: Vec<_> = catalogue.types().map(|(id, _)| id).collect();
    for (place, id) in ids.into_iter().enumerate() {
        if let Some(ty) = catalogue.get_mut(id)
            && ty.name.starts_with("main.")
        {
            ty.name = name(place);
            for field in &mut ty.fields {
                field.name = name(place + 1);
            }
        }
    }
    for (place, variable) in catalogue.variables.iter_mut().enumerate() {
        if variable.name.starts_with("main.") {
            variable.name = name(place);
        }
    }
    for (place, function) in catalogue.functions.iter_mut().enumerate() {
        function.name = name(place);
    }
    dump.set_catalogue(catalogue);
    Analysis::of(dump, &NoWatch).expect("an analysis")
}

/// The name of an object's class.
pub(crate) fn class(analysis: &Analysis, object: ObjectId) -> &str {
    let class = analysis.types.class(analysis.types.class_of(object));
    class.map_or("", |class| &class.name)
}

/// How many objects of each class there are that are reachable, and their bytes.
pub(crate) fn by_class(analysis: &Analysis) -> BTreeMap<String, (u64, u64)> {
    let mut all = BTreeMap::new();
    for object in analysis
        .dump
        .objects()
        .filter(|o| analysis.is_reachable(*o))
    {
        let sum: &mut (u64, u64) = all.entry(class(analysis, object).to_owned()).or_default();
        sum.0 += 1;
        sum.1 += analysis.dump.size(object);
    }
    all
}

/// How many objects are reachable, and their bytes.
pub(crate) fn reachable(analysis: &Analysis) -> (u64, u64) {
    by_class(analysis)
        .values()
        .fold((0, 0), |(count, bytes), sum| (count + sum.0, bytes + sum.1))
}
