//! Builds what boots: programs, the archive of them, and the kernel with the archive inside, as
//! `build/skerry.elf` and `build/skerry.img` (the same, flat, with the header of a Linux image).

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cpio::Archive;
use crate::{executable, paths};

const PROGRAM_TARGET: &str = "aarch64-unknown-none";
const KERNEL_TARGET: &str = "aarch64-unknown-none-softfloat";

/// Package, and its program: the name of the file that cargo makes and of the one in the archive.
const PROGRAMS: &[(&str, &str)] = &[
    ("init", "init"),
    ("console", "console"),
    ("netd", "netd"),
    ("sh", "sh"),
    ("tools", TOOLS),
    ("httpd", "httpd"),
    ("echo", "echo"),
];

/// The executable that is many small programs.
const TOOLS: &str = "tools";

/// The names that it is started by: links to it, in the archive.
pub const TOOL_NAMES: &[&str] = &[
    "dns",
    "http",
    "kill",
    "nc",
    "net",
    "ntp",
    "perf",
    "ping",
    "poweroff",
    "ps",
    "raw",
    "reboot",
    "traceroute",
];

/// Programs that only tests and measurements start; they travel in an archive of their own.
const TEST_PROGRAMS: &[(&str, &str)] = &[
    ("rogue", "rogue"),
    ("bench", "bench"),
    ("crowd", "crowd"),
    // It holds the stack once more, for which the image has no room.
    ("httpd-linked", "httpd-linked"),
];

/// Name and bytes of each file in an archive.
type Contents = Vec<(String, usize)>;

/// The program that checks the kernel from inside, in the place of the first process.
const CHECK_PROGRAM: &[(&str, &str)] = &[("kernel-check", "init")];

/// Words before and after those that say what is meant.
type Task = (&'static [&'static str], &'static [&'static str]);

/// How the guest is compiled (`Cargo.toml`), and the folder of what is.
const PROFILE: &str = "guest";
const BUILD: Task = (&["build", "--profile", PROFILE], &[]);
/// The same without the log, whose words are then in no file.
const BUILD_SILENT: Task = (
    &[
        "build",
        "--profile",
        PROFILE,
        "--features",
        "log/max_level_off",
    ],
    &[],
);
const LINT: Task = (&["clippy"], &["--", "--deny", "warnings"]);

/// Programs run with the MMU on, in normal memory, where every CPU reads and writes words at any
/// address; the target's default is to take words apart.
const UNALIGNED: &str = "target.aarch64-unknown-none.rustflags=['-Ctarget-feature=-strict-align']";
/// What the compiler says to that, for each crate: the switch may change with its version. That is
/// pinned.
const REMARK: &str =
    "unknown and unstable feature specified for `-Ctarget-feature`: `strict-align`";

/// What was built.
pub struct Image {
    contents: Contents,
    pub archive: usize,
    pub elf: usize,
    pub flat: usize,
}

/// The kernel as cargo left it, with symbols.
pub fn kernel_with_symbols() -> PathBuf {
    built(KERNEL_TARGET, "kernel")
}

/// A program as cargo left it, with symbols.
pub fn program_with_symbols(name: &str) -> PathBuf {
    built(PROGRAM_TARGET, name)
}

fn built(target: &str, name: &str) -> PathBuf {
    paths::target().join(target).join(PROFILE).join(name)
}

/// Runs cargo for a target of the guest.
fn cargo(
    (before, after): Task,
    target: &str,
    packages: &[&str],
    environment: &[(&str, &Path)],
) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root());
    command.args(before).args(["--quiet", "--target", target]);
    command.arg("--message-format=json-diagnostic-rendered-ansi");
    if before.first() == Some(&"build") && target == PROGRAM_TARGET {
        command.args(["--config", UNALIGNED]);
    }
    for package in packages {
        command.args(["--package", package]);
    }
    command.args(after);
    command.envs(environment.iter().copied());
    // Settings that cargo hands to this tool are not meant for the guest.
    command.env_remove("CARGO_PKG_NAME").env_remove("RUSTFLAGS");
    command.stdout(Stdio::piped());
    let mut child = command.spawn().context("cargo does not start")?;
    let messages = child.stdout.take().context("no messages of cargo's")?;
    for message in BufReader::new(messages).lines() {
        if let Some(complaint) = complaint(&message?) {
            eprint!("{complaint}");
        }
    }
    ensure!(
        child.wait()?.success(),
        "cargo {} of {} for {target} failed",
        before.join(" "),
        packages.join(", ")
    );
    Ok(())
}

/// What the compiler complains of in one of cargo's messages, as a person reads it; nothing if it is
/// what it always says.
fn complaint(message: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let said = message.get("message")?;
    let text = said.get("message")?.as_str()?;
    // The sum of the warnings of a crate counts the remark, too.
    let is_usual = text == REMARK || text.ends_with(" emitted");
    let rendered = said.get("rendered")?.as_str()?;
    (!is_usual).then(|| rendered.to_owned())
}

/// The lints, over what only the guest's targets compile.
pub fn lint() -> Result<()> {
    let packages: Vec<&str> = [PROGRAMS, TEST_PROGRAMS, CHECK_PROGRAM]
        .concat()
        .iter()
        .map(|(package, _)| *package)
        .collect();
    cargo(LINT, PROGRAM_TARGET, &packages, &[])?;
    cargo(LINT, KERNEL_TARGET, &["kernel"], &[])
}

