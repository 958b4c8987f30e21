//! Vault as the key store of the real server, against a stand-in that answers as the HTTP API of
//! Vault's transit engine is described, and seals with a ring of its own.
#![expect(clippy::disallowed_methods, reason = "the stand-in has threads, and files of the test")]
#![expect(clippy::unwrap_used, reason = "the panic of a test is its failure")]

#[expect(dead_code, reason = "not every test needs all of it")]
mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Stave, check, command, refused};
use sealing::{Secret, seal};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What the stand-in has and was asked.
#[derive(Default)]
struct State {
    token: String,
    keys: BTreeMap<String, Vec<Secret>>,
    is_sealed: bool,
    asked: Vec<String>,
}

/// A stand-in for Vault.
#[derive(Clone)]
struct Vault {
    state: Arc<Mutex<State>>,
    endpoint: String,
}

type Answer = (u16, Value);

fn refusal(status: u16, reason: &str) -> Answer {
    (status, json!({ "errors": if reason.is_empty() { vec![] } else { vec![reason] } }))
}

impl State {
    fn answer(&mut self, head: &str, token: &str, body: &Value) -> Answer {
        self.asked.push(head.to_owned());
        let (method, path) = head.split_once(' ').unwrap();
        if self.is_sealed {
            return refusal(503, "Vault is sealed");
        }
        if path == "/v1/auth/approle/login" {
            let is_it = body["role_id"] == "stave" && body["secret_id"] == "very-secret";
            return match is_it {
                true => (200, json!({ "auth": { "client_token": self.token } })),
                false => refusal(400, "invalid role or secret ID"),
            };
        }
        if token != self.token {
            return refusal(403, "permission denied");
        }
        let Some(path) = path.strip_prefix("/v1/team/transit/") else {
            return refusal(404, "no handler for route");
        };
        match (method, &path.split('/').collect::<Vec<_>>()[..]) {
            ("POST", ["encrypt", key]) => self.encrypt(key, body),
            ("POST", ["decrypt", key]) => self.decrypt(key, body),
            ("GET", ["keys?list=true"]) => {
                (200, json!({ "data": { "keys": self.keys.keys().collect::<Vec<_>>() } }))
            }
            ("GET", ["keys", key]) => match self.keys.get(*key) {
                None => refusal(404, ""),
                Some(versions) => {
                    let times: BTreeMap<_, _> = (1..=versions.len())
                        .map(|version| (version.to_string(), 1_700_000_000 + version))
                        .collect();
                    (200, json!({ "data": { "latest_version": versions.len(), "keys": times } }))
                }
            },
            ("POST", ["keys", key]) | ("POST", ["keys", key, "rotate"]) => {
                let versions = self.keys.entry((*key).to_owned()).or_default();
                versions.push(Secret::new([versions.len() as u8 + 1; 32]));
                (204, Value::Null)
            }
            _ => refusal(405, "unsupported operation"),
        }
    }

    fn encrypt(&mut self, key: &str, body: &Value) -> Answer {
        // As Vault does where the token may create: a key that is not there is made.
        let versions =
            self.keys.entry(key.to_owned()).or_insert_with(|| vec![Secret::new([1; 32])]);
        let bytes: [u8; 32] = bytes(&body["plaintext"]).try_into().unwrap();
        let binding = bytes_of_binding(body);
        let salt = [7; seal::SALT_LEN];
        let sealed = seal::seal(versions.last().unwrap(), &Secret::new(bytes), &binding, salt);
        let ciphertext = format!("vault:v{}:{}", versions.len(), sealed.unwrap());
        (200, json!({ "data": { "ciphertext": ciphertext } }))
    }

