//! House rules that lints cannot express (STYLE.md), checked over every `.rs` file of the
//! workspace.
//!
//! - T1: a file has fewer than 500 lines before its tests, and no line is wider than 100 columns.
//! - T2: a file opens with a `//!` header.
//! - T3: imports point down: `engine` knows no other crate, `cluster` no HTTP and no S3, `s3api` no
//!   cluster and of `engine` only the nouns, the clock and the randomness.
//! - T4: lints are silenced by `expect` with a reason, and every `select!` is `biased`.
//! - T5: every on-disk format has a golden file and a fuzz target.
//!
//! Function length, argument count and banned calls are clippy's (`clippy.toml`). Each rule is a
//! pure function over a path and its text; the tests at the end show that each can fail.
#![expect(
    clippy::disallowed_methods,
    reason = "walks the source tree, which is no disk of a store"
)]

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
const LINE_COLUMNS_MAX: usize = 100;

/// Folders whose sources are checked, tests and examples included.
const CRATES: [&str; 8] = ["engine", "cluster", "iam", "s3api", "server", "sim", "benches", "fuzz"];

/// Crates that a crate's sources must not name. `server` and `sim` may know everyone.
const FORBIDDEN: [(&str, &[&str]); 3] = [
    ("engine/src/", &["cluster", "s3api", "http", "hyper", "axum", "quick_xml"]),
    ("cluster/src/", &["s3api", "http", "hyper", "axum", "quick_xml"]),
    ("s3api/src/", &["cluster"]),
];

/// What `s3api` may name of `engine`: the nouns, and of the door out only what is no disk.
const S3API_ENGINE_PATHS: [&str; 5] =
    ["object", "env::Env", "env::Clock", "env::Rng", "env::random_u128"];

/// Modules of `engine/src/format/` that define no format of their own.
const FORMAT_HELPERS: [&str; 2] = ["mod", "codec"];

/// One broken rule.
type Finding = String;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a workspace").into()
}

fn source_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" {
            source_files(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Rules about one file.
fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let rules = [length, width, header, imports, engine_paths, silenced_lints, selects];
    rules.iter().flat_map(|rule| rule(path, text)).collect()
}

/// Lines of code with their numbers; comments are left out.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn length(path: &str, text: &str) -> Vec<Finding> {
    let is_tests = |line: &&str| line.trim_start() == "#[cfg(test)]";
    let count = text.lines().take_while(|line| !is_tests(line)).count();
    let is_too_long = count >= FILE_LINES_MAX;
    is_too_long.then(|| format!("{path}: {count} lines before its tests")).into_iter().collect()
}

fn width(path: &str, text: &str) -> Vec<Finding> {
    let columns = |line: &str| line.chars().count();
    text.lines()
        .enumerate()
        .filter(|(_, line)| columns(line) > LINE_COLUMNS_MAX)
        .map(|(index, line)| format!("{path}:{}: {} columns", index + 1, columns(line)))
        .collect()
}

fn header(path: &str, text: &str) -> Vec<Finding> {
    // A fuzz target opens with `#![no_main]`, which rustfmt keeps above the header.
    let first = text.lines().find(|line| !line.starts_with("#![no_main]") && !line.is_empty());
    let has_header = first.is_some_and(|line| line.starts_with("//!"));
    (!has_header).then(|| format!("{path}:1: no //! header")).into_iter().collect()
}

/// Where `name::` begins a path in the line, as far as a path is a crate's (not `self::name::`).
fn crate_paths<'a>(line: &'a str, name: &str) -> Vec<&'a str> {
    let pattern = format!("{name}::");
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    line.match_indices(&pattern)
        .filter(|(at, _)| *at == 0 || !is_part(line.as_bytes()[at - 1]) || is_rooted(line, *at))
        .map(|(at, _)| &line[at + pattern.len()..])
        .collect()
}

/// Whether the path at that place is written `::name`.
fn is_rooted(line: &str, at: usize) -> bool {
    let before = &line[..at];
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '>';
    before.strip_suffix("::").is_some_and(|rest| !rest.ends_with(is_part))
}

