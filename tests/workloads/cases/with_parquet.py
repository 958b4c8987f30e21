"""Parquet in the store, between DuckDB, pyarrow and polars: what one writes, the others read.

Each engine has an S3 client of its own: DuckDB's httpfs, the AWS SDK for C++, Rust's object_store. Every row is
compared, and every sum with what plain Python computes. DuckDB's extension comes from a wheel, not from its hub.
"""

import collections
import hashlib
import pathlib

import duckdb
import duckdb_extension_httpfs
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

from harness import case_of_plain, equal
from tools import counter, poll

ROWS = 300_000
PARTS = 7
ROW_GROUP = 20_000
SCHEMA = pyarrow.schema(
    [
        ("id", pyarrow.int64()),
        ("part", pyarrow.int64()),
        ("value", pyarrow.int64()),
        ("price", pyarrow.float64()),
        ("digest", pyarrow.string()),
    ]
)
PARTITIONING = pyarrow.dataset.partitioning(pyarrow.schema([SCHEMA.field("part")]), flavor="hive")


def row_of(index):
    # The price is a multiple of 1/64: sums of it are exact in any order.
    value = index * 2_654_435_761 % 1_000_003
    return index, index % PARTS, value, value / 64, hashlib.md5(str(index).encode()).hexdigest()


def table_of(count):
    columns = zip(*map(row_of, range(count)))
    return pyarrow.table([pyarrow.array(column, field.type) for column, field in zip(columns, SCHEMA)], schema=SCHEMA)


def sums_of(table):
    """By part: count, sum of values, sum of prices, least and greatest digest. In plain Python."""
    rows = collections.defaultdict(list)
    for row in zip(*(table[name].to_pylist() for name in ("part", "value", "price", "digest"))):
        rows[row[0]].append(row[1:])
    return [(part, *sums_of_part(*zip(*found))) for part, found in sorted(rows.items())]


def sums_of_part(values, prices, digests):
    return len(values), sum(values), sum(prices), min(digests), max(digests)


class Duckdb:
    """A fresh connection for each question: it keeps what it has read."""

    def __init__(self, world):
        extension = next(pathlib.Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension"))
        self.connection = duckdb.connect(config={"threads": 2, "home_directory": str(world.scratch)})
        self.connection.load_extension(str(extension))
        server = world.server
        self.connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{server.access_key}', SECRET '{server.secret_key}', REGION 'us-east-1',"
            f" ENDPOINT '{server.host}', URL_STYLE 'path', USE_SSL false)"
        )

    def write(self, table, place):
        self.connection.register("rows", table)
        self.connection.execute(f"COPY rows TO 's3://{place}' (FORMAT parquet, ROW_GROUP_SIZE {ROW_GROUP})")

    def write_parts(self, table, place):
        self.connection.register("rows", table)
        self.connection.execute(f"COPY rows TO 's3://{place}' (FORMAT parquet, PARTITION_BY (part))")

    def rows(self, place, condition="true"):
        """`place` is a file or a folder of parts."""
        files = place if place.endswith(".parquet") else f"{place}/**/*.parquet"
        return f"FROM read_parquet('s3://{files}', hive_partitioning = true) WHERE {condition}"

    def read(self, place):
        return self.connection.sql(f"SELECT * {self.rows(place)}").to_arrow_table()

    def sums(self, place):
        columns = "part, count(*), sum(value)::BIGINT, sum(price), min(digest), max(digest)"
        return self.connection.sql(f"SELECT {columns} {self.rows(place)} GROUP BY part ORDER BY part").fetchall()

    def ids(self, place, first, last):
        found = self.connection.sql(f"SELECT id {self.rows(place, f'id BETWEEN {first} AND {last}')}").fetchall()
        return sorted(row[0] for row in found)


class Pyarrow:
    def __init__(self, world):
        scheme, _, host = world.server.endpoint.partition("://")
        self.files = pyarrow.fs.S3FileSystem(
            access_key=world.server.access_key,
            secret_key=world.server.secret_key,
            region="us-east-1",
            endpoint_override=host,
            scheme=scheme,
            retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )

    def write(self, table, place):
        pyarrow.parquet.write_table(table, place, filesystem=self.files, row_group_size=ROW_GROUP)

    def write_parts(self, table, place, **more):
        told = {"filesystem": self.files, "partitioning": PARTITIONING, "format": "parquet", **more}
        pyarrow.dataset.write_dataset(table, place, **told)

    def dataset(self, place):
        return pyarrow.dataset.dataset(place, filesystem=self.files, partitioning=PARTITIONING, format="parquet")

    def read(self, place):
        return self.dataset(place).to_table()

    def sums(self, place):
        wanted = [("value", "count"), ("value", "sum"), ("price", "sum"), ("digest", "min"), ("digest", "max")]
        found = self.read(place).group_by("part").aggregate(wanted).sort_by("part")
        names = ["part", *(f"{column}_{function}" for column, function in wanted)]
        return list(zip(*(found[name].to_pylist() for name in names)))

    def ids(self, place, first, last):
        column = pyarrow.dataset.field("id")
        found = self.dataset(place).to_table(columns=["id"], filter=(column >= first) & (column <= last))
        return sorted(found["id"].to_pylist())


