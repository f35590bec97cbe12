//! Where things are in the tree.

use std::path::PathBuf;

/// The top of the repository.
pub fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// What this tool makes; created when missing.
pub fn build() -> PathBuf {
    let path = root().join("build");
    // An error shows itself where the directory is used.
    std::fs::create_dir_all(&path).ok();
    path
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// What operations cost in guest instructions, as it is written down.
pub fn record() -> PathBuf {
    root().join("docs/instructions.md")
}
