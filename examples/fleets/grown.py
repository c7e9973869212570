#!/usr/bin/env python3
"""Which type grew over the captures of a fleet, and who holds it: by DuckDB or by Spark.

    grown.py duckdb FLEET [--json]
    grown.py spark FLEET [--json]

FLEET is a folder with a folder for each capture, `capture=NAME`, as `goheap export SOURCE --to parquet
-o FLEET/capture=NAME` makes them. Both engines run grown.sql and leads.sql as they are, and make the
column `capture` of the folders' names.
"""

import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
TABLES = ["capture", "objects", "edges", "types", "roots", "goroutines", "frames", "spans"]
# Views by which the tables are called; `capture` is a column, so the table of captures has a plural.
VIEWS = {"capture": "captures"}


def by_duckdb(fleet):
    """A function that runs SQL over the fleet: names of columns, and rows."""
    import duckdb

    connection = duckdb.connect()
    for table in TABLES:
        files = f"{fleet}/capture=*/{table}.parquet".replace("'", "''")
        connection.execute(
            f"CREATE VIEW {VIEWS.get(table, table)} AS "
            f"SELECT * FROM read_parquet('{files}', hive_partitioning = true)"
        )

    def ask(sql):
        answer = connection.execute(sql)
        return [column[0] for column in answer.description], answer.fetchall()

    def view(name, sql):
        connection.execute(f"CREATE VIEW {name} AS {sql}")

    return ask, view


def by_spark(fleet):
    """The same by Spark, on this machine alone; on a cluster, leave out `master`."""
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.appName("grown")
        .master("local[1]")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    for table in TABLES:
        files = spark.read.option("basePath", fleet).parquet(f"{fleet}/capture=*/{table}.parquet")
        files.createOrReplaceTempView(VIEWS.get(table, table))

    def ask(sql):
        answer = spark.sql(sql)
        return answer.columns, [tuple(row) for row in answer.collect()]

    def view(name, sql):
        spark.sql(sql).createOrReplaceTempView(name)

    return ask, view


def show(title, columns, rows):
    """A table as text; what a program's names may hold does not reach the terminal as it is."""
    print(title)
    cells = [columns] + [
        ["" if value is None else str(value).encode("unicode_escape").decode() for value in row]
        for row in rows
    ]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=["duckdb", "spark"])
    parser.add_argument("fleet")
    parser.add_argument("--json", action="store_true", help="print both answers as JSON")
    arguments = parser.parse_args()
    ask, view = {"duckdb": by_duckdb, "spark": by_spark}[arguments.engine](arguments.fleet)
    grown = (HERE / "grown.sql").read_text()
    answers = {"grown": ask(grown)}
    view("grown", grown)
    answers["leads"] = ask((HERE / "leads.sql").read_text())
    if arguments.json:
        objects = {
            name: [dict(zip(columns, row)) for row in rows]
            for name, (columns, rows) in answers.items()
        }
        json.dump(objects, sys.stdout, default=int)
        print()
        return
    show("What grew from the first capture to the last:", *answers["grown"])
    show("What leads to the first of these:", *answers["leads"])


if __name__ == "__main__":
    main()
