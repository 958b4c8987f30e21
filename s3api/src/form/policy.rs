//! The policy of a form (S3 API reference, "Creating a POST Policy"): base64 of a JSON document. It
//! says until when, and with which fields, a form is taken that somebody else fills in.
//!
//! ```json
//! { "expiration": "2026-01-02T03:04:05Z",
//!   "conditions": [ {"bucket": "box"}, ["starts-with", "$key", "user/"],
//!                   ["eq", "$acl", "private"], ["content-length-range", 1, 1048576] ] }
//! ```
//! - P1: every field is under a condition, but for those of [`is_free`]; the bucket always is, so
//!   that a policy is for the buckets that it names.
//! - P2: every condition holds; one about a field that is not there does not.
//! - P3: a document that is not understood to its last member is refused.

use super::fields::FormFields;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::date;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::object::UnixNanos;
use iam::json::{self, Json, Members};

/// Document, conditions, condition.
const NESTING_MAX: usize = 3;

/// How a field is held against a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    StartsWith,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    /// In lowercase.
    field: String,
    value: String,
}

/// Bytes that a file may have, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LenRange {
    /// At least.
    pub min: u64,
    /// At most.
    pub max: u64,
}

impl LenRange {
    /// Any length.
    pub const ANY: Self = Self { min: 0, max: u64::MAX };
}

/// What a form is held against.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Its fields.
    pub fields: &'a FormFields,
    /// The bucket of the URL.
    pub bucket: &'a str,
    /// The key, with the name of the file in it.
    pub key: &'a str,
    /// Now.
    pub now: UnixNanos,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostPolicy {
    /// Seconds since 1970.
    expiration: u64,
    conditions: Vec<Condition>,
    /// What is taken of the file.
    pub len_range: LenRange,
}

impl PostPolicy {
    /// Reads the field `policy`.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`.
    pub fn parse(text: &str) -> S3Result<Self> {
        let bare: String = text.chars().filter(|char| !char.is_ascii_whitespace()).collect();
        let document = BASE64.decode(bare).map_err(|_| invalid("Invalid base64."))?;
        let document = without_escaped_dollars(&document);
        let tree = json::parse(&document, NESTING_MAX).map_err(|_| invalid("Invalid JSON."))?;
        let mut members = Members::of(tree).ok_or_else(|| invalid("Invalid JSON."))?;
        let expiration = match members.take("expiration") {
            Some(Json::Text(text)) => parse_expiration(&text)?,
            Some(_) => return Err(invalid("Invalid 'expiration' value.")),
            None => return Err(invalid("Policy missing expiration.")),
        };
        let list = match members.take("conditions") {
            Some(Json::List(list)) => list,
            Some(_) => return Err(invalid("Invalid 'conditions' value: must be a List.")),
            None => return Err(invalid("Policy missing conditions.")),
        };
        if let Some(name) = members.left_over() {
            return Err(invalid(&format!("Unexpected: '{name}'")));
        }
        let mut policy = Self { expiration, conditions: Vec::new(), len_range: LenRange::ANY };
        for condition in list {
            policy.add(condition)?;
        }
        Ok(policy)
    }

    fn add(&mut self, condition: Json) -> S3Result<()> {
        match condition {
            Json::Object(members) => {
                let [(field, Json::Text(value))] = &members[..] else {
                    let reason = "Invalid Simple-Condition: it has one property, which is text.";
                    return Err(invalid(reason));
                };
                self.conditions.push(Condition::new(Operator::Equals, field, value));
            }
            Json::List(items) => match &items[..] {
                [Json::Text(name), min, max] if name == "content-length-range" => {
                    let range = LenRange { min: parse_len(min)?, max: parse_len(max)? };
                    self.len_range.min = self.len_range.min.max(range.min);
                    self.len_range.max = self.len_range.max.min(range.max);
                }
                [Json::Text(name), Json::Text(field), Json::Text(value)] => {
                    let operator = match name.to_ascii_lowercase().as_str() {
                        "eq" => Operator::Equals,
                        "starts-with" => Operator::StartsWith,
                        _ => return Err(invalid(&format!("Unknown condition '{name}'."))),
                    };
                    let field = field.strip_prefix('$').ok_or_else(|| {
                        invalid("Invalid Condition: the name of a field begins with '$'.")
                    })?;
                    self.conditions.push(Condition::new(operator, field, value));
                }
                _ => return Err(invalid("Invalid Condition: it has three values.")),
            },
            _ => return Err(invalid("Invalid Condition: it is a List or an Object.")),
        }
        Ok(())
    }

