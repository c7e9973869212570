-- The types that grew most from the first capture to the last, and who holds most of each in the last.
-- The same text runs in DuckDB and in Spark: `types` and `objects` are views over the files of all
-- captures, with the name of the folder as the column `capture`.
WITH span AS (
    SELECT min(capture) AS first_capture, max(capture) AS last_capture
    FROM types
),
counted AS (
    SELECT
        types.name,
        sum(CASE WHEN capture = first_capture THEN reachable_objects ELSE 0 END) AS objects_before,
        sum(CASE WHEN capture = last_capture THEN reachable_objects ELSE 0 END) AS objects_after,
        sum(CASE WHEN capture = first_capture THEN reachable_bytes ELSE 0 END) AS bytes_before,
        sum(CASE WHEN capture = last_capture THEN reachable_bytes ELSE 0 END) AS bytes_after
    FROM types
    CROSS JOIN span
    GROUP BY types.name
),
holders AS (
    SELECT types.name, objects.held_by_kind, objects.held_by, sum(objects.size) AS bytes
    FROM objects
    JOIN span ON objects.capture = span.last_capture
    JOIN types ON types.capture = objects.capture AND types.type_id = objects.type_id
    WHERE objects.reachable
    GROUP BY types.name, objects.held_by_kind, objects.held_by
),
ranked AS (
    SELECT
        name, held_by_kind, held_by, bytes,
        row_number() OVER (PARTITION BY name ORDER BY bytes DESC, held_by_kind, held_by) AS place
    FROM holders
)
SELECT
    counted.name,
    counted.objects_before,
    counted.objects_after,
    counted.bytes_before,
    counted.bytes_after,
    ranked.held_by_kind,
    ranked.held_by,
    ranked.bytes AS bytes_held
FROM counted
LEFT JOIN ranked ON ranked.name = counted.name AND ranked.place = 1
WHERE counted.bytes_after > counted.bytes_before
ORDER BY counted.bytes_after - counted.bytes_before DESC, counted.name
LIMIT 10
