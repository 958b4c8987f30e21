//! The policy language once more, as simply as it can be said: no compilation, no sharing, straight
//! over the document. It is slow and knows only the values that the generator makes.

use std::collections::BTreeMap;

use iam::{Identity, Principal, Standing, Verdict};
use serde_json::Value;

/// Condition keys as they were inserted.
pub type Keys = BTreeMap<String, Vec<String>>;

pub struct Asked<'a> {
    pub principal: &'a Principal,
    pub action: &'a str,
    pub resource: &'a str,
    pub keys: &'a Keys,
}

/// A character of an expanded text.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Star,
    One,
    Char(char),
}

pub fn judge(document: &Value, asked: &Asked<'_>) -> Verdict {
    let replaces = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let answers: Vec<Verdict> =
        many(&document["Statement"]).iter().map(|it| statement(it, replaces, asked)).collect();
    for wanted in [Verdict::Deny, Verdict::Allow, Verdict::Delegate] {
        if answers.contains(&wanted) {
            return wanted;
        }
    }
    Verdict::Silent
}

/// A value, or the values of a list.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        single => vec![single],
    }
}

fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    many(value).into_iter().map(text).collect()
}

fn statement(it: &Value, replaces: bool, asked: &Asked<'_>) -> Verdict {
    let denies = it["Effect"] == "Deny";
    if !action_is_meant(it, asked) || !resource_is_meant(it, replaces, asked) {
        return Verdict::Silent;
    }
    if let Some(Value::Object(operators)) = it.get("Condition") {
        for (operator, keys) in operators {
            for (key, values) in keys.as_object().expect("operators have objects") {
                if !condition(operator, key, &texts(values), replaces, asked.keys) {
                    return Verdict::Silent;
                }
            }
        }
    }
    let is_direct = |who: &Value| principals(who).any(|one| is_him(&one, asked.principal));
    let is_of = |who: &Value| principals(who).any(|one| is_his_account(&one, asked.principal));
    match (it.get("Principal"), it.get("NotPrincipal")) {
        (Some(who), _) if denies && (is_direct(who) || is_of(who)) => Verdict::Deny,
        (Some(_), _) if denies => Verdict::Silent,
        (Some(who), _) if is_direct(who) => Verdict::Allow,
        (Some(who), _) if is_of(who) => Verdict::Delegate,
        (Some(_), _) => Verdict::Silent,
        (_, Some(who)) if is_direct(who) => Verdict::Silent,
        _ if denies => Verdict::Deny,
        _ => Verdict::Allow,
    }
}

fn action_is_meant(it: &Value, asked: &Asked<'_>) -> bool {
    let meant = |text: &String| {
        glob(&signs_without_variables(&text.to_lowercase()), &asked.action.to_lowercase())
    };
    match (it.get("Action"), it.get("NotAction")) {
        (Some(actions), _) => texts(actions).iter().any(meant),
        (_, Some(actions)) => !texts(actions).iter().any(meant),
        _ => false,
    }
}

fn resource_is_meant(it: &Value, replaces: bool, asked: &Asked<'_>) -> bool {
    let meant = |text: &String| arn(text, asked.resource, replaces, asked.keys);
    match (it.get("Resource"), it.get("NotResource")) {
        (Some(names), _) => texts(names).iter().any(|text| meant(text) == Some(true)),
        (_, Some(names)) => texts(names).iter().all(|text| meant(text) == Some(false)),
        _ => false,
    }
}

/// Each principal as kind and text.
fn principals(who: &Value) -> impl Iterator<Item = (String, String)> {
    let pairs: Vec<(String, String)> = match who {
        Value::Object(kinds) => kinds
            .iter()
            .flat_map(|(kind, names)| texts(names).into_iter().map(move |it| (kind.clone(), it)))
            .collect(),
        other => texts(other).into_iter().map(|text| ("AWS".to_owned(), text)).collect(),
    };
    pairs.into_iter()
}

fn identity(principal: &Principal) -> Option<&Identity> {
    match principal {
        Principal::Anonymous => None,
        Principal::User(identity) => Some(identity),
    }
}

