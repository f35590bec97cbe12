//! The archive of programs that `build.rs` placed into the image.

/// As many bytes as the file has, on pages of their own (`kernel.ld`).
#[unsafe(link_section = ".initrd")]
#[used]
static INITRD: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/initrd.cpio")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/initrd.cpio"));
