//! Documents: what is read, what is refused and with which words, and what a policy then says.

use iam::{
    AccessRequest, BUCKET_POLICY_LEN_MAX, CANNED_NAMES, Context, EVERY_BUCKET, Identity, Kind,
    Policy, PolicyError, Principal, Standing, Verdict, canned,
};

const BUCKET: Kind<'_> = Kind::Bucket { bucket: "b-1" };

fn parse(document: &str, kind: Kind<'_>) -> Result<Policy, PolicyError> {
    Policy::parse(document.as_bytes(), kind, BUCKET_POLICY_LEN_MAX)
}

fn user(account: &str, name: &str) -> Principal {
    Principal::User(Identity {
        account: account.to_owned(),
        arn: format!("arn:aws:iam::{account}:user/{name}"),
        canonical_id: format!("canonical-{name}"),
        user_name: name.to_owned(),
        session_of: None,
        standing: Standing::Member,
    })
}

fn judge(policy: &Policy, principal: &Principal, action: &str, resource: &str) -> Verdict {
    let context = Context::of(principal);
    policy.judge(&AccessRequest { principal, action, resource, context: &context })
}

/// What an identity's policy of one statement says to bob.
fn check(statement: &str, action: &str, resource: &str, expected: Verdict) {
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let policy = parse(&document, Kind::Identity).expect(statement);
    let found = judge(&policy, &user("111111111111", "bob"), action, resource);
    assert_eq!(found, expected, "{statement} {action} {resource}");
}

/// The words with which a bucket's policy of one statement is refused.
fn refuse(statement: &str, words: &str) {
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let error = parse(&document, BUCKET).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.starts_with(words) && !error.is_empty(), "{statement}: {error:?}");
}

#[test]
fn resources_and_actions_match_as_the_guide_says() {
    let read = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],
                   "Resource":["arn:aws:s3:::b-1","arn:aws:s3:::b-1/*"]}"#;
    check(read, "s3:GetObject", "arn:aws:s3:::b-1/a/b:c", Verdict::Allow);
    check(read, "S3:getOBJECT", "arn:aws:s3:::b-1/k", Verdict::Allow);
    check(read, "s3:ListBucket", "arn:aws:s3:::b-1", Verdict::Allow);
    check(read, "s3:GetObjectAcl", "arn:aws:s3:::b-1/k", Verdict::Silent);
    check(read, "s3:GetObject", "arn:aws:s3:::b-10/k", Verdict::Silent);
    check(read, "s3:GetObject", "arn:aws:s3:::B-1/k", Verdict::Silent);
    check(read, "s3:ListAllMyBuckets", EVERY_BUCKET, Verdict::Silent);
}

#[test]
fn negated_elements_match_the_rest() {
    let not_iam = r#"{"Effect":"Allow","NotAction":["iam:*","s3:Delete*"],"Resource":"*"}"#;
    check(not_iam, "s3:GetObject", "arn:aws:s3:::b/k", Verdict::Allow);
    check(not_iam, "s3:DeleteObject", "arn:aws:s3:::b/k", Verdict::Silent);
    let elsewhere = r#"{"Effect":"Deny","Action":"s3:*",
        "NotResource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}"#;
    check(elsewhere, "s3:GetObject", "arn:aws:s3:::c/k", Verdict::Deny);
    check(elsewhere, "s3:GetObject", "arn:aws:s3:::b/k", Verdict::Silent);
}

#[test]
fn home_folder_policy_follows_the_user_name() {
    let home =
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/home/${aws:username}/*"}"#;
    check(home, "s3:GetObject", "arn:aws:s3:::b/home/bob/x", Verdict::Allow);
    check(home, "s3:GetObject", "arn:aws:s3:::b/home/eve/x", Verdict::Silent);
    check(home, "s3:GetObject", "arn:aws:s3:::b/home/${aws:username}/x", Verdict::Silent);
}

#[test]
fn user_named_star_reaches_its_own_folder_only() {
    let home = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*",
        "Resource":"arn:aws:s3:::b/home/${aws:username}/*"}}"#;
    let policy = parse(home, Kind::Identity).expect("legal");
    let star = user("111111111111", "*");
    assert_eq!(judge(&policy, &star, "s3:GetObject", "arn:aws:s3:::b/home/bob/x"), Verdict::Silent);
    assert_eq!(judge(&policy, &star, "s3:GetObject", "arn:aws:s3:::b/home/*/x"), Verdict::Allow);
    let nobody = judge(&policy, &Principal::Anonymous, "s3:GetObject", "arn:aws:s3:::b/home//x");
    assert_eq!(nobody, Verdict::Silent);
}