/// Builds everything that belongs into the image; without the log where `LOG=off` says so.
pub fn build() -> Result<Image> {
    println!("building the system");
    let is_silent = std::env::var("LOG").is_ok_and(|level| level == "off");
    let task = if is_silent { BUILD_SILENT } else { BUILD };
    let packages: Vec<&str> = PROGRAMS.iter().map(|(package, _)| *package).collect();
    cargo(task, PROGRAM_TARGET, &packages, &[])?;
    let (archive, contents) = pack(PROGRAMS)?;
    let archive_path = paths::build().join("initrd.cpio");
    write_if_changed(&archive_path, &archive)?;

    cargo(
        task,
        KERNEL_TARGET,
        &["kernel"],
        &[("SKERRY_INITRD", &archive_path)],
    )?;
    let kernel = std::fs::read(kernel_with_symbols()).context("reading the kernel")?;
    ensure!(
        !executable::has_writable_code(&kernel)?,
        "the kernel has writable code"
    );
    let elf = executable::strip(&kernel)?;
    let flat = executable::flatten(&kernel)?;
    std::fs::write(paths::build().join("skerry.elf"), &elf)?;
    std::fs::write(paths::build().join("skerry.img"), &flat)?;
    Ok(Image {
        contents,
        archive: archive.len(),
        elf: elf.len(),
        flat: flat.len(),
    })
}

/// Builds the archive with the test programs as well, for `-initrd`; gives its path.
pub fn build_test_archive() -> Result<PathBuf> {
    let packages: Vec<&str> = TEST_PROGRAMS.iter().map(|(package, _)| *package).collect();
    if !packages.is_empty() {
        cargo(BUILD, PROGRAM_TARGET, &packages, &[])?;
    }
    let (archive, _) = pack(&[PROGRAMS, TEST_PROGRAMS].concat())?;
    let path = paths::build().join("test.cpio");
    write_if_changed(&path, &archive)?;
    Ok(path)
}

/// Builds one program as for an image without the log, in a place of its own; gives the file.
pub fn build_silently(package: &str) -> Result<Vec<u8>> {
    let place = paths::build().join("silent");
    let environment: &[(&str, &Path)] = &[("CARGO_TARGET_DIR", &place)];
    cargo(BUILD_SILENT, PROGRAM_TARGET, &[package], environment)?;
    let path = place.join(PROGRAM_TARGET).join(PROFILE).join(package);
    std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
}

/// Builds the archive whose first process checks the kernel; gives its path.
pub fn build_check_archive() -> Result<PathBuf> {
    cargo(BUILD, PROGRAM_TARGET, &["kernel-check"], &[])?;
    let mut archive = Archive::new();
    let file = std::fs::read(program_with_symbols("kernel-check"))?;
    archive.add("init", &executable::strip(&file)?);
    let archive = archive.finish();
    let path = paths::build().join("check.cpio");
    write_if_changed(&path, &archive)?;
    Ok(path)
}

fn pack(programs: &[(&str, &str)]) -> Result<(Vec<u8>, Contents)> {
    let mut archive = Archive::new();
    let mut contents = Vec::new();
    for (_, name) in programs {
        let path = program_with_symbols(name);
        let file = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(
            !executable::has_writable_code(&file)?,
            "{name} has writable code"
        );
        let stripped = executable::strip(&file).with_context(|| format!("stripping {name}"))?;
        archive.add(name, &stripped);
        contents.push(((*name).to_owned(), stripped.len()));
    }
    for name in TOOL_NAMES {
        archive.link(name, TOOLS);
    }
    Ok((archive.finish(), contents))
}

/// Keeps the time stamp of a file that stays the same, so that cargo does not rebuild the kernel.
fn write_if_changed(path: &Path, contents: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    std::fs::write(path, contents).with_context(|| format!("writing {}", path.display()))
}

impl Image {
    /// A line for each file, and the sums.
    pub fn print_sizes(&self) {
        for (name, size) in &self.contents {
            println!("{size:>9}  {name}");
        }
        println!("{:>9}  build/initrd.cpio", self.archive);
        println!("{:>9}  build/skerry.elf", self.elf);
        println!("{:>9}  build/skerry.img", self.flat);
    }
}

#[cfg(test)]
mod tests {
    use super::{REMARK, complaint};
    use serde_json::json;

    fn said(text: &str) -> String {
        let message = json!({"message": text, "rendered": format!("warning: {text}\n")});
        json!({"reason": "compiler-message", "message": message}).to_string()
    }

    #[test]
    fn only_the_usual_remark_is_left_out() {
        assert_eq!(complaint(&said(REMARK)), None);
        assert_eq!(complaint(&said("1 warning emitted")), None);
        let unused = complaint(&said("unused variable: `x`"));
        assert_eq!(unused.as_deref(), Some("warning: unused variable: `x`\n"));
        let other = said("unknown and unstable feature specified for `-Ctarget-feature`: `x`");
        assert!(complaint(&other).is_some());
        assert_eq!(
            complaint(r#"{"reason":"build-finished","success":true}"#),
            None
        );
    }
}