    fn decrypt(&mut self, key: &str, body: &Value) -> Answer {
        let Some(versions) = self.keys.get(key) else {
            return refusal(400, "encryption key not found");
        };
        let text = body["ciphertext"].as_str().unwrap();
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let version: usize = parts[1].trim_start_matches('v').parse().unwrap();
        match seal::open(&versions[version - 1], parts[2], &bytes_of_binding(body)) {
            Ok(secret) => {
                (200, json!({ "data": { "plaintext": STANDARD.encode(secret.bytes()) } }))
            }
            Err(_) => refusal(400, "cipher: message authentication failed"),
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn bytes_of_binding(body: &Value) -> Vec<u8> {
    bytes(&body["associated_data"])
}

impl Vault {
    /// One that takes this token, on a port that the system chooses; `main` is its only key.
    fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let keys = BTreeMap::from([("main".to_owned(), vec![Secret::new([1; 32])])]);
        let state = State { token: token.to_owned(), keys, ..State::default() };
        let vault = Self { state: Arc::new(Mutex::new(state)), endpoint };
        let served = vault.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let vault = served.clone();
                std::thread::spawn(move || vault.serve(stream.unwrap()));
            }
        });
        vault
    }

    /// Answers what comes over one connection; every third one it closes, as servers do.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        for _ in 0..3 {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let head = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
            let (mut token, mut len) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim_end().split_once(": ") else { break };
                match &*name.to_ascii_lowercase() {
                    "x-vault-token" => token = value.to_owned(),
                    "content-length" => len = value.parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; len];
            reader.read_exact(&mut body).unwrap();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (status, answer) = self.state.lock().unwrap().answer(&head, &token, &body);
            let answer = if answer.is_null() { String::new() } else { answer.to_string() };
            let len = answer.len();
            let head = format!("HTTP/1.1 {status} Any\r\nContent-Length: {len}\r\n\r\n");
            writer.write_all(format!("{head}{answer}").as_bytes()).unwrap();
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("STAVE_KMS_VAULT_ENDPOINT", self.endpoint.clone()),
            ("STAVE_KMS_VAULT_MOUNT", "team/transit".to_owned()),
            ("STAVE_KMS_VAULT_KEY", "main".to_owned()),
        ]
    }
}

const ROOT: [(&str, &str); 2] =
    [("STAVE_ROOT_USER", "operator"), ("STAVE_ROOT_PASSWORD", "operator-secret")];

fn start(dir: &Path, vault: &Vault, login: &[(&str, &str)]) -> Stave {
    let mut command = command(dir);
    command.envs(vault.environment()).envs(login.iter().copied()).envs(ROOT);
    Stave::run(command)
}

/// What a server says to a request of the root.
fn ask(server: &Stave, method: &str, path: &str, own: &[(&str, &str)], body: &str) -> String {
    server.ask_as((ROOT[0].1, ROOT[1].1), (method, path), own, body)
}

const KMS: (&str, &str) = ("x-amz-server-side-encryption", "aws:kms");
const KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";

#[test]
fn objects_are_sealed_by_vault_and_open_again_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let vault = Vault::start("token-1");
    let login = [("STAVE_KMS_VAULT_TOKEN", "token-1")];
    let mut server = start(root.path(), &vault, &login);
    server.wait_for_log("keys of objects are sealed by Vault");
    check(&ask(&server, "PUT", "/box", &[], ""), 200, "");
    let sse_s3 = [("x-amz-server-side-encryption", "AES256")];
    check(&ask(&server, "PUT", "/box/s3", &sse_s3, "of the store"), 200, "AES256");
    check(&ask(&server, "PUT", "/box/kms", &[KMS, (KEY, "main")], "of a key"), 200, "aws:kms");
    let no_key = ask(&server, "PUT", "/box/none", &[KMS, (KEY, "typo")], "of none");
    check(&no_key, 400, "KMS.NotFoundException");
    assert!(!vault.change(|state| state.keys.contains_key("typo")), "T2: made by using it");
    server.stop();

    let server = start(root.path(), &vault, &login);
    check(&ask(&server, "GET", "/box/s3", &[], ""), 200, "of the store");
    vault.change(|state| state.is_sealed = true);
    check(&ask(&server, "GET", "/box/kms", &[], ""), 503, "ServiceUnavailable");
    check(&ask(&server, "PUT", "/box/later", &[KMS], "not plain"), 503, "ServiceUnavailable");
    check(&ask(&server, "GET", "/box/later", &[], ""), 404, "NoSuchKey");
    vault.change(|state| state.is_sealed = false);
    check(&ask(&server, "GET", "/box/kms", &[], ""), 200, "of a key");
    // Another key than the one that it was sealed under, as Vault might be restored to.
    vault.change(|state| state.keys.insert("main".to_owned(), vec![Secret::new([9; 32])]));
    check(&ask(&server, "GET", "/box/kms", &[], ""), 500, "InternalError");
    let log = server.stop();
    assert!(!log.contains("token-1"), "{log}");
}