fn imports(path: &str, text: &str) -> Vec<Finding> {
    let Some((_, forbidden)) = FORBIDDEN.iter().find(|(dir, _)| path.starts_with(dir)) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (number, line) in code_lines(text) {
        for name in *forbidden {
            let is_use = line.trim().trim_end_matches(';') == format!("use {name}");
            if is_use || !crate_paths(line, name).is_empty() {
                findings.push(format!("{path}:{number}: must not know {name}"));
            }
        }
    }
    findings
}

fn engine_paths(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with("s3api/src/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in code_lines(text) {
        let rests = crate_paths(line, "engine");
        for rest in rests.iter().flat_map(|rest| branches(rest)) {
            if !S3API_ENGINE_PATHS.iter().any(|legal| begins_with_path(&rest, legal)) {
                findings.push(format!("{path}:{number}: must not know engine::{rest}"));
            }
        }
    }
    findings
}

/// Splits `{a, b::{c, d}}` into `a`, `b::c`, `b::d`; anything else stays whole up to the end of its
/// path.
fn branches(path: &str) -> Vec<String> {
    let end = path.find(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)));
    let (head, tail) = path.split_at(end.unwrap_or(path.len()));
    let Some(inner) = tail.strip_prefix('{') else { return vec![head.into()] };
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for letter in inner.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                parts.last_mut().expect("never empty").push(letter);
            }
        }
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(branches).map(|part| format!("{head}{part}")).collect()
}

fn begins_with_path(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn silenced_lints(path: &str, text: &str) -> Vec<Finding> {
    let patterns = [concat!("#[al", "low("), concat!("#![al", "low(")];
    code_lines(text)
        .filter(|(_, line)| patterns.iter().any(|pattern| line.contains(pattern)))
        .map(|(number, _)| format!("{path}:{number}: use expect with a reason"))
        .collect()
}

fn selects(path: &str, text: &str) -> Vec<Finding> {
    let macro_call = concat!("sel", "ect! {");
    let mut findings = Vec::new();
    let mut lines = code_lines(text).peekable();
    while let Some((number, line)) = lines.next() {
        let Some((_, rest)) = line.split_once(macro_call) else { continue };
        let next = lines.peek().map_or("", |(_, next)| *next);
        let first = if rest.trim().is_empty() { next } else { rest };
        if !first.trim_start().starts_with("biased;") {
            findings.push(format!("{path}:{number}: {macro_call} without biased;"));
        }
    }
    findings
}

/// Rule about the set of files: a format's golden file and fuzz target.
fn check_formats(paths: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in paths {
        let Some(file) = path.strip_prefix("engine/src/format/") else { continue };
        let name = file.trim_end_matches(".rs").trim_end_matches("/mod");
        let is_nested = name.contains('/') || name.ends_with("_test");
        if is_nested || FORMAT_HELPERS.contains(&name) {
            continue;
        }
        let golden = format!("engine/tests/golden/{name}.hex");
        let target = format!("fuzz/fuzz_targets/format_{name}.rs");
        for wanted in [golden, target] {
            if !paths.contains(&wanted) {
                findings.push(format!("{path}: {wanted} is missing"));
            }
        }
    }
    findings
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("found below the root");
    path.to_string_lossy().into_owned()
}

#[test]
fn the_house_is_tidy() {
    let mut files = Vec::new();
    for name in CRATES {
        source_files(&root().join(name), &mut files);
    }
    assert!(files.len() > 20, "found the sources: {}", files.len());
    let mut findings = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("a source file is readable");
        findings.extend(check_file(&relative(file), &text));
    }
    let mut paths: Vec<String> = files.iter().map(|file| relative(file)).collect();
    let golden = fs::read_dir(root().join("engine/tests/golden")).into_iter().flatten();
    paths.extend(golden.flatten().map(|entry| relative(&entry.path())));
    findings.extend(check_formats(&paths));
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    let findings = check_file(path, &format!("//! Header.\n{text}\n"));
    assert_eq!(findings, expected, "{text}");
}

