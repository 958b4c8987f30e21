//! The file of declared users.

use iam::users::{Directory, USERS_MAX, User, UsersError};
use iam::{AccessRequest, Context, Principal, Standing, Verdict};
use serde_json::{Value, json};

const SECRET: &str = "canary-secret-of-bob";

fn bob() -> Value {
    json!({
        "access_key": "AKIABOB", "secret_key": SECRET, "canonical_id": "c-bob",
        "display_name": "Bob", "email": "Bob@example.com", "account": "111111111111",
        "user_name": "bob", "policies": ["readonly", "mine"],
    })
}

fn eve() -> Value {
    json!({
        "access_key": "AKIAEVE", "secret_key": "secret-of-eve", "canonical_id": "c-eve",
        "account": "222222222222", "user_name": "eve", "root": true,
    })
}

fn file(users: &[Value]) -> Value {
    let statement = json!({"Effect": "Allow", "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::b/${aws:username}/*"});
    let mine = json!({"Version": "2012-10-17", "Statement": statement});
    json!({"version": 1, "users": users, "policies": {"mine": mine}})
}

fn parse(file: &Value) -> Result<Directory, UsersError> {
    Directory::parse(file.to_string().as_bytes())
}

/// What is said when a member of bob's is this; `None` takes it away.
fn refuse(member: &str, value: Option<Value>, words: &str) {
    let mut user = bob();
    let members = user.as_object_mut().expect("it is an object");
    match value {
        Some(value) => members.insert(member.to_owned(), value),
        None => members.remove(member),
    };
    let error = parse(&file(&[eve(), user])).err().map(|error| error.to_string());
    let error = error.unwrap_or_default();
    assert!(error.contains("user 2") && error.contains(words), "{member}: {error:?}");
    assert!(!error.contains(SECRET), "I8: {error}");
}

fn name(user: Option<&User>) -> Option<&str> {
    user.map(|user| user.identity().user_name.as_str())
}

#[test]
fn users_are_found_by_every_name() {
    let directory = parse(&file(&[bob(), eve()])).expect("legal");
    assert_eq!(name(directory.by_access_key("AKIABOB")), Some("bob"));
    assert_eq!(name(directory.by_access_key("akiabob")), None);
    assert_eq!(name(directory.by_canonical_id("c-eve")), Some("eve"));
    assert_eq!(name(directory.by_email("bob@EXAMPLE.com")), Some("bob"));
    assert_eq!(name(directory.by_arn("arn:aws:iam::111111111111:user/bob")), Some("bob"));
    assert_eq!(name(directory.by_arn("arn:aws:iam::222222222222:root")), Some("eve"));
    assert_eq!(directory.users().len(), 2);
    let eve = directory.by_access_key("AKIAEVE").expect("she is declared");
    assert_eq!(eve.identity().standing, Standing::Root);
    assert_eq!(eve.display_name, "eve");
    assert_eq!(eve.secret_key.expose(), "secret-of-eve");
    assert_eq!(eve.email, None);
}

#[test]
fn policies_of_a_user_are_canned_or_the_file_s() {
    let directory = parse(&file(&[bob()])).expect("legal");
    let bob = directory.by_access_key("AKIABOB").expect("he is declared");
    let context = Context::of(&bob.principal);
    let says = |action, resource| {
        let request =
            AccessRequest { principal: &bob.principal, action, resource, context: &context };
        bob.policies.iter().map(|policy| policy.judge(&request)).max()
    };
    assert_eq!(says("s3:GetObject", "arn:aws:s3:::b/k"), Some(Verdict::Allow));
    assert_eq!(says("s3:PutObject", "arn:aws:s3:::b/bob/k"), Some(Verdict::Allow));
    assert_eq!(says("s3:PutObject", "arn:aws:s3:::b/eve/k"), Some(Verdict::Silent));
}

#[test]
fn secrets_are_not_printed() {
    let directory = parse(&file(&[bob()])).expect("legal");
    let printed = format!("{directory:?} {directory:#?}");
    assert!(printed.contains("AKIABOB") && !printed.contains(SECRET), "I8");
}

