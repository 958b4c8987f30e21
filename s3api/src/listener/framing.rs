//! One strict reading of HTTP/1.1 framing (RFC 9112): where heads and bodies begin and end.
//!
//! hyper takes more than that: a bare line feed, a length given twice, a length beside `chunked`.
//! Whatever two servers in a row may read in two ways is refused here, so that no request can hide
//! in another one.
//!
//! - F1: what passes has one reading: lines end in CRLF, a body has one length or is chunked, a
//!   request to HTTP/1.1 names one host, header lines are not folded, targets have no fragment.
//! - F2: the verdict does not depend on how the bytes were cut into reads.
//! - F3: at most [`LINE_LEN_MAX`] bytes are held.

/// Longest line of a head, a chunk's size or a trailer. Heads have a bound of their own in hyper.
pub const LINE_LEN_MAX: usize = 64 << 10;

/// Longest line that tells a chunk's size, extensions included.
const CHUNK_LINE_LEN_MAX: usize = 1 << 10;

/// Bytes of the trailer section.
const TRAILER_LEN_MAX: usize = 16 << 10;

/// A request that has more than one reading, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Bytes of the piece that were good.
    pub good_len: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    RequestLine,
    Header,
    /// So many bytes of a body, or of a chunk.
    Bytes {
        left: u64,
        is_chunk: bool,
    },
    ChunkSize,
    /// CRLF after a chunk, of which so many bytes came.
    ChunkEnd {
        len: usize,
    },
    /// Trailer lines, of which so many bytes came.
    Trailer {
        len: usize,
    },
}

/// What the head so far says of framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    is_http_11: bool,
    hosts: usize,
    content_length: Option<u64>,
    is_chunked: bool,
}

/// The framing of the requests of one connection.
pub struct Framing {
    state: State,
    head: Head,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

impl Default for Framing {
    fn default() -> Self {
        Self { state: State::RequestLine, head: Head::default(), line: Vec::new() }
    }
}

/// Why a piece stops being good.
struct Bad;

impl Framing {
    /// Reads on.
    ///
    /// # Errors
    /// A [`Violation`]; nothing may be read after it.
    pub fn advance(&mut self, piece: &[u8]) -> Result<(), Violation> {
        let mut position = 0;
        while let Some(rest) = piece.get(position..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                Ok(len) => position += len,
                Err(Bad) => return Err(Violation { good_len: position }),
            }
        }
        Ok(())
    }

    /// Takes some of the bytes; returns how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Bad> {
        match self.state {
            State::Bytes { left, is_chunk } => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                self.state = match (left - taken as u64, is_chunk) {
                    (0, true) => State::ChunkEnd { len: 0 },
                    (0, false) => State::RequestLine,
                    (left, is_chunk) => State::Bytes { left, is_chunk },
                };
                Ok(taken)
            }
            State::ChunkEnd { len } => {
                if bytes[0] != b"\r\n"[len] {
                    return Err(Bad);
                }
                self.state = if len == 0 { State::ChunkEnd { len: 1 } } else { State::ChunkSize };
                Ok(1)
            }
            _ => self.step_line(bytes),
        }
    }

    fn step_line(&mut self, bytes: &[u8]) -> Result<usize, Bad> {
        let len_max =
            if self.state == State::ChunkSize { CHUNK_LINE_LEN_MAX } else { LINE_LEN_MAX };
        let found = bytes.iter().position(|byte| *byte == b'\n');
        let taken = found.map_or(bytes.len(), |end| end + 1);
        if self.line.len() + taken > len_max {
            return Err(Bad);
        }
        if found.is_none() {
            self.line.extend_from_slice(bytes);
            return Ok(taken);
        }
        if self.line.is_empty() {
            self.take_line(&bytes[..taken])?;
        } else {
            self.line.extend_from_slice(&bytes[..taken]);
            let line = std::mem::take(&mut self.line);
            self.take_line(&line)?;
        }
        Ok(taken)
    }

    /// Takes one line with its end.
    fn take_line(&mut self, line: &[u8]) -> Result<(), Bad> {
        let text = line.strip_suffix(b"\r\n").ok_or(Bad)?;
        if !text.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control()) {
            return Err(Bad);
        }
        self.state = match self.state {
            // Some clients of old sent a line break after a body.
            State::RequestLine if text.is_empty() => State::RequestLine,
            State::RequestLine => {
                self.head = Head { is_http_11: request_line(text)?, ..Head::default() };
                State::Header
            }
            State::Header if text.is_empty() => self.head.body()?,
            State::Header => {
                self.head.take(text)?;
                State::Header
            }
            State::Trailer { len } if text.is_empty() => {
                debug_assert!(len <= TRAILER_LEN_MAX, "checked line by line");
                State::RequestLine
            }
            State::Trailer { len } => {
                field(text)?;
                let len = len + line.len();
                if len > TRAILER_LEN_MAX {
                    return Err(Bad);
                }
                State::Trailer { len }
            }
            State::ChunkSize => match chunk_size(text)? {
                0 => State::Trailer { len: 0 },
                left => State::Bytes { left, is_chunk: true },
            },
            State::Bytes { .. } | State::ChunkEnd { .. } => unreachable!("these are no lines"),
        };
        Ok(())
    }
}

impl Head {
    fn take(&mut self, text: &[u8]) -> Result<(), Bad> {
        let (name, value) = field(text)?;
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.content_length.replace(decimal(value)?).is_some() {
                return Err(Bad);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_chunked = value.eq_ignore_ascii_case(b"chunked");
            if !is_chunked || std::mem::replace(&mut self.is_chunked, true) {
                return Err(Bad);
            }
        }
        Ok(())
    }

