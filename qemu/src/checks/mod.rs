//! Rules of the tree that a machine can check. Each is a test with a name.

mod carried;
pub mod conformance;
mod documents;
mod features;
mod reasons;
pub mod sources;

use anyhow::{Result, ensure};

use crate::tests::Tally;

/// A rule's name, and the places that break it.
type Check = (&'static str, fn() -> Result<Vec<String>>);

const CHECKS: &[Check] = &[
    ("files_are_short", sources::files_are_short),
    (
        "unsafe_stands_where_it_may",
        sources::unsafe_stands_where_it_may,
    ),
    (
        "protocol_crates_forbid_unsafe",
        sources::protocol_crates_forbid_unsafe,
    ),
    (
        "modules_say_what_they_are",
        sources::modules_say_what_they_are,
    ),
    (
        "no_file_of_tests_is_left_out",
        sources::no_file_of_tests_is_left_out,
    ),
    ("nothing_is_left_open", sources::nothing_is_left_open),
    (
        "dependencies_point_inward",
        sources::dependencies_point_inward,
    ),
    (
        "documents_are_there_and_lead_somewhere",
        documents::documents_are_there_and_lead_somewhere,
    ),
    (
        "features_name_tests_that_exist",
        features::features_name_tests_that_exist,
    ),
    (
        "carried_tests_are_all_there",
        carried::carried_tests_are_all_there,
    ),
    (
        "conformance_is_what_tests_say",
        conformance::conformance_is_what_tests_say,
    ),
    ("growth_is_explained", reasons::growth_is_explained),
];

/// Runs the checks as tests.
pub fn as_tests(filter: Option<&str>) -> Tally {
    let mut tally = Tally::default();
    for (name, check) in CHECKS {
        let name = format!("checks::{name}");
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        match check() {
            Ok(broken) if broken.is_empty() => {
                tally.passed += 1;
                println!("test {name} ... ok");
            }
            Ok(broken) => {
                tally.failed += 1;
                println!("test {name} ... FAILED");
                for place in broken {
                    println!("  {place}");
                }
            }
            Err(error) => {
                tally.failed += 1;
                println!("test {name} ... FAILED\n  {error:#}");
            }
        }
    }
    tally
}

/// Runs the checks by themselves, and the lints for the guest's targets.
pub fn run() -> Result<()> {
    crate::image::lint()?;
    let tally = as_tests(None);
    ensure!(tally.failed == 0, "{tally}");
    Ok(())
}