fn is_him((kind, text): &(String, String), principal: &Principal) -> bool {
    if kind == "AWS" && text == "*" {
        return true;
    }
    let Some(user) = identity(principal) else { return false };
    match kind.as_str() {
        "CanonicalUser" => *text == user.canonical_id,
        "AWS" => {
            let is_root = user.standing == Standing::Root;
            *text == user.arn
                || Some(text) == user.session_of.as_ref()
                || (is_root && names_account(text, &user.account))
        }
        _ => false,
    }
}

fn is_his_account((kind, text): &(String, String), principal: &Principal) -> bool {
    identity(principal).is_some_and(|user| kind == "AWS" && names_account(text, &user.account))
}

fn names_account(text: &str, account: &str) -> bool {
    text == account || text == format!("arn:aws:iam::{account}:root")
}

/// Values of a key, whatever the case of its name before the slash.
fn values_of(keys: &Keys, wanted: &str) -> Vec<String> {
    let norm = |name: &str| match name.split_once('/') {
        Some((head, tail)) => format!("{}/{tail}", head.to_lowercase()),
        None => name.to_lowercase(),
    };
    let found = keys.iter().find(|(name, _)| norm(name) == norm(wanted));
    found.map(|(_, values)| values.clone()).unwrap_or_default()
}

fn condition(operator: &str, key: &str, wanted: &[String], replaces: bool, keys: &Keys) -> bool {
    let values = values_of(keys, key);
    if operator == "Null" {
        return wanted.iter().any(|text| (text == "true") == values.is_empty());
    }
    let is_if_exists = operator.ends_with("IfExists");
    let base = operator.trim_end_matches("IfExists");
    let is_for_all = base.starts_with("ForAllValues:");
    let is_for_any = base.starts_with("ForAnyValue:");
    let base = base.trim_start_matches("ForAllValues:").trim_start_matches("ForAnyValue:");
    let is_negated = base.contains("Not");
    let base = base.replace("Not", "");
    let one = |value: &str| {
        let mut compared = wanted.iter().map(|want| compare(&base, value, want, replaces, keys));
        if is_negated {
            compared.all(|found| found == Some(false))
        } else {
            compared.any(|found| found == Some(true))
        }
    };
    if values.is_empty() {
        let has_meaning =
            wanted.iter().all(|want| compare(&base, "", want, replaces, keys).is_some());
        return is_if_exists || is_for_all || (!is_for_any && is_negated && has_meaning);
    }
    if is_for_all || (is_negated && !is_for_any) {
        values.iter().all(|value| one(value))
    } else {
        values.iter().any(|value| one(value))
    }
}

/// Whether a value and one of the policy's compare; `None` if the latter has no meaning.
fn compare(base: &str, value: &str, want: &str, replaces: bool, keys: &Keys) -> Option<bool> {
    let is = |order: &str, left: f64, right: f64| match order {
        "Equals" => left == right,
        "LessThan" => left < right,
        "LessThanEquals" => left <= right,
        "GreaterThan" => left > right,
        "GreaterThanEquals" => left >= right,
        _ => panic!("no such order: {order}"),
    };
    if let Some(order) = base.strip_prefix("Numeric") {
        let right: f64 = want.parse().expect("policies have numbers");
        return Some(value.parse().is_ok_and(|left| is(order, left, right)));
    }
    if let Some(order) = base.strip_prefix("Date") {
        let right = date(want).expect("policies have dates");
        return Some(date(value).is_some_and(|left| is(order, left, right)));
    }
    match base {
        "StringEquals" => Some(expand(want, replaces, false, keys)? == chars(value)),
        "StringEqualsIgnoreCase" | "Bool" => {
            let lower = |signs: Vec<Sign>| -> Vec<Sign> {
                let fold = |sign| match sign {
                    Sign::Char(it) => Sign::Char(it.to_ascii_lowercase()),
                    other => other,
                };
                signs.into_iter().map(fold).collect()
            };
            Some(lower(expand(want, replaces, false, keys)?) == lower(chars(value)))
        }
        "StringLike" => Some(glob(&expand(want, replaces, true, keys)?, value)),
        "ArnEquals" | "ArnLike" => arn(want, value, replaces, keys),
        "BinaryEquals" => Some(value == want),
        "IpAddress" => Some(in_network(value, want)),
        _ => panic!("no such operator: {base}"),
    }
}

fn chars(text: &str) -> Vec<Sign> {
    text.chars().map(Sign::Char).collect()
}

