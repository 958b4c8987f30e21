//! Tests of the configuration: each line of its table, each refusal.

use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn parse_with(arguments: &[&str], environment: Pairs<'_>) -> Result<Parsed, String> {
    let arguments = ["stave"].iter().chain(arguments).map(OsString::from).collect();
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let read_secret = |path: &Path| match path.to_str() {
        Some("/secret") => Ok("from a file\n".replace(' ', "-")),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    parse(arguments, &environment, &read_secret)
}

fn config(arguments: &[&str], environment: Pairs<'_>) -> Config {
    match parse_with(arguments, environment) {
        Ok(Parsed::Serve(config)) => *config,
        Ok(Parsed::Show(text)) => panic!("shows {text}"),
        Ok(Parsed::Admin(_) | Parsed::Inspect(_)) => panic!("no server"),
        Err(line) => panic!("refused: {line}"),
    }
}

fn refusal(arguments: &[&str], environment: Pairs<'_>) -> String {
    let line = parse_with(arguments, environment).err().expect("refused");
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

#[track_caller]
fn check_refused(arguments: &[&str], environment: Pairs<'_>, part: &str) {
    let line = refusal(arguments, environment);
    assert!(line.contains(part), "{line:?} does not say {part:?}");
}

const DIR: &[&str] = &["server", "./data"];

#[test]
fn a_directory_is_enough() {
    let config = config(DIR, &[]);
    assert_eq!(config.dirs, [Path::new("./data")]);
    assert_eq!(config.parity, None);
    assert_eq!(config.address.to_string(), "0.0.0.0:9000");
    assert_eq!(config.region, None);
    assert!(config.root.is_none() && config.certs_dir.is_none());
    assert_eq!(config.log_format, LogFormat::Text);
    assert_eq!(config.log_filter, LOG_FILTER);
    assert!(config.notes.is_empty());
}

#[test]
fn flag_wins_over_environment() {
    let environment = &[("STAVE_ADDRESS", "1.2.3.4:5"), ("STAVE_LOG_FORMAT", "text")];
    let flags = &["server", "d", "--address", "127.0.0.1:0", "--log-format", "json"];
    let config = config(flags, environment);
    assert_eq!(config.address.to_string(), "127.0.0.1:0");
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn addresses_have_four_spellings() {
    for (text, expected) in [
        (":9001", "0.0.0.0:9001"),
        ("localhost:1", "127.0.0.1:1"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("[::1]:80", "[::1]:80"),
    ] {
        assert_eq!(config(DIR, &[("STAVE_ADDRESS", text)]).address.to_string(), expected);
    }
    for text in ["9000", "host:80", "1.2.3.4", "1.2.3.4:70000", "::1:x", ":"] {
        check_refused(DIR, &[("STAVE_ADDRESS", text)], "bad address");
    }
}

#[test]
fn minio_names_are_honoured_and_reported() {
    let environment = &[
        ("MINIO_ROOT_USER", "admin"),
        ("MINIO_ROOT_PASSWORD", "short"),
        ("MINIO_REGION_NAME", "eu-west-1"),
        ("MINIO_BROWSER", "off"),
    ];
    assert!(refusal(DIR, environment).contains("MINIO_ROOT_PASSWORD is too short"));
    let environment = &[
        ("MINIO_ROOT_USER", "admin"),
        ("MINIO_ROOT_PASSWORD", "long-enough"),
        ("MINIO_REGION_NAME", "eu-west-1"),
        ("MINIO_BROWSER", "off"),
    ];
    let config = config(DIR, environment);
    assert_eq!(config.region.as_deref(), Some("eu-west-1"));
    let root = config.root.expect("given");
    assert_eq!((root.access_key.as_str(), root.secret_key.as_str()), ("admin", "long-enough"));
    let alias = |name, meaning| Note::AliasHonoured { name, meaning };
    assert_eq!(
        config.notes,
        [
            alias("MINIO_REGION_NAME", "STAVE_REGION"),
            alias("MINIO_ROOT_USER", "STAVE_ROOT_USER"),
            alias("MINIO_ROOT_PASSWORD", "STAVE_ROOT_PASSWORD"),
            Note::Ignored { name: "MINIO_BROWSER".into() },
        ]
    );
}

#[test]
fn legacy_minio_keys_are_honoured() {
    let environment = &[("MINIO_ACCESS_KEY", "olduser"), ("MINIO_SECRET_KEY", "oldpassword")];
    let root = config(DIR, environment).root.expect("given");
    assert_eq!((root.access_key.as_str(), root.secret_key.as_str()), ("olduser", "oldpassword"));
}

#[test]
fn keys_of_encryption_are_read_and_never_shown() {
    let good = "photos:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    for name in ["STAVE_KMS_SECRET_KEY", "MINIO_KMS_SECRET_KEY"] {
        let encryption = config(DIR, &[(name, good)]).encryption;
        assert_eq!(encryption.root_key.as_ref().map(|key| key.name()), Some("photos"));
        assert!(!encryption.is_automatic && !encryption.allows_plain_keys);
        let shown = format!("{encryption:?}");
        assert!(shown.contains("<redacted>") && !shown.contains("1, 2, 3"), "{shown}");
        let bad = refusal(DIR, &[(name, "photos:c2VjcmV0LWNhbmFyeQ==")]);
        assert!(bad.contains(name) && !bad.contains("c2VjcmV0"), "{bad}");
    }
    let automatic = [("STAVE_KMS_SECRET_KEY", good), ("MINIO_KMS_AUTO_ENCRYPTION", "on")];
    assert!(config(DIR, &automatic).encryption.is_automatic);
    check_refused(DIR, &automatic[1..], "STAVE_KMS_SECRET_KEY");
}

#[test]
fn two_names_must_agree() {
    let same = &[("STAVE_REGION", "eu"), ("MINIO_REGION", "eu"), ("MINIO_SITE_REGION", "eu")];
    let config = config(DIR, same);
    assert_eq!(config.region.as_deref(), Some("eu"));
    assert!(config.notes.is_empty(), "ours came first, and the others were not ignored");
    check_refused(
        DIR,
        &[("STAVE_REGION", "eu"), ("MINIO_REGION", "us")],
        "STAVE_REGION and MINIO_REGION are both set and differ",
    );
    check_refused(
        DIR,
        &[
            ("STAVE_ROOT_USER", "user"),
            ("STAVE_ROOT_PASSWORD", "one-password"),
            ("MINIO_ROOT_PASSWORD_FILE", "/secret"),
        ],
        "STAVE_ROOT_PASSWORD and MINIO_ROOT_PASSWORD_FILE are both set and differ",
    );
}

#[test]
fn certificates_lie_at_home_unless_told_otherwise() {
    let check = |arguments: &[&str], environment: Pairs<'_>, expected: Option<(&str, bool)>| {
        let dir = config(arguments, environment).certs_dir;
        let expected = expected.map(|(path, is_given)| CertsDir { path: path.into(), is_given });
        assert_eq!(dir, expected, "{arguments:?} {environment:?}");
    };
    let environment = &[("HOME", "/home/me"), ("STAVE_CERTS_DIR", "/e")];
    check(DIR, &[], None);
    check(DIR, &environment[..1], Some(("/home/me/.stave/certs", false)));
    check(DIR, environment, Some(("/e", true)));
    check(DIR, &[("MINIO_CERTS_DIR", "/m")], Some(("/m", true)));
    check(&["server", "d", "-S", "/f"], environment, Some(("/f", true)));
    check(&["server", "d", "--certs-dir", "/f"], environment, Some(("/f", true)));
}

#[test]
fn secrets_come_from_files_without_their_line_end() {
    let environment = &[("STAVE_ROOT_USER", "user"), ("STAVE_ROOT_PASSWORD_FILE", "/secret")];
    assert_eq!(config(DIR, environment).root.expect("given").secret_key, "from-a-file");
    let environment = &[("STAVE_ROOT_USER", "user"), ("STAVE_ROOT_PASSWORD_FILE", "/missing")];
    check_refused(DIR, environment, "STAVE_ROOT_PASSWORD_FILE cannot be read from /missing");
}

#[test]
fn half_or_bad_credentials_are_refused_without_showing_them() {
    check_refused(DIR, &[("STAVE_ROOT_USER", "user")], "without a password");
    check_refused(DIR, &[("MINIO_ROOT_PASSWORD", "long-enough")], "without a user");
    let with = |user, password| {
        refusal(DIR, &[("STAVE_ROOT_USER", user), ("STAVE_ROOT_PASSWORD", password)])
    };
    assert!(with("ab", "long-enough").contains("STAVE_ROOT_USER is too short"));
    let line = with("user", "s3cr3t");
    assert!(line.contains("at least 8 characters") && !line.contains("s3cr3t"), "{line}");
    assert!(with("a/user", "long-enough").contains("illegal character"));
    assert!(with("user", "with a blank").contains("illegal character"));
    assert!(with("user", &"p".repeat(129)).contains("too long"));
}

#[test]
fn known_password_is_remarked() {
    let environment = &[("MINIO_ROOT_USER", "minioadmin"), ("MINIO_ROOT_PASSWORD", "minioadmin")];
    assert!(config(DIR, environment).notes.contains(&Note::KnownPassword));
}

#[test]
fn empty_variables_count_as_unset() {
    let environment = &[("STAVE_REGION", ""), ("MINIO_ROOT_USER", ""), ("MINIO_X", "")];
    let config = config(DIR, environment);
    assert_eq!(config.region, None);
    assert!(config.root.is_none() && config.notes.is_empty());
}

#[test]
fn several_domains_make_virtual_hosts() {
    let config = config(DIR, &[("MINIO_DOMAIN", "s3.example.com,Other.org")]);
    assert_eq!(config.domains.bucket_of("box.s3.example.com:9000").as_deref(), Some("box"));
    assert_eq!(config.domains.bucket_of("box.other.org").as_deref(), Some("box"));
    assert_eq!(config.domains.bucket_of("other.org"), None);
}

#[test]
fn directories_come_from_arguments_or_the_environment() {
    let check = |arguments: &[&str], environment: Pairs<'_>, expected: &[&str]| {
        let dirs = config(arguments, environment).dirs;
        assert_eq!(dirs, expected.iter().map(PathBuf::from).collect::<Vec<_>>());
    };
    check(&["server", "a", "b"], &[], &["a", "b"]);
    check(&["server", "/d{1...3}"], &[], &["/d1", "/d2", "/d3"]);
    check(&["server"], &[("STAVE_VOLUMES", " /d{1...2}  /e\t")], &["/d1", "/d2", "/e"]);
    check(&["server", "--address", ":1"], &[("MINIO_VOLUMES", "/data")], &["/data"]);
    check(&["server", "/a"], &[("STAVE_VOLUMES", "/b")], &["/a"]);
    let notes = config(&["server", "/a"], &[("MINIO_VOLUMES", "/b")]).notes;
    let alias = Note::AliasHonoured { name: "MINIO_VOLUMES", meaning: "STAVE_VOLUMES" };
    assert_eq!(notes, [alias]);
    check_refused(&["server"], &[("MINIO_VOLUMES", "/d{1..2}")], "MINIO_VOLUMES: bad range");
    check_refused(&["server"], &[("STAVE_VOLUMES", "  ")], "STAVE_VOLUMES names no directory");
    check_refused(&["server", "/d{1..2}"], &[], "bad range in /d{1..2}");
    check_refused(&["server", "/d", "/d"], &[], "/d is named twice");
    check_refused(&["server", "http://n1/data"], &[], "one node for now");
    check_refused(&["server", ""], &[], "DIR is empty");
    check_refused(&["server"], &[], "no DIR to serve");
}

#[test]
fn parity_is_a_flag_or_a_storage_class() {
    let check = |arguments: &[&str], environment: Pairs<'_>, expected: Option<u8>| {
        assert_eq!(config(arguments, environment).parity, expected);
    };
    let eight = ["server", "/d{1...8}"];
    let ours = [("STAVE_STORAGE_CLASS_STANDARD", "EC:3")];
    check(&eight, &[], None);
    check(&eight, &ours, Some(3));
    check(&eight, &[("MINIO_STORAGE_CLASS_STANDARD", "EC:4")], Some(4));
    check(&["server", "/d{1...8}", "--parity", "2"], &ours, Some(2));
    check(DIR, &[("MINIO_STORAGE_CLASS_STANDARD", "EC:0")], Some(0));
    check_refused(&eight, &[("STAVE_STORAGE_CLASS_STANDARD", "EC:5")], "0 to 4 are possible");
    check_refused(DIR, &[("MINIO_STORAGE_CLASS_STANDARD", "EC:2")], "MINIO_STORAGE_CLASS_STANDARD");
    check_refused(&["server", "/d", "--parity", "1"], &[], "bad --parity");
    check_refused(&["server", "/d{1...4}", "--parity", "x"], &[], "bad --parity");
}

