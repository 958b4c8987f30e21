//! The fields of a form (S3 API reference, "POST Object"): what they are called here, which of them
//! stand for headers, and what the client wants to be answered.
//!
//! - F1: a field is there once; names have no case.
//! - F2: only fields before the file count.

use super::FormReader;
use super::multipart::{Event, malformed};
use crate::error::{S3Error, S3Result, codes};
use crate::tags::{self, OBJECT_TAGS_MAX};
use crate::uri::{self, Slash};
use bytes::Bytes;
use engine::object::{BucketName, ObjectKey};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use http_body::Body as HttpBody;
use std::borrow::Cow;

/// Fields of a form.
pub const FIELDS_MAX: usize = 100;

/// The field that holds the file.
pub const FILE: &str = "file";

/// What stands for the name of the file in a key.
const FILENAME: &str = "${filename}";

/// Headers of HTTP that a form says as fields.
const HEADERS: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// Headers of the request itself that keep their meaning: what they say of the connection, and
/// conditions, which only narrow.
const KEPT: [&str; 6] =
    ["host", "user-agent", "referer", "if-match", "if-none-match", "x-amz-expected-bucket-owner"];

/// Fields `x-amz-*` that are no headers: those of the signature, and what a form cannot be.
const NO_HEADERS: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "x-amz-tagging",
];

/// The fields of a form, names in lowercase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormFields {
    fields: Vec<(String, String)>,
    filename: String,
}

impl FormFields {
    /// Reads up to the data of the file.
    ///
    /// # Errors
    /// `MalformedPOSTRequest`, `MaxPostPreDataLengthExceeded`, and for no file
    /// `IncorrectNumberOfFilesInPOSTRequest`; what is wrong with the body.
    pub async fn read<B>(reader: &mut FormReader<B>) -> S3Result<Self>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let mut read = Self::default();
        let mut value = Vec::new();
        let mut name = String::new();
        while let Some(event) = reader.next_event().await? {
            match event {
                Event::Head(head) if head.name.eq_ignore_ascii_case(FILE) => {
                    read.filename = head.filename.unwrap_or_default();
                    return Ok(read);
                }
                Event::Head(head) => name = head.name,
                Event::Data(data) => {
                    reader.spend(data.len())?;
                    value.extend_from_slice(&data);
                }
                Event::PartEnd => {
                    let value = String::from_utf8(std::mem::take(&mut value));
                    read.add(&name, value.map_err(|_| malformed())?)?;
                }
            }
        }
        Err(wrong_file_count(0))
    }

    /// Adds a field.
    ///
    /// # Errors
    /// `MalformedPOSTRequest` for one that is there already (F1), or one too many.
    pub fn add(&mut self, name: &str, value: String) -> S3Result<()> {
        if self.fields.len() == FIELDS_MAX || self.get(name).is_some() {
            return Err(malformed());
        }
        self.fields.push((name.to_ascii_lowercase(), value));
        Ok(())
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a field that must be there; `name` as AWS writes it.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn required(&self, name: &'static str) -> S3Result<&str> {
        self.get(name).ok_or_else(|| {
            let message = format!(
                "Bucket POST must contain a field named '{name}'.  If it is specified, please \
                 check the order of the fields."
            );
            invalid(name, "", message)
        })
    }

    /// The key, with the name of the file where it stands for it.
    ///
    /// # Errors
    /// `InvalidArgument` for none, `KeyTooLongError`.
    pub fn key(&self) -> S3Result<ObjectKey> {
        // Some browsers tell the whole path.
        let filename = self.filename.rsplit(['/', '\\']).next().unwrap_or("");
        let key = self.required("key")?.replace(FILENAME, filename);
        if key.is_empty() {
            let message = "User key must have a length greater than 0.";
            return Err(invalid("key", "", message));
        }
        Ok(ObjectKey::new(key)?)
    }

    /// Holds the field `bucket`, where there is one, against the bucket of the URL.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn check_bucket(&self, bucket: &BucketName) -> S3Result<()> {
        if self.get("bucket").is_none_or(|named| named == bucket.as_str()) {
            return Ok(());
        }
        let message = "The field bucket is not the bucket of the URL.";
        Err(S3Error::new(&codes::ACCESS_DENIED, message))
    }

    /// What the form says, as the headers of a write say it; `http` are those of its request.
    ///
    /// # Errors
    /// `InvalidArgument` for what no header can carry; `MalformedXML`, `InvalidTag`.
    pub fn headers(&self, http: &HeaderMap) -> S3Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for name in KEPT {
            for value in http.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        for (name, value) in &self.fields {
            let name = match name.as_str() {
                "acl" => "x-amz-acl",
                name if HEADERS.contains(&name) => name,
                name if name.starts_with("x-amz-") && !NO_HEADERS.contains(&name) => name,
                _ => continue,
            };
            append(&mut headers, name, value)?;
        }
        if let Some(document) = self.get("tagging") {
            append(&mut headers, "x-amz-tagging", &tagging_header(document)?)?;
        }
        Ok(headers)
    }

    /// What the client wants to be answered.
    pub fn success(&self) -> Success {
        let redirect = self.get("success_action_redirect").or_else(|| self.get("redirect"));
        let redirect = redirect.filter(|redirect| is_web_address(redirect));
        let status = match self.get("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        };
        Success { redirect: redirect.map(str::to_owned), status }
    }
}

/// The answer to a form that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// Where the browser goes.
    pub redirect: Option<String>,
    /// Where it goes nowhere: 200, 201 or 204.
    pub status: StatusCode,
}

