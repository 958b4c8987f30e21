"""What the cases of all clients share: the world they run in, what they compare with, and trees of files.

boto3 is also the referee: what another client stored is read back through it, so that no client is believed about
itself.
"""

import base64
import concurrent.futures
import hashlib
import os
import pathlib
import random
import re
import ssl
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import support

MIB = 1 << 20
# Buckets are also names below this domain. Nobody's resolver knows it, so clients are told where it is.
DOMAIN = "stave.localhost"
# What the server seals its keys under, and the name that it gives the first of them.
KMS_KEY = "suite"
KMS_SECRET = base64.b64encode(b"the root key of the suite: 32 B.").decode()
# A client that is silent for so long hangs; it then fails instead of waiting for ever.
COMMAND_SECONDS_MAX = 300
CASES = []


class Skipped(Exception):
    """This machine or this server cannot run the case; the text says why."""


def case(function):
    """Registers a case under the client whose file it stands in: `cases/with_CLIENT.py`."""
    function.client = function.__module__.rpartition("with_")[2].replace("_", "-")
    function.halves = ("plain", "tls")
    CASES.append(function)
    return function


def case_of_plain(function):
    """Registers a case whose client cannot be told whom to trust over TLS."""
    case(function).halves = ("plain",)
    return function


def case_of_tls(function):
    """Registers a case that has a meaning over TLS only."""
    case(function).halves = ("tls",)
    return function


def asks_for_more(function):
    """Marks a case whose client also asks for what the server does not serve, and takes the 501 for an answer."""
    function.allowed = ("none 501",)
    return function


