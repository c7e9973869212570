//! The JSON of `goheap top`, as `docs/commands.md` documents it.

use goheap_analysis::answers::top::{By, Heap, Known, Row, Table, Top};
use serde::Serialize;

/// The shape, and its version.
const SCHEMA: &str = "goheap.top/1";

#[derive(Serialize)]
pub(crate) struct TopValue<'a> {
    schema: &'static str,
    source: &'a str,
    heap: HeapValue,
    roots_missing: bool,
    known: KnownValue,
    tables: Vec<TableValue<'a>>,
    missing: &'a [String],
}

/// The heap as a whole.
#[derive(Serialize)]
pub(crate) struct HeapValue {
    objects: u64,
    bytes: u64,
    reachable_objects: u64,
    reachable_bytes: u64,
    garbage_objects: u64,
    garbage_bytes: u64,
}

#[derive(Serialize)]
struct KnownValue {
    sure_bytes: u64,
    guessed_bytes: u64,
    unknown_bytes: u64,
}

#[derive(Serialize)]
struct TableValue<'a> {
    by: &'static str,
    rows: Vec<RowValue<'a>>,
    left_out: RestValue,
}

#[derive(Serialize)]
struct RestValue {
    rows: u64,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retained_bytes: Option<u64>,
}

#[derive(Serialize)]
struct RowValue<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goroutines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_bytes: Option<u64>,
    retained_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<KnownValue>,
}

impl HeapValue {
    pub(crate) fn of(heap: &Heap) -> HeapValue {
        HeapValue {
            objects: heap.objects + heap.garbage_objects,
            bytes: heap.bytes.saturating_add(heap.garbage_bytes),
            reachable_objects: heap.objects,
            reachable_bytes: heap.bytes,
            garbage_objects: heap.garbage_objects,
            garbage_bytes: heap.garbage_bytes,
        }
    }
}

impl KnownValue {
    fn of(known: &Known) -> KnownValue {
        KnownValue {
            sure_bytes: known.sure,
            guessed_bytes: known.guessed,
            unknown_bytes: known.unknown,
        }
    }
}

impl<'a> TopValue<'a> {
    pub(crate) fn of(source: &'a str, top: &'a Top, missing: &'a [String]) -> TopValue<'a> {
        TopValue {
            schema: SCHEMA,
            source,
            heap: HeapValue::of(&top.heap),
            roots_missing: top.roots_missing,
            known: KnownValue::of(&top.known),
            tables: top.tables.iter().map(TableValue::of).collect(),
            missing,
        }
    }
}

impl<'a> TableValue<'a> {
    fn of(table: &'a Table) -> TableValue<'a> {
        let by = table.by;
        let has_own = !matches!(by, By::Root | By::Goroutine);
        TableValue {
            by: by.name(),
            rows: table.rows.iter().map(|row| RowValue::of(by, row)).collect(),
            left_out: RestValue {
                rows: table.left_out,
                count: table.rest.count,
                own_bytes: has_own.then_some(table.rest.shallow),
                retained_bytes: (!matches!(by, By::Type | By::Size)).then_some(table.rest.retained),
            },
        }
    }
}

impl<'a> RowValue<'a> {
    fn of(by: By, row: &'a Row) -> RowValue<'a> {
        let is = |wanted: &[By]| wanted.contains(&by);
        let about = row.about.as_str();
        RowValue {
            name: &row.name,
            package: is(&[By::Type]).then_some(about),
            about: is(&[By::Root, By::Goroutine]).then_some(about),
            path: is(&[By::Object]).then_some(about),
            address: is(&[By::Object]).then(|| format!("{:#x}", row.address)),
            size: is(&[By::Size]).then(|| row.name.parse().unwrap_or(0)),
            objects: is(&[By::Type, By::Package, By::Size]).then_some(row.count),
            goroutines: is(&[By::Goroutine]).then_some(row.count),
            own_bytes: (!is(&[By::Root, By::Goroutine])).then_some(row.shallow),
            retained_bytes: row.retained,
            known: is(&[By::Type, By::Object]).then(|| KnownValue::of(&row.known)),
        }
    }
}
