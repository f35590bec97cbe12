//! Places the archive of programs into the kernel image and names the linker script.
//!
//! QEMU hands no initrd to a kernel that it starts as plain ELF, so the archive named by
//! `SKERRY_INITRD` is embedded. Without that variable an empty archive is.

use std::path::PathBuf;
use std::{env, fs};

/// The last entry of a newc archive, which is all that an empty one has.
const EMPTY_ARCHIVE: &str = concat!(
    "070701",
    "00000000",
    "00000000",
    "00000000",
    "00000000",
    "00000001",
    "00000000",
    "00000000",
    "00000000",
    "00000000",
    "00000000",
    "00000000",
    "0000000B",
    "00000000",
    "TRAILER!!!\0\0\0\0"
);

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-env-changed=SKERRY_INITRD");
    let archive = match env::var_os("SKERRY_INITRD").filter(|path| !path.is_empty()) {
        Some(path) => {
            println!("cargo:rerun-if-changed={}", PathBuf::from(&path).display());
            fs::read(&path).unwrap_or_else(|error| {
                panic!("SKERRY_INITRD {}: {error}", PathBuf::from(&path).display())
            })
        }
        None => EMPTY_ARCHIVE.as_bytes().to_vec(),
    };
    fs::write(out.join("initrd.cpio"), archive).expect("OUT_DIR can be written");

    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let script = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
            .join("kernel.ld");
        println!("cargo:rerun-if-changed={}", script.display());
        println!("cargo:rustc-link-arg-bins=-T{}", script.display());
        println!("cargo:rustc-link-arg-bins=-znostart-stop-gc");
    }
}
