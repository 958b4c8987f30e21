//! The compiled evaluator against a naive one, over documents and requests from a small alphabet.

#[path = "naive/evaluator.rs"]
mod evaluator;

use std::collections::BTreeMap;

use iam::{AccessRequest, Context, Identity, Kind, Policy, Principal, Standing, Verdict};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use evaluator::{Asked, Keys};

const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:Get*",
    "S3:putobject",
    "s3:*",
    "*",
    "s3:?etObject",
    "s3:List*",
    "s3:*Object",
];
const BUCKET_RESOURCES: &[&str] = &["arn:aws:s3:::b", "arn:aws:s3:::?", "arn:aws:s3:::b*"];
const OBJECT_RESOURCES: &[&str] = &[
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/a*",
    "arn:aws:s3:::b/?",
    "arn:aws:s3:::b/${aws:username}/*",
    "arn:aws:s3:::b/${aws:USERNAME}*",
    "arn:aws:s3:::b/${x:absent, 'a'}*",
    "arn:aws:s3:::b/${x:absent}",
    "arn:aws:s3:::b/${x:tags/Team}",
    "arn:aws:s3:::b/${*}",
    "arn:aws:s3:::b/a:?",
    "arn:aws:s3:::*/*",
    "arn:*:s3:*:*:b/*a",
];
const PRINCIPALS: &[&str] = &[
    r#""*""#,
    r#"{"AWS":"*"}"#,
    r#"{"AWS":"111111111111"}"#,
    r#"{"AWS":["arn:aws:iam::111111111111:root","arn:aws:iam::222222222222:user/eve"]}"#,
    r#"{"AWS":"arn:aws:iam::111111111111:user/bob"}"#,
    r#"{"CanonicalUser":"c-bob"}"#,
    r#"{"Service":"s3.amazonaws.com","CanonicalUser":["c-eve","c-root"]}"#,
];
const REQUEST_ACTIONS: &[&str] =
    &["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketAcl"];
const REQUEST_RESOURCES: &[&str] = &[
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/a",
    "arn:aws:s3:::b/a/b",
    "arn:aws:s3:::b/bob/a",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/a:b",
    "arn:aws:s3:::b/${*}",
    "arn:aws:s3:::c/a",
];

/// Operators of a family, the key that they ask for, the policy's values, the request's values.
struct Alphabet {
    operators: &'static [&'static str],
    key: &'static str,
    wanted: &'static [&'static str],
    found: &'static [&'static str],
}

const ALPHABETS: &[Alphabet] = &[
    Alphabet {
        operators: &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        key: "x:Text",
        wanted: &[
            "a",
            "A",
            "a*",
            "?",
            "*",
            "bob",
            "${aws:username}",
            "${aws:username}*",
            "${x:absent}",
            "${x:absent, 'a'}",
            "${*}",
            "${x:text}",
            "${x:tags/Team}?",
            "a${$}{x",
            "",
        ],
        found: &["a", "A", "ab", "bob", "BOB", "*", "a*", "${*}", "a${x", ""],
    },
    Alphabet {
        operators: &["StringLike", "ForAnyValue:StringLike", "ForAllValues:StringNotEquals"],
        key: "x:tags/Team",
        wanted: &["a", "A", "a*", "${aws:username}"],
        found: &["a", "A", "bob"],
    },
    Alphabet {
        operators: &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        key: "x:number",
        wanted: &["1", "1.0", "2", "-1", "0.5"],
        found: &["1", "2", "0.5", "-1.0", "many"],
    },
    Alphabet {
        operators: &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        key: "x:date",
        wanted: &["2020-01-01T00:00:00Z", "2020-01-01", "1577836800", "2020-01-02T00:00:00Z"],
        found: &["2020-01-01T01:00:00+01:00", "2019-12-31T23:59:59Z", "1577923200", "soon"],
    },
    Alphabet {
        operators: &["Bool"],
        key: "x:bool",
        wanted: &["true", "false", "TRUE"],
        found: &["true", "false", "perhaps"],
    },
    Alphabet {
        operators: &["BinaryEquals"],
        key: "x:binary",
        wanted: &["YQ==", "Yg=="],
        found: &["YQ==", "Yg==", "a"],
    },
    Alphabet {
        operators: &["IpAddress", "NotIpAddress"],
        key: "x:address",
        wanted: &["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/33", "::/0", "0.0.0.0/0"],
        found: &["10.1.2.3", "10.2.0.1", "::ffff:10.1.0.1", "2001:db8:8000::1", "2001:db8::1", "x"],
    },
    Alphabet {
        operators: &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
        key: "x:arn",
        wanted: &[
            "arn:aws:s3:::a",
            "arn:aws:s3:::*",
            "*",
            "arn:*:*:::a",
            "arn:aws:s3:::${aws:username}",
            "arn:aws:s3:::${x:absent}",
            "${x:arn}",
            "arn:aws:?3:::?:a",
        ],
        found: &["arn:aws:s3:::a", "arn:aws:s3:::bob", "arn:aws:s3:::b:a", "arn:aws:sns:::a", "a"],
    },
    Alphabet { operators: &["Null"], key: "x:text", wanted: &["true", "false"], found: &["a"] },
];

fn principals() -> impl Strategy<Value = Principal> {
    let user = |account: &str, name: &str, standing, session_of: Option<&str>| {
        Principal::User(Identity {
            account: account.to_owned(),
            arn: match (session_of, standing) {
                (Some(_), _) => format!("arn:aws:sts::{account}:assumed-role/r/{name}"),
                (None, Standing::Root) => format!("arn:aws:iam::{account}:root"),
                (None, Standing::Member) => format!("arn:aws:iam::{account}:user/{name}"),
            },
            canonical_id: format!("c-{name}"),
            user_name: name.to_owned(),
            session_of: session_of.map(str::to_owned),
            standing,
        })
    };
    select(vec![
        Principal::Anonymous,
        user("111111111111", "bob", Standing::Member, None),
        user("111111111111", "s", Standing::Member, Some("arn:aws:iam::111111111111:user/bob")),
        user("111111111111", "root", Standing::Root, None),
        user("222222222222", "eve", Standing::Member, None),
        user("222222222222", "root2", Standing::Root, None),
    ])
}

/// A key under an operator, as the three texts of it.
fn condition() -> impl Strategy<Value = (String, String, Vec<String>)> {
    (0..ALPHABETS.len(), any::<bool>()).prop_flat_map(|(index, is_absent)| {
        let alphabet = &ALPHABETS[index];
        let key = if is_absent && index > 1 { "x:absent" } else { alphabet.key };
        let forms =
            (select(vec!["", "", "ForAllValues:", "ForAnyValue:"]), select(vec!["", "IfExists"]));
        let values = subsequence(alphabet.wanted.to_vec(), 0..=2);
        (select(alphabet.operators.to_vec()), forms, values).prop_map(
            move |(operator, (prefix, suffix), values)| {
                let is_whole = operator == "Null" || operator.contains(':');
                let operator = match is_whole {
                    true => operator.to_owned(),
                    false => format!("{prefix}{operator}{suffix}"),
                };
                (operator, key.to_owned(), values.into_iter().map(str::to_owned).collect())
            },
        )
    })
}

fn conditions() -> impl Strategy<Value = Value> {
    prop::collection::vec(condition(), 0..=2).prop_map(|list| {
        let mut operators: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for (operator, key, values) in list {
            operators.entry(operator).or_default().insert(key, json!(values));
        }
        json!(operators)
    })
}

#[derive(Clone, Debug)]
struct Shape {
    denies: bool,
    not_principal: bool,
    not_action: bool,
    not_resource: bool,
}

fn statement(is_bucket: bool) -> impl Strategy<Value = Value> {
    let shape =
        (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(denies, not_principal, not_action, not_resource)| Shape {
                denies,
                not_principal: not_principal && denies,
                not_action,
                not_resource,
            });
    let resources = (
        subsequence(BUCKET_RESOURCES.to_vec(), 1..=1),
        subsequence(OBJECT_RESOURCES.to_vec(), 1..=2),
    );
    let actions = subsequence(ACTIONS.to_vec(), 1..=2);
    (shape, select(PRINCIPALS.to_vec()), actions, resources, conditions()).prop_map(
        move |(shape, principal, actions, (buckets, objects), conditions)| {
            let mut members = Map::new();
            let effect = if shape.denies { "Deny" } else { "Allow" };
            members.insert("Effect".to_owned(), json!(effect));
            if is_bucket {
                let name = if shape.not_principal { "NotPrincipal" } else { "Principal" };
                let who = serde_json::from_str(principal).expect("the alphabet is JSON");
                members.insert(name.to_owned(), who);
            }
            let name = if shape.not_action { "NotAction" } else { "Action" };
            members.insert(name.to_owned(), json!(actions));
            let name = if shape.not_resource { "NotResource" } else { "Resource" };
            members.insert(name.to_owned(), json!([buckets, objects].concat()));
            members.insert("Condition".to_owned(), conditions);
            Value::Object(members)
        },
    )
}