#[test]
fn several_disks_without_parity_are_remarked() {
    let notes = config(&["server", "/d{1...4}", "--parity", "0"], &[]).notes;
    assert_eq!(notes, [Note::NoParity { dir_count: 4 }]);
    assert!(config(&["server", "/d", "--parity", "0"], &[]).notes.is_empty());
}

#[test]
fn bad_flags_are_refused_in_one_line() {
    check_refused(&["server", "d", "--nope"], &[], "--nope");
    check_refused(&["serve", "d"], &[], "serve");
    check_refused(&["server", "d", "--log-format", "xml"], &[], "xml");
    check_refused(DIR, &[("STAVE_LOG_FORMAT", "xml")], "bad log format");
    check_refused(&["server", "d", "--region", "no spaces"], &[], "bad region");
    check_refused(&["server", "d", "--sigv2", "yes"], &[], "on or off");
    let open = config(
        DIR,
        &[("STAVE_BUCKET_OWNERSHIP", "ObjectWriter"), ("STAVE_BUCKET_PUBLIC_BLOCK", "off")],
    );
    assert_eq!(open.new_buckets.ownership, Ownership::ObjectWriter);
    assert_eq!(open.new_buckets.block, PublicAccessBlock::default());
    let closed = config(DIR, &[("STAVE_USERS_FILE", "/users.json")]);
    assert_eq!(closed.new_buckets.ownership, Ownership::BucketOwnerEnforced);
    assert_eq!(closed.new_buckets.block, PublicAccessBlock::ALL);
    assert_eq!(closed.users_file.as_deref(), Some(Path::new("/users.json")));
    assert!(config(DIR, &[("STAVE_SIGV2", "on")]).allows_sigv2);
    assert!(!config(DIR, &[]).allows_sigv2);
    check_refused(&["server", "d", "--domain", "http://s3"], &[], "bad domain");
    check_refused(DIR, &[("MINIO_DOMAIN", "10.0.0.1")], "bad domain");
}