class World:
    """The server, a scratch directory, the environment of commands, and the referee."""

    def __init__(self, server, scratch, files):
        self.server, self.scratch, self.files, self.ca = server, scratch, files, server.ca
        # Trees of the clients other than the one that carries the large tree.
        self.tree_files = max(200, files // 10)
        self.s3 = self.boto()
        self.trust = ssl.create_default_context(cafile=self.ca) if self.ca else None
        self.environment = self.clean_environment()

    def clean_environment(self):
        """What commands get: nothing of the user's own settings, the keys, the CA in every way that clients know."""
        prefixes = ("AWS_", "RCLONE_", "S3_", "MINIO_", "STAVE_", "NODE_", "SSL_CERT_", "REQUESTS_CA_", "CURL_CA_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
        ca_names = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "RCLONE_CA_CERT")
        return {
            **clean,
            **({name: str(self.ca) for name in ca_names} if self.ca else {}),
            "HOME": str(self.scratch),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.server.directory / ".stave-credentials"),
            "AWS_REGION": support.REGION,
            "AWS_DEFAULT_REGION": support.REGION,
            "AWS_ENDPOINT_URL": self.server.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "PAGER": "cat",
        }

    def boto(self, secret_key=None, endpoint=None, verify=None, region=support.REGION, **config):
        settings = {"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 1}, **config}
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.server.endpoint,
            region_name=region,
            aws_access_key_id=self.server.access_key,
            aws_secret_access_key=secret_key or self.server.secret_key,
            verify=verify or (str(self.ca) if self.ca else None),
            config=botocore.config.Config(signature_version="s3v4", **settings),
        )

    def tool(self, name):
        """Path of a program that the venv holds."""
        return str(pathlib.Path(sys.executable).with_name(name))

    def run(self, *command, fails=False, binary=False, environment=None, stdin=b""):
        """Runs a command; returns its stdout, or all it said when it is to fail."""
        command = [str(part) for part in command]
        done = subprocess.run(
            command,
            env={**self.environment, **(environment or {})},
            cwd=self.scratch,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=COMMAND_SECONDS_MAX,
        )
        said = (done.stdout[-4000:] + done.stderr[-4000:]).decode(errors="replace")
        if (done.returncode != 0) != fails:
            raise AssertionError(f"{' '.join(command)}: ended with {done.returncode}\n{said}")
        if fails:
            return (done.stdout + done.stderr).decode(errors="replace")
        return done.stdout if binary else done.stdout.decode(errors="replace")

    def fetch(self, url, method="GET", body=None):
        """Plain HTTP, without any client library: status, headers, body."""
        request = urllib.request.Request(url, data=body, method=method)
        try:
            seconds = support.ANSWER_SECONDS_MAX
            with urllib.request.urlopen(request, timeout=seconds, context=self.trust) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def bucket(self, name):
        self.s3.create_bucket(Bucket=name)
        return name

    def body_of(self, bucket, key):
        """What the referee reads."""
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys_in(self, bucket, prefix=""):
        """All keys, as the referee lists them."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def hashes_in(self, bucket, prefix=""):
        """SHA-256 of every object below the prefix, by its name without that prefix, as the referee reads them."""
        keys = self.keys_in(bucket, prefix)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            bodies = pool.map(lambda key: hashlib.sha256(self.body_of(bucket, key)).hexdigest(), keys)
            return {key.removeprefix(prefix): digest for key, digest in zip(keys, bodies)}

    def told(self):
        """The server, for programs of the suite itself."""
        server = self.server
        parts = {"ENDPOINT": server.endpoint, "ACCESS_KEY": server.access_key, "SECRET_KEY": server.secret_key}
        return {f"STAVE_{name}": value for name, value in parts.items()}

    def server_errors(self):
        """Answers of 500 and above since the server started, as it counts them, by operation and status."""
        _, _, body = self.fetch(f"{self.server.endpoint}/metrics")
        pattern = r'^stave_s3_requests_total\{operation="(\w+)",status="(5\d\d)"\} (\d+)$'
        found = re.findall(pattern, body.decode(), re.MULTILINE)
        return {f"{operation} {status}": int(count) for operation, status, count in found}

    def want_no_new_errors(self, before, allowed):
        """Clients hide much by asking again: no case is well in which the server failed, or refused the unknown."""
        after = self.server_errors()
        new = [f"{name}: {count}" for name, count in after.items() if count > before.get(name, 0)]
        if unwanted := [text for text in new if not text.startswith(tuple(allowed))]:
            raise AssertionError(f"the server answered, since its start: {unwanted}")

    def restart(self):
        """Stops the server as an operator does and starts it on the same data."""
        old = self.server
        old.stop()
        same = {"environment": old.environment, "options": old.options, "ca": old.ca}
        new = support.Server(old.path, old.directory, **same).wait_until_ready()
        self.__init__(new, self.scratch, self.files)


def refused(code, function, **arguments):
    """Calls boto3 and wants an error with that code or status; returns it."""
    try:
        function(**arguments)
    except botocore.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert code in (error.response["Error"]["Code"], status), f"{error.response}"
        return error.response
    raise AssertionError(f"{code} was wanted")


def raises(kind, text, function, *arguments, **named):
    """Calls and wants that exception, with the text in it."""
    try:
        function(*arguments, **named)
    except kind as error:
        assert text in f"{error!r} {error}", f"{text!r} was wanted: {error!r}"
        return error
    raise AssertionError(f"{kind} with {text!r} was wanted")


def equal(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {str(found)[:300]}, wanted {str(wanted)[:300]}")


def same_tree(found, wanted):
    """Compares two maps of name to hash, and names what differs."""
    differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if differing:
        lines = [f"{name!r}: found {found.get(name)}, wanted {wanted.get(name)}" for name in differing[:10]]
        raise AssertionError(f"{len(differing)} of {len(wanted)} differ:\n" + "\n".join(lines))


def random_bytes(seed, size):
    return random.Random(seed).randbytes(size)


def keys_of(page):
    return [entry["Key"] for entry in page.get("Contents", [])]


def real_files():
    """Files of this machine that look like what people keep: sources, documents, compiled modules."""
    cargo = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")) / "registry/src"
    for root in (cargo, pathlib.Path(sysconfig.get_paths()["stdlib"])):
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                yield root.name / path.relative_to(root), path


def real_tree(tree, count):
    """Copies real files below `tree`; makes up what is missing to the count."""
    made = 0
    for relative, path in real_files():
        if made == count:
            break
        place = tree / relative
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
            made += 1
    for index in range(made, count):
        write_file(tree, f"made/{index % 100}/{index}.bin", random_bytes(index, index % 20_000))
    return tree


ODD_NAMES = (
    *("space in name", " leading space", "trailing space ", "two  spaces/two  more", "-dash", "--delete"),
    *("plus+plus", "percent%41%2Fpercent", "hash#hash", "ampersand&equals=", "question?mark", "star*star"),
    *("semi;colon:colon,comma", "quote'quote\"quote", "(round)[square]{curly}", "less<greater>", "pipe|pipe"),
    *("at@dollar$exclamation!", "tilde~caret^grave`", "back\\slash", ".hidden/.hidden", "..two-dots", "dots..."),
    *("\u00fcml\u00e4ut", "umla\u0308ut", "\u6f22\u5b57/\u304b\u306a", "\U0001f600"),
    *("n" * 200, "/".join("deep" for _ in range(30)) + "/leaf"),
)
ODD_SIZES = (0, 1, 4095, 4096, 4097, 16_384, 16_385, 65_536, 65_537, MIB - 1, MIB + 1, 6 * MIB + 5, 20 * MIB)


def mixed_tree(tree, count, without=()):
    """Files of mixed sizes, empty ones and odd names included, but for names with a text of `without` in them."""
    names = [name for name in ODD_NAMES if not any(text in name for text in without)]
    for index, name in enumerate(names):
        write_file(tree, f"odd/{name}", random_bytes(index, 37 * index))
    for size in ODD_SIZES:
        write_file(tree, f"sizes/{size}", random_bytes(size, size))
    for index in range(count - len(names) - len(ODD_SIZES)):
        write_file(tree, f"plain/{index % 17}/{index % 5}/{index}.bin", random_bytes(index, index * index % 50_000))
    equal(len(hashes_of(tree)), count)
    return tree


def write_file(tree, name, body):
    place = tree / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)


def hashes_of(tree):
    """SHA-256 of every file below `tree`, by its relative path."""
    return {
        str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }
