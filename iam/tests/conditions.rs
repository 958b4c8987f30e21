//! Condition operators, one by one, as the IAM User Guide describes them ("Condition operators",
//! "Single-valued and multivalued context keys", "Variables and tags").

use iam::{AccessRequest, Context, Kind, Policy, PolicyError, Principal, Verdict};

fn policy(version: &str, condition: &str) -> Result<Policy, PolicyError> {
    let document = format!(
        r#"{{"Version":"{version}","Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"*",
            "Condition":{condition}}}}}"#
    );
    Policy::parse(document.as_bytes(), Kind::Identity, document.len())
}

/// Whether a condition holds for keys with these values.
fn check(condition: &str, keys: &[(&str, &[&str])], expected: bool) {
    let mut context = Context::new();
    for (key, values) in keys {
        context.insert_all(key, values.iter().map(|value| (*value).to_owned()).collect());
    }
    let policy = policy("2012-10-17", condition).expect(condition);
    let verdict = policy.judge(&AccessRequest {
        principal: &Principal::Anonymous,
        action: "s3:GetObject",
        resource: "arn:aws:s3:::b/k",
        context: &context,
    });
    let wanted = if expected { Verdict::Allow } else { Verdict::Silent };
    assert_eq!(verdict, wanted, "{condition} {keys:?}");
}

fn refuse(condition: &str) {
    assert!(policy("2012-10-17", condition).is_err(), "{condition}");
}

#[test]
fn string_operators_compare_texts() {
    let equals = r#"{"StringEquals":{"s3:prefix":["a","b"]}}"#;
    check(equals, &[("s3:prefix", &["a"])], true);
    check(equals, &[("s3:prefix", &["b"])], true);
    check(equals, &[("s3:prefix", &["A"])], false);
    check(equals, &[("s3:prefix", &["ab"])], false);
    check(equals, &[], false);
    let differs = r#"{"StringNotEquals":{"s3:prefix":["a","b"]}}"#;
    check(differs, &[("s3:prefix", &["a"])], false);
    check(differs, &[("s3:prefix", &["c"])], true);
    check(differs, &[], true);
    let folded = r#"{"StringEqualsIgnoreCase":{"s3:prefix":"Stra\u00dfe"}}"#;
    check(folded, &[("s3:prefix", &["STRA\u{df}E"])], true);
    check(folded, &[("s3:prefix", &["strasse"])], false);
    let other = r#"{"StringNotEqualsIgnoreCase":{"s3:prefix":"a"}}"#;
    check(other, &[("s3:prefix", &["A"])], false);
    check(other, &[("s3:prefix", &["b"])], true);
}