fn document() -> impl Strategy<Value = (bool, Value)> {
    let version = select(vec![Some("2012-10-17"), Some("2012-10-17"), Some("2008-10-17"), None]);
    (any::<bool>(), version).prop_flat_map(|(is_bucket, version)| {
        prop::collection::vec(statement(is_bucket), 1..=3).prop_map(move |statements| {
            let mut document = json!({ "Statement": statements });
            if let Some(version) = version {
                document["Version"] = json!(version);
            }
            if version == Some("2012-10-17") {
                return (is_bucket, document);
            }
            // Without variables this is no name.
            let text = document.to_string().replace("\"${x:arn}\"", "\"*\"");
            (is_bucket, serde_json::from_str(&text).expect("it was JSON"))
        })
    })
}

fn keys() -> impl Strategy<Value = Keys> {
    let values = |index: usize| {
        let found = ALPHABETS[index].found.to_vec();
        prop_oneof![Just(Vec::new()), subsequence(found.clone(), 1..=1), subsequence(found, 0..=2),]
    };
    let lists: Vec<_> = (0..ALPHABETS.len() - 1).map(values).collect();
    (lists, any::<bool>()).prop_map(|(lists, has_name)| {
        let mut keys = Keys::new();
        for (alphabet, values) in ALPHABETS.iter().zip(lists) {
            let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
            keys.insert(alphabet.key.to_owned(), values);
        }
        if has_name {
            keys.insert("aws:UserName".to_owned(), vec!["bob".to_owned()]);
        }
        // Another key than `x:tags/Team`.
        keys.insert("x:tags/team".to_owned(), vec!["never".to_owned()]);
        keys
    })
}

fn compiled(document: &Value, is_bucket: bool) -> Policy {
    let kind = if is_bucket { Kind::Bucket { bucket: "b" } } else { Kind::Identity };
    let text = document.to_string();
    Policy::parse(text.as_bytes(), kind, 20 * 1024)
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn compiled_policy_agrees_with_the_naive_one(
        (is_bucket, document) in document(),
        keys in keys(),
        principal in principals(),
        action in select(REQUEST_ACTIONS.to_vec()),
        resource in select(REQUEST_RESOURCES.to_vec()),
    ) {
        let mut context = Context::new();
        for (key, values) in &keys {
            context.insert_all(key, values.clone());
        }
        let policy = compiled(&document, is_bucket);
        let request = AccessRequest { principal: &principal, action, resource, context: &context };
        let asked = Asked { principal: &principal, action, resource, keys: &keys };
        let expected = evaluator::judge(&document, &asked);
        prop_assert_eq!(policy.judge(&request), expected, "{}", document);
    }
}

/// The alphabet is of use only while all answers are frequent.
#[test]
fn every_verdict_is_frequent() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let strategy = (
        document(),
        keys(),
        principals(),
        select(REQUEST_ACTIONS.to_vec()),
        select(REQUEST_RESOURCES.to_vec()),
    );
    for _ in 0..2_000 {
        let tree = strategy.new_tree(&mut runner).expect("the strategy rejects nothing");
        let ((_, document), keys, principal, action, resource) = tree.current();
        let asked = Asked { principal: &principal, action, resource, keys: &keys };
        *counts.entry(evaluator::judge(&document, &asked)).or_default() += 1;
    }
    for (verdict, least) in [
        (Verdict::Silent, 400),
        (Verdict::Deny, 200),
        (Verdict::Allow, 200),
        (Verdict::Delegate, 10),
    ] {
        let count = counts.get(&verdict).copied().unwrap_or(0);
        assert!(count >= least, "{verdict:?}: {count} of 2000");
    }
}
