//! Cross-origin requests (S3 User Guide, "Using cross-origin resource sharing"; the Fetch standard,
//! 3.2): the rules of a bucket, and what they say to a request.
//!
//! - O1: an origin is told only where a rule names it, and credentials are allowed only to one
//!   that a rule names otherwise than by `*` alone.
//! - O2: what stands in an answer's header comes from a rule that was checked, or is the request's
//!   own origin or headers, which hyper checked.

use crate::error::{S3Error, S3Result, codes};
use crate::xml::XmlWriter;
use crate::xml::reader::XmlReader;
use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    HeaderValue, VARY,
};

/// Rules of a bucket.
const RULES_MAX: usize = 100;

/// Values of each kind in one rule.
const VALUES_MAX: usize = 100;

/// Characters of one value.
const VALUE_LEN_MAX: usize = 1024;

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// What varies with the origin and what a preflight asks.
const VARIES: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsRule {
    id: Option<String>,
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    exposed: Vec<String>,
    max_age: Option<u32>,
}

/// The rules of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsRules(Vec<CorsRule>);

/// What a page of another origin asks.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The origin.
    pub origin: &'a str,
    /// The method that it uses, or wants to use.
    pub method: &'a str,
    /// The headers that a preflight asks for, separated by commas.
    pub headers: &'a str,
}

fn malformed() -> S3Error {
    (&codes::MALFORMED_XML).into()
}

fn invalid(message: String) -> S3Error {
    S3Error::new(&codes::INVALID_REQUEST, message)
}

impl CorsRules {
    /// Reads a `CORSConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidRequest` for what no rule can say.
    pub fn parse(document: &[u8]) -> S3Result<Self> {
        let mut reader = XmlReader::new(document)?;
        reader.root("CORSConfiguration")?;
        let mut rules = Vec::new();
        while let Some(name) = reader.child()? {
            if name != "CORSRule" || rules.len() == RULES_MAX {
                return Err(malformed());
            }
            rules.push(CorsRule::parse(&mut reader)?);
        }
        reader.end()?;
        if rules.is_empty() { Err(malformed()) } else { Ok(Self(rules)) }
    }

    /// Writes the document.
    pub fn write(&self) -> String {
        let mut xml = XmlWriter::root("CORSConfiguration");
        for rule in &self.0 {
            xml.open("CORSRule");
            xml.text_if("ID", rule.id.as_deref());
            for (name, values) in [
                ("AllowedMethod", &rule.methods),
                ("AllowedOrigin", &rule.origins),
                ("AllowedHeader", &rule.headers),
                ("ExposeHeader", &rule.exposed),
            ] {
                values.iter().for_each(|value| xml.text(name, value));
            }
            if let Some(seconds) = rule.max_age {
                xml.number("MaxAgeSeconds", seconds.into());
            }
            xml.close("CORSRule");
        }
        xml.close("CORSConfiguration");
        xml.finish()
    }

    /// Adds what the first rule that fits says; `false` where none does.
    pub fn answer(&self, question: &Question<'_>, headers: &mut HeaderMap) -> bool {
        let Some(rule) = self.0.iter().find(|rule| rule.fits(question)) else {
            return false;
        };
        rule.write_answer(question, headers);
        true
    }
}

impl CorsRule {
    fn parse(reader: &mut XmlReader<'_>) -> S3Result<Self> {
        let mut rule = Self::default();
        while let Some(name) = reader.child()? {
            let text = reader.text()?;
            let text = text.trim();
            let is_legal = text.len() <= VALUE_LEN_MAX && HeaderValue::from_str(text).is_ok();
            if !is_legal {
                return Err(malformed());
            }
            match name.as_str() {
                "ID" => rule.id = Some(text.to_owned()),
                "MaxAgeSeconds" => rule.max_age = Some(text.parse().map_err(|_| malformed())?),
                "AllowedOrigin" => push(&mut rule.origins, checked(text, "AllowedOrigin")?)?,
                "AllowedHeader" => push(&mut rule.headers, checked(text, "AllowedHeader")?)?,
                "ExposeHeader" if text.contains('*') => {
                    return Err(invalid(format!("ExposeHeader {text:?} contains wildcard.")));
                }
                "ExposeHeader" => push(&mut rule.exposed, text)?,
                "AllowedMethod" if METHODS.contains(&text) => push(&mut rule.methods, text)?,
                "AllowedMethod" => {
                    return Err(invalid(format!(
                        "Found unsupported HTTP method in CORS config. Unsupported method is {text}"
                    )));
                }
                _ => return Err(malformed()),
            }
        }
        let is_whole = !rule.origins.is_empty() && !rule.methods.is_empty();
        if is_whole { Ok(rule) } else { Err(malformed()) }
    }

