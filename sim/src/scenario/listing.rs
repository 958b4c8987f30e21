//! Listings: every line, and every line that is missing, is an observation of one key.

use super::client::{Call, Client, Reply};
use crate::http::xml;
use crate::oracle::history::Interval;
use crate::oracle::register::{Effect, Guard};
use http::Method;
use std::collections::{BTreeMap, BTreeSet};

/// Pages of one listing at most; a listing that is longer does not end.
const PAGES_MAX: usize = 200;

/// What is listed.
struct Question {
    prefix: String,
    delimiter: Option<String>,
    limit: usize,
}

impl Question {
    /// Under which name a key is listed; `None` for one that is not.
    fn name_of(&self, key: &str) -> Option<Name> {
        let rest = key.strip_prefix(&self.prefix)?;
        let cut = self.delimiter.as_ref().and_then(|delimiter| {
            rest.find(delimiter).map(|at| self.prefix.len() + at + delimiter.len())
        });
        let text = key[..cut.unwrap_or(key.len())].to_owned();
        Some(Name { text, is_prefix: cut.is_some() })
    }
}

/// Under which name a key is listed.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    text: String,
    /// Whether it stands for every key that begins with it.
    is_prefix: bool,
}

/// One page, read.
struct Page {
    /// Entity tag and size of each key.
    objects: BTreeMap<String, (String, String)>,
    prefixes: BTreeSet<String>,
    token: Option<String>,
}

impl Page {
    fn parse(text: &str) -> Self {
        let object = |entry: &&str| {
            let field = |name| xml::text(entry, name).unwrap_or_default();
            (field("Key"), (field("ETag").trim_matches('"').to_owned(), field("Size")))
        };
        let prefix = |entry: &&str| xml::text(entry, "Prefix").unwrap_or_default();
        Self {
            objects: xml::elements(text, "Contents").iter().map(object).collect(),
            prefixes: xml::elements(text, "CommonPrefixes").iter().map(prefix).collect(),
            token: xml::text(text, "NextContinuationToken"),
        }
    }

    fn last_name(&self) -> Option<&String> {
        self.objects.keys().next_back().max(self.prefixes.iter().next_back())
    }
}

impl Client {
    /// Lists the bucket, or what begins like this key.
    pub async fn list_something(&mut self, key: &str) {
        let chars: Vec<char> = key.chars().collect();
        let cut = self.random.index(chars.len().min(8) + 1);
        let prefix: String = match self.random.below(3) {
            0 => String::new(),
            _ => chars[..cut].iter().collect(),
        };
        let delimiter = self.random.chance(400).then(|| "/".to_owned());
        let limit = *self.random.pick(&[1, 2, 5, 1000, 1000]);
        self.list_bucket(&prefix, delimiter, limit).await;
    }

    /// Lists to the end, page by page. Returns whether it came there.
    pub async fn list_bucket(
        &mut self,
        prefix: &str,
        delimiter: Option<String>,
        limit: usize,
    ) -> bool {
        let question = Question { prefix: prefix.to_owned(), delimiter, limit };
        let (mut token, mut after) = (None, None);
        for _ in 0..PAGES_MAX {
            let Some((page, at)) = self.list_page(&question, token).await else {
                return false;
            };
            self.check_order(&page, &after, &question);
            self.observe_page(&question, &page, &after, at);
            token = page.token.clone();
            after = page.last_name().cloned().or(after);
            if token.is_none() {
                return true;
            }
        }
        self.violate(&format!("client {} LIST {prefix:?} does not end", self.index));
        false
    }

    async fn list_page(
        &mut self,
        question: &Question,
        token: Option<String>,
    ) -> Option<(Page, Interval)> {
        let mut call = Call::new(Method::GET, "");
        call.query.push(("list-type", "2".to_owned()));
        call.query.push(("max-keys", question.limit.to_string()));
        call.query.push(("prefix", question.prefix.clone()));
        call.query.extend(question.delimiter.clone().map(|delimiter| ("delimiter", delimiter)));
        call.query.extend(token.map(|token| ("continuation-token", token)));
        let Reply::Answer(answer, at) = self.call(call).await else { return None };
        if answer.status != 200 {
            self.unexpected(&question.prefix, "LIST", answer.status.as_u16());
            return None;
        }
        let page = Page::parse(&String::from_utf8_lossy(&answer.body));
        Some((page, at))
    }

