//! Runs the real binary on a port that the system chooses. Nothing here waits by the clock: a start
//! is a line on stdout, a stop is the end of the process.

use http::HeaderMap;
use s3api::Credentials;
use s3api::sigv4::{Signer, SigningService, sign};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

/// A running server, killed when dropped.
pub struct Stave {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
    /// Everything that it printed at its start.
    pub banner: String,
}

/// `stave server DIR` with an environment of its own and any free port.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stave"));
    command.arg("server").arg(dir).env_clear().env("STAVE_ADDRESS", "127.0.0.1:0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a server that must not start; returns its one line.
#[track_caller]
pub fn refused(mut command: Command) -> String {
    let output = command.output().expect("the binary runs");
    let line = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(output.stdout.is_empty(), "nothing is announced");
    line
}

impl Stave {
    /// Starts a server on a directory.
    #[track_caller]
    pub fn start(dir: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = command(dir);
        command.envs(environment.iter().copied());
        Self::run(command)
    }

    /// Starts a server and reads its banner, which ends with the line for `mc`.
    #[track_caller]
    pub fn run(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary runs");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut banner = String::new();
        while !banner.contains("mc alias set") {
            if lines.read_line(&mut banner).expect("readable") == 0 {
                let mut text = String::new();
                let _ = log.read_to_string(&mut text);
                panic!("the server ended: {banner}{text}");
            }
        }
        let endpoint = banner.lines().find_map(|line| line.strip_prefix("Endpoint: http"));
        let endpoint = endpoint.and_then(|rest| rest.split(' ').next()).expect("an endpoint");
        let address = endpoint.split("://").nth(1).expect("an endpoint");
        Self { child, log, address: address.into(), banner }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// One request without credentials; returns status line, headers and body.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let host = &self.address;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .expect("it reads");
        answer_of(stream)
    }

    /// Sends a signed request with a body of `len` bytes, of which the caller sends the rest. When
    /// this returns, the server waits for the body: it asked for it.
    pub fn begin(&self, method: &str, path: &str, len: usize, body: &str) -> TcpStream {
        let mut head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {len}\r\n");
        for (name, value) in &self.signed(method, path) {
            head += &format!("{name}: {}\r\n", value.to_str().expect("text"));
        }
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let expect = if len > 0 { "Expect: 100-continue\r\n" } else { "" };
        write!(stream, "{head}{expect}Connection: close\r\n\r\n").expect("it reads");
        if len > 0 {
            let mut asked = [0; 25];
            stream.read_exact(&mut asked).expect("it answers");
            assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        stream.write_all(body.as_bytes()).expect("it reads");
        stream
    }

    /// A request with a short body, signed by keys; returns status line, headers and body.
    pub fn ask_as(
        &self,
        (access_key, secret_key): (&str, &str),
        (method, path): (&str, &str),
        own: &[(&str, &str)],
        body: &str,
    ) -> String {
        let (access_key, secret_key) = (access_key.to_owned(), secret_key.to_owned());
        let keys = Credentials { access_key, secret_key };
        let mut head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in &self.signed_by(&keys, (method, path), own) {
            head += &format!("{name}: {}\r\n", value.to_str().expect("text"));
        }
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(stream, "{head}Connection: close\r\n\r\n{body}").expect("it reads");
        answer_of(stream)
    }

    /// The headers of a signed request with any body.
    pub fn signed(&self, method: &str, path: &str) -> HeaderMap {
        self.signed_by(&self.credentials(), (method, path), &[])
    }

    fn signed_by(
        &self,
        credentials: &Credentials,
        (method, path): (&str, &str),
        own: &[(&str, &str)],
    ) -> HeaderMap {
        let now = engine::env::real::env().clock.unix_nanos();
        let signer = Signer { credentials, region: "us-east-1", service: SigningService::S3, now };
        let request =
            http::Request::builder().method(method).uri(path).header("host", &self.address);
        let request = own.iter().fold(request, |request, (name, it)| request.header(*name, *it));
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        sign(&mut parts, &signer, "UNSIGNED-PAYLOAD").expect("signable");
        parts.headers
    }

    /// The keys that the banner of a first start shows.
    fn credentials(&self) -> Credentials {
        let word_after = |name| {
            let line = self.banner.lines().find(|line| line.trim_start().starts_with(name));
            line.and_then(|line| line.split_whitespace().last()).expect("a first start").to_owned()
        };
        Credentials { access_key: word_after("access key"), secret_key: word_after("secret key") }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal, as `kill` names it.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Reads the log up to the line that says this.
    #[track_caller]
    pub fn wait_for_log(&mut self, part: &str) {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).expect("text"), 0, "never logged: {part}");
        }
    }

    /// Sends SIGTERM and waits for a good end; returns the log.
    #[track_caller]
    pub fn stop(self) -> String {
        self.terminate();
        let (code, log) = self.wait();
        assert_eq!(code, Some(0), "{log}");
        log
    }

    /// Waits for the end; returns the exit code and the rest of the log.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).expect("text");
        (self.child.wait().expect("it ends").code(), log)
    }

    /// Ends the process as a crash does.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

/// Holds the status of an answer, and a part of it, against what was expected.
#[track_caller]
pub fn check(answer: &str, status: u16, part: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(part), "no {part:?} in {answer}");
}

/// Reads to the end of the connection: status line, headers and body.
pub fn answer_of(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

impl Drop for Stave {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