    /// What follows the head.
    fn body(&self) -> Result<State, Bad> {
        let has_host = if self.is_http_11 { self.hosts == 1 } else { self.hosts <= 1 };
        let is_known = self.is_http_11 || !self.is_chunked;
        if !has_host || !is_known {
            return Err(Bad);
        }
        match (self.content_length, self.is_chunked) {
            (Some(_), true) => Err(Bad),
            (None, true) => Ok(State::ChunkSize),
            (None | Some(0), false) => Ok(State::RequestLine),
            (Some(left), false) => Ok(State::Bytes { left, is_chunk: false }),
        }
    }
}

/// Reads `METHOD target HTTP/1.x`; returns whether it is HTTP/1.1.
fn request_line(text: &[u8]) -> Result<bool, Bad> {
    let mut words = text.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, words.next())
    else {
        return Err(Bad);
    };
    let is_target = !target.is_empty() && !target.iter().any(|byte| matches!(byte, b'#' | b'\t'));
    if !is_token(method) || !is_target {
        return Err(Bad);
    }
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err(Bad),
    }
}

/// Reads `name: value`; the value comes without the space around it.
fn field(text: &[u8]) -> Result<(&[u8], &[u8]), Bad> {
    let colon = text.iter().position(|byte| *byte == b':').ok_or(Bad)?;
    let (name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
    if is_token(name) { Ok((name, value)) } else { Err(Bad) }
}

/// RFC 9110, 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || is_mark(*byte))
}

fn decimal(text: &[u8]) -> Result<u64, Bad> {
    let is_number = (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_number).ok_or(Bad)?;
    text.parse().map_err(|_| Bad)
}

fn chunk_size(text: &[u8]) -> Result<u64, Bad> {
    let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
    let digits = &text[..end];
    let is_number = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number).ok_or(Bad)?;
    u64::from_str_radix(digits, 16).map_err(|_| Bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many bytes of a connection are good; all of them if nothing is wrong.
    fn good_len(bytes: &[u8], cuts: &[usize]) -> usize {
        let mut framing = Framing::default();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            if let Err(violation) = framing.advance(&bytes[pair[0]..pair[1]]) {
                return pair[0] + violation.good_len;
            }
        }
        bytes.len()
    }

    fn check(bytes: &str, is_good: bool) {
        let found = good_len(bytes.as_bytes(), &[]) == bytes.len();
        assert_eq!(found, is_good, "{bytes:?}");
    }

    #[test]
    fn requests_of_clients_pass() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b?c HTTP/1.1\r\nhost:a\r\n\r\n", true);
        check(
            "PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na\nbGET / HTTP/1.0\r\n\r\n",
            true,
        );
        check("\r\nGET / HTTP/1.1\r\nHost: a\r\nX: \t caf\u{e9}\t\r\nEmpty:\r\n\r\n", true);
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
        check(&format!("{chunked}3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n"), true);
        check(&format!("{chunked}0\r\nx-a: b\r\n\r\nGET / HTTP/1.0\r\n\r\n"), true);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        let head = |lines: &str| format!("PUT /b HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
        for lines in [
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3, 3",
            "Content-Length: +3",
            "Content-Length: 0x3",
            "Content-Length:",
            "Content-Length: 99999999999999999999",
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding : chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding:\u{b}chunked",
            "Host: b",
            "X: a\r\n folded",
            "X: a\rY: b",
            "X: a\nY: b",
            "X: \0",
            ": empty",
            "no colon",
        ] {
            check(&head(lines), false);
        }
        check("GET / HTTP/1.1\r\n\r\n", false);
        check("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    }

    #[test]
    fn broken_request_lines_and_chunks_are_refused() {
        for line in [
            "GET /a#b HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /\tHTTP/1.1",
            "GET / HTTP/2.0",
            "GET / http/1.1",
            "GET /",
            " GET / HTTP/1.1",
            "G(T / HTTP/1.1",
        ] {
            check(&format!("{line}\r\nHost: a\r\n\r\n"), false);
        }
        check("GET / HTTP/1.1\nHost: a\n\n", false);
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "3\nabc\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n",
            "x\r\n",
            "\r\n",
            "-3\r\n",
            "0x3\r\n",
            " 3\r\n",
            "3 \r\n",
            "11111111111111111\r\n",
            "0\r\n folded\r\n",
            "0\r\n\n",
        ] {
            check(&format!("{chunked}{body}"), false);
        }
        check(&format!("{chunked}1;{}\r\n", "x".repeat(CHUNK_LINE_LEN_MAX)), false);
        let lines = "x: y\r\n".repeat(TRAILER_LEN_MAX / 6 + 1);
        check(&format!("{chunked}0\r\n{lines}"), false);
        check(&format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(LINE_LEN_MAX)), false);
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "GET / HTTP/1.1\r\n",
            "POST /a HTTP/1.0\r\n",
            "Host: a\r\n",
            "\r\n",
            "\n",
            "\r",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "5\r\nabcde\r\n",
            "0\r\n",
            "hello",
            " x",
            "\0",
        ])
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            pieces in prop::collection::vec(piece(), 0..20),
            cuts in prop::collection::vec(any::<usize>(), 0..8),
        ) {
            let bytes = pieces.concat().into_bytes();
            let whole = good_len(&bytes, &[]);
            let cut = good_len(&bytes, &cuts);
            // A line is judged at its end; where its beginning came before, it was let through.
            prop_assert_eq!(whole == bytes.len(), cut == bytes.len());
            prop_assert!(cut >= whole);
        }
    }
}