#[test]
fn only_like_operators_have_wildcards() {
    check(r#"{"StringEquals":{"s3:prefix":"a*"}}"#, &[("s3:prefix", &["ab"])], false);
    check(r#"{"StringEquals":{"s3:prefix":"a*"}}"#, &[("s3:prefix", &["a*"])], true);
    check(r#"{"StringLike":{"s3:prefix":"a*"}}"#, &[("s3:prefix", &["ab"])], true);
    check(r#"{"StringLike":{"s3:prefix":"a?"}}"#, &[("s3:prefix", &["a"])], false);
    check(r#"{"StringNotLike":{"s3:prefix":["a*","b*"]}}"#, &[("s3:prefix", &["bc"])], false);
    check(r#"{"StringNotLike":{"s3:prefix":["a*","b*"]}}"#, &[("s3:prefix", &["c"])], true);
    check(r#"{"StringNotLike":{"s3:prefix":"a*"}}"#, &[], true);
}

#[test]
fn home_folder_listing_allows_the_empty_prefix_and_the_own_one() {
    let own = r#"{"StringLike":{"s3:prefix":["","home/","home/${aws:username}/*"]}}"#;
    let bob = ("aws:username", ["bob"].as_slice());
    check(own, &[bob, ("s3:prefix", &[""])], true);
    check(own, &[bob, ("s3:prefix", &["home/bob/x"])], true);
    check(own, &[bob, ("s3:prefix", &["home/eve/x"])], false);
    check(own, &[bob], false);
}

#[test]
fn numeric_operators_order_numbers() {
    let key = "s3:max-keys";
    for (operator, less, equal, greater) in [
        ("NumericEquals", false, true, false),
        ("NumericNotEquals", true, false, true),
        ("NumericLessThan", true, false, false),
        ("NumericLessThanEquals", true, true, false),
        ("NumericGreaterThan", false, false, true),
        ("NumericGreaterThanEquals", false, true, true),
    ] {
        for wanted in ["\"10\"", "10", "[\"10.0\"]"] {
            let condition = format!(r#"{{"{operator}":{{"{key}":{wanted}}}}}"#);
            check(&condition, &[(key, &["9.9"])], less);
            check(&condition, &[(key, &["10"])], equal);
            check(&condition, &[(key, &["11"])], greater);
            check(&condition, &[(key, &["ten"])], operator == "NumericNotEquals");
            check(&condition, &[], operator == "NumericNotEquals");
        }
    }
    // Two neighbours that are one number as `f64`.
    let exact = r#"{"NumericEquals":{"s3:max-keys":"9007199254740993"}}"#;
    check(exact, &[(key, &["9007199254740992"])], false);
    refuse(r#"{"NumericEquals":{"s3:max-keys":"ten"}}"#);
    refuse(r#"{"NumericEquals":{"s3:max-keys":"${aws:a}"}}"#);
}

#[test]
fn date_operators_order_dates() {
    let key = "aws:CurrentTime";
    for (operator, before, same, after) in [
        ("DateEquals", false, true, false),
        ("DateNotEquals", true, false, true),
        ("DateLessThan", true, false, false),
        ("DateLessThanEquals", true, true, false),
        ("DateGreaterThan", false, false, true),
        ("DateGreaterThanEquals", false, true, true),
    ] {
        for wanted in ["\"2020-04-01T00:00:00Z\"", "\"2020-04-01\"", "1585699200"] {
            let condition = format!(r#"{{"{operator}":{{"{key}":{wanted}}}}}"#);
            check(&condition, &[(key, &["2020-03-31T23:59:59Z"])], before);
            check(&condition, &[(key, &["2020-04-01T02:00:00+02:00"])], same);
            check(&condition, &[(key, &["1585699201"])], after);
        }
    }
    refuse(r#"{"DateEquals":{"aws:CurrentTime":"tomorrow"}}"#);
}

#[test]
fn bool_and_binary_compare_what_they_say() {
    let secure = r#"{"Bool":{"aws:SecureTransport":true}}"#;
    check(secure, &[("aws:SecureTransport", &["true"])], true);
    check(secure, &[("aws:SecureTransport", &["false"])], false);
    check(secure, &[], false);
    let insecure = r#"{"Bool":{"aws:SecureTransport":"false"}}"#;
    check(insecure, &[("aws:SecureTransport", &["false"])], true);
    check(insecure, &[], false);
    refuse(r#"{"Bool":{"aws:SecureTransport":"yes"}}"#);
    let binary = r#"{"BinaryEquals":{"x:key":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}"#;
    check(binary, &[("x:key", &["QmluYXJ5VmFsdWVJbkJhc2U2NA=="])], true);
    check(binary, &[("x:key", &["QmluYXJ5"])], false);
    refuse(r#"{"BinaryEquals":{"x:key":"?"}}"#);
}

#[test]
fn addresses_are_inside_networks_or_not() {
    let inside = r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234::/48"]}}"#;
    check(inside, &[("aws:SourceIp", &["203.0.113.9"])], true);
    check(inside, &[("aws:SourceIp", &["2001:db8:1234::9"])], true);
    check(inside, &[("aws:SourceIp", &["203.0.114.9"])], false);
    check(inside, &[("aws:SourceIp", &["not an address"])], false);
    check(inside, &[], false);
    let outside = r#"{"NotIpAddress":{"aws:SourceIp":["203.0.113.0/24","198.51.100.0/24"]}}"#;
    check(outside, &[("aws:SourceIp", &["203.0.113.9"])], false);
    check(outside, &[("aws:SourceIp", &["198.51.100.1"])], false);
    check(outside, &[("aws:SourceIp", &["192.0.2.1"])], true);
    check(outside, &[], true);
    // The guide's pair: a network but for one address of it.
    let pair = r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},
                   "NotIpAddress":{"aws:SourceIp":"203.0.113.5/32"}}"#;
    check(pair, &[("aws:SourceIp", &["203.0.113.4"])], true);
    check(pair, &[("aws:SourceIp", &["203.0.113.5"])], false);
    refuse(r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/40"}}"#);
}

#[test]
fn arn_operators_compare_part_by_part() {
    let key = "aws:SourceArn";
    for operator in ["ArnEquals", "ArnLike"] {
        let condition = format!(r#"{{"{operator}":{{"{key}":"arn:aws:sns:*:123456789012:t-?"}}}}"#);
        check(&condition, &[(key, &["arn:aws:sns:us-east-1:123456789012:t-1"])], true);
        check(&condition, &[(key, &["arn:aws:sns:a:b:123456789012:t-1"])], false);
        check(&condition, &[(key, &["arn:aws:sqs:us-east-1:123456789012:t-1"])], false);
        check(&condition, &[], false);
    }
    for operator in ["ArnNotEquals", "ArnNotLike"] {
        let condition =
            format!(r#"{{"{operator}":{{"{key}":["arn:aws:s3:::a*","arn:aws:s3:::b"]}}}}"#);
        check(&condition, &[(key, &["arn:aws:s3:::ab"])], false);
        check(&condition, &[(key, &["arn:aws:s3:::b"])], false);
        check(&condition, &[(key, &["arn:aws:s3:::c"])], true);
        check(&condition, &[], true);
    }
    refuse(r#"{"ArnLike":{"aws:SourceArn":"s3"}}"#);
}

#[test]
fn null_asks_whether_a_key_is_absent() {
    check(r#"{"Null":{"aws:TokenIssueTime":"true"}}"#, &[], true);
    check(r#"{"Null":{"aws:TokenIssueTime":"true"}}"#, &[("aws:TokenIssueTime", &["1"])], false);
    check(r#"{"Null":{"aws:TokenIssueTime":false}}"#, &[], false);
    check(r#"{"Null":{"aws:TokenIssueTime":false}}"#, &[("aws:TokenIssueTime", &["1"])], true);
    for odd in ["NullIfExists", "ForAnyValue:Null", "ForAllValues:Null"] {
        refuse(&format!(r#"{{"{odd}":{{"aws:TagKeys":"true"}}}}"#));
    }
}

#[test]
fn if_exists_holds_for_an_absent_key_only() {
    let condition = r#"{"StringLikeIfExists":{"s3:x-amz-acl":["private","bucket-*"]}}"#;
    check(condition, &[], true);
    check(condition, &[("s3:x-amz-acl", &["private"])], true);
    check(condition, &[("s3:x-amz-acl", &["public-read"])], false);
    check(r#"{"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"a"}}"#, &[], true);
    check(r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#, &[], true);
}

#[test]
fn for_all_values_wants_every_value() {
    let condition = r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}"#;
    check(condition, &[("aws:TagKeys", &["a"])], true);
    check(condition, &[("aws:TagKeys", &["a", "b"])], true);
    check(condition, &[("aws:TagKeys", &["a", "c"])], false);
    check(condition, &[], true);
    // With a check for presence, as the guide advises.
    let both =
        r#"{"ForAllValues:StringEquals":{"aws:TagKeys":"a"},"Null":{"aws:TagKeys":"false"}}"#;
    check(both, &[], false);
    check(both, &[("aws:TagKeys", &["a"])], true);
    // Without values it is satisfied by no value only.
    check(r#"{"ForAllValues:StringEquals":{"aws:TagKeys":[]}}"#, &[], true);
    check(r#"{"ForAllValues:StringEquals":{"aws:TagKeys":[]}}"#, &[("aws:TagKeys", &["a"])], false);
}

#[test]
fn for_any_value_wants_one_value() {
    let condition = r#"{"ForAnyValue:StringLike":{"aws:TagKeys":["a*","b*"]}}"#;
    check(condition, &[("aws:TagKeys", &["c", "bx"])], true);
    check(condition, &[("aws:TagKeys", &["c", "d"])], false);
    check(condition, &[], false);
}

#[test]
fn ghsa_v9cp_negation_is_per_value_under_a_quantifier() {
    let any = r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}}"#;
    check(any, &[("aws:TagKeys", &["a"])], false);
    check(any, &[("aws:TagKeys", &["a", "c"])], true);
    check(any, &[("aws:TagKeys", &["a", "b"])], false);
    check(any, &[], false);
    let all = r#"{"ForAllValues:StringNotEquals":{"aws:TagKeys":["a","b"]}}"#;
    check(all, &[("aws:TagKeys", &["c", "d"])], true);
    check(all, &[("aws:TagKeys", &["a", "c"])], false);
    check(all, &[], true);
    let like = r#"{"ForAnyValue:StringNotLike":{"aws:TagKeys":"a*"}}"#;
    check(like, &[("aws:TagKeys", &["ab", "b"])], true);
    check(like, &[("aws:TagKeys", &["ab", "ac"])], false);
}

#[test]
fn several_values_without_quantifier_match_by_any_and_differ_by_all() {
    let values: &[(&str, &[&str])] = &[("aws:TagKeys", &["a", "b"])];
    check(r#"{"StringEquals":{"aws:TagKeys":"b"}}"#, values, true);
    check(r#"{"StringNotEquals":{"aws:TagKeys":"b"}}"#, values, false);
    check(r#"{"StringNotEquals":{"aws:TagKeys":"c"}}"#, values, true);
}

#[test]
fn operators_and_keys_must_all_hold() {
    let condition = r#"{"StringEquals":{"s3:prefix":"a","s3:delimiter":"/"},
                        "NumericLessThan":{"s3:max-keys":"10"}}"#;
    let all: &[(&str, &[&str])] =
        &[("s3:prefix", &["a"]), ("s3:delimiter", &["/"]), ("s3:max-keys", &["9"])];
    check(condition, all, true);
    for absent in 0..3 {
        let some: Vec<_> =
            (0..3).filter(|index| *index != absent).map(|index| all[index]).collect();
        check(condition, &some, false);
    }
    check("{}", &[], true);
}

#[test]
fn names_of_keys_fold_but_names_of_tags_do_not() {
    let tag = r#"{"StringEquals":{"S3:existingobjecttag/Team":"red"}}"#;
    check(tag, &[("s3:ExistingObjectTag/Team", &["red"])], true);
    check(tag, &[("s3:ExistingObjectTag/team", &["red"])], false);
    check(r#"{"StringEquals":{"AWS:USERNAME":"bob"}}"#, &[("aws:username", &["bob"])], true);
}

#[test]
fn variables_stand_for_values_of_keys() {
    let own = r#"{"StringEquals":{"s3:ExistingObjectTag/owner":"${aws:PrincipalTag/team}-x"}}"#;
    let red = ("aws:PrincipalTag/team", ["red"].as_slice());
    check(own, &[red, ("s3:ExistingObjectTag/owner", &["red-x"])], true);
    check(own, &[red, ("s3:ExistingObjectTag/owner", &["blue-x"])], false);
    let default = r#"{"StringEquals":{"x:a":"${aws:PrincipalTag/team, 'none'}"}}"#;
    check(default, &[("x:a", &["none"])], true);
    check(default, &[red, ("x:a", &["none"])], false);
    check(default, &[red, ("x:a", &["red"])], true);
    // A key with several values is no variable.
    let tags = ("aws:PrincipalTag/team", ["red", "blue"].as_slice());
    check(default, &[tags, ("x:a", &["none"])], true);
    check(r#"{"StringLike":{"x:a":"${*}${?}${$}*"}}"#, &[("x:a", &["*?$b"])], true);
    check(r#"{"StringLike":{"x:a":"${*}${?}${$}*"}}"#, &[("x:a", &["ab$c"])], false);
    check(
        r#"{"StringEqualsIgnoreCase":{"x:a":"${x:b}"}}"#,
        &[("x:a", &["RED"]), ("x:b", &["Red"])],
        true,
    );
    check(
        r#"{"ArnLike":{"x:a":"arn:aws:s3:::${x:b}/*"}}"#,
        &[("x:a", &["arn:aws:s3:::b/k"]), ("x:b", &["b"])],
        true,
    );
}

#[test]
fn value_of_a_variable_is_never_a_wildcard() {
    let condition = r#"{"StringLike":{"s3:prefix":"${aws:username}/*"}}"#;
    check(condition, &[("aws:username", &["*"]), ("s3:prefix", &["bob/x"])], false);
    check(condition, &[("aws:username", &["*"]), ("s3:prefix", &["*/x"])], true);
    check(
        condition,
        &[("aws:username", &["${x:a}"]), ("x:a", &["b"]), ("s3:prefix", &["b/x"])],
        false,
    );
    let arn = r#"{"ArnLike":{"x:a":"arn:aws:s3:::${x:b}"}}"#;
    check(arn, &[("x:a", &["arn:aws:s3:::any"]), ("x:b", &["*"])], false);
}

#[test]
fn variable_without_value_never_makes_a_condition_hold() {
    let absent = "${aws:PrincipalTag/team}";
    for operator in
        ["StringEquals", "StringNotEquals", "StringNotLike", "ForAnyValue:StringNotEquals"]
    {
        let condition = format!(r#"{{"{operator}":{{"x:a":"{absent}"}}}}"#);
        check(&condition, &[("x:a", &["b"])], false);
        check(&condition, &[], false);
    }
    let arn = format!(r#"{{"ArnNotEquals":{{"x:a":"arn:aws:s3:::{absent}"}}}}"#);
    check(&arn, &[("x:a", &["arn:aws:iam::1:user/b"])], false);
    // Another value of the list can still match, and `IfExists` comes first.
    check(&format!(r#"{{"StringEquals":{{"x:a":["{absent}","b"]}}}}"#), &[("x:a", &["b"])], true);
    check(&format!(r#"{{"StringNotEqualsIfExists":{{"x:a":"{absent}"}}}}"#), &[], true);
}

#[test]
fn version_of_2008_takes_variables_literally() {
    let policy = policy("2008-10-17", r#"{"StringEquals":{"x:a":"${aws:username}"}}"#);
    let policy = policy.expect("a dollar is a character there");
    let mut context = Context::new();
    context.insert("aws:username", "bob");
    context.insert("x:a", "${aws:username}");
    let request = AccessRequest {
        principal: &Principal::Anonymous,
        action: "s3:GetObject",
        resource: "arn:aws:s3:::b/k",
        context: &context,
    };
    assert_eq!(policy.judge(&request), Verdict::Allow);
}

#[test]
fn broken_conditions_are_refused() {
    for condition in [
        "[]",
        r#"{"StringEquals":"a"}"#,
        r#"{"StringEquals":["a"]}"#,
        r#"{"StringEquals":{"s3:prefix":null}}"#,
        r#"{"StringEquals":{"s3:prefix":{"a":"b"}}}"#,
        r#"{"StringEquals":{"s3:prefix":[["a"]]}}"#,
        r#"{"StringEquals":{"prefix":"a"}}"#,
        r#"{"StringEquals":{"s3:prefix":"a","S3:Prefix":"b"}}"#,
        r#"{"StringEquals":{"s3:prefix":"a"},"StringEquals":{"s3:prefix":"b"}}"#,
        r#"{"stringEquals":{"s3:prefix":"a"}}"#,
        r#"{"ForSomeValues:StringEquals":{"s3:prefix":"a"}}"#,
        r#"{"StringEquals":{"s3:prefix":"${aws:username"}}"#,
        r#"{"StringEquals":{"s3:prefix":"${username}"}}"#,
    ] {
        refuse(condition);
    }
}
