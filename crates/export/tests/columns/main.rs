//! Parquet of dumps made by hand: what is written is what is there, whatever it is called; the columns
//! are those of docs/parquet.md; and what fails says so.

mod made;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use goheap_analysis::graph::Edges;
use goheap_analysis::{Analysis, NoWatch, NodeId, NodeKind, Watch};
use goheap_export::columns::{self, About, ColumnsError, LONGEST, ROWS, Table, Written};
use goheap_testkit::python::{DUCKDB, python};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

use made::{Made, OBJECT};

fn about() -> About<'static> {
    About {
        goheap_version: "0.0.0",
        state: &|status| format!("state {status}"),
    }
}

/// The files of all tables.
fn files(analysis: &Analysis) -> BTreeMap<&'static str, Vec<u8>> {
    let written = columns::write(analysis, &about(), &mut |_| Ok(Vec::new()), &NoWatch);
    let written = written.expect("tables");
    assert_eq!(written.len(), Table::ALL.len());
    written
        .into_iter()
        .map(
            |Written {
                 table, bytes, out, ..
             }| {
                assert_eq!(bytes, out.len() as u64);
                (table.name(), out)
            },
        )
        .collect()
}

fn reader(file: &[u8]) -> SerializedFileReader<bytes::Bytes> {
    SerializedFileReader::new(bytes::Bytes::copy_from_slice(file)).expect("Parquet")
}

fn rows(file: &[u8]) -> Vec<Row> {
    let reader = reader(file);
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// A value of a row by the name of its column.
fn get(row: &Row, name: &str) -> Field {
    let mut columns = row.get_column_iter();
    let (_, field) = columns.find(|(of, _)| *of == name).expect("a column");
    field.clone()
}

fn number(row: &Row, name: &str) -> i64 {
    match get(row, name) {
        Field::Long(number) => number,
        other => panic!("{name} is {other}"),
    }
}

fn text(row: &Row, name: &str) -> String {
    match get(row, name) {
        Field::Str(text) => text,
        other => panic!("{name} is {other}"),
    }
}

/// Each row of docs/parquet.md as table, column, type, and whether it says that there may be NULL.
fn documented() -> Vec<(String, String, String, bool)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/parquet.md");
    let page = std::fs::read_to_string(page).expect("docs/parquet.md");
    let mut table = String::new();
    let mut all = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut table);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, name, ty @ ("BIGINT" | "BOOLEAN" | "VARCHAR"), is, ..] = cells[..] {
            let name = name.trim_matches('`').to_owned();
            all.push((table.clone(), name, ty.to_owned(), is.contains("NULL")));
        }
    }
    all
}

#[test]
fn columns_are_those_of_the_documentation() {
    let ours: Vec<_> = Table::ALL
        .into_iter()
        .flat_map(|table| table.columns().iter().map(move |column| (table, column)))
        .map(|(table, column)| {
            let words = [table.name(), column.name, column.kind.sql()].map(str::to_owned);
            let [table, name, ty] = words;
            (table, name, ty, column.nullable)
        })
        .collect();
    let documented = documented();
    assert_eq!(documented.len(), ours.len());
    for (theirs, ours) in documented.iter().zip(&ours) {
        assert_eq!(theirs, ours);
    }
    // And of the files themselves.
    let analysis = Made::small().analysis();
    let files = files(&analysis);
    let mut of_files = Vec::new();
    for table in Table::ALL {
        let reader = reader(&files[table.name()]);
        let metadata = reader.metadata();
        for column in metadata.file_metadata().schema_descr().columns() {
            let ty = match (column.physical_type(), column.logical_type_ref()) {
                (Physical::INT64, None) => "BIGINT",
                (Physical::BOOLEAN, None) => "BOOLEAN",
                (Physical::BYTE_ARRAY, Some(LogicalType::String)) => "VARCHAR",
                other => panic!("{other:?}"),
            };
            let nullable = column.self_type().get_basic_info().repetition() == Repetition::OPTIONAL;
            let name = column.name().to_owned();
            of_files.push((table.name().to_owned(), name, ty.to_owned(), nullable));
        }
        for group in metadata.row_groups() {
            for column in group.columns() {
                assert!(matches!(column.compression(), Compression::ZSTD(_)));
                assert!(column.statistics().is_some());
            }
        }
    }
    assert_eq!(of_files, ours);
}

