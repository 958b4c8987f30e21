"""Iceberg tables by pyiceberg: a catalog in SQLite, which decides over commits, and all else in the store.

Appends of several processes, deletes, an overwrite, a new column, snapshots of the past. Metadata, manifests and data
are objects that are written once and read by name.
"""

import pyarrow
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import EqualTo
from pyiceberg.types import StringType

from harness import case_of_plain, equal
from tools import race

WRITERS = 3
STEPS = 5
ROWS = 50
TRIES_MAX = 100
SCHEMA = pyarrow.schema([("writer", pyarrow.int64()), ("step", pyarrow.int64()), ("row", pyarrow.int64())])


def settings_of(world, name, bucket):
    return {
        "uri": f"sqlite:///{world.scratch}/{name}.db",
        "warehouse": f"s3://{bucket}/warehouse",
        "s3.endpoint": world.server.endpoint,
        "s3.access-key-id": world.server.access_key,
        "s3.secret-access-key": world.server.secret_key,
        "s3.region": "us-east-1",
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
    }


def rows_of(writer, step):
    return [(writer, step, row) for row in range(ROWS)]


def table_of(rows):
    return pyarrow.table(dict(zip(SCHEMA.names, zip(*rows))), schema=SCHEMA)


def rows_in(scan):
    found = scan.to_arrow()
    return sorted(zip(*(found[name].to_pylist() for name in SCHEMA.names)))


def new_table(world, name):
    settings = settings_of(world, name, world.bucket(name))
    catalog = SqlCatalog("test", **settings)
    catalog.create_namespace("space")
    return catalog.create_table("space.table", SCHEMA), settings


def appends(number, barrier, settings):
    """Appends once a step, together with all others."""
    catalog = SqlCatalog("test", **settings)
    for step in range(STEPS):
        barrier.wait()
        append_in_the_end(catalog, table_of(rows_of(number, step)))


def append_in_the_end(catalog, rows):
    """pyiceberg tries a few times by itself; after that the table is loaded anew."""
    for _ in range(TRIES_MAX):
        try:
            return catalog.load_table("space.table").append(rows)
        except CommitFailedException:
            continue
    raise AssertionError(f"no commit in {TRIES_MAX} tries")


@case_of_plain
def appends_of_several_writers_are_all_there(world):
    _, settings = new_table(world, "iceberg")
    race(WRITERS, appends, settings)
    table = SqlCatalog("test", **settings).load_table("space.table")
    equal(len(table.snapshots()), WRITERS * STEPS)
    ledgers = [rows_of(writer, step) for writer in range(WRITERS) for step in range(STEPS)]
    equal(rows_in(table.scan()), sorted(row for rows in ledgers for row in rows))


@case_of_plain
def table_changes_and_its_past_stays(world):
    table, settings = new_table(world, "iceberg-past")
    for step in range(4):
        table.append(table_of(rows_of(0, step)))
    full = sorted(row for step in range(4) for row in rows_of(0, step))
    past = table.current_snapshot().snapshot_id
    table.delete(EqualTo("step", 2))
    equal(rows_in(table.scan()), [row for row in full if row[1] != 2])
    table.delete("row >= 10")
    equal(rows_in(table.scan()), [row for row in full if row[1] != 2 and row[2] < 10])
    with table.update_schema() as update:
        update.add_column("note", StringType())
    table.overwrite(table_of(rows_of(7, 7)).append_column("note", pyarrow.array(["new"] * ROWS)))
    table = SqlCatalog("test", **settings).load_table("space.table")
    equal(rows_in(table.scan()), rows_of(7, 7))
    equal(set(table.scan().to_arrow()["note"].to_pylist()), {"new"})
    equal(rows_in(table.scan(row_filter=EqualTo("row", 3))), [(7, 7, 3)])
    equal(rows_in(table.scan(snapshot_id=past)), full)
