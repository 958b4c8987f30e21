//! Runs the real binary on a port that the system chooses. Nothing here waits by the clock: a start
//! is a line on stdout, a stop is the end of the process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running server, killed when dropped.
pub struct Stave {
    child: Child,
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
    /// Starts a server and reads its banner, which ends with the line for `mc`.
    #[track_caller]
    pub fn start(dir: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child =
            command(dir).envs(environment.iter().copied()).spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut banner = String::new();
        while !banner.contains("mc alias set") {
            if lines.read_line(&mut banner).expect("readable") == 0 {
                let mut log = String::new();
                let _ = child.stderr.take().expect("piped").read_to_string(&mut log);
                panic!("the server ended: {banner}{log}");
            }
        }
        let endpoint = banner.lines().find_map(|line| line.strip_prefix("Endpoint: http://"));
        let address = endpoint.and_then(|rest| rest.split(' ').next()).expect("an endpoint");
        Self { child, address: address.into(), banner }
    }

    /// One request without credentials; returns status line, headers and body.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let host = &self.address;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Sends SIGTERM and waits for a good end; returns the log.
    #[track_caller]
    pub fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
        let mut log = String::new();
        let stderr = self.child.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut log).expect("text");
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }

    /// Ends the process as a crash does.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Stave {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
