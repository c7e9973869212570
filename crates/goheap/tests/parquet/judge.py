"""What DuckDB says of the Parquet of a capture, as one JSON object: the questions that
tests/parquet/judged.rs asks goheap and the test kit's own reader as well.

    judge.py FOLDER PAGE

PAGE is docs/parquet.md, whose questions are asked as well.
"""

import json
import sys

import duckdb

TABLES = ["capture", "objects", "edges", "types", "roots", "goroutines", "frames", "spans"]
folder, page = sys.argv[1:]
db = duckdb.connect()
db.execute("SET threads = 1")
for table in TABLES:
    file = f"{folder}/{table}.parquet".replace("'", "''")
    db.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{file}')")


def one(sql):
    """The only row, as a list."""
    rows = db.execute(sql).fetchall()
    assert len(rows) == 1, (sql, len(rows))
    return list(rows[0])


def documented():
    """How many rows each question of the page has."""
    section = open(page, encoding="utf-8").read().split("\n## Questions\n")[1].split("\n## ")[0]
    (sql,) = section.split("```sql\n")[1:]
    questions = sql.split("```")[0].split(";\n")
    return [len(db.execute(question).fetchall()) for question in questions if question.strip()]


def reached(without=None):
    """Objects and bytes that are reached from the roots by the edges alone, not through `without`."""
    barred = "" if without is None else f"AND edges.target <> {without}"
    start = "" if without is None else f"WHERE roots.target <> {without}"
    return one(
        f"""
        WITH RECURSIVE reached(address) AS (
            SELECT roots.target FROM roots {start}
            UNION
            SELECT edges.target FROM reached
            JOIN edges ON edges.source = reached.address {barred}
        )
        SELECT count(*), coalesce(sum(objects.size), 0)
        FROM reached JOIN objects ON objects.address = reached.address
        """
    )


answers = {
    "columns": {
        table: [
            list(row[:2])
            for row in db.execute(
                f"DESCRIBE SELECT * FROM read_parquet('{folder}/{table}.parquet')"
            ).fetchall()
        ]
        for table in TABLES
    },
    "metadata": {
        key.decode(): value.decode()
        for key, value in db.execute(
            f"SELECT key, value FROM parquet_kv_metadata('{folder}/objects.parquet')"
        ).fetchall()
    },
    "capture": one(
        "SELECT objects, bytes, reachable_objects, reachable_bytes, goroutines FROM capture"
    ),
    "heap": one(
        """
        SELECT count(*), sum(size),
               count(*) FILTER (WHERE reachable), sum(size) FILTER (WHERE reachable)
        FROM objects
        """
    ),
    "types": {
        name: row
        for name, *row in db.execute(
            """
            SELECT name, sum(reachable_objects), sum(reachable_bytes), max(retained)
            FROM types WHERE reachable_objects > 0 GROUP BY name
            """
        ).fetchall()
    },
    # Objects counted by type are what `types` says.
    "types_differ": one(
        """
        SELECT count(*) FROM types
        LEFT JOIN (
            SELECT type_id, count(*) AS objects, sum(size) AS bytes FROM objects GROUP BY type_id
        ) AS counted USING (type_id)
        WHERE types.objects <> coalesce(counted.objects, 0)
           OR types.bytes <> coalesce(counted.bytes, 0)
        """
    )[0],
    "reached": reached(),
    # What each object retains is its own size, and what those retain that it dominates.
    "retained_differ": one(
        """
        SELECT count(*) FROM objects
        LEFT JOIN (
            SELECT dominator, sum(retained) AS retained FROM objects
            WHERE dominator IS NOT NULL GROUP BY dominator
        ) AS below ON below.dominator = objects.address
        WHERE reachable AND objects.retained <> objects.size + coalesce(below.retained, 0)
        """
    )[0],
    "largest": [
        [address, retained, reached(address)[1]]
        for address, retained in db.execute(
            "SELECT address, retained FROM objects ORDER BY retained DESC, address LIMIT 4"
        ).fetchall()
    ],
    # A `g` leads to its deferred calls by way of its goroutine alone: told apart.
    "edges": [
        str(number)
        for number in one(
            """
            SELECT count(*), sum(source), sum(source_offset), sum(target), sum(target_offset)
            FROM edges
            WHERE source NOT IN (SELECT address FROM goroutines)
              AND source + 8 NOT IN (SELECT address FROM goroutines)
            """
        )
    ],
    "strays": one(
        """
        SELECT (SELECT count(*) FROM edges ANTI JOIN objects ON objects.address = edges.source)
             + (SELECT count(*) FROM edges ANTI JOIN objects ON objects.address = edges.target)
             + (SELECT count(*) FROM roots ANTI JOIN objects ON objects.address = roots.target)
             + (SELECT count(*) FROM objects ANTI JOIN types USING (type_id))
             + (SELECT count(*) FROM frames ANTI JOIN goroutines USING (goroutine_id))
             + (SELECT count(*) FROM frames WHERE root_id IS NOT NULL
                AND root_id NOT IN (SELECT root_id FROM roots))
        """
    )[0],
    "held": {
        f"{kind} {name}": bytes
        for kind, name, bytes in db.execute(
            """
            SELECT held_by_kind, held_by, sum(size) FROM objects WHERE reachable
            GROUP BY held_by_kind, held_by
            """
        ).fetchall()
    },
    "fields": {
        f"{holder} {field} {target}": count
        for holder, field, target, count in db.execute(
            """
            SELECT holder.name, edges.field, led.name, count(*) FROM edges
            JOIN objects AS source ON source.address = edges.source
            JOIN types AS holder ON holder.type_id = source.type_id
            JOIN objects AS target ON target.address = edges.target
            JOIN types AS led ON led.type_id = target.type_id
            WHERE holder.name LIKE '%main.%' GROUP BY ALL
            """
        ).fetchall()
    },
    "goroutines": {
        str(id): row
        for id, *row in db.execute(
            """
            SELECT goroutine_id, state, wait_reason, system, leaked, waited_ns, frames,
                   (SELECT count(*) FROM frames WHERE frames.goroutine_id = goroutines.goroutine_id)
            FROM goroutines
            """
        ).fetchall()
    },
    "stack_bytes": one("SELECT sum(stack_bytes) FROM goroutines")[0],
    "spans": one("SELECT count(*), sum(objects), sum(objects * object_size) FROM spans"),
    # Each object lies in a span of its size.
    "in_spans": one(
        """
        SELECT count(*) FROM objects ASOF JOIN spans ON objects.address >= spans.address
        WHERE objects.address < spans.address + spans.size AND objects.size = spans.object_size
        """
    )[0],
    "documented": documented(),
    "texts": [
        value
        for (value,) in db.execute(
            "SELECT path FROM roots UNION ALL SELECT DISTINCT field FROM edges"
        ).fetchall()
    ],
}
json.dump(answers, sys.stdout, default=int)