#[test]
fn console_address_of_minio_is_accepted_and_remarked() {
    let config = config(&["server", "d", "--console-address", ":9001"], &[]);
    assert_eq!(config.notes, [Note::Ignored { name: "--console-address".into() }]);
}

fn status_config(arguments: &[&str], environment: Pairs<'_>) -> AdminConfig {
    let arguments: Vec<&str> = ["admin", "status"].iter().chain(arguments).copied().collect();
    match parse_with(&arguments, environment) {
        Ok(Parsed::Admin(config)) => *config,
        Ok(_) => panic!("something else"),
        Err(line) => panic!("refused: {line}"),
    }
}

#[test]
fn keys_to_ask_with_come_from_a_directory_or_the_environment() {
    let keys = [("MINIO_ROOT_USER", "admin"), ("MINIO_ROOT_PASSWORD", "long-enough")];
    let volumes = ("STAVE_VOLUMES", "/d{1...2}");
    let check = |arguments: &[&str], environment: Pairs<'_>, dirs: &[&str], has_keys: bool| {
        let config = status_config(arguments, environment);
        assert_eq!(config.dirs, dirs.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(config.root.is_some(), has_keys);
    };
    check(&["/a"], &[], &["/a"], false);
    check(&["/a"], &keys, &["/a"], true);
    check(&[], &keys, &[], true);
    check(&[], &[volumes], &["/d1", "/d2"], false);
    check(&[], &[keys[0], keys[1], volumes], &[], true);
    check_refused(&["admin", "status"], &[], "no keys to ask with");
    check_refused(&["admin", "status", "/a{1..2}"], &[], "bad range");
    check_refused(&["admin", "status"], &keys[..1], "without a password");
}