#[test]
fn rows_are_what_the_analysis_says() {
    let made = Made::small();
    let analysis = made.analysis();
    let files = files(&analysis);
    let objects = rows(&files["objects"]);
    assert_eq!(objects.len(), analysis.dump.object_count() as usize);
    for (row, object) in objects.iter().zip(analysis.dump.objects()) {
        let address = |object| analysis.dump.address(object) as i64;
        assert_eq!(number(row, "address"), address(object));
        assert_eq!(number(row, "size") as u64, analysis.dump.size(object));
        let retained = analysis.retained_of(NodeId(object.0));
        assert_eq!(number(row, "retained") as u64, retained);
        let reachable = analysis.is_reachable(object);
        assert_eq!(get(row, "reachable"), Field::Bool(reachable));
        let above = analysis.dominators.idom(object.0);
        let above = above.and_then(|node| match analysis.nodes.kind(NodeId(node)) {
            NodeKind::Object(object) => Some(address(object)),
            _ => None,
        });
        assert_eq!(
            get(row, "dominator"),
            above.map_or(Field::Null, Field::Long)
        );
        let is_held = get(row, "held_by") != Field::Null;
        assert_eq!(is_held, reachable);
    }
    // Edges as the graph has them: by source, in their order.
    let mut expected = Vec::new();
    for object in analysis.dump.objects() {
        analysis.edges().each(object.0, |to| {
            let to = analysis.dump.address(goheap_analysis::ObjectId(to));
            expected.push((analysis.dump.address(object) as i64, to as i64));
        });
    }
    let edges: Vec<(i64, i64)> = rows(&files["edges"])
        .iter()
        .map(|row| (number(row, "source"), number(row, "target")))
        .collect();
    assert_eq!(edges, expected);
    assert!(!edges.is_empty());
    let roots = rows(&files["roots"]);
    assert_eq!(roots.len(), made.data.len() + 1);
    // Their names.
    let root = roots.first().expect("a root");
    assert_eq!(text(root, "kind"), "variable");
    assert_eq!(text(root, "name"), "main.first");
    assert_eq!(text(root, "package"), "main");
    assert_eq!(number(root, "address"), made::DATA as i64);
    let frame = roots.last().expect("a root");
    assert_eq!(text(frame, "kind"), "frame");
    assert_eq!(number(frame, "goroutine_id"), 7);
    let goroutine = &rows(&files["goroutines"])[0];
    assert_eq!(text(goroutine, "state"), "state 4");
    assert_eq!(number(goroutine, "frames"), 1);
    let frame = &rows(&files["frames"])[0];
    assert_eq!(number(frame, "pc"), 0x40_0010);
    assert_eq!(rows(&files["spans"]).len(), 0);
    let capture = &rows(&files["capture"])[0];
    assert_eq!(text(capture, "go_version"), "go1.21.13");
    assert_eq!(get(capture, "pid"), Field::Null);
}

#[test]
fn the_same_dump_gives_the_same_bytes() {
    let made = Made::small();
    assert!(files(&made.analysis()) == files(&made.analysis()));
}

/// Names with all that some format somewhere minds.
fn hostile() -> [String; 3] {
    [
        "main.\"a'b\"; DROP TABLE types; --\n\r\t\0\x1b[31m\u{202e}<script>é\u{10ffff}\\x00"
            .to_owned(),
        String::new(),
        format!("main.{}", "é".repeat(LONGEST)),
    ]
}

