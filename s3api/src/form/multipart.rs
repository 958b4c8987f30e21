//! `multipart/form-data` (RFC 7578, RFC 2046), piece by piece: frames in, events out.
//!
//! ```text
//! Preamble --delimiter--> Delimited --line end--> Head --empty line--> Data
//!                         ^       |                                     |
//!                         |       +--"--"--> Epilogue                   |
//!                         +------------------delimiter------------------+
//! ```
//! The delimiter is a line end, `--` and the boundary. A line end stands nowhere else in it: a
//! search that failed half way begins anew at the byte that broke it.
//!
//! - M1: data is never copied and never held back but for the beginning of a delimiter.
//! - M2: everything but the data of the file counts against [`FORM_LEN_MAX`].
//! - M3: what is not written as the standard has it is refused, because somebody before us may have
//!   read it otherwise: text before the first delimiter, names without quotes that do not end.

use crate::error::{S3Error, S3Result, codes};
use crate::headers;
use bytes::{Buf, Bytes};
use http::HeaderMap;

/// Bytes of a form besides the content of its file (S3 API reference, "POST Object").
pub const FORM_LEN_MAX: usize = 20 << 10;

/// Characters of a boundary (RFC 2046, 5.1.1).
const BOUNDARY_LEN_MAX: usize = 70;

/// Bytes between a delimiter and the end of its line.
const PADDING_LEN_MAX: usize = 64;

const LINE_END: &[u8] = b"\r\n";

/// What comes out of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Head(PartHead),
    /// A piece of its data.
    Data(Bytes),
    /// It ends.
    PartEnd,
}

/// What a part says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// Name of the field.
    pub name: String,
    /// Name of the file, where there is one.
    pub filename: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    Delimited,
    Head,
    Data,
    Epilogue,
}

/// What a search for the delimiter found.
enum Scan {
    Data(Bytes),
    Delimiter,
    More,
}

/// A form on its way in.
#[derive(Debug)]
pub struct Multipart {
    delimiter: Bytes,
    state: State,
    /// Bytes of the delimiter that were found at the end of what came.
    matched: usize,
    /// The line or head in the making.
    line: Vec<u8>,
    /// M2
    left: usize,
}

impl Multipart {
    /// A form with this boundary.
    pub fn new(boundary: &str) -> Self {
        let delimiter = Bytes::from(format!("\r\n--{boundary}"));
        // The first delimiter has no line end before it.
        let matched = LINE_END.len();
        Self { delimiter, state: State::Preamble, matched, line: Vec::new(), left: FORM_LEN_MAX }
    }

