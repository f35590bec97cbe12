//! Who is told where memory is, and how long it stays there.

use super::{ask, end, kernel, program};
use crate::mm::PAGE;
use crate::object::device::Device;
use crate::object::handle::Entry;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::{Kernel, ObjectRef};
use abi::{Error, Rights, Syscall};

fn give(kernel: &mut Kernel, process: Key<Process>, object: ObjectRef, rights: Rights) -> u64 {
    let handles = &mut kernel.processes[process].handles;
    let handle = handles.insert(Entry { object, rights }).unwrap();
    u64::from(handle.0)
}

#[test]
fn addresses_are_told_to_who_drives_a_device() {
    let mut kernel = kernel();
    let (process, _, _) = program(&mut kernel, u64::MAX);
    let device = kernel
        .create_device(Device::registers(0x1000, 0x200, None))
        .unwrap();
    let device = ObjectRef::Device(device);
    let driver = give(&mut kernel, process, device, Rights::DMA);
    let looker = give(&mut kernel, process, device, Rights::all() - Rights::DMA);
    // Five pages are more than one run.
    let bytes = 5 * PAGE as u64;
    let (memory, _) = ask(&mut kernel, Syscall::MemoryCreate, &[bytes]).unwrap();
    let mut at = |arguments: &[u64]| ask(&mut kernel, Syscall::MemoryPhysical, arguments);
    assert_eq!(at(&[memory, 0, 0]), Err(Error::Denied));
    assert_eq!(at(&[memory, 0, looker]), Err(Error::Denied));
    assert_eq!(at(&[memory, 0, memory]), Err(Error::BadHandle));
    assert_eq!(at(&[memory, bytes, driver]), Err(Error::BadArgument));
    let (mut offset, mut runs) = (0, Vec::new());
    while offset < bytes {
        let (address, length) = at(&[memory, offset, driver]).unwrap();
        let (inside, left) = at(&[memory, offset + 100, driver]).unwrap();
        assert_eq!((inside, left), (address + 100, length - 100));
        runs.push((address, length));
        offset += length;
    }
    assert!(offset == bytes && runs.len() > 1, "{runs:?}");
    // Only memory that the driver itself may read and write.
    for rights in [Rights::READ, Rights::WRITE] {
        let (less, _) = ask(
            &mut kernel,
            Syscall::HandleDuplicate,
            &[memory, rights.bits().into()],
        )
        .unwrap();
        let told = ask(&mut kernel, Syscall::MemoryPhysical, &[less, 0, driver]);
        assert_eq!(told, Err(Error::Denied));
    }
    end(&mut kernel, process);
}

#[test]
fn memory_of_a_program_that_has_ended_stays_where_it_is_mapped() {
    let mut kernel = kernel();
    let frames = kernel.frames.free();
    let (driver, _, _) = program(&mut kernel, u64::MAX);
    let (client, _, _) = program(&mut kernel, u64::MAX);
    let memory = kernel.create_memory(client, PAGE, false).unwrap();
    let object = ObjectRef::Memory(memory);
    let place = kernel.memories[memory].physical(0).unwrap();
    // The client's handle, and the driver's.
    give(&mut kernel, client, object, Rights::all());
    kernel.retain_memory(memory);
    give(&mut kernel, driver, object, Rights::READ | Rights::WRITE);
    end(&mut kernel, client);
    assert_eq!(kernel.memories[memory].physical(0), Some(place));
    assert!(kernel.frames.free() < frames);
    end(&mut kernel, driver);
    assert_eq!(kernel.frames.free(), frames);
}
