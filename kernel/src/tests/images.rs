//! ELF images, good and bad.

use super::{assert_empty, kernel};
use crate::object::Kernel;
use abi::Error;

/// An image with one code segment of one word.
fn image() -> Vec<u8> {
    let mut file = vec![0; 0x1004];
    file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    put(&mut file, 16, &2_u16.to_le_bytes()); // executable
    put(&mut file, 18, &183_u16.to_le_bytes()); // AArch64
    put(&mut file, 20, &1_u32.to_le_bytes());
    put(&mut file, 24, &0x40_0000_u64.to_le_bytes()); // entry
    put(&mut file, 32, &64_u64.to_le_bytes()); // program headers
    put(&mut file, 52, &64_u16.to_le_bytes());
    put(&mut file, 54, &56_u16.to_le_bytes());
    put(&mut file, 56, &1_u16.to_le_bytes());
    put(&mut file, 64, &1_u32.to_le_bytes()); // PT_LOAD
    put(&mut file, 68, &5_u32.to_le_bytes()); // read, execute
    put(&mut file, 72, &0x1000_u64.to_le_bytes()); // offset
    put(&mut file, 80, &0x40_0000_u64.to_le_bytes());
    put(&mut file, 96, &4_u64.to_le_bytes()); // bytes in the file
    put(&mut file, 104, &0x2000_u64.to_le_bytes()); // bytes in memory
    file
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

fn load(kernel: &mut Kernel, file: &[u8]) -> Result<(), Error> {
    let owner = kernel.create_process(None, [0; 16], u64::MAX)?;
    kernel.retain_process(owner);
    let memory = kernel.create_memory(owner, file.len(), false)?;
    kernel.memories[memory].write(0, file);
    let process = kernel.create_process(Some(owner), [0; 16], u64::MAX)?;
    kernel.retain_process(process);
    let loaded = kernel.load_program(process, memory, 0, file.len());
    kernel.release_process(process);
    kernel.release_memory(memory);
    kernel.release_process(owner);
    loaded
}

#[test]
fn a_good_image_loads() {
    let mut kernel = kernel();
    let frames = kernel.frames.free();
    assert_eq!(load(&mut kernel, &image()), Ok(()));
    assert_empty(&kernel, frames);
}

#[test]
fn bad_numbers_are_refused() {
    let cases: &[(usize, &[u8])] = &[
        (0, b"X"),
        (4, &[1]),
        (5, &[2]),
        (16, &[3]),
        (18, &[62]),
        (24, &[0, 0, 0, 0]),
        (32, &[0xff, 0xff]),
        (54, &[55]),
        (56, &[0xff, 0xff]),
        (68, &[7]),
        (72, &[0, 0x11]),
        (80, &[0, 0, 0]),
        (87, &[0xff]),
        (103, &[0xff]),
        (111, &[0xff]),
        (104, &[1, 0]),
    ];
    for (at, bytes) in cases {
        let mut kernel = kernel();
        let frames = kernel.frames.free();
        let mut file = image();
        put(&mut file, *at, bytes);
        assert_eq!(load(&mut kernel, &file), Err(Error::BadImage), "at {at}");
        assert_empty(&kernel, frames);
    }
}

#[test]
fn broken_images_never_leak() {
    let mut state = 7_u64;
    for _ in 0..3000 {
        let mut file = image();
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            file[(state % 120) as usize] = (state >> 32) as u8;
        }
        let mut kernel = kernel();
        let frames = kernel.frames.free();
        let _loaded_or_not = load(&mut kernel, &file);
        assert_empty(&kernel, frames);
    }
}