#[test]
fn denial_wins_in_any_order() {
    let allow = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let deny = r#"{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}"#;
    for list in [format!("{allow},{deny}"), format!("{deny},{allow}")] {
        check(&list, "s3:GetObject", "arn:aws:s3:::b/k", Verdict::Deny);
        check(&list, "s3:PutObject", "arn:aws:s3:::b/k", Verdict::Allow);
    }
}

#[test]
fn actions_without_resource_need_none() {
    let admin = r#"{"Effect":"Allow","Action":"admin:*"}"#;
    check(admin, "admin:ServerInfo", EVERY_BUCKET, Verdict::Allow);
    check(admin, "s3:GetObject", "arn:aws:s3:::b/k", Verdict::Silent);
    // MinIO's users write some bucket there, and mean none.
    let narrow = r#"{"Effect":"Allow","Action":"admin:*","Resource":"arn:aws:s3:::b"}"#;
    check(narrow, "admin:ServerInfo", EVERY_BUCKET, Verdict::Allow);
    let not = r#"{"Effect":"Allow","Action":"admin:*","NotResource":"arn:aws:s3:::*"}"#;
    check(not, "admin:ServerInfo", EVERY_BUCKET, Verdict::Silent);
    // Everything on one bucket is not administration.
    let all = r#"{"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}"#;
    check(all, "admin:ServerInfo", EVERY_BUCKET, Verdict::Silent);
    let key = r#"{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:::key-1"}"#;
    check(key, "kms:KeyStatus", "arn:aws:kms:::key-1", Verdict::Allow);
    check(key, "kms:KeyStatus", "arn:aws:kms:::key-2", Verdict::Silent);
}

#[test]
fn bucket_policy_names_its_callers() {
    let document = r#"{"Version":"2012-10-17","Id":"x","Statement":[
        {"Sid":"a","Effect":"Allow",
         "Principal":{"AWS":["arn:aws:iam::111111111111:user/bob","222222222222"]},
         "Action":"s3:GetObject","Resource":"arn:aws:s3:::b-1/*"},
        {"Sid":"","Effect":"Allow","Principal":{"CanonicalUser":"canonical-eve"},
         "Action":"s3:PutObject","Resource":"arn:aws:s3:::b-1/*"},
        {"Sid":"","Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::111111111111:user/bob"]},
         "Action":"s3:DeleteObject","Resource":"arn:aws:s3:::b-1/*"}]}"#;
    let policy = parse(document, BUCKET).expect("legal");
    let check = |principal: &Principal, action: &str, expected: Verdict| {
        assert_eq!(judge(&policy, principal, action, "arn:aws:s3:::b-1/k"), expected, "{action}");
    };
    let (bob, eve) = (user("111111111111", "bob"), user("222222222222", "eve"));
    check(&bob, "s3:GetObject", Verdict::Allow);
    check(&eve, "s3:GetObject", Verdict::Delegate);
    check(&eve, "s3:PutObject", Verdict::Allow);
    check(&bob, "s3:PutObject", Verdict::Silent);
    check(&bob, "s3:DeleteObject", Verdict::Silent);
    check(&eve, "s3:DeleteObject", Verdict::Deny);
    check(&Principal::Anonymous, "s3:DeleteObject", Verdict::Deny);
    check(&Principal::Anonymous, "s3:GetObject", Verdict::Silent);
}