fn signs_without_variables(text: &str) -> Vec<Sign> {
    let sign = |it| match it {
        '*' => Sign::Star,
        '?' => Sign::One,
        other => Sign::Char(other),
    };
    text.chars().map(sign).collect()
}

/// Replaces variables; `None` if one has no value.
fn expand(text: &str, replaces: bool, matches: bool, keys: &Keys) -> Option<Vec<Sign>> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if replaces && rest.starts_with("${") {
            let end = rest.find('}').expect("variables end, and defaults have no braces");
            let body = &rest[2..end];
            rest = &rest[end + 1..];
            if ["*", "?", "$"].contains(&body) {
                out.extend(chars(body));
                continue;
            }
            let (name, default) = match body.split_once(", '") {
                Some((name, default)) => (name, Some(default.trim_end_matches('\''))),
                None => (body, None),
            };
            match (values_of(keys, name).as_slice(), default) {
                ([value], _) => out.extend(chars(value)),
                (_, Some(default)) => out.extend(chars(default)),
                _ => return None,
            }
            continue;
        }
        let first = rest.chars().next().expect("it is not empty");
        let plain = if matches {
            signs_without_variables(&rest[..first.len_utf8()])
        } else {
            vec![Sign::Char(first)]
        };
        out.extend(plain);
        rest = &rest[first.len_utf8()..];
    }
    Some(out)
}

fn glob(pattern: &[Sign], value: &str) -> bool {
    let mut rest = value.chars();
    match pattern.first() {
        None => value.is_empty(),
        Some(Sign::Star) => {
            glob(&pattern[1..], value) || rest.next().is_some_and(|_| glob(pattern, rest.as_str()))
        }
        Some(Sign::One) => rest.next().is_some_and(|_| glob(&pattern[1..], rest.as_str())),
        Some(Sign::Char(want)) => rest.next() == Some(*want) && glob(&pattern[1..], rest.as_str()),
    }
}

/// Splits at colons outside of variables, into at most six parts.
fn parts(text: &str, replaces: bool) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_inside = false;
    for (index, character) in text.char_indices() {
        is_inside |= replaces && text[index..].starts_with("${");
        is_inside &= character != '}';
        if character == ':' && !is_inside && parts.len() < 6 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is one").push(character);
        }
    }
    parts
}

fn arn(pattern: &str, name: &str, replaces: bool, keys: &Keys) -> Option<bool> {
    if pattern == "*" {
        return Some(true);
    }
    let wanted = parts(pattern, replaces);
    if wanted.len() < 6 {
        return Some(expand(pattern, replaces, true, keys)? == chars(name));
    }
    let found = parts(name, false);
    let mut is_match = found.len() == 6;
    for (index, want) in wanted.iter().enumerate() {
        let signs = expand(want, replaces, true, keys)?;
        is_match &= found.get(index).is_some_and(|part| glob(&signs, part));
    }
    Some(is_match)
}

/// The dates that the generator knows.
fn date(text: &str) -> Option<f64> {
    match text {
        "2020-01-01T00:00:00Z" | "2020-01-01" | "1577836800" | "2020-01-01T01:00:00+01:00" => {
            Some(1_577_836_800.0)
        }
        "2020-01-02T00:00:00Z" | "1577923200" => Some(1_577_923_200.0),
        "2019-12-31T23:59:59Z" => Some(1_577_836_799.0),
        _ => None,
    }
}

/// The address or network as its bits.
fn bits(text: &str) -> Option<Vec<bool>> {
    let octets = match text.parse::<std::net::IpAddr>().ok()? {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(inner) => inner.octets().to_vec(),
            None => address.octets().to_vec(),
        },
    };
    Some(octets.iter().flat_map(|it| (0..8).rev().map(move |bit| it >> bit & 1 == 1)).collect())
}

fn in_network(value: &str, network: &str) -> bool {
    let (base, len) = match network.split_once('/') {
        Some((base, len)) => (base, len.parse().expect("policies have prefixes")),
        None => (network, 128),
    };
    match (bits(value), bits(base)) {
        (Some(value), Some(base)) if value.len() == base.len() => {
            value.iter().zip(&base).take(len).all(|(left, right)| left == right)
        }
        _ => false,
    }
}
