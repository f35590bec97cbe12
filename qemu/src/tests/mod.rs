//! The tests of the guest from outside: one file per promise.
//!
//! Tests of a group share one guest, one after the other; a test that fails ends that guest, and
//! the next one gets a fresh one. Two groups run at a time. A test that lacks its peer program
//! says "skipped" and why.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::frames::Cable;
use crate::guest::{Guest, indent};
use crate::{checks, host_tests, image, paths};

mod boot;
mod bulk;
mod capture;
mod clock;
pub mod cores;
mod crowd;
mod dhcp;
mod ethernet;
mod fetch;
mod fragments;
mod guests;
mod instructions;
mod isolation;
mod kernel;
mod linked;
mod links;
mod multicast;
mod mutated;
mod names;
mod neighbours;
pub mod offload;
mod packets;
mod pages;
mod perf;
mod ping;
mod programs;
mod routers;
mod shell;
mod six;
mod tables;

/// Groups that run at the same time.
const PARALLEL: usize = 2;

/// What tests of a group share.
pub struct Stage {
    pub guest: Guest,
    /// The other end of the network cable, where the group plays the network.
    cable: Option<Cable>,
    /// That of a second one.
    second: Option<Cable>,
}

impl Stage {
    pub fn new(guest: Guest) -> Self {
        Self {
            guest,
            cable: None,
            second: None,
        }
    }

    pub fn with_cable(guest: Guest, cable: Cable) -> Self {
        Self {
            guest,
            cable: Some(cable),
            second: None,
        }
    }

    pub fn with_cables(guest: Guest, [first, second]: [Cable; 2]) -> Self {
        Self {
            guest,
            cable: Some(first),
            second: Some(second),
        }
    }

    /// Guest and both cables.
    pub fn all(&mut self) -> Result<(&mut Guest, [&Cable; 2])> {
        let first = self.cable.as_ref().context("this group has no cable")?;
        let second = self.second.as_ref().context("this group has one cable")?;
        Ok((&mut self.guest, [first, second]))
    }

    /// Guest and cable at once.
    pub fn both(&mut self) -> Result<(&mut Guest, &Cable)> {
        let cable = self.cable.as_ref().context("this group has no cable")?;
        Ok((&mut self.guest, cable))
    }
}

/// What a test does.
#[derive(Clone, Copy)]
pub enum Body {
    /// Boots what it needs.
    Alone(fn() -> Result<()>),
    /// Uses the group's guest.
    Shared(fn(&mut Stage) -> Result<()>),
}

/// A test and its name: the function's.
#[derive(Clone, Copy)]
pub struct Test {
    pub name: &'static str,
    pub body: Body,
}

/// Tests with a guest in common.
pub struct Group {
    /// The file's name without its end.
    pub name: &'static str,
    /// Boots the common guest.
    pub stage: fn() -> Result<Stage>,
    pub tests: Vec<Test>,
}

/// A list of tests from the names of their functions.
macro_rules! tests {
    ($kind:ident: $($name:ident),* $(,)?) => {
        vec![$($crate::tests::Test {
            name: stringify!($name),
            body: $crate::tests::Body::$kind($name),
        }),*]
    };
}
pub(crate) use tests;

/// For groups in which every test boots its own guest.
pub fn no_stage() -> Result<Stage> {
    bail!("every test of this group boots a guest of its own")
}

/// The reason why a test cannot be run here, as an error.
#[derive(Debug)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

