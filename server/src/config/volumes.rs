//! Which directories are served, and how many of them may be lost: pure functions of arguments and
//! environment.

use super::ellipses;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Most directories of one server.
pub const DIRS_MAX: usize = 1024;

/// Most columns of a volume, parity included.
const COLUMNS_MAX: usize = 16;

/// The directories that arguments name, in their order: ranges expanded, each once.
///
/// # Errors
/// One line, for nodes, broken ranges, directories that are named twice, and too many.
pub fn dirs(arguments: &[OsString]) -> Result<Vec<PathBuf>, String> {
    let mut dirs = Vec::new();
    let mut seen = BTreeMap::new();
    for argument in arguments {
        for dir in dirs_of(argument)? {
            if let Some(twin) = seen.insert(normal(&dir), dir.clone()) {
                return Err(format!("{} is named twice: {}", dir.display(), twin.display()));
            }
            dirs.push(dir);
            if dirs.len() > DIRS_MAX {
                return Err(format!("too many directories: at most {DIRS_MAX} are served"));
            }
        }
    }
    Ok(dirs)
}

fn dirs_of(argument: &OsString) -> Result<Vec<PathBuf>, String> {
    let Some(text) = argument.to_str() else {
        // No range is spelled in such bytes.
        return Ok(vec![PathBuf::from(argument)]);
    };
    if text.is_empty() {
        return Err("DIR is empty: the path of a directory is wanted".into());
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Err(format!("one node for now: {text} names a node, not a directory"));
    }
    Ok(ellipses::expand(text, DIRS_MAX)?.into_iter().map(PathBuf::from).collect())
}

/// The path in one spelling, as far as that can be told without a file system.
fn normal(dir: &Path) -> PathBuf {
    dir.components().filter(|component| *component != Component::CurDir).collect()
}

/// The parity that so many directories may have at most: half of the columns.
fn parity_max(dir_count: usize) -> u8 {
    u8::try_from(dir_count.min(COLUMNS_MAX) / 2).unwrap_or(0)
}

/// Reads the number of parity columns; `name` is where it was set.
///
/// # Errors
/// One line.
pub fn parity(name: &str, text: &str, dir_count: usize) -> Result<u8, String> {
    let max = parity_max(dir_count);
    let number = text.strip_prefix("EC:").unwrap_or(text);
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let parity = number.parse().ok().filter(|_| is_plain);
    match parity {
        Some(parity) if parity <= max => Ok(parity),
        Some(parity) => Err(format!(
            "bad {name} {text:?}: {parity} parity columns are too many for {dir_count} {}; \
             0 to {max} are possible",
            if dir_count == 1 { "directory" } else { "directories" }
        )),
        None => Err(format!("bad {name} {text:?}: a number of disks is wanted, as 2 or EC:2")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], expected: Result<&[&str], &str>) {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        match (dirs(&arguments), expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>());
            }
            (Err(line), Err(part)) => assert!(line.contains(part), "{line:?} without {part:?}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn several_arguments_are_one_list() {
        check(&["/a"], Ok(&["/a"]));
        check(&["b", "/a", "./c"], Ok(&["b", "/a", "./c"]));
        check(&["/d{1...2}", "/e", "f{3...4}"], Ok(&["/d1", "/d2", "/e", "f3", "f4"]));
    }

    #[test]
    fn a_directory_is_named_once() {
        check(&["/a", "/b", "/a"], Err("/a is named twice"));
        check(&["/d{1...4}", "/d3/"], Err("/d3/ is named twice: /d3"));
        check(&["a", "./a"], Err("is named twice"));
        check(&["/a//b", "/a/./b"], Err("is named twice"));
        check(&["/d{1...2}", "/d{01...02}"], Ok(&["/d1", "/d2", "/d01", "/d02"]));
    }

    #[test]
    fn nodes_empty_names_and_broken_ranges_are_refused() {
        check(&["http://n{1...4}/d"], Err("one node for now"));
        check(&["/a", "https://n/d"], Err("one node for now"));
        check(&["/a", ""], Err("DIR is empty"));
        check(&["/a{1..2}"], Err("bad range in /a{1..2}"));
    }

    #[test]
    fn number_of_directories_is_bounded() {
        check(&["/a{1...513}", "/b{1...512}"], Err("at most 1024"));
        let arguments = [OsString::from("/a{1...512}"), OsString::from("/b{1...512}")];
        assert_eq!(dirs(&arguments).map(|dirs| dirs.len()), Ok(1024));
    }

    #[test]
    fn parity_is_at_most_half_of_the_columns() {
        for (count, max) in [(1, 0), (2, 1), (3, 1), (4, 2), (7, 3), (8, 4), (16, 8), (64, 8)] {
            assert_eq!(parity("--parity", &max.to_string(), count), Ok(max));
            assert_eq!(parity("X", &format!("EC:{max}"), count), Ok(max));
            let line = parity("X", &format!("EC:{}", max + 1), count).unwrap_err();
            assert!(line.contains(&format!("0 to {max} are possible")), "{line}");
        }
        for text in ["", "EC:", "EC", "+1", "-1", "ec:1", "1.5", "EC:EC:1", " 1", "999", "four"] {
            assert!(parity("X", text, 8).unwrap_err().contains("bad X"), "{text:?}");
        }
    }
}
