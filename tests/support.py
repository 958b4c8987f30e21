"""What the end-to-end tests share: the real server as a process, and a small S3 client with SigV4.

Only the standard library, so that these tests run wherever Python does. Nothing waits by the clock: a start is the
line on stdout that names the endpoint, a stop is the end of the process.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
REGION = "us-east-1"
# A server that does not answer for so long hangs; the test then fails instead of waiting for ever.
ANSWER_SECONDS_MAX = 120


def target_dir():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def binary():
    """Path of the release binary: STAVE_BIN, else freshly built."""
    given = os.environ.get("STAVE_BIN")
    if given:
        return pathlib.Path(given).resolve()
    command = ["cargo", "build", "--release", "-p", "server", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "stave":
            return pathlib.Path(message["executable"])
    raise SystemExit("cargo built no binary stave")


CERTIFICATES = """
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost, DNS:stave.localhost, DNS:*.stave.localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def make_certificates(directory):
    """Makes a CA and a server certificate for loopback. Returns what `--certs-dir` takes, and the CA to trust."""
    directory = pathlib.Path(directory)
    certs_dir, config, ca, ca_key = (directory / name for name in ("certs", "openssl.conf", "ca.crt", "ca.key"))
    certs_dir.mkdir(parents=True)
    config.write_text(CERTIFICATES)

    def make(section, name, key, certificate, *signer):
        command = ["openssl", "req", "-x509", "-config", config, "-extensions", section, "-subj", f"/CN={name}"]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", *signer]
        done = subprocess.run([*command, "-keyout", key, "-out", certificate], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"openssl: {done.returncode}\n{done.stderr}")

    make("ca", "Stave test CA", ca_key, ca)
    make("server", "localhost", certs_dir / "private.key", certs_dir / "public.crt", "-CA", ca, "-CAkey", ca_key)
    return certs_dir, ca


def directories_of(given):
    """One directory or a list of them as a list."""
    return [pathlib.Path(each) for each in ([given] if isinstance(given, (str, os.PathLike)) else given)]


class Server:
    """A running `stave server DIR...` on a port that the system chose.

    `directory` is one or a list of several, each a disk; the log lies beside the first one. `options` are further
    arguments. A server with `--certs-dir` needs `ca`, which its clients shall trust.
    """

    def __init__(self, path, directory, wrapper=(), environment=None, options=(), ca=None):
        self.path, self.directories = path, directories_of(directory)
        self.directory = self.directories[0]
        self.options, self.ca, self.environment = tuple(map(str, options)), ca, environment or {}
        self.log_path = self.directory.with_name(self.directory.name + ".log")
        served = [*map(str, self.directories), "--address", "127.0.0.1:0", *self.options]
        command = [*wrapper, str(path), "server", *served]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("STAVE_", "MINIO_"))}
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**clean, **self.environment},
            text=True,
        )
        self.endpoint, given = None, self.environment
        is_given = "STAVE_ROOT_USER" in given
        self.given = (given["STAVE_ROOT_USER"], given["STAVE_ROOT_PASSWORD"]) if is_given else None

    def wait_until_ready(self):
        """Reads the banner. Raises when the process ends instead."""
        for line in self.process.stdout:
            if line.startswith("Endpoint: "):
                self.endpoint = line.split()[1]
            if "mc alias set" in line:
                break
        if self.endpoint is None:
            code = self.process.wait()
            raise RuntimeError(f"the server ended with {code} instead of serving:\n{self.tail()}")
        self.access_key, self.secret_key = self.given or self.kept_keys()
        return self

    def kept_keys(self):
        """The root keys that the server made itself."""
        keys = dict(
            (part.strip() for part in line.split("=", 1))
            for line in self.credentials_path().read_text().splitlines()
            if "=" in line
        )
        return keys["aws_access_key_id"], keys["aws_secret_access_key"]

    def credentials_path(self):
        """The first copy of the root keys; disks that are not there have none."""
        paths = [directory / ".stave-credentials" for directory in self.directories]
        return next((path for path in paths if path.exists()), paths[0])

    @property
    def host(self):
        return self.endpoint.partition("://")[2]

    def client(self):
        return Client(self.host, self.access_key, self.secret_key, self.ca)

    def pid(self):
        """Id of the server itself, also below a wrapper."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def kill(self):
        """Ends it as a crash does."""
        self.process.kill()
        self.process.wait()
        self.close()

    def stop(self):
        """Ends it as an operator does; it must end well."""
        os.kill(self.pid(), signal.SIGTERM)
        code = self.process.wait(timeout=ANSWER_SECONDS_MAX)
        self.close()
        if code != 0:
            raise RuntimeError(f"the server ended with {code} after SIGTERM:\n{self.tail()}")

    def close(self):
        self.process.stdout.close()
        self.log.close()

    def tail(self, lines=30):
        return "".join(self.log_path.read_text(errors="replace").splitlines(keepends=True)[-lines:])

    def __enter__(self):
        return self.wait_until_ready()

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None:
            if kind is None:
                return self.stop()
            self.kill()
        if kind is not None:
            print(f"--- end of {self.log_path}\n{self.tail()}", file=sys.stderr)


class Answer:
    """Status, headers (lowercase names) and body."""

    def __init__(self, response, body):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = body


class Client:
    """One keep-alive connection that signs its requests. For one thread."""

    def __init__(self, host, access_key, secret_key, ca=None):
        if ca:
            trust = ssl.create_default_context(cafile=ca)
            self.connection = http.client.HTTPSConnection(host, timeout=ANSWER_SECONDS_MAX, context=trust)
        else:
            self.connection = http.client.HTTPConnection(host, timeout=ANSWER_SECONDS_MAX)
        self.host, self.access_key, self.secret_key = host, access_key, secret_key
        self.day, self.signing_key = None, None

    def request(self, method, path, query=(), body=b"", headers=None):
        """Sends one signed request; raises OSError or HTTPException when the connection breaks."""
        quoted = urllib.parse.quote(path, safe="/-_.~")
        pairs = sorted((urllib.parse.quote(n, safe="-_.~"), urllib.parse.quote(str(v), safe="-_.~")) for n, v in query)
        query_text = "&".join(f"{name}={value}" for name, value in pairs)
        signed = self.sign(method, quoted, query_text, headers or {})
        target = f"{quoted}?{query_text}" if query_text else quoted
        self.connection.request(method, target, body=body, headers=signed)
        response = self.connection.getresponse()
        return Answer(response, response.read())

    def sign(self, method, path, query, headers):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        headers = {
            **{name.lower(): value for name, value in headers.items()},
            "host": self.host,
            "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
            "x-amz-date": now,
        }
        names = sorted(headers)
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
        canonical = "\n".join([method, path, query, lines, ";".join(names), "UNSIGNED-PAYLOAD"])
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(self.key_of(now[:8]), text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return headers

    def key_of(self, day):
        if self.day != day:
            key = b"AWS4" + self.secret_key.encode()
            for part in (day, REGION, "s3", "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self.day, self.signing_key = day, key
        return self.signing_key

    def close(self):
        self.connection.close()