#[test]
fn whatever_things_are_called() {
    let [odd, empty, long] = hostile();
    let cut = |name: &str| {
        let end = name.floor_char_boundary(LONGEST);
        format!("{}… ({} bytes)", &name[..end], name.len())
    };
    let made = Made::named(&odd, &long, &empty);
    let analysis = made.analysis();
    let files = files(&analysis);
    let names = |table: &str, column: &str| -> Vec<String> {
        let rows = rows(&files[table]);
        rows.iter().map(|row| text(row, column)).collect()
    };
    let types = names("types", "name");
    assert!(types.contains(&odd), "{types:?}");
    assert!(types.contains(&cut(&long)), "{types:?}");
    let fields = names("edges", "field");
    assert_eq!(fields, [odd.clone(), cut(&long)]);
    // What is no UTF-8 in the dump.
    assert_eq!(names("frames", "function"), ["main.\u{fffd}\0f"]);
    assert_eq!(names("goroutines", "wait_reason"), ["sleep \u{fffd}"]);

    // DuckDB reads the very same.
    let folder = tempfile::tempdir().expect("a folder");
    for (table, file) in &files {
        let path = folder.path().join(format!("{table}.parquet"));
        std::fs::write(path, file).expect("a file");
    }
    const ASK: &str = "import duckdb, json, sys\n\
        ask = lambda column, table: [row[0] for row in duckdb.execute(\
        f\"SELECT {column} FROM read_parquet('{sys.argv[1]}/{table}.parquet')\").fetchall()]\n\
        print(json.dumps([ask('name', 'types'), ask('field', 'edges'), ask('function', 'frames'), \
        ask('wait_reason', 'goroutines')]))";
    let mut duckdb = python(&[DUCKDB]).expect("DuckDB");
    let output = duckdb.arg("-c").arg(ASK).arg(folder.path()).output();
    let output = output.expect("python3");
    assert!(output.status.success(), "{output:?}");
    let said: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).expect("JSON");
    let function = names("frames", "function");
    let reason = names("goroutines", "wait_reason");
    assert_eq!(said, [types, fields, function, reason]);
}

/// A row group has so many rows at most, also where one object has them all.
#[test]
fn many_rows_are_several_groups() {
    let many = ROWS as u64 + 10;
    let analysis = Made::wide(many).analysis();
    let files = files(&analysis);
    let edges = reader(&files["edges"]);
    let groups: Vec<i64> = edges
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.num_rows())
        .collect();
    assert_eq!(groups, [ROWS as i64, 10]);
    for (row, index) in rows(&files["edges"]).iter().zip(0i64..) {
        assert_eq!(number(row, "source"), OBJECT as i64);
        assert_eq!(number(row, "source_offset"), index * 8);
    }
}

/// Long names end a row group early.
#[test]
fn long_names_are_several_groups() {
    let analysis = Made::frames(20_000, &"n".repeat(LONGEST)).analysis();
    let files = files(&analysis);
    let frames = reader(&files["frames"]);
    let groups = frames.metadata().row_groups();
    assert!(groups.len() > 1, "{}", groups.len());
    let rows: i64 = groups.iter().map(|group| group.num_rows()).sum();
    assert_eq!(rows, 20_000);
}

/// Wants an end at the n-th look.
struct Ends(Cell<u32>);

impl Watch for Ends {
    fn at(&self, _: &'static str, _: u64, _: u64) {}

    fn interrupted(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left == 0
    }
}

#[test]
fn it_ends_when_asked_to() {
    let analysis = Made::small().analysis();
    let mut ended = 0;
    for looks in 0..100 {
        let watch = Ends(Cell::new(looks));
        match columns::write(&analysis, &about(), &mut |_| Ok(Vec::new()), &watch) {
            Err(ColumnsError::Interrupted(_)) => ended += 1,
            Err(error) => panic!("{error}"),
            Ok(_) => break,
        }
    }
    // At each of the tables that have rows, at least.
    assert!((7..100).contains(&ended), "{ended}");
}

/// A disk with so much room.
struct Room(usize);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let n = bytes.len().min(self.0);
        self.0 -= n;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_fails_says_which_table() {
    let analysis = Made::small().analysis();
    for room in [0, 3, 100, 500] {
        let mut open = |table| match table {
            Table::Types => Ok(Room(room)),
            _ => Ok(Room(1 << 20)),
        };
        let error = columns::write(&analysis, &about(), &mut open, &NoWatch).map(drop);
        let error = error.expect_err("a full disk").to_string();
        assert!(error.starts_with("types.parquet: "), "{error}");
    }
    let mut open = |table| match table {
        Table::Edges => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Ok(Room(1 << 20)),
    };
    let error = columns::write(&analysis, &about(), &mut open, &NoWatch).map(drop);
    let error = error.expect_err("no file").to_string();
    assert!(error.starts_with("edges.parquet: permission"), "{error}");
}