#[test]
fn documents_of_no_form_are_refused() {
    for document in [
        "",
        "x",
        "[]",
        "{}",
        "\u{feff}{}",
        r#"{"Version":"2012-10-17"}"#,
        r#"{"Version":"2012-10-17","Statement":[]}"#,
        r#"{"Version":"2012-10-17","Statement":["a"]}"#,
        r#"{"Version":"2012-10-18","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":20121017,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Id":1,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Extra":1,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}} x"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Extra":1}}"#,
        r#"{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}"#,
        r#"{"Statement":{"Action":"*","Resource":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Resource":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":[],"Resource":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":["*",1],"Resource":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":[]}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","NotAction":"admin:*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}}"#,
        r#"{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},
                         {"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ] {
        assert!(parse(document, Kind::Identity).is_err(), "{document}");
    }
}

#[test]
fn bucket_policies_are_refused_in_the_words_of_s3() {
    let of = |principal: &str, action: &str, resource: &str| {
        format!(r#"{{"Effect":"Allow",{principal}"Action":{action},"Resource":{resource}}}"#)
    };
    let all = r#""Principal":"*","#;
    let object = r#""arn:aws:s3:::b-1/*""#;
    refuse(&of("", "\"s3:*\"", object), "Missing required field Principal");
    refuse(&of(r#""Principal":{"AWS":"bob"},"#, "\"s3:*\"", object), "Invalid principal in policy");
    refuse(&of(r#""NotPrincipal":"*","#, "\"s3:*\"", object), "Allow with NotPrincipal");
    refuse(&of(all, "\"s3:GetNothing\"", object), "Policy has invalid action");
    refuse(&of(all, "\"admin:*\"", object), "Policy has invalid action");
    refuse(&of(all, "\"s3:*\"", "\"*\""), "Policy has invalid resource");
    refuse(&of(all, "\"s3:*\"", "\"arn:aws:s3:::b-2/*\""), "Policy has invalid resource");
    refuse(&of(all, "\"s3:*\"", "\"arn:aws:s3:::b-10\""), "Policy has invalid resource");
    let apart = "Action does not apply to any resource(s) in statement";
    refuse(&of(all, "\"s3:ListBucket\"", object), apart);
    refuse(&of(all, "\"s3:GetObject\"", "\"arn:aws:s3:::b-1\""), apart);
    refuse(&of(all, r#"["s3:GetObject","s3:ListBucket"]"#, object), apart);
    refuse(&of(all, "\"s3:ListAllMyBuckets\"", object), apart);
    let legal = [
        of(all, "\"s3:*\"", object),
        of(all, "\"*\"", "\"arn:aws:s3:::b-1\""),
        of(all, "\"s3:Get*\"", "\"arn:aws:s3:::b-1\""),
        of(
            all,
            r#"["s3:GetObject","s3:ListBucket"]"#,
            r#"["arn:aws:s3:::b-1","arn:aws:s3:::b-1/*"]"#,
        ),
        of(all, "\"s3:ListBucket\"", r#"["arn:aws:s3:::*","arn:aws:s3:::*/*"]"#),
    ];
    for statement in legal {
        let document = format!(r#"{{"Statement":{statement}}}"#);
        assert_eq!(parse(&document, BUCKET).err(), None, "{statement}");
    }
}

#[test]
fn everything_has_a_bound() {
    let statement = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let document = |statements: &str| format!(r#"{{"Statement":[{statements}]}}"#);
    let one = document(statement);
    assert!(Policy::parse(one.as_bytes(), Kind::Identity, one.len()).is_ok());
    let long = Policy::parse(one.as_bytes(), Kind::Identity, one.len() - 1);
    assert_eq!(long.err(), Some(PolicyError::TooLong { len_max: one.len() - 1 }));
    let wide =
        |document: String| Policy::parse(document.as_bytes(), Kind::Identity, 1 << 20).is_ok();
    assert!(wide(document(&vec![statement; 500].join(","))));
    assert!(!wide(document(&vec![statement; 501].join(","))));
    let list = |count: usize| format!("[{}]", vec!["\"s3:a\""; count].join(","));
    let actions = |list: &str| format!(r#"{{"Effect":"Allow","Action":{list},"Resource":"*"}}"#);
    assert!(wide(document(&actions(&list(500)))));
    assert!(!wide(document(&actions(&list(501)))));
    let values = |list: &str| {
        let head = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":"#;
        format!(r#"{head}{{"StringEquals":{{"x:a":{list}}}}}}}"#)
    };
    assert!(wide(document(&values(&list(1000)))));
    assert!(!wide(document(&values(&list(1001)))));
    assert!(!wide(document(&values(&format!("[\"{}\"]", "a".repeat(2049))))));
    assert!(!wide(document(&"[".repeat(100_000))));
}

#[test]
fn canned_policies_are_minio_s() {
    for name in CANNED_NAMES {
        assert!(canned(name).is_some(), "{name}");
    }
    assert!(canned("readOnly").is_none());
    let bob = user("111111111111", "bob");
    let check = |name: &str, action: &str, resource: &str, expected: Verdict| {
        let policy = canned(name).expect(name);
        assert_eq!(judge(&policy, &bob, action, resource), expected, "{name} {action}");
    };
    let object = "arn:aws:s3:::b/k";
    check("readonly", "s3:GetObject", object, Verdict::Allow);
    check("readonly", "s3:GetBucketLocation", "arn:aws:s3:::b", Verdict::Allow);
    check("readonly", "s3:ListBucket", "arn:aws:s3:::b", Verdict::Silent);
    check("readonly", "s3:PutObject", object, Verdict::Silent);
    check("writeonly", "s3:PutObject", object, Verdict::Allow);
    check("writeonly", "s3:GetObject", object, Verdict::Silent);
    check("readwrite", "s3:ListAllMyBuckets", EVERY_BUCKET, Verdict::Allow);
    check("readwrite", "admin:ServerInfo", EVERY_BUCKET, Verdict::Silent);
    check("diagnostics", "admin:ServerInfo", EVERY_BUCKET, Verdict::Allow);
    check("diagnostics", "admin:CreateUser", EVERY_BUCKET, Verdict::Silent);
    check("consoleAdmin", "admin:CreateUser", EVERY_BUCKET, Verdict::Allow);
    check("consoleAdmin", "kms:KeyStatus", "arn:aws:kms:::k", Verdict::Allow);
    check("consoleAdmin", "s3:DeleteObject", object, Verdict::Allow);
}

/// Whether a bucket's policy with this principal and condition is public.
fn check_public(principal: &str, condition: &str, expected: bool) {
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},
            "Action":"s3:GetObject","Resource":"arn:aws:s3:::b-1/*","Condition":{condition}}}}}"#
    );
    let policy = parse(&document, BUCKET).expect(condition);
    assert_eq!(policy.is_public(), expected, "{principal} {condition}");
}

#[test]
fn public_means_what_the_guide_says() {
    for everyone in [r#""*""#, r#"{"AWS":"*"}"#, r#"{"AWS":["*","111111111111"]}"#] {
        check_public(everyone, "{}", true);
        check_public(everyone, r#"{"StringEquals":{"aws:SourceVpc":"vpc-91237329"}}"#, false);
    }
    check_public(r#"{"AWS":"111111111111"}"#, "{}", false);
    check_public(r#"{"Service":"logging.s3.amazonaws.com"}"#, "{}", false);
    let check = |condition: &str, expected: bool| check_public(r#""*""#, condition, expected);
    check(r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#, true);
    check(r#"{"StringLike":{"aws:SourceVpc":["vpc-1","vpc-?"]}}"#, true);
    check(r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#, false);
    check(r#"{"StringEquals":{"aws:userid":"${aws:username}"}}"#, true);
    check(r#"{"StringLike":{"aws:userid":"AROAEXAMPLE:*"}}"#, true);
    check(r#"{"StringEquals":{"aws:SourceAccount":"111111111111"}}"#, false);
    check(r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::b"}}"#, false);
    check(r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::*"}}"#, true);
    let point = r#"{"StringLike":{"s3:DataAccessPointArn":
        "arn:aws:s3:us-west-2:123456789012:accesspoint/*"}}"#;
    check(point, false);
    check(&point.replace("123456789012", "*"), true);
    check(r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, false);
    check(r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, false);
    check(r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/1"}}"#, true);
    check(r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/0"]}}"#, true);
    check(r#"{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#, false);
    check(r#"{"IpAddress":{"aws:SourceIp":"2000::/3"}}"#, true);
    check(r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, true);
    // What the client chooses, or what holds when the key is absent, holds nobody back.
    check(r#"{"StringEquals":{"aws:Referer":"http://example.com"}}"#, true);
    check(r#"{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}"#, true);
    check(r#"{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}"#, true);
    check(r#"{"ForAllValues:StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, true);
    check(r#"{"ForAnyValue:StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, false);
}

#[test]
fn one_public_statement_makes_a_policy_public() {
    let statement = |effect: &str, who: &str| {
        let who = format!(r#"{{"AWS":"{who}"}}"#);
        format!(
            r#"{{"Effect":"{effect}","Principal":{who},"Action":"s3:*",
                "Resource":"arn:aws:s3:::b-1"}}"#
        )
    };
    let is_public = |statements: [String; 2]| {
        let document = format!(r#"{{"Statement":[{}]}}"#, statements.join(","));
        parse(&document, BUCKET).expect("legal").is_public()
    };
    let some = || statement("Allow", "111111111111");
    assert!(is_public([some(), statement("Allow", "*")]));
    assert!(!is_public([some(), statement("Deny", "*")]));
}