    /// The next event out of the frame in hand; `None` when it is used up.
    ///
    /// # Errors
    /// `MalformedPOSTRequest`, `MaxPostPreDataLengthExceeded`.
    pub fn next_event(&mut self, frame: &mut Bytes) -> S3Result<Option<Event>> {
        loop {
            match self.state {
                State::Preamble => match self.scan(frame) {
                    // M3: line ends may stand there, and nothing else.
                    Scan::Data(data) if data.iter().all(|byte| LINE_END.contains(byte)) => {
                        self.spend(data.len())?
                    }
                    Scan::Data(_) => return Err(malformed()),
                    Scan::More => return Ok(None),
                    Scan::Delimiter => self.pass_delimiter()?,
                },
                State::Delimited => match self.take_until(frame, is_end_of_delimiter)? {
                    None => return Ok(None),
                    Some(line) if line == b"--" => self.state = State::Epilogue,
                    Some(line) if is_padding(&line) => self.state = State::Head,
                    Some(_) => return Err(malformed()),
                },
                State::Head => match self.take_until(frame, is_end_of_head)? {
                    None => return Ok(None),
                    Some(head) => {
                        self.state = State::Data;
                        return PartHead::parse(&head).map(|head| Some(Event::Head(head)));
                    }
                },
                State::Data => match self.scan(frame) {
                    Scan::Data(data) => return Ok(Some(Event::Data(data))),
                    Scan::More => return Ok(None),
                    Scan::Delimiter => {
                        self.pass_delimiter()?;
                        return Ok(Some(Event::PartEnd));
                    }
                },
                State::Epilogue => {
                    self.spend(frame.len())?;
                    frame.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// The body ended.
    ///
    /// # Errors
    /// `MalformedPOSTRequest` for a form without its end.
    pub fn finish(&self) -> S3Result<()> {
        if self.state == State::Epilogue { Ok(()) } else { Err(malformed()) }
    }

    /// Counts bytes of a field (M2).
    ///
    /// # Errors
    /// `MaxPostPreDataLengthExceeded`.
    pub fn spend(&mut self, len: usize) -> S3Result<()> {
        let left = self.left.checked_sub(len);
        self.left = left.ok_or_else(|| S3Error::from(&codes::MAX_POST_PRE_DATA_LENGTH))?;
        Ok(())
    }

    /// Bytes besides the file's content that may still come.
    pub fn left(&self) -> usize {
        self.left
    }

    fn pass_delimiter(&mut self) -> S3Result<()> {
        (self.state, self.matched) = (State::Delimited, 0);
        self.spend(self.delimiter.len())
    }

    /// Splits data off a frame, up to the delimiter (M1).
    fn scan(&mut self, frame: &mut Bytes) -> Scan {
        // A delimiter that began in an earlier frame goes on, or was data after all.
        while self.matched > 0 && self.matched < self.delimiter.len() {
            match frame.first() {
                None => return Scan::More,
                Some(byte) if *byte == self.delimiter[self.matched] => {
                    self.matched += 1;
                    frame.advance(1);
                }
                Some(_) => {
                    let held = self.delimiter.slice(..std::mem::take(&mut self.matched));
                    return Scan::Data(held);
                }
            }
        }
        if self.matched == self.delimiter.len() {
            return Scan::Delimiter;
        }
        if frame.is_empty() {
            return Scan::More;
        }
        let (start, matched) = find(frame, &self.delimiter);
        let data = frame.split_to(start);
        frame.advance(matched);
        self.matched = matched;
        match (data.is_empty(), matched == self.delimiter.len()) {
            (false, _) => Scan::Data(data),
            (true, true) => Scan::Delimiter,
            (true, false) => Scan::More,
        }
    }

    /// Takes bytes until the line is one that ends; `None` when the frame is used up before.
    fn take_until(
        &mut self,
        frame: &mut Bytes,
        is_end: fn(&[u8]) -> bool,
    ) -> S3Result<Option<Vec<u8>>> {
        while !frame.is_empty() {
            self.spend(1)?;
            self.line.push(frame.get_u8());
            if is_end(&self.line) {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
        Ok(None)
    }
}

/// Where a delimiter begins, and how much of it is there; behind the end where none does.
fn find(data: &[u8], delimiter: &[u8]) -> (usize, usize) {
    let starts = data.iter().enumerate().filter(|(_, byte)| **byte == delimiter[0]);
    for (start, _) in starts {
        let rest = &data[start..];
        let len = rest.len().min(delimiter.len());
        if rest[..len] == delimiter[..len] {
            return (start, len);
        }
    }
    (data.len(), 0)
}

fn is_end_of_delimiter(line: &[u8]) -> bool {
    line == b"--" || line.ends_with(LINE_END) || line.len() > PADDING_LEN_MAX
}

fn is_padding(line: &[u8]) -> bool {
    let padding = line.strip_suffix(LINE_END);
    padding.is_some_and(|padding| padding.iter().all(|byte| matches!(byte, b' ' | b'\t')))
}

fn is_end_of_head(head: &[u8]) -> bool {
    head == LINE_END || head.ends_with(b"\r\n\r\n")
}

impl PartHead {
    /// Reads the header fields of a part, of which one counts.
    fn parse(head: &[u8]) -> S3Result<Self> {
        let text = std::str::from_utf8(head).map_err(|_| malformed())?;
        let mut disposition = None;
        for line in text.split("\r\n").filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            if name.eq_ignore_ascii_case("content-disposition")
                && disposition.replace(value).is_some()
            {
                return Err(malformed());
            }
        }
        let disposition = disposition.and_then(Parameters::parse).ok_or_else(malformed)?;
        if !disposition.value.eq_ignore_ascii_case("form-data") {
            return Err(malformed());
        }
        let name = disposition.get("name").filter(|name| !name.is_empty());
        let filename = disposition.get("filename").map(str::to_owned);
        Ok(Self { name: name.ok_or_else(malformed)?.to_owned(), filename })
    }
}

/// The boundary that the head of a request announces.
///
/// # Errors
/// `PreconditionFailed` for what is no form, as AWS answers; `MalformedPOSTRequest`.
pub fn boundary(headers: &HeaderMap) -> S3Result<String> {
    let kind = headers::text(headers, "content-type")?.unwrap_or("");
    let is_form = kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("multipart/form-data"));
    if !is_form {
        let message = "At least one of the pre-conditions you specified did not hold";
        let wanted = "Bucket POST must be of the enclosure-type multipart/form-data";
        return Err(S3Error::new(&codes::PRECONDITION_FAILED, message).with("Condition", wanted));
    }
    let parameters = Parameters::parse(kind).ok_or_else(malformed)?;
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let boundary = parameters.get("boundary").filter(|boundary| {
        (1..=BOUNDARY_LEN_MAX).contains(&boundary.len())
            && boundary.bytes().all(is_legal)
            && !boundary.ends_with(' ')
    });
    boundary.map(str::to_owned).ok_or_else(malformed)
}

/// A header's value with its parameters: `value; name=token; name="text"`.
struct Parameters<'a> {
    value: &'a str,
    pairs: Vec<(String, String)>,
}

impl<'a> Parameters<'a> {
    /// Reads it; `None` for what is written otherwise, or names a parameter twice.
    fn parse(text: &'a str) -> Option<Self> {
        let (value, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let mut parsed = Self { value: value.trim(), pairs: Vec::new() };
        loop {
            rest = rest.trim_matches([' ', '\t']);
            if rest.is_empty() {
                return Some(parsed);
            }
            let (name, after) = rest.split_once('=')?;
            let name = name.trim().to_ascii_lowercase();
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => unquote(quoted)?,
                None => {
                    let end = after.find(';').unwrap_or(after.len());
                    (after[..end].trim().to_owned(), &after[end..])
                }
            };
            if parsed.get(&name).is_some() {
                return None;
            }
            parsed.pairs.push((name, value));
            rest = match after.trim_start_matches([' ', '\t']) {
                "" => "",
                after => after.strip_prefix(';')?,
            };
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Text up to its closing quote, and what follows. Only a quote is escaped: old browsers send paths
/// with plain backslashes.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        match rest[..end].strip_suffix('\\') {
            None => {
                out.push_str(&rest[..end]);
                return Some((out, &rest[end + 1..]));
            }
            Some(before) => {
                out.push_str(before);
                out.push('"');
                rest = &rest[end + 1..];
            }
        }
    }
}

/// A form that is not as the standard has it.
pub(super) fn malformed() -> S3Error {
    (&codes::MALFORMED_POST_REQUEST).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything that a form holds, fed in frames of so many bytes.
    fn events(form: &[u8], frame_len: usize) -> Result<Vec<Event>, &'static str> {
        let mut multipart = Multipart::new("B");
        let mut found = Vec::new();
        let mut read = || -> S3Result<()> {
            for frame in form.chunks(frame_len) {
                let mut frame = Bytes::copy_from_slice(frame);
                while let Some(event) = multipart.next_event(&mut frame)? {
                    match (found.last_mut(), event) {
                        (Some(Event::Data(whole)), Event::Data(piece)) => {
                            *whole = [whole.as_ref(), piece.as_ref()].concat().into();
                        }
                        (_, event) => found.push(event),
                    }
                }
            }
            multipart.finish()
        };
        let result = read().map_err(|error| error.code.name);
        result.map(|()| found)
    }

    fn head(name: &str, filename: Option<&str>) -> Event {
        let filename = filename.map(str::to_owned);
        Event::Head(PartHead { name: name.to_owned(), filename })
    }

    fn part(disposition: &str, data: &str) -> String {
        format!("--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{data}\r\n")
    }

    #[test]
    fn forms_are_read_whatever_their_frames_are() {
        let field = part("name=\"key\"", "a\r\n--b");
        let file = part("name=\"file\"; filename=\"x.txt\"", "\r\r\n--\r\n--A");
        let form = format!("{field}{file}--B--\r\n");
        let expected = vec![
            head("key", None),
            Event::Data("a\r\n--b".into()),
            Event::PartEnd,
            head("file", Some("x.txt")),
            Event::Data("\r\r\n--\r\n--A".into()),
            Event::PartEnd,
        ];
        for len in 1..form.len() {
            assert_eq!(events(form.as_bytes(), len).as_ref(), Ok(&expected), "{len}");
            assert_eq!(events(format!("\r\n{form}").as_bytes(), len).as_ref(), Ok(&expected));
        }
    }

    #[test]
    fn empty_values_and_padding_are_read() {
        let form = "--B \t\r\ncontent-disposition:form-data;name=a\r\n\r\n\r\n--B--";
        assert_eq!(events(form.as_bytes(), 3), Ok(vec![head("a", None), Event::PartEnd]));
        for len in 1..10 {
            assert_eq!(events(b"--B--", len), Ok(vec![]));
            assert_eq!(events(b"\r\n\r\n\r\n--B--", len), Ok(vec![]));
        }
    }

    #[test]
    fn names_are_read_as_browsers_write_them() {
        let name = |disposition: &str| {
            let found = events(format!("{}--B--", part(disposition, "")).as_bytes(), 7)?;
            match found.first() {
                Some(Event::Head(head)) => Ok((head.name.clone(), head.filename.clone())),
                _ => Err("none"),
            }
        };
        let pair = |name: &str, file: &str| Ok((name.to_owned(), Some(file.to_owned())));
        assert_eq!(name("name=file; filename=a.b"), pair("file", "a.b"));
        assert_eq!(name(r#"name="a;b" ; filename="c\"d""#), pair("a;b", "c\"d"));
        assert_eq!(name(r#"filename="C:\d\e.txt"; name="f""#), pair("f", r"C:\d\e.txt"));
        for broken in [
            "name",
            "name=\"\"",
            "name=\"a",
            "name=\"a\"b",
            "filename=\"a\"",
            "name=\"a\"; name=\"b\"",
            "name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
            "name=\"a\"\r\nx",
        ] {
            assert_eq!(name(broken), Err("MalformedPOSTRequest"), "{broken}");
        }
    }

    #[test]
    fn other_forms_are_malformed_or_too_long() {
        for form in [
            "",
            "--B",
            "--B\r\n",
            "x\r\n--B--",
            "\r\n \r\n--B--",
            "--Bx\r\n",
            "--B\r\n\r\nx\r\n--B--",
            "--B\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n\r\n--B--",
            "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--B",
        ] {
            for len in [1, 1000] {
                assert_eq!(events(form.as_bytes(), len), Err("MalformedPOSTRequest"), "{form}");
            }
        }
        let long = format!("--B\r\nX: {}", "x".repeat(FORM_LEN_MAX));
        assert_eq!(events(long.as_bytes(), 999), Err("MaxPostPreDataLengthExceeded"));
        let long = format!("--B--{}", "x".repeat(FORM_LEN_MAX));
        assert_eq!(events(long.as_bytes(), 999), Err("MaxPostPreDataLengthExceeded"));
    }

    #[test]
    fn boundaries_are_read_from_the_type() {
        let check = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", kind.parse().unwrap());
            boundary(&headers).map_err(|error| error.code.name)
        };
        assert_eq!(check("multipart/form-data; boundary=a"), Ok("a".to_owned()));
        assert_eq!(check("Multipart/Form-Data;charset=x;BOUNDARY=\"a b\""), Ok("a b".to_owned()));
        for kind in ["text/plain", "multipart/mixed; boundary=a", ""] {
            assert_eq!(check(kind), Err("PreconditionFailed"), "{kind}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for kind in [
            long.as_str(),
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"a\" b",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=\"a\\\"\"",
            "multipart/form-data; boundary=\"a \"",
        ] {
            assert_eq!(check(kind), Err("MalformedPOSTRequest"), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn frames_do_not_matter(
            form in "(--B|\r|\n|-|B|:|;|[a-z]|Content-Disposition: form-data; name=a){0,30}",
            len in 1_usize..20,
        ) {
            prop_assert_eq!(events(form.as_bytes(), len), events(form.as_bytes(), 1000));
        }

        #[test]
        fn data_comes_through_whole(data in "[\r\n\\-AB]{0,40}", len in 1_usize..20) {
            prop_assume!(!format!("{data}\r\n").contains("\r\n--B") && !data.starts_with("--B"));
            let form = format!("{}--B--", part("name=a", &data));
            let mut expected = vec![head("a", None)];
            if !data.is_empty() {
                expected.push(Event::Data(data.into()));
            }
            expected.push(Event::PartEnd);
            prop_assert_eq!(events(form.as_bytes(), len), Ok(expected));
        }
    }
}