#[test]
fn long_files_and_wide_lines_are_found() {
    check("a/src/x.rs", &"a\n".repeat(497), &[]);
    check("a/src/x.rs", &"a\n".repeat(499), &["a/src/x.rs: 501 lines before its tests"]);
    check("a/src/x.rs", &format!("#[cfg(test)]\n{}", "a\n".repeat(600)), &[]);
    check("a/src/x.rs", &"x".repeat(100), &[]);
    check("a/src/x.rs", &"x".repeat(101), &["a/src/x.rs:2: 101 columns"]);
}

#[test]
fn missing_header_is_found() {
    assert_eq!(check_file("x.rs", "use a;\n"), ["x.rs:1: no //! header"]);
    assert_eq!(check_file("x.rs", ""), ["x.rs:1: no //! header"]);
    assert!(check_file("x.rs", "#![no_main]\n\n//! Header.\n").is_empty());
}

#[test]
fn imports_that_point_up_are_found() {
    check("engine/src/x.rs", "use cluster::Node;", &["engine/src/x.rs:2: must not know cluster"]);
    check("engine/src/x.rs", "use s3api;", &["engine/src/x.rs:2: must not know s3api"]);
    check("cluster/src/x.rs", "fn f(_: ::http::Uri)", &["cluster/src/x.rs:2: must not know http"]);
    check("cluster/src/x.rs", "use s3api::a;", &["cluster/src/x.rs:2: must not know s3api"]);
    check("s3api/src/x.rs", "a(cluster::b())", &["s3api/src/x.rs:2: must not know cluster"]);
    check("s3api/src/x.rs", "use http::Uri; use crate::cluster::x; my_cluster::x", &[]);
    check("s3api/src/x.rs", "// cluster::x", &[]);
    check("sim/src/x.rs", "use cluster::Node;", &[]);
}

#[test]
fn engine_internals_in_the_protocol_are_found() {
    check("s3api/src/x.rs", "use engine::object::{ETag, ObjectKey};", &[]);
    check("s3api/src/x.rs", "use engine::{env::Env, object::{self, ETag}};", &[]);
    let finding = |path: &str| format!("s3api/src/x.rs:2: must not know engine::{path}");
    check("s3api/src/x.rs", "use engine::env::Disk;", &[&finding("env::Disk")]);
    check("s3api/src/x.rs", "use engine::env::{Env, Disk};", &[&finding("env::Disk")]);
    check("s3api/src/x.rs", "use engine::{object, volume::{a}};", &[&finding("volume::a")]);
    check("s3api/src/x.rs", "use engine::objects::ETag;", &[&finding("objects::ETag")]);
}

#[test]
fn silenced_lints_and_unbiased_selects_are_found() {
    let silenced = concat!("#[al", "low(dead_code)]");
    check("a/src/x.rs", silenced, &["a/src/x.rs:2: use expect with a reason"]);
    check("a/src/x.rs", "#[expect(dead_code, reason = \"r\")]", &[]);
    let call = concat!("tokio::sel", "ect! {");
    check("a/src/x.rs", &format!("{call}\n  // why\n  biased;\n"), &[]);
    let finding = concat!("a/src/x.rs:2: sel", "ect! { without biased;");
    check("a/src/x.rs", &format!("{call}\n  _ = a => b\n"), &[finding]);
    check("a/src/x.rs", &format!("{call} _ = a => b }}\n"), &[finding]);
}

#[test]
fn formats_without_golden_file_or_fuzz_target_are_found() {
    let paths = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let format = "engine/src/format/record.rs";
    let golden = "engine/tests/golden/record.hex";
    let target = "fuzz/fuzz_targets/format_record.rs";
    assert!(check_formats(&paths(&[format, golden, target])).is_empty());
    let helpers = paths(&["engine/src/format/mod.rs", "engine/src/format/codec.rs"]);
    assert!(check_formats(&helpers).is_empty());
    assert_eq!(
        check_formats(&paths(&[format, target])),
        [format!("{format}: {golden} is missing")]
    );
    assert_eq!(
        check_formats(&paths(&[format, golden])),
        [format!("{format}: {target} is missing")]
    );
}
