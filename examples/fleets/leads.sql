-- By what fields the objects of a type are led to in the last capture: of which types, how often. The
-- type is the first of grown.sql, which is a view `grown` by then.
WITH span AS (
    SELECT max(capture) AS last_capture
    FROM types
),
asked AS (
    SELECT name
    FROM grown
    ORDER BY bytes_after - bytes_before DESC, name
    LIMIT 1
),
wanted AS (
    SELECT objects.capture, objects.address
    FROM objects
    JOIN span ON objects.capture = span.last_capture
    JOIN types ON types.capture = objects.capture AND types.type_id = objects.type_id
    JOIN asked ON asked.name = types.name
    WHERE objects.reachable
)
SELECT types.name AS holder, edges.field, count(*) AS pointers
FROM wanted
JOIN edges ON edges.capture = wanted.capture AND edges.target = wanted.address
JOIN objects ON objects.capture = edges.capture AND objects.address = edges.source
JOIN types ON types.capture = objects.capture AND types.type_id = objects.type_id
WHERE objects.reachable
GROUP BY types.name, edges.field
ORDER BY pointers DESC, holder, edges.field
LIMIT 10