    /// Holds a form against the policy; the length of its file comes later.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn check(&self, question: &Question<'_>) -> S3Result<()> {
        if self.expiration <= question.now / 1_000_000_000 {
            return Err(broken("Policy expired."));
        }
        for condition in &self.conditions {
            let value = match condition.field.as_str() {
                "bucket" => Some(question.bucket),
                "key" => Some(question.key),
                name => question.fields.get(name),
            };
            if !value.is_some_and(|value| condition.holds(value)) {
                return Err(broken(&format!("Policy Condition failed: {}", condition.text())));
            }
        }
        // P1
        let mut names = question.fields.names().filter(|name| !is_free(name)).chain(["bucket"]);
        match names.find(|name| !self.names(name)) {
            None => Ok(()),
            Some(name) => Err(broken(&format!("Extra input fields: {name}"))),
        }
    }

    /// Whether a condition is about a field.
    pub fn names(&self, field: &str) -> bool {
        self.conditions.iter().any(|condition| condition.field == field)
    }
}

/// Fields that need no condition: what signs, and what is to be ignored. Of the rest of a signature
/// by Version 4 the policy speaks.
fn is_free(name: &str) -> bool {
    let is_signing =
        matches!(name, "x-amz-signature" | "signature" | "awsaccesskeyid" | "policy" | "file");
    is_signing || name.starts_with("x-ignore-")
}

impl Condition {
    fn new(operator: Operator, field: &str, value: &str) -> Self {
        Self { operator, field: field.to_ascii_lowercase(), value: value.to_owned() }
    }

    fn holds(&self, value: &str) -> bool {
        match self.operator {
            Operator::Equals => value == self.value,
            // Of several types, each.
            Operator::StartsWith if self.field == "content-type" => {
                value.split(',').all(|one| one.trim().starts_with(&self.value))
            }
            Operator::StartsWith => value.starts_with(&self.value),
        }
    }

    fn text(&self) -> String {
        let name = match self.operator {
            Operator::Equals => "eq",
            Operator::StartsWith => "starts-with",
        };
        format!("[\"{name}\", \"${}\", \"{}\"]", self.field, self.value)
    }
}

/// Policies write a dollar sign as `\$`, which JSON does not know.
fn without_escaped_dollars(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len());
    let mut bytes = document.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(b'$')) => {}
            (b'\\', Some(escaped)) => {
                out.extend_from_slice(&[byte, *escaped]);
                bytes.next();
            }
            _ => out.push(byte),
        }
    }
    out
}

fn parse_expiration(text: &str) -> S3Result<u64> {
    let is_iso = text.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let seconds = date::parse_http(text).filter(|_| is_iso);
    seconds.ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{text}'")))
}

