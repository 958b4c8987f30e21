//! Plans of bugs that were found: none breaks a promise any more, and each says what it was.
#![cfg(not(madsim))]
#![expect(clippy::disallowed_methods, reason = "reads stored plans")]

use sim::engine::log::Lines;
use sim::engine::panics;
use sim::engine::stored::{Plan, plans_below};
use std::path::Path;

#[test]
fn no_bug_that_was_found_comes_back() {
    panics::watch();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("bugs");
    let plans = plans_below(&directory).unwrap();
    assert!(!plans.is_empty());
    for path in plans {
        let plan = Plan::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(plan.run(Lines::None).violation, None, "{}", path.display());
        let story = std::fs::read_to_string(path.with_file_name("README.md")).unwrap();
        for word in ["Cause", "Fix"] {
            assert!(story.contains(word), "{}: {word} is not told", path.display());
        }
    }
}