/// A form without a file, or with several.
pub(super) fn wrong_file_count(count: usize) -> S3Error {
    let count = count.to_string();
    S3Error::from(&codes::INCORRECT_NUMBER_OF_FILES)
        .with("ArgumentName", FILE)
        .with("ArgumentValue", count)
}

fn invalid(name: &str, value: &str, message: impl Into<Cow<'static, str>>) -> S3Error {
    S3Error::new(&codes::INVALID_ARGUMENT, message)
        .with("ArgumentName", name)
        .with("ArgumentValue", value)
}

fn append(headers: &mut HeaderMap, name: &str, value: &str) -> S3Result<()> {
    let is_printable = !value.contains(['\r', '\n']);
    let header = HeaderName::from_bytes(name.as_bytes()).ok();
    let text = HeaderValue::from_bytes(value.as_bytes()).ok().filter(|_| is_printable);
    let (Some(header), Some(text)) = (header, text) else {
        return Err(invalid(name, value, "A field of the form is not valid."));
    };
    headers.append(header, text);
    Ok(())
}

/// The document `Tagging` as the header `x-amz-tagging` has it.
fn tagging_header(document: &str) -> S3Result<String> {
    let tags = tags::parse_document(document.as_bytes(), OBJECT_TAGS_MAX)?;
    let pair = |(key, value): &(String, String)| {
        format!("{}={}", uri::encode(key, Slash::Encode), uri::encode(value, Slash::Encode))
    };
    Ok(tags.iter().map(pair).collect::<Vec<_>>().join("&"))
}

/// What is no address of the web is as if it were not there.
fn is_web_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> FormFields {
        let mut form = FormFields { filename: r"C:\d/x.txt".to_owned(), ..FormFields::default() };
        for (name, value) in pairs {
            form.add(name, (*value).to_owned()).unwrap();
        }
        form
    }

    #[test]
    fn keys_may_hold_the_name_of_the_file() {
        let key = |key: &str| {
            let found = form(&[("Key", key)]).key();
            found.map(|key| key.as_str().to_owned()).map_err(|error| error.code.name)
        };
        assert_eq!(key("a/${filename}"), Ok("a/x.txt".to_owned()));
        assert_eq!(key("${filename"), Ok("${filename".to_owned()));
        assert_eq!(key(""), Err("InvalidArgument"));
        assert_eq!(key(&"k".repeat(1025)), Err("KeyTooLongError"));
        let error = form(&[]).key().unwrap_err();
        assert_eq!(error.detail("ArgumentName"), Some("key"));
    }

    #[test]
    fn fields_are_there_once_and_bounded() {
        let mut full = form(&[]);
        for number in 0..FIELDS_MAX {
            full.add(&format!("f{number}"), String::new()).unwrap();
        }
        assert_eq!(full.add("g", String::new()).unwrap_err().code.name, "MalformedPOSTRequest");
        let mut twice = form(&[("acl", "private")]);
        let error = twice.add("ACL", "public-read".to_owned()).unwrap_err();
        assert_eq!(error.code.name, "MalformedPOSTRequest");
    }

    #[test]
    fn fields_become_headers_and_those_of_the_request_do_not() {
        let mut http = HeaderMap::new();
        for name in ["host", "content-type", "x-amz-acl", "x-amz-meta-a", "x-amz-copy-source"] {
            http.insert(name, HeaderValue::from_static("http"));
        }
        let tagging = "<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;</Value></Tag></TagSet>\
                       </Tagging>";
        let headers = form(&[
            ("acl", "private"),
            ("Content-Type", "text/plain"),
            ("X-Amz-Meta-B", "\u{e9}"),
            ("x-amz-date", "d"),
            ("x-amz-content-sha256", "x"),
            ("if-match", "x"),
            ("submit", "x"),
            ("tagging", tagging),
        ]);
        let headers = headers.headers(&http).unwrap();
        let mut found: Vec<_> = headers.iter().collect();
        found.sort_by_key(|(name, _)| name.as_str());
        let found: Vec<_> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 5] = [
            ("content-type", b"text/plain"),
            ("host", b"http"),
            ("x-amz-acl", b"private"),
            ("x-amz-meta-b", "\u{e9}".as_bytes()),
            ("x-amz-tagging", b"a%20b=%26"),
        ];
        assert_eq!(found, expected);
        let code = |name, value: &str| {
            let headers = form(&[(name, value)]).headers(&http);
            headers.map(|_| ()).map_err(|error| error.code.name)
        };
        assert_eq!(code("x-amz-meta-a", "a\nx-amz-acl: public-read"), Err("InvalidArgument"));
        assert_eq!(code("x-amz-meta-\u{e9}", "a"), Err("InvalidArgument"));
        assert_eq!(code("tagging", "<x/>"), Err("MalformedXML"));
    }

    #[test]
    fn answers_are_chosen_by_fields() {
        let success = |name, value| form(&[(name, value)]).success();
        let none = |status| Success { redirect: None, status };
        assert_eq!(form(&[]).success(), none(StatusCode::NO_CONTENT));
        assert_eq!(success("success_action_status", "201"), none(StatusCode::CREATED));
        assert_eq!(success("success_action_status", "404"), none(StatusCode::NO_CONTENT));
        let redirect = "https://example.com/a?b=c";
        for name in ["redirect", "success_action_redirect"] {
            assert_eq!(success(name, redirect).redirect.as_deref(), Some(redirect));
        }
        for value in ["javascript:alert(1)", "/here", "ftp://a/b", "http://a/\r\nx: y", ""] {
            assert_eq!(success("redirect", value).redirect, None, "{value}");
        }
    }
}