class Polars:
    def __init__(self, world):
        self.options = {
            "aws_access_key_id": world.server.access_key,
            "aws_secret_access_key": world.server.secret_key,
            "aws_region": "us-east-1",
            "aws_endpoint_url": world.server.endpoint,
            "aws_allow_http": "true",
        }

    def write(self, table, place):
        told = {"storage_options": self.options, "row_group_size": ROW_GROUP}
        polars.from_arrow(table).lazy().sink_parquet(f"s3://{place}", **told)

    def write_parts(self, table, place):
        rows = polars.from_arrow(table)
        rows.write_parquet(f"s3://{place}", partition_by=["part"], storage_options=self.options)

    def lazy(self, place):
        files = place if place.endswith(".parquet") else f"{place}/**/*.parquet"
        return polars.scan_parquet(f"s3://{files}", storage_options=self.options, hive_partitioning=True)

    def read(self, place):
        return self.lazy(place).collect().to_arrow()

    def sums(self, place):
        value, price, digest = map(polars.col, ("value", "price", "digest"))
        wanted = {"values": value.sum(), "prices": price.sum(), "least": digest.min(), "greatest": digest.max()}
        return self.lazy(place).group_by("part").agg(polars.len(), **wanted).sort("part").collect().rows()

    def ids(self, place, first, last):
        found = self.lazy(place).filter(polars.col("id").is_between(first, last)).select("id").collect()
        return sorted(found["id"].to_list())


ENGINES = {"duckdb": Duckdb, "pyarrow": Pyarrow, "polars": Polars}


def same_rows(found, wanted):
    """All rows, whatever their order and however an engine calls its strings."""
    equal(found.num_rows, wanted.num_rows)
    found = found.select(SCHEMA.names).cast(SCHEMA).sort_by("id")
    assert found.equals(wanted), f"rows differ: {found.slice(0, 3)} ... wanted {wanted.slice(0, 3)}"


def all_read(world, place, table):
    sums = sums_of(table)
    for kind in ENGINES.values():
        same_rows(kind(world).read(place), table)
        equal(kind(world).sums(place), sums)


@case_of_plain
def what_one_writes_the_others_read(world):
    bucket, table = world.bucket("parquet"), table_of(ROWS)
    for name, kind in ENGINES.items():
        place = f"{bucket}/{name}.parquet"
        kind(world).write(table, place)
        all_read(world, place, table)
    equal(world.keys_in(bucket), sorted(f"{name}.parquet" for name in ENGINES))
    # The file is large enough to go in parts with whoever sends parts.
    assert world.s3.head_object(Bucket=bucket, Key="pyarrow.parquet")["ContentLength"] > 10_000_000


@case_of_plain
def partitioned_dataset_is_written_read_and_replaced(world):
    bucket, table = world.bucket("parquet-parts"), table_of(30_000)
    for name, kind in ENGINES.items():
        place = f"{bucket}/{name}"
        kind(world).write_parts(table, place)
        # pyarrow also makes objects for folders, which end in a slash.
        found = {key.split("/")[1] for key in world.keys_in(bucket, f"{name}/") if not key.endswith("/")}
        equal(found, {f"part={part}" for part in range(PARTS)})
        all_read(world, place, table)
    # Two of the parts are written anew, with other rows: no old file of theirs may stay, no other may go.
    column = pyarrow.dataset.field("part")
    new = table.filter((column == 2) | (column == 5)).slice(0, 500)
    Pyarrow(world).write_parts(new, f"{bucket}/duckdb", existing_data_behavior="delete_matching")
    kept = table.filter((column != 2) & (column != 5))
    all_read(world, f"{bucket}/duckdb", pyarrow.concat_tables([kept, new]).sort_by("id"))


@case_of_plain
def predicate_reads_only_what_it_must(world):
    bucket, table = world.bucket("parquet-pushdown"), table_of(ROWS)
    place = f"{bucket}/rows.parquet"
    Pyarrow(world).write(table, place)
    size = world.s3.head_object(Bucket=bucket, Key="rows.parquet")["ContentLength"]
    for name, kind in ENGINES.items():
        equal(kind(world).ids(place, 123_450, 123_459), list(range(123_450, 123_460)))
        sent = sent_for(world, kind(world).ids, place, 123_450, 123_459)
        # One row group of fifteen, one column of five, and the footer.
        assert sent < size / 4, f"{name}: {sent} of {size} bytes for ten rows"
        equal(kind(world).ids(place, ROWS, ROWS + 10), [])
        sent = sent_for(world, kind(world).read, place)
        assert sent > size * 0.9, f"{name}: {sent} of {size} bytes for all rows"


def sent_for(world, function, *arguments):
    """Bytes that the server sent for that call."""
    before = sent_when_idle(world)
    function(*arguments)
    return sent_when_idle(world) - before


def sent_when_idle(world):
    """The server counts an answer at its end, so all of them have to end first."""
    poll("no request under way", lambda: counter(world, "stave_s3_requests_inflight") == 0)
    return counter(world, "stave_s3_sent_bytes_total")