    fn fits(&self, question: &Question<'_>) -> bool {
        let is_allowed = |header: &str| {
            let header = header.to_ascii_lowercase();
            self.headers.iter().any(|known| matches(&known.to_ascii_lowercase(), &header))
        };
        self.origins.iter().any(|known| matches(known, question.origin))
            && self.methods.iter().any(|known| known == question.method)
            && listed(question.headers).all(is_allowed)
    }

    fn write_answer(&self, question: &Question<'_>, headers: &mut HeaderMap) {
        let mut add = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        // O1.
        if self.origins.iter().any(|known| known == "*") {
            add(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            add(ACCESS_CONTROL_ALLOW_ORIGIN, question.origin);
            add(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        add(ACCESS_CONTROL_ALLOW_METHODS, &self.methods.join(", "));
        let asked: Vec<_> = listed(question.headers).collect();
        if !asked.is_empty() {
            add(ACCESS_CONTROL_ALLOW_HEADERS, &asked.join(", "));
        }
        if !self.exposed.is_empty() {
            add(ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed.join(", "));
        }
        if let Some(seconds) = self.max_age {
            add(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        add(VARY, VARIES);
    }
}

fn checked<'a>(text: &'a str, name: &str) -> S3Result<&'a str> {
    if text.bytes().filter(|byte| *byte == b'*').count() > 1 {
        return Err(invalid(format!("{name} {text:?} can not have more than one wildcard.")));
    }
    Ok(text)
}

fn push(values: &mut Vec<String>, text: &str) -> S3Result<()> {
    if values.len() == VALUES_MAX {
        return Err(malformed());
    }
    values.push(text.to_owned());
    Ok(())
}

fn listed(headers: &str) -> impl Iterator<Item = &str> {
    headers.split(',').map(str::trim).filter(|header| !header.is_empty())
}

/// A pattern with one `*` at most.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(body: &str) -> Result<CorsRules, &'static str> {
        let document = format!("<CORSConfiguration>{body}</CORSConfiguration>");
        CorsRules::parse(document.as_bytes()).map_err(|error| error.code.name)
    }

    const RULE: &str = "<CORSRule><ID>a</ID><AllowedMethod>GET</AllowedMethod><AllowedOrigin>\
                        http://*.example.com</AllowedOrigin><AllowedHeader>x-*</AllowedHeader>\
                        <ExposeHeader>etag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds>\
                        </CORSRule>";

    fn ask(origin: &str, method: &str, headers: &str) -> Option<HeaderMap> {
        let mut answer = HeaderMap::new();
        let question = Question { origin, method, headers };
        rules(RULE).unwrap().answer(&question, &mut answer).then_some(answer)
    }

    #[test]
    fn the_rule_that_fits_answers() {
        let answer = ask("http://a.example.com", "GET", "X-One, x-two").unwrap();
        let value = |name: &str| answer.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(value("access-control-allow-origin"), Some("http://a.example.com"));
        assert_eq!(value("access-control-allow-credentials"), Some("true"));
        assert_eq!(value("access-control-allow-methods"), Some("GET"));
        assert_eq!(value("access-control-allow-headers"), Some("X-One, x-two"));
        assert_eq!(value("access-control-expose-headers"), Some("etag"));
        assert_eq!(value("access-control-max-age"), Some("60"));
        assert_eq!(value("vary"), Some(VARIES));
    }

    #[test]
    fn what_no_rule_names_is_not_told() {
        assert!(ask("http://example.org", "GET", "").is_none());
        assert!(ask("http://a.example.com", "PUT", "").is_none());
        assert!(ask("http://a.example.com", "GET", "authorization").is_none());
    }

    #[test]
    fn everybody_gets_no_credentials() {
        let all = "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>\
                   </CORSRule>";
        let mut answer = HeaderMap::new();
        let question = Question { origin: "http://x", method: "GET", headers: "" };
        assert!(rules(all).unwrap().answer(&question, &mut answer));
        assert_eq!(answer["access-control-allow-origin"], "*");
        assert!(!answer.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn documents_come_back_and_others_are_refused() {
        let parsed = rules(RULE).unwrap();
        assert_eq!(CorsRules::parse(parsed.write().as_bytes()).unwrap(), parsed);
        assert_eq!(rules(""), Err("MalformedXML"));
        assert_eq!(
            rules("<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>"),
            Err("MalformedXML")
        );
        let with = |element: &str| {
            rules(&format!(
                "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>\
                 {element}</CORSRule>"
            ))
        };
        assert_eq!(with("<AllowedMethod>PATCH</AllowedMethod>"), Err("InvalidRequest"));
        assert_eq!(with("<AllowedOrigin>*.*</AllowedOrigin>"), Err("InvalidRequest"));
        assert_eq!(with("<ExposeHeader>x-*</ExposeHeader>"), Err("InvalidRequest"));
        assert_eq!(with("<ExposeHeader>a&#13;&#10;b: c</ExposeHeader>"), Err("MalformedXML"));
    }
}