thread_local! {
    /// Logs of the guests that ended on this thread since the last test began.
    static LOGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what a guest said for the report of the test that is running.
pub fn keep_log(log: String) {
    LOGS.with_borrow_mut(|logs| logs.push(log));
}

/// All groups.
pub fn all() -> impl Iterator<Item = Group> {
    kernel::builds().into_iter().chain(groups())
}

/// The groups that need guests, those that take longest first.
fn groups() -> Vec<Group> {
    let mut groups = vec![
        dhcp::group(),
        packets::group(),
        mutated::group(),
        pages::group(),
        perf::group(),
        bulk::group(),
        boot::group(),
        ethernet::group(),
        offload::group(),
        multicast::group(),
        neighbours::group(),
        fragments::group(),
        guests::group(),
        routers::group(),
        cores::group(),
        instructions::group(),
        isolation::group(),
        crowd::group(),
        tables::group(),
        kernel::group(),
        linked::group(),
        links::group(),
        capture::group(),
        clock::group(),
    ];
    groups.extend(fetch::groups());
    groups.extend(names::groups());
    groups.extend(six::groups());
    groups.extend(ping::groups());
    groups.extend(programs::groups());
    groups.extend(shell::groups());
    groups
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Runs the tests whose name contains the filter; all of them, host tests included, without one.
pub fn run(filter: Option<&str>) -> Result<()> {
    let started = Instant::now();
    let mut tally = Tally::default();
    if filter.is_none() {
        tally += host_tests::run()?;
    }
    tally += checks::as_tests(filter);
    let build = || {
        let image = image::build()?;
        image::build_test_archive()?;
        image::build_check_archive()?;
        anyhow::Ok(image)
    };
    match build() {
        Ok(image) => image.print_sizes(),
        Err(error) => {
            println!("test image ... FAILED\n{error:#}");
            tally.failed += 1;
            return finish(tally, started);
        }
    }
    tally += run_groups(select(kernel::builds(), filter));
    tally += run_groups(select(groups(), filter));
    finish(tally, started)
}

fn finish(tally: Tally, started: Instant) -> Result<()> {
    std::fs::write(paths::build().join("summary.txt"), format!("{tally}\n"))?;
    println!("\nin {:.0} s", started.elapsed().as_secs_f64());
    println!("{tally}");
    if tally.failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn select(mut groups: Vec<Group>, filter: Option<&str>) -> VecDeque<Group> {
    if let Some(filter) = filter {
        for group in &mut groups {
            let name = group.name;
            group
                .tests
                .retain(|test| format!("{name}::{}", test.name).contains(filter));
        }
    }
    groups.retain(|group| !group.tests.is_empty());
    groups.into()
}

fn run_groups(groups: VecDeque<Group>) -> Tally {
    let queue = Mutex::new(groups);
    let total = Mutex::new(Tally::default());
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(group) = next() {
                    let tally = run_group(&group);
                    *total.lock().unwrap_or_else(PoisonError::into_inner) += tally;
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn run_group(group: &Group) -> Tally {
    let mut stage = None;
    let mut tally = Tally::default();
    for test in &group.tests {
        let started = Instant::now();
        let result = run_test(group, test, &mut stage);
        let name = format!("{}::{}", group.name, test.name);
        let time = started.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                tally.passed += 1;
                println!("test {name} ... ok ({time:.1} s)");
            }
            Err(error) if error.is::<Skip>() => {
                tally.skipped += 1;
                println!("test {name} ... skipped: {error}");
            }
            Err(error) => {
                tally.failed += 1;
                // Ending the guest hands over its log.
                drop(stage.take());
                let logs: String =
                    LOGS.with_borrow(|logs| logs.iter().map(|log| indent(log)).collect());
                println!("test {name} ... FAILED ({time:.1} s)\n  {error:#}\n{logs}");
            }
        }
        LOGS.with_borrow_mut(Vec::clear);
    }
    tally
}

fn run_test(group: &Group, test: &Test, stage: &mut Option<Stage>) -> Result<()> {
    match test.body {
        Body::Alone(body) => body(),
        Body::Shared(body) => {
            if stage
                .as_mut()
                .is_some_and(|stage| !stage.guest.is_running())
            {
                *stage = None;
            }
            if stage.is_none() {
                *stage = Some((group.stage)().context("the group's guest does not boot")?);
            }
            stage.as_mut().map_or(Ok(()), body)
        }
    }
}

#[cfg(test)]
mod unit {
    use super::{Tally, Test, all};

    #[test]
    fn names_are_unique() {
        let mut names: Vec<String> = all()
            .flat_map(|group| {
                let name = move |test: Test| format!("{}::{}", group.name, test.name);
                group.tests.into_iter().map(name)
            })
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn sums_read_as_promised() {
        let mut tally = Tally {
            passed: 2,
            failed: 1,
            skipped: 0,
        };
        assert_eq!(tally.to_string(), "2 passed, 1 failed");
        tally += Tally {
            passed: 1,
            failed: 0,
            skipped: 3,
        };
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 3 skipped");
    }
}