#[test]
fn whom_to_ask_and_whom_to_trust() {
    let config = status_config(&["/a"], &[]);
    let (server, trust) = (config.server, config.trust);
    assert_eq!((server.is_secure, server.authority.as_str()), (false, "127.0.0.1:9000"));
    assert!(
        trust == Trust::System
            && config.job == AdminJob::Status { is_json: false }
            && config.region.is_none()
    );
    let endpoint = ("STAVE_ENDPOINT", "https://one:1");
    assert_eq!(status_config(&["/a"], &[endpoint]).server.authority, "one:1");
    let flags = ["/a", "--endpoint", "http://two", "--json", "--ca", "/ca", "--region", "eu"];
    let config = status_config(&flags, &[endpoint]);
    assert!(config.server.authority == "two" && config.job == AdminJob::Status { is_json: true });
    assert_eq!((config.trust, config.region.as_deref()), (Trust::File("/ca".into()), Some("eu")));
    assert_eq!(status_config(&["/a", "--insecure"], &[]).trust, Trust::Anybody);
    check_refused(&["admin", "status", "/a", "--insecure", "--ca", "/ca"], &[], "--insecure");
    check_refused(&["admin", "status", "/a", "--nope"], &[], "stave admin status --help");
    check_refused(&["admin", "status", "/a", "--endpoint", "two"], &[], "bad endpoint");
}