#[test]
fn members_are_checked() {
    for member in ["access_key", "secret_key", "canonical_id", "account", "user_name"] {
        refuse(member, None, "absent");
        refuse(member, Some(json!(1)), "no text");
        refuse(member, Some(json!("")), "empty");
        refuse(member, Some(json!("x".repeat(129))), "too long");
    }
    refuse("access_key", Some(json!("a/b/c")), "'/'");
    refuse("access_key", Some(json!("ab")), "too short");
    refuse("secret_key", Some(json!("short")), "too short");
    refuse("account", Some(json!("12345678901x")), "12 digits");
    refuse("user_name", Some(json!("a/b")), "no name");
    refuse("user_name", Some(json!("*")), "no name");
    refuse("display_name", Some(json!("a\nb")), "odd characters");
    refuse("email", Some(json!(" a")), "odd characters");
    refuse("arn", Some(json!("arn:aws:iam::222222222222:user/bob")), "account");
    refuse("arn", Some(json!("arn:aws:iam::111111111111:root")), "account");
    refuse("arn", Some(json!("arn:aws:iam::111111111111:user/*")), "account");
    refuse("root", Some(json!("true")), "neither");
    refuse("root", Some(json!(true)), "not for a root");
    refuse("policies", Some(json!("readonly")), "no list");
    refuse("policies", Some(json!([1])), "names");
    refuse("policies", Some(json!(["absent"])), "no policy");
    refuse("Access_key", Some(json!("x")), "unknown");
}

#[test]
fn users_differ_in_whatever_names_them() {
    refuse("access_key", Some(json!("AKIAEVE")), "access_key is that of another user");
    refuse("canonical_id", Some(json!("c-eve")), "canonical_id is that of another user");
    let mut twin = bob();
    for (member, value) in [("access_key", "AKIATWIN"), ("canonical_id", "c-twin")] {
        twin[member] = json!(value);
    }
    let twice = |member| Some(UsersError::Twice { place: "user 2".to_owned(), member });
    assert_eq!(parse(&file(&[bob(), twin.clone()])).err(), twice("arn"));
    twin["user_name"] = json!("twin");
    twin["email"] = json!("BOB@example.com");
    assert_eq!(parse(&file(&[bob(), twin.clone()])).err(), twice("email"));
    twin["email"] = json!("twin@example.com");
    assert_eq!(parse(&file(&[bob(), twin])).err(), None);
}

#[test]
fn file_counts_as_a_whole_or_not_at_all() {
    let legal = file(&[bob()]);
    let check = |change: fn(&mut Value), words: &str| {
        let mut file = legal.clone();
        change(&mut file);
        let error = parse(&file).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(words) && !error.is_empty(), "{words}: {error:?}");
    };
    check(|file| *file = json!([]), "no object");
    check(|file| file["version"] = json!(2), "version");
    check(|file| file["version"] = json!("1"), "version");
    check(|file| file["users"] = json!({}), "no list");
    check(|file| file["users"] = json!(["bob"]), "user 1");
    check(|file| file["extra"] = json!(1), "unknown");
    check(|file| file["policies"] = json!([]), "policies");
    check(|file| file["policies"]["readonly"] = json!({}), "canned");
    check(|file| file["policies"]["broken"] = json!({}), "policy \"broken\"");
    check(
        |file| file["policies"]["mine"]["Statement"]["Principal"] = json!("*"),
        "Unknown field Principal",
    );
    check(|file| file["policies"]["mine"]["Id"] = json!("x".repeat(20 * 1024)), "maximum");
    let twice = legal.to_string().replace("\"version\"", "\"version\":1,\"version\"");
    assert!(matches!(Directory::parse(twice.as_bytes()), Err(UsersError::Json(_))));
}

#[test]
fn number_of_users_has_a_bound() {
    let user = |index: usize| {
        json!({"access_key": format!("key{index}"), "secret_key": "secret-key", "user_name": "u",
            "canonical_id": format!("c{index}"), "account": format!("{index:012}")})
    };
    let mut users: Vec<Value> = (0..USERS_MAX).map(user).collect();
    assert!(parse(&file(&users)).is_ok());
    users.push(user(USERS_MAX));
    let error = parse(&file(&users)).err();
    assert_eq!(error, Some(UsersError::TooMany { what: "users", max: USERS_MAX }));
}

#[test]
fn principal_of_a_user_is_what_the_file_says() {
    let mut bob = bob();
    bob["arn"] = json!("arn:aws:iam::111111111111:user/division/bob");
    let directory = parse(&file(&[bob])).expect("legal");
    let user = directory.by_arn("arn:aws:iam::111111111111:user/division/bob").expect("declared");
    assert!(
        matches!(&user.principal, Principal::User(identity) if identity.account == "111111111111")
    );
    let context = Context::of(&user.principal);
    assert_eq!(context.values("aws:username"), ["bob"]);
    assert_eq!(context.values("aws:PrincipalAccount"), ["111111111111"]);
    assert_eq!(context.values("aws:PrincipalType"), ["User"]);
    assert_eq!(Context::of(&Principal::Anonymous).values("aws:PrincipalType"), ["Anonymous"]);
    assert!(Context::of(&Principal::Anonymous).values("aws:username").is_empty());
}
