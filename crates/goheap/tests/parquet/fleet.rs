//! examples/fleets: three captures of a service that leaks, and the SQL that finds the type that grew,
//! by DuckDB and by Spark.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use goheap_testkit::program::go;
use goheap_testkit::python::{DUCKDB, PYSPARK, Package, python};
use goheap_testkit::toolchains;
use serde_json::Value;

use crate::{goheap, script};

/// The running shop; it ends with this value.
struct Shop {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shop {
    fn start(executable: &Path) -> Shop {
        let mut process = Command::new(executable)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shop");
        let input = process.stdin.take().expect("its input");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        Shop {
            process,
            input,
            output,
        }
    }

    /// Lets so many customers come by.
    fn serve(&mut self, customers: u32) {
        writeln!(self.input, "{customers}").expect("the shop");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the shop");
        assert!(line.starts_with("served "), "{line:?}");
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn duckdb_and_spark_find_the_type_that_grew() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fleets");
    let scratch = tempfile::tempdir().expect("a folder");
    let shop = scratch.path().join("shop");
    let goroot = toolchains::goroot("1.24.3").expect("Go");
    let built = go(&goroot)
        .env("CGO_ENABLED", "0")
        .args(["build", "-o"])
        .arg(&shop)
        .arg("main.go")
        .current_dir(example.join("shop"))
        .status()
        .expect("go build");
    assert!(built.success());

    let fleet = scratch.path().join("fleet");
    let mut shop = Shop::start(&shop);
    for capture in 1..=3 {
        shop.serve(1500);
        let folder = fleet.join(format!("capture={capture}"));
        let folder = folder.to_str().expect("UTF-8");
        let pid = shop.process.id().to_string();
        let (status, out, err) = goheap(&["export", &pid, "--to", "parquet", "-o", folder]);
        assert_eq!(status, Some(0), "{out}{err}");
    }
    drop(shop);

    let ask = |engine: &str, package: Package| {
        let mut python = python(&[package]).expect("a package");
        python
            .arg(example.join("grown.py"))
            .arg(engine)
            .arg(&fleet)
            .arg("--json")
            .current_dir(scratch.path());
        script(python)
    };
    let by_duckdb = ask("duckdb", DUCKDB);
    leak_is_first(&by_duckdb);
    // Both run the very same SQL.
    assert_eq!(ask("spark", PYSPARK), by_duckdb);
}

fn leak_is_first(answers: &Value) {
    let grown = answers["grown"].as_array().expect("rows");
    let first = &grown[0];
    assert_eq!(first["name"], "main.Session", "{grown:#?}");
    assert_eq!(first["held_by_kind"], "variable", "{first}");
    assert_eq!(first["held_by"], "main.sessions", "{first}");
    let number = |name: &str| first[name].as_u64().expect("a number");
    assert_eq!(
        (number("objects_before"), number("objects_after")),
        (1500, 4500)
    );
    assert_eq!(number("bytes_held"), number("bytes_after"));
    // Products and orders do not grow.
    for name in ["main.Product", "main.Order"] {
        assert!(grown.iter().all(|row| row["name"] != name), "{grown:#?}");
    }
    let leads = &answers["leads"][0];
    assert_eq!(leads["pointers"], 4500, "{leads}");
    assert_eq!(leads["field"], "[*]", "{leads}");
    let holder = leads["holder"].as_str().expect("a type");
    assert!(holder.starts_with("map[string]*main.Session"), "{holder}");
}