#[test]
fn help_and_version_are_shown() {
    for arguments in [&["--help"][..], &["--version"], &["server", "--help"], &[]] {
        assert!(matches!(parse_with(arguments, &[]), Ok(Parsed::Show(_))), "{arguments:?}");
    }
}

#[test]
fn inspect_shows_items_unless_told_otherwise() {
    let inspect = |arguments: &[&str]| match parse_with(arguments, &[]) {
        Ok(Parsed::Inspect(config)) => *config,
        _ => panic!("no look: {arguments:?}"),
    };
    let config = inspect(&["inspect", "/d{1...2}", "file"]);
    assert_eq!(config.paths, ["/d1", "/d2", "file"].map(PathBuf::from));
    assert!(!config.is_json && !config.is_forced && config.rebuild.is_none());
    assert_eq!(config.detail, Detail::Items);
    assert_eq!(inspect(&["inspect", "--verify", "d"]).detail, Detail::Verify);
    assert_eq!(inspect(&["inspect", "d", "--records"]).detail, Detail::Records);
    let rebuild = inspect(&["inspect", "--rebuild", "target", "d"]);
    assert_eq!(rebuild.rebuild.as_deref(), Some(Path::new("target")));
    check_refused(&["inspect"], &[], "stave inspect --help");
    check_refused(&["inspect", "--verify", "--records", "d"], &[], "cannot be used");
}