    fn check_order(&self, page: &Page, after: &Option<String>, question: &Question) {
        let first = page.objects.keys().next().into_iter().chain(page.prefixes.iter().next()).min();
        let is_behind = first.is_none_or(|first| after.as_ref().is_none_or(|after| first > after));
        let count = page.objects.len() + page.prefixes.len();
        if !is_behind || count > question.limit || (count == 0 && page.token.is_some()) {
            let name = format!("LIST {:?} after {after:?}", question.prefix);
            let summary = format!("client {} {name}: {count} lines from {first:?}", self.index);
            self.violate(&summary);
        }
    }

    /// Every key of the run was seen as it is listed, or seen missing where it should be.
    fn observe_page(&self, asked: &Question, page: &Page, after: &Option<String>, at: Interval) {
        let text = format!("client {} LIST {:?}", self.index, asked.prefix);
        let last = page.last_name().filter(|_| page.token.is_some());
        let mut unknown: BTreeSet<&String> = page.objects.keys().chain(&page.prefixes).collect();
        for key in &self.world.profile.keys {
            let Some(name) = asked.name_of(key) else { continue };
            let is_before = after.as_ref().is_some_and(|after| name.text <= *after);
            let is_behind = last.is_some_and(|last| name.text > *last);
            if is_before || is_behind {
                continue;
            }
            unknown.remove(&name.text);
            if name.is_prefix && page.prefixes.contains(&name.text) {
                continue;
            }
            match page.objects.get(key).filter(|_| !name.is_prefix) {
                Some((etag, size)) => self.observe_line(key, (etag, size), at, &text),
                None => {
                    let text = format!("{text}: not listed");
                    self.record(key, at, (Guard::Absent, Effect::Keep), &text);
                }
            }
        }
        if let Some(name) = unknown.first() {
            self.violate(&format!("{text}: {name:?} was never written"));
        }
    }

    fn observe_line(&self, key: &str, line: (&str, &str), at: Interval, text: &str) {
        let (etag, size) = line;
        let known = self.world.history().values.size_of_etag(etag);
        if known.is_some_and(|known| known.to_string() != size) {
            self.violate(&format!("{text}: {key:?} with size {size} where {known:?} was written"));
        }
        let tag = self.world.history().tag(etag);
        let text = format!("{text}: listed with {etag}, {size} bytes");
        self.record(key, at, (Guard::Tagged(tag), Effect::Keep), &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_listed_under_its_name_or_its_prefix() {
        let asked = |prefix: &str, delimiter: Option<&str>| Question {
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            limit: 1,
        };
        let check = |question: Question, key: &str, expected: Option<(&str, bool)>| {
            let name = |(text, is_prefix): (&str, bool)| Name { text: text.to_owned(), is_prefix };
            assert_eq!(question.name_of(key), expected.map(name));
        };
        check(asked("", None), "a/b", Some(("a/b", false)));
        check(asked("", Some("/")), "a/b/c", Some(("a/", true)));
        check(asked("", Some("/")), "a/", Some(("a/", true)));
        check(asked("a/", Some("/")), "a/", Some(("a/", false)));
        check(asked("a/", Some("/")), "a/b/c", Some(("a/b/", true)));
        check(asked("a/", Some("/")), "a/b", Some(("a/b", false)));
        check(asked("x", None), "a/b", None);
    }

    #[test]
    fn a_page_is_read() {
        let page = Page::parse(
            "<L><Contents><Key>a&amp;b</Key><ETag>&quot;e&quot;</ETag><Size>3</Size></Contents>\
             <CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>\
             <NextContinuationToken>t</NextContinuationToken></L>",
        );
        assert_eq!(page.objects["a&b"], ("e".to_owned(), "3".to_owned()));
        assert_eq!(page.last_name().map(String::as_str), Some("d/"));
        assert_eq!(page.token.as_deref(), Some("t"));
    }
}
