//! Rules about source files: their length, where `unsafe` may stand, who may use whom.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;

const LINES: usize = 600;

/// Where `unsafe` may stand; the list of the whole system.
const UNSAFE_PLACES: &[&str] = &[
    // Programs of tests that run on the bare kernel or break rules on purpose; never in the image.
    "kernel/check/",
    "user/rogue/",
    "kernel/src/arch/",
    "kernel/src/mm/",
    "kernel/src/sync/",
    "drivers/hardware/",
    "drivers/virtio/",
    "drivers/virtio-net/",
    "drivers/virtio-rng/",
    "drivers/pl011/",
    "drivers/rtc/",
    "drivers/host/",
    "user/ring/",
    "user/rt/",
];

/// Crates whose front must forbid `unsafe`.
const FORBIDDING: &[&str] = &[
    "kernel/abi",
    "drivers/device",
    "netd/wire",
    "netd/tcp",
    "netd/stack",
    "netd/protocol",
    "netd/sim",
    "netd/peers",
    "netd/bench",
    "user/net",
    "user/httpd",
    "qemu",
];

/// Crate, and the crates of this workspace that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("kernel/abi", &[]),
    ("kernel", &["abi"]),
    ("drivers/device", &[]),
    ("drivers/hardware", &[]),
    ("drivers/host", &["device"]),
    ("drivers/virtio", &["hardware"]),
    ("drivers/virtio-net", &["device", "virtio", "hardware"]),
    ("drivers/virtio-rng", &["virtio", "hardware"]),
    ("drivers/pl011", &["hardware"]),
    ("drivers/rtc", &["hardware"]),
    ("netd/wire", &[]),
    ("netd/tcp", &["wire"]),
    ("netd/stack", &["wire", "tcp"]),
    ("netd/protocol", &["abi"]),
    ("netd/sim", &["wire", "tcp", "stack"]),
    ("netd/bench", &["wire", "stack", "sim"]),
    ("netd/peers", &["stack", "sim", "device", "host"]),
    ("user/ring", &["abi"]),
    ("user/net", &["rt", "ring", "protocol", "abi"]),
    ("user/crowd", &["rt", "ring", "protocol", "abi"]),
    ("user/httpd", &["rt", "net"]),
    ("user/httpd-linked", &["rt", "net", "netd", "httpd"]),
];

/// Every Rust and assembly file of the project, relative to its top.
pub fn files() -> Result<Vec<PathBuf>> {
    let root = paths::root();
    let mut found = Vec::new();
    for top in ["kernel", "netd", "drivers", "user", "qemu"] {
        collect(&root.join(top), &mut found)?;
    }
    for path in &mut found {
        *path = path.strip_prefix(&root)?.to_owned();
    }
    found.sort();
    Ok(found)
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, found)?;
            }
        } else if path
            .extension()
            .is_some_and(|end| end == "rs" || end == "S" || end == "s")
        {
            found.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(paths::root().join(path)).with_context(|| path.display().to_string())
}

pub fn files_are_short() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for path in files()? {
        let lines = read(&path)?.lines().count();
        if lines > LINES {
            broken.push(format!(
                "{}: {lines} lines, at most {LINES}",
                path.display()
            ));
        }
    }
    Ok(broken)
}

pub fn unsafe_stands_where_it_may() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for path in files()? {
        let name = path.to_string_lossy();
        // This tool forbids it, and talks about it.
        if name.starts_with("qemu/") || UNSAFE_PLACES.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        for (number, line) in read(&path)?.lines().enumerate() {
            if says_unsafe(line) {
                broken.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    Ok(broken)
}

/// Whether a line of code, comments and strings aside, opens something unsafe.
fn says_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let mut quoted = false;
    let bare: String = code
        .chars()
        .filter(|character| {
            quoted ^= *character == '"';
            !quoted
        })
        .collect();
    [
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "unsafe extern",
        "unsafe trait",
    ]
    .iter()
    .any(|form| bare.contains(form))
}

pub fn protocol_crates_forbid_unsafe() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for place in FORBIDDING {
        let front = ["lib.rs", "main.rs"]
            .iter()
            .map(|file| Path::new(place).join("src").join(file))
            .find(|file| paths::root().join(file).exists())
            .with_context(|| format!("{place} has no front"))?;
        if !read(&front)?.contains("#![forbid(unsafe_code)]") {
            broken.push(format!("{} does not forbid unsafe code", front.display()));
        }
    }
    Ok(broken)
}

pub fn modules_say_what_they_are() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for path in files()? {
        // Tests beside a file belong to it, and it says what it is; fuzz targets are one line.
        let name = path.to_string_lossy();
        if name.ends_with("tests.rs") || name.contains("/fuzz_targets/") {
            continue;
        }
        let text = read(&path)?;
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//") {
            broken.push(format!("{}: no word about what it is", path.display()));
        }
    }
    Ok(broken)
}

/// Where a crate's tests are one program, a file that this does not name would never be run.
pub fn no_file_of_tests_is_left_out() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for path in files()? {
        let Some(folder) = path.parent().filter(|folder| folder.ends_with("tests")) else {
            continue;
        };
        let program = folder.join("main.rs");
        if path == program || !paths::root().join(&program).exists() {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let manifest = read(&folder.with_file_name("Cargo.toml"))?;
        if !read(&program)?.contains(&format!("\nmod {name};\n"))
            && !manifest.contains(&format!("\"tests/{name}.rs\""))
        {
            broken.push(format!("{}: not in {}", path.display(), program.display()));
        }
    }
    Ok(broken)
}

pub fn nothing_is_left_open() -> Result<Vec<String>> {
    // Split, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
    ];
    let mut broken = Vec::new();
    for path in files()? {
        for (number, line) in read(&path)?.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    Ok(broken)
}

pub fn dependencies_point_inward() -> Result<Vec<String>> {
    let ours: Vec<&str> = MAY_USE
        .iter()
        .map(|(place, _)| place.rsplit('/').next().unwrap_or(place))
        .chain(["rt", "netd"])
        .collect();
    let mut broken = Vec::new();
    for (place, allowed) in MAY_USE {
        let manifest = read(&Path::new(place).join("Cargo.toml"))?;
        for name in dependencies(&manifest) {
            if ours.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
                broken.push(format!("{place} must not use {name}"));
            }
        }
    }
    Ok(broken)
}

/// Names under `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{dependencies, says_unsafe};

    #[test]
    fn unsafe_code_is_told_from_talk_about_it() {
        assert!(says_unsafe("let x = unsafe { read(p) };"));
        assert!(says_unsafe("unsafe impl Send for X {}"));
        assert!(!says_unsafe("// unsafe { } is not used here"));
        assert!(!says_unsafe("#![forbid(unsafe_code)]"));
        assert!(!says_unsafe("[\"unsafe {\"]"));
    }

    #[test]
    fn dependencies_are_read_from_manifests() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nabi.workspace = true\nlog = \"1\"\n\n[dev-dependencies]\nproptest.workspace = true\n";
        assert_eq!(dependencies(manifest), ["abi", "log"]);
    }
}