#[test]
fn keys_are_made_listed_and_get_new_versions() {
    let root = tempfile::tempdir().unwrap();
    let vault = Vault::start("token-1");
    let server = start(root.path(), &vault, &[("STAVE_KMS_VAULT_TOKEN", "token-1")]);
    let keys = "/_stave/admin/v1/keys";
    let photos = "/_stave/admin/v1/keys?key=photos";
    check(&ask(&server, "POST", photos, &[], ""), 400, "KMS.NotFoundException");
    check(&ask(&server, "PUT", photos, &[], ""), 201, "");
    check(&ask(&server, "PUT", photos, &[], ""), 409, "AlreadyExists");
    check(&ask(&server, "PUT", "/box", &[], ""), 200, "");
    check(&ask(&server, "PUT", "/box/old", &[KMS, (KEY, "photos")], "older"), 200, "");
    check(&ask(&server, "POST", photos, &[], ""), 204, "");
    let listed = ask(&server, "GET", keys, &[], "");
    check(&listed, 200, r#""default":"main""#);
    assert!(listed.contains(r#""name":"photos","key_version":2,"created_ms":1700000002000"#));
    check(&ask(&server, "GET", "/box/old", &[], ""), 200, "older");
    let dots = "/_stave/admin/v1/keys?key=..";
    check(&ask(&server, "PUT", dots, &[], ""), 400, "InvalidArgument");
}

#[test]
fn a_refused_token_is_obtained_again() {
    let root = tempfile::tempdir().unwrap();
    let vault = Vault::start("first");
    let role = [
        ("STAVE_KMS_VAULT_ROLE_ID", "stave"),
        ("STAVE_KMS_VAULT_SECRET_ID", "very-secret"),
        ("STAVE_KMS_AUTO_ENCRYPTION", "on"),
    ];
    let server = start(&root.path().join("role"), &vault, &role);
    check(&ask(&server, "PUT", "/box", &[], ""), 200, "");
    check(&ask(&server, "PUT", "/box/a", &[KMS], "by a role"), 200, "");
    check(&ask(&server, "PUT", "/box/auto", &[], "nobody asked"), 200, "AES256");
    vault.change(|state| state.token = "second".to_owned());
    check(&ask(&server, "GET", "/box/a", &[], ""), 200, "by a role");
    let logins =
        |state: &mut State| state.asked.iter().filter(|asked| asked.ends_with("/login")).count();
    assert_eq!(vault.change(logins), 2);

    let file = root.path().join("token");
    fs::write(&file, "second\n").unwrap();
    let by_file = [("STAVE_KMS_VAULT_TOKEN_FILE", file.to_str().unwrap())];
    let server = start(&root.path().join("file"), &vault, &by_file);
    check(&ask(&server, "PUT", "/box", &[], ""), 200, "");
    check(&ask(&server, "PUT", "/box/a", &[KMS], "by a file"), 200, "");
    vault.change(|state| state.token = "third".to_owned());
    check(&ask(&server, "GET", "/box/a", &[], ""), 503, "ServiceUnavailable");
    fs::write(&file, "third\n").unwrap();
    check(&ask(&server, "GET", "/box/a", &[], ""), 200, "by a file");
}

#[test]
fn what_could_not_work_is_refused_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let check = |environment: &[(&str, &str)], part: &str| {
        let mut command = command(root.path());
        command.envs(environment.iter().copied());
        let line = refused(command);
        assert!(line.contains(part) && !line.contains("hush"), "{line}");
    };
    let endpoint = ("STAVE_KMS_VAULT_ENDPOINT", "https://vault.example:8200");
    let (key, token) = (("STAVE_KMS_VAULT_KEY", "main"), ("STAVE_KMS_VAULT_TOKEN", "hush"));
    let plain = ("STAVE_KMS_VAULT_ENDPOINT", "http://vault.example:8200");
    let root_key = ("STAVE_KMS_SECRET_KEY", "main:bXktc2VjcmV0LWtleS1vZi0zMi1ieXRlcy1sb25nISE=");
    check(&[key], "is set without STAVE_KMS_VAULT_ENDPOINT");
    check(&[plain, key, token], "must be https://");
    check(&[endpoint, token], "STAVE_KMS_VAULT_KEY must name a key");
    check(&[endpoint, ("STAVE_KMS_VAULT_KEY", ".."), token], "STAVE_KMS_VAULT_KEY must name a key");
    check(&[endpoint, key], "wants one login");
    check(&[endpoint, key, token, ("STAVE_KMS_VAULT_ROLE_ID", "r")], "wants one login");
    check(&[endpoint, key, token, ("STAVE_KMS_VAULT_MOUNT", "a//b")], "STAVE_KMS_VAULT_MOUNT");
    check(&[endpoint, key, token, ("STAVE_KMS_VAULT_CA", "/no/such/file")], "/no/such/file");
    check(&[endpoint, key, token, root_key], "both set");
}
