"""The eight feature sets by DuckDB, as someone would write them who knows it: SQL on two threads.

The events of a device that list an app are bits, a row a block of 64, and a label's are the union of its apps'.

At scale 1 the natural distinct rows of (device, event, label) took 6 times as long from Parquet, 4 times as long
from CSV, and all of the 4 GB; bits of all events, with every category united anew, took 1.5 times as long from
Parquet. For the apps alone, one packed integer as the key took 1.6 times as long as (slot, app_id), and making
lists of apps per event already took two thirds of the time that the bits take.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pandas  # noqa: F401 - pyarrow imports it at the first to_numpy, where its second would count
from scipy import sparse

__all__ = ["duckdb_features"]

# The columns that are used of each file, and their types.
COLUMNS = {
    "gender_age_train": {"device_id": "BIGINT"},
    "gender_age_test": {"device_id": "BIGINT"},
    "phone_brand_device_model": {"device_id": "BIGINT", "phone_brand": "VARCHAR", "device_model": "VARCHAR"},
    "events": {"event_id": "BIGINT", "device_id": "BIGINT", "timestamp": "TIMESTAMP"},
    "app_events": {"event_id": "BIGINT", "app_id": "BIGINT"},
    "app_labels": {"app_id": "BIGINT", "label_id": "BIGINT"},
    "label_categories": {"label_id": "BIGINT", "category": "VARCHAR"},
}

# In the order of the matrix: what gives the names of a family's columns.
NAMES = {
    "phone_brand": "SELECT name FROM phone_brands ORDER BY number",
    "device_model": "SELECT name FROM device_models ORDER BY number",
    "weekday": "SELECT range AS name FROM range(7) ORDER BY range",
    "hour": "SELECT range AS name FROM range(24) ORDER BY range",
    "weekday_hour": "SELECT concat(range // 24, '-', range % 24) AS name FROM range(168) ORDER BY range",
    "app": "SELECT app_id AS name FROM apps ORDER BY app",
    "label": "SELECT label_id AS name FROM labels ORDER BY label",
    "category": "SELECT name FROM categories ORDER BY category",
    "word": "SELECT name FROM words ORDER BY word",
}

# The order of the rows of these files means something: it is that of rowid.
DEVICES = """
CREATE TABLE files AS
    SELECT device_id, true AS train FROM {gender_age_train}
    UNION ALL SELECT device_id, false FROM {gender_age_test};
CREATE TABLE devices AS
    SELECT (row_number() OVER (ORDER BY min(rowid)) - 1)::INTEGER AS row, device_id, bool_or(train) AS train,
        min(rowid) FILTER (NOT train) AS place_in_test
    FROM files GROUP BY device_id;

CREATE TABLE phone_rows AS FROM {phone_brand_device_model};
CREATE TABLE phones AS
    SELECT DISTINCT ON (row) row, nullif(trim(phone_brand), '') AS phone_brand,
        nullif(trim(device_model), '') AS device_model
    FROM phone_rows JOIN devices USING (device_id) ORDER BY phone_rows.rowid;
CREATE TABLE phone_brands AS
    SELECT name, row_number() OVER (ORDER BY name) - 1 AS number
    FROM (SELECT DISTINCT phone_brand AS name FROM phones WHERE phone_brand IS NOT NULL);
CREATE TABLE device_models AS
    SELECT name, row_number() OVER (ORDER BY name) - 1 AS number
    FROM (SELECT DISTINCT device_model AS name FROM phones WHERE device_model IS NOT NULL);

SET preserve_insertion_order = false;
"""

# Several rows of one event have one number.
EVENTS = """
CREATE TABLE events AS
    SELECT row, event_id, (24 * (isodow(timestamp) - 1) + hour(timestamp))::UTINYINT AS week_hour,
        (dense_rank() OVER (PARTITION BY row ORDER BY event_id) - 1)::INTEGER AS n
    FROM {events} JOIN devices USING (device_id) WHERE event_id IS NOT NULL;
CREATE TABLE device_events AS SELECT row, max(n) + 1 AS device_events FROM events GROUP BY row;
CREATE TABLE week_hour_bits AS
    SELECT row, n // 64 AS block, week_hour, bit_or(1::UBIGINT << (n % 64)::UBIGINT) AS bits
    FROM events WHERE week_hour IS NOT NULL GROUP BY ALL;
