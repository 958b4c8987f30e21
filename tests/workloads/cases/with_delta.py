"""Delta Lake tables by delta-rs, whose commits are files that are created only where nothing is (`If-None-Match: *`).

Several processes commit to one table at the same moments. delta-rs refuses some of them for reasons of its own, and
leaves their data behind until a vacuum; that is no fault of the store. Each process keeps a ledger of
what was acknowledged to it, and at the end the table must be exactly what the ledgers say: as many versions, as many
files in the log, the same rows.
"""

import deltalake
import polars
import pyarrow
from deltalake.exceptions import CommitFailedError

from harness import case_of_plain, equal
from tools import counter, race

WRITERS = 5
STEPS = 24
ROWS = 20
RETRIES_MAX = 200
REFUSED = 'code="PreconditionFailed"'
SCHEMA = pyarrow.schema([("writer", pyarrow.int64()), ("step", pyarrow.int64()), ("row", pyarrow.int64())])


def options_of(world):
    return {
        "AWS_ACCESS_KEY_ID": world.server.access_key,
        "AWS_SECRET_ACCESS_KEY": world.server.secret_key,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": world.server.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "aws_conditional_put": "etag",
    }


def rows_of(writer, step):
    return [(writer, step, row) for row in range(ROWS)]


def table_of(rows):
    return pyarrow.table(dict(zip(SCHEMA.names, zip(*rows))), schema=SCHEMA)


def patient():
    return deltalake.CommitProperties(max_commit_retries=RETRIES_MAX)


def append(place, options, rows):
    told = {"storage_options": options, "commit_properties": patient()}
    deltalake.write_deltalake(place, table_of(rows), mode="append", **told)


def delete(place, options, writer, step):
    table = deltalake.DeltaTable(place, storage_options=options)
    table.delete(f"writer = {writer} AND step = {step}", commit_properties=patient())


def commits(number, barrier, place, options):
    """Appends at each step, and deletes at every third one what it wrote there; returns successes and rows."""
    successes, refusals, mine = 0, 0, set()
    for step in range(STEPS):
        barrier.wait()
        try:
            append(place, options, rows_of(number, step))
            successes, mine = successes + 1, mine | set(rows_of(number, step))
            if step % 3 == 2:
                delete(place, options, number, step)
                successes, mine = successes + 1, mine - set(rows_of(number, step))
        except CommitFailedError:
            refusals += 1
    return successes, refusals, mine


def rows_in(table):
    found = table.to_pyarrow_table().select(SCHEMA.names)
    return sorted(zip(*(found[name].to_pylist() for name in SCHEMA.names)))


def versions_in_log(world, bucket):
    names = (key.rpartition("/")[2] for key in world.keys_in(bucket, "tables/race/_delta_log/"))
    return [name for name in names if name.endswith(".json")]


def data_files(world, bucket):
    return [key for key in world.keys_in(bucket, "tables/race/") if "/_delta_log/" not in key]


@case_of_plain
def no_commit_of_several_writers_is_lost(world):
    bucket, options = world.bucket("delta"), options_of(world)
    place = f"s3://{bucket}/tables/race"
    deltalake.DeltaTable.create(place, SCHEMA, partition_by=["writer"], storage_options=options)
    before = counter(world, "stave_s3_errors_total", REFUSED)
    outcomes = race(WRITERS, commits, place, options)
    successes = sum(outcome[0] for outcome in outcomes)
    wanted = sorted(row for outcome in outcomes for row in outcome[2])
    assert counter(world, "stave_s3_errors_total", REFUSED) > before, "nobody ever lost: that was no race"
    assert successes > WRITERS * STEPS, f"hardly anything was committed: {outcomes}"
    table = deltalake.DeltaTable(place, storage_options=options)
    equal(table.version(), successes)
    equal(rows_in(table), wanted)
    equal(versions_in_log(world, bucket), [f"{version:020}.json" for version in range(successes + 1)])
    tidy(table)
    table = deltalake.DeltaTable(place, storage_options=options)
    equal(data_files(world, bucket), sorted(uri.removeprefix(f"s3://{bucket}/") for uri in table.file_uris()))
    equal(rows_in(table), wanted)
    equal(sorted(polars.scan_delta(place, storage_options=options).select(SCHEMA.names).collect().rows()), wanted)


def tidy(table):
    """Rewrites small files, writes a checkpoint, removes what is no longer named: the log must still lead to all."""
    table.optimize.compact()
    table.create_checkpoint()
    table.vacuum(retention_hours=0, full=True, enforce_retention_duration=False, dry_run=False)


@case_of_plain
def versions_of_the_past_are_read(world):
    place, options = f"s3://{world.bucket('delta-past')}/table", options_of(world)
    wanted = [[]]
    deltalake.DeltaTable.create(place, SCHEMA, storage_options=options)
    for step in range(12):
        append(place, options, rows_of(0, step))
        wanted.append(sorted(wanted[-1] + rows_of(0, step)))
    deltalake.write_deltalake(place, table_of(rows_of(9, 9)), mode="overwrite", storage_options=options)
    wanted.append(rows_of(9, 9))
    for version, rows in enumerate(wanted):
        equal(rows_in(deltalake.DeltaTable(place, version=version, storage_options=options)), rows)