/// A length, as a number or as text.
fn parse_len(value: &Json) -> S3Result<u64> {
    let digits = match value {
        Json::Number(text) | Json::Text(text) => text.as_str(),
        _ => "",
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let len = digits.parse().ok().filter(|_| is_number);
    len.ok_or_else(|| invalid("Invalid content-length-range: it has two numbers."))
}

fn invalid(reason: &str) -> S3Error {
    S3Error::new(&codes::INVALID_POLICY_DOCUMENT, format!("Invalid Policy: {reason}"))
}

fn broken(reason: &str) -> S3Error {
    S3Error::new(&codes::ACCESS_DENIED, format!("Invalid according to Policy: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-02T03:04:05Z
    const NOW: UnixNanos = 1_767_323_045_000_000_000;

    fn policy(conditions: &str) -> String {
        let document =
            format!("{{\"expiration\":\"2026-01-02T03:04:06.000Z\",\"conditions\":{conditions}}}");
        BASE64.encode(document)
    }

    fn check(conditions: &str, pairs: &[(&str, &str)]) -> Result<LenRange, String> {
        let mut fields = FormFields::default();
        for (name, value) in pairs {
            fields.add(name, (*value).to_owned()).unwrap();
        }
        let question = Question { fields: &fields, bucket: "box", key: "user/a", now: NOW };
        let policy = PostPolicy::parse(&policy(conditions)).map_err(|e| e.code.name.to_owned())?;
        let checked = policy.check(&question).map(|()| policy.len_range);
        checked.map_err(|error| {
            assert_eq!(error.code, &codes::ACCESS_DENIED);
            error.message.into_owned()
        })
    }

    const BASE: &str = "{\"bucket\":\"box\"},[\"starts-with\",\"$key\",\"user/\"]";

    #[test]
    fn every_field_is_under_a_condition() {
        let base = format!("[{BASE}]");
        let free = [
            ("key", "x"),
            ("policy", "x"),
            ("Signature", "x"),
            ("AWSAccessKeyId", "x"),
            ("x-amz-signature", "x"),
            ("X-Ignore-a", "x"),
        ];
        assert_eq!(check(&base, &free), Ok(LenRange::ANY));
        for name in ["acl", "x-amz-credential", "x-amz-meta-a", "submit", "success_action_status"] {
            let expected = format!("Invalid according to Policy: Extra input fields: {name}");
            assert_eq!(check(&base, &[(name, "x")]), Err(expected));
            let covered = format!("[{BASE},[\"starts-with\",\"${}\",\"\"]]", name.to_uppercase());
            assert!(check(&covered, &[(name, "x")]).is_ok());
        }
        let no_bucket = check("[{\"key\":\"user/a\"}]", &[]).unwrap_err();
        assert!(no_bucket.ends_with("Extra input fields: bucket"), "{no_bucket}");
    }

    #[test]
    fn every_condition_holds() {
        for (condition, value, is_good) in [
            ("{\"acl\":\"private\"}", "private", true),
            ("{\"acl\":\"private\"}", "Private", false),
            ("{\"ACL\":\"private\"}", "private", true),
            ("[\"eq\",\"$acl\",\"private\"]", "private", true),
            ("[\"EQ\",\"$acl\",\"private\"]", "public-read", false),
            ("[\"starts-with\",\"$acl\",\"p\"]", "private", true),
            ("[\"starts-with\",\"$acl\",\"q\"]", "private", false),
            ("{\"bucket\":\"other\"}", "", false),
            ("[\"eq\",\"$key\",\"x\"]", "", false),
            ("[\"eq\",\"$absent\",\"\"]", "", false),
            ("[\"starts-with\",\"$absent\",\"\"]", "", false),
            ("[\"eq\",\"$acl\",\"\\$a\"]", "$a", true),
            ("[\"eq\",\"$acl\",\"\\\\$a\"]", "\\$a", true),
        ] {
            let conditions = format!("[{BASE},[\"starts-with\",\"$acl\",\"\"],{condition}]");
            let result = check(&conditions, &[("acl", value)]);
            assert_eq!(result.is_ok(), is_good, "{condition} {value}: {result:?}");
        }
        let types = format!("[{BASE},[\"starts-with\",\"$Content-Type\",\"image/\"]]");
        assert!(check(&types, &[("content-type", "image/png, image/gif")]).is_ok());
        assert!(check(&types, &[("content-type", "image/png,text/html")]).is_err());
        let expected = "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$acl\", \
                        \"private\"]";
        let found = check(&format!("[{BASE},{{\"acl\":\"private\"}}]"), &[("acl", "x")]);
        assert_eq!(found, Err(expected.to_owned()));
    }

    #[test]
    fn ranges_narrow_each_other() {
        let range = |ranges: &str| check(&format!("[{BASE},{ranges}]"), &[]);
        let expected = Ok(LenRange { min: 2, max: 9 });
        assert_eq!(range("[\"content-length-range\",\"2\",9]"), expected);
        let two = "[\"content-length-range\",0,9],[\"content-length-range\",2,20]";
        assert_eq!(range(two), expected);
    }

    #[test]
    fn policies_end() {
        let fields = FormFields::default();
        let parsed = PostPolicy::parse(&policy(&format!("[{BASE}]"))).unwrap();
        let ask =
            |now| parsed.check(&Question { fields: &fields, bucket: "box", key: "user/a", now });
        assert!(ask(NOW).is_ok());
        let error = ask(NOW + 1_000_000_000).unwrap_err();
        assert_eq!(error.message, "Invalid according to Policy: Policy expired.");
    }

    #[test]
    fn other_documents_are_invalid() {
        let code = |text: &str| PostPolicy::parse(text).map_err(|error| error.code.name);
        let expiration = "\"expiration\":\"2026-01-02T03:04:06Z\"";
        for document in [
            "".to_owned(),
            "{}".to_owned(),
            "[]".to_owned(),
            format!("{{{expiration}}}"),
            "{\"conditions\":[]}".to_owned(),
            format!("{{{expiration},\"CONDITIONS\":[]}}"),
            format!("{{{expiration},\"conditions\":{{}}}}"),
            format!("{{{expiration},{expiration},\"conditions\":[]}}"),
            format!("{{{expiration},\"conditions\":[],\"x\":1}}"),
            "{\"expiration\":\"2026-01-02 03:04:06\",\"conditions\":[]}".to_owned(),
            "{\"expiration\":\"Fri, 02 Jan 2026 03:04:05 GMT\",\"conditions\":[]}".to_owned(),
            "{\"expiration\":1767323045,\"conditions\":[]}".to_owned(),
        ] {
            let found = code(&BASE64.encode(&document));
            assert_eq!(found, Err("InvalidPolicyDocument"), "{document}");
        }
        for conditions in [
            "[{}]",
            "[{\"a\":\"b\",\"c\":\"d\"}]",
            "[{\"a\":1}]",
            "[[]]",
            "[1]",
            "[[\"eq\",\"$a\"]]",
            "[[\"eq\",\"a\",\"b\"]]",
            "[[\"eq\",\"$a\",\"b\",\"c\"]]",
            "[[\"ends-with\",\"$a\",\"b\"]]",
            "[[\"content-length-range\",512]]",
            "[[\"content-length-range\",-1,0]]",
            "[[\"content-length-range\",0.5,1]]",
            "[[\"content-length-range\",\"+1\",2]]",
            "[[[[[]]]]]",
        ] {
            assert_eq!(code(&policy(conditions)), Err("InvalidPolicyDocument"), "{conditions}");
        }
        assert_eq!(code("!"), Err("InvalidPolicyDocument"));
    }
}