"""

# The events that list apps are numbered by themselves, so that most devices have one block of them. A block
# of a device is a slot. CSV is parsed once and kept; two columns of Parquet are cheaper to read twice.
APPS = """
CREATE {kept_or_read_twice} app_events AS FROM {app_events} WHERE app_id IS NOT NULL;
CREATE TABLE listing AS
    SELECT row, event_id, (row_number() OVER (PARTITION BY row) - 1)::INTEGER AS n
    FROM (SELECT DISTINCT row, event_id FROM events SEMI JOIN app_events USING (event_id));
DROP TABLE events;
CREATE TABLE slots AS
    SELECT row, block, row_number() OVER ()::INTEGER AS slot, count(*) OVER (PARTITION BY row) AS slots_of_row
    FROM (SELECT DISTINCT row, n // 64 AS block FROM listing);
CREATE TABLE event_bits AS
    SELECT event_id, slot, 1::UBIGINT << (n % 64)::UBIGINT AS bit
    FROM listing JOIN slots ON listing.row = slots.row AND n // 64 = block;
DROP TABLE listing;
CREATE TABLE app_bits AS
    SELECT slot, app_id, bit_or(bit) AS bits FROM app_events JOIN event_bits USING (event_id) GROUP BY ALL;
DROP {kept_or_read_twice} app_events;
DROP TABLE event_bits;
CREATE TABLE apps AS
    SELECT app_id, (row_number() OVER (ORDER BY app_id) - 1)::INTEGER AS app
    FROM (SELECT DISTINCT app_id FROM app_bits);
CREATE TABLE app_counts AS {counts_of_apps};
"""

# A category of one label has the counts of that label. The words of a category are bits as well.
LABELS = """
CREATE TABLE labels_of_apps AS
    SELECT DISTINCT app_id, label_id FROM {app_labels} SEMI JOIN apps USING (app_id)
    WHERE label_id IS NOT NULL;
CREATE TABLE labels AS
    SELECT label_id, (row_number() OVER (ORDER BY label_id) - 1)::INTEGER AS label
    FROM (SELECT DISTINCT label_id FROM labels_of_apps);
CREATE TABLE label_bits AS
    SELECT slot, label, bit_or(bits) AS bits
    FROM app_bits JOIN (FROM labels_of_apps JOIN labels USING (label_id)) USING (app_id) GROUP BY ALL;
DROP TABLE app_bits;
CREATE TABLE label_counts AS {counts_of_labels};

CREATE TABLE names_of_labels AS
    SELECT DISTINCT label, coalesce(nullif(trim(regexp_replace(
        replace(lower(category), 'game-', 'game '), '[()_/\\s]+', ' ', 'g')), ''), 'missing') AS name
    FROM {label_categories} JOIN labels USING (label_id);
CREATE TABLE categories AS
    SELECT name, (row_number() OVER (ORDER BY name) - 1)::INTEGER AS category, count(*) AS labels_of_category
    FROM names_of_labels GROUP BY name;
CREATE VIEW categories_of_labels AS FROM names_of_labels JOIN categories USING (name);
CREATE TABLE category_bits AS
    SELECT slot, category, bit_or(bits) AS bits
    FROM label_bits JOIN categories_of_labels USING (label) WHERE labels_of_category > 1 GROUP BY ALL;
DROP TABLE label_bits;
CREATE TABLE category_counts AS
    {counts_of_categories}
    UNION ALL SELECT row, category, n
    FROM label_counts JOIN categories_of_labels USING (label) WHERE labels_of_category = 1;

CREATE TABLE words_of_categories AS
    SELECT DISTINCT category, unnest(string_split(name, ' ')) AS name FROM categories;
CREATE TABLE words AS
    SELECT name, word, word // 64 AS block, 1::UBIGINT << (word % 64)::UBIGINT AS bit
    FROM (
        SELECT name, (row_number() OVER (ORDER BY name) - 1)::INTEGER AS word
        FROM (SELECT DISTINCT name FROM words_of_categories)
    );
CREATE TABLE word_bits AS
    SELECT category, block, bit_or(bit) AS bits
    FROM words_of_categories JOIN words USING (name) GROUP BY ALL;
"""

# Devices that have one slot, as most do, need no sum.
COUNTS = """
    SELECT row, {feature}, bit_count(bits)::INTEGER AS n
    FROM {bits} JOIN slots USING (slot) WHERE slots_of_row = 1
    UNION ALL SELECT row, {feature}, sum(bit_count(bits))::INTEGER
    FROM {bits} JOIN slots USING (slot) WHERE slots_of_row > 1 GROUP BY ALL
"""

TRIPLES = """
SELECT row, feature::INTEGER AS feature, ({value})::FLOAT AS value
FROM (
    SELECT row, {weekday} + weekday AS feature, sum(bit_count(bits)) AS n
    FROM (SELECT row, block, week_hour // 24 AS weekday, bit_or(bits) AS bits FROM week_hour_bits GROUP BY ALL)
    GROUP BY ALL
    UNION ALL SELECT row, {hour} + hour AS feature, sum(bit_count(bits))
    FROM (SELECT row, block, week_hour % 24 AS hour, bit_or(bits) AS bits FROM week_hour_bits GROUP BY ALL)
    GROUP BY ALL
    UNION ALL SELECT row, {weekday_hour} + week_hour AS feature, sum(bit_count(bits))
    FROM week_hour_bits GROUP BY ALL
    UNION ALL SELECT row, {app} + app, n FROM app_counts JOIN apps USING (app_id)
    UNION ALL SELECT row, {label} + label, n FROM label_counts
    UNION ALL SELECT row, {category} + category, n FROM category_counts
) JOIN device_events USING (row)
UNION ALL SELECT row, {word} + word, 1
FROM (
    SELECT row, block, bit_or(bits) AS bits
    FROM category_counts JOIN word_bits USING (category) GROUP BY ALL
) JOIN words USING (block) WHERE bits & bit > 0
UNION ALL SELECT row, {phone_brand} + number, 1 FROM phones JOIN phone_brands ON phone_brand = name
UNION ALL SELECT row, {device_model} + number, 1 FROM phones JOIN device_models ON device_model = name
"""


def duckdb_features(folder, value="fraction", memory_limit="4GB"):
    """Return (X_train, X_test, names), equal to what sparksweep computes from the same files.

    A table is read from ``NAME.csv``, or else from ``NAME.parquet``, which is a file or a folder of them.
    """
    sources = {table: _source(Path(folder), table) for table in COLUMNS}
    counts = {
        "counts_of_apps": COUNTS.format(bits="app_bits", feature="app_id"),
        "counts_of_labels": COUNTS.format(bits="label_bits", feature="label"),
        "counts_of_categories": COUNTS.format(bits="category_bits", feature="category"),
    }
    kind = "TABLE" if "read_csv" in sources["app_events"] else "VIEW"
    with tempfile.TemporaryDirectory() as spill:
        config = {"threads": 2, "memory_limit": memory_limit, "temp_directory": spill}
        with duckdb.connect(config=config) as db:
            db.execute("SET TimeZone = 'UTC'")
            for step in (DEVICES, EVENTS, APPS, LABELS):
                db.execute(step.format(**sources, **counts, kept_or_read_twice=kind))
            names, triples = _triples(db, value)
            devices, train = db.execute("SELECT count(*), count_if(train) FROM devices").fetchone()
            in_test = "SELECT row FROM devices WHERE place_in_test IS NOT NULL ORDER BY place_in_test"
            test = db.execute(in_test).fetchnumpy()["row"]
    X, names = _matrix(devices, names, *triples)
    return X[:train], X[test], names


def _source(folder, table):
    columns = ", ".join(f"{column}::{kind} AS {column}" for column, kind in COLUMNS[table].items())
    path = folder / f"{table}.csv"
    if path.exists():
        options = f"""header = true, delim = ',', quote = '"', escape = '"', types = {COLUMNS[table]}"""
        return f"(SELECT {columns} FROM read_csv('{path}', {options}))"
    path = folder / f"{table}.parquet"
    return f"(SELECT {columns} FROM read_parquet('{path / '*.parquet' if path.is_dir() else path}'))"


def _triples(db, value):
    """Return the names of all columns, used or not, and the arrays (row, column, value)."""
    names, first = [], {}
    for prefix, query in NAMES.items():
        first[prefix] = len(names)
        names += [f"{prefix}:{name}" for name in db.execute(query).fetchnumpy()["name"]]
    share = "1" if value == "indicator" else "n / device_events"
    table = db.sql(TRIPLES.format(**first, value=share)).to_arrow_table()
    return names, [column.to_numpy() for column in table.columns]


def _matrix(devices, names, rows, columns, values):
    used = np.bincount(columns, minlength=len(names)) > 0
    columns = (np.cumsum(used, dtype=np.int32) - 1)[columns]
    X = sparse.coo_matrix((values, (rows, columns)), (devices, used.sum())).tocsr()
    return X, tuple(name for name, is_used in zip(names, used, strict=True) if is_used)
