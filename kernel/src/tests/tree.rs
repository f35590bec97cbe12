//! Device trees from outside.

use crate::arch::Conduit;
use crate::fdt::{Controller, Device, Machine, total_size};

/// Writes a flattened tree, just enough of the format for these tests.
#[derive(Default)]
struct Writer {
    structure: Vec<u8>,
    names: Vec<u8>,
}

impl Writer {
    fn word(&mut self, value: u32) {
        self.structure.extend(value.to_be_bytes());
    }

    fn pad(&mut self) {
        while !self.structure.len().is_multiple_of(4) {
            self.structure.push(0);
        }
    }

    fn node(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.word(1);
        self.structure.extend(name.as_bytes());
        self.structure.push(0);
        self.pad();
        fill(self);
        self.word(2);
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        let place = self.names.len() as u32;
        self.names.extend(name.as_bytes());
        self.names.push(0);
        self.word(3);
        self.word(value.len() as u32);
        self.word(place);
        self.structure.extend(value);
        self.pad();
    }

    fn cells(&mut self, name: &str, cells: &[u32]) {
        let value: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &value);
    }

    fn finish(mut self) -> Vec<u8> {
        self.word(9);
        let reservations = 40;
        let structure = reservations + 16;
        let names = structure + self.structure.len() as u32;
        let total = names + self.names.len() as u32;
        let header = [
            0xd00d_feed,
            total,
            structure,
            names,
            reservations,
            17,
            16,
            0,
            self.names.len() as u32,
            self.structure.len() as u32,
        ];
        let mut tree: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        tree.extend([0; 16]);
        tree.extend(self.structure);
        tree.extend(self.names);
        tree
    }
}

/// A machine like QEMU's.
fn machine() -> Vec<u8> {
    let mut writer = Writer::default();
    writer.node("", |root| {
        root.cells("#address-cells", &[2]);
        root.cells("#size-cells", &[2]);
        root.node("memory@40000000", |node| {
            node.bytes("device_type", b"memory\0");
            node.cells("reg", &[0, 0x4000_0000, 0, 0x1000_0000]);
        });
        root.node("cpus", |cpus| {
            cpus.cells("#address-cells", &[1]);
            cpus.cells("#size-cells", &[0]);
            for number in 0..10 {
                cpus.node(&format!("cpu@{number}"), |cpu| cpu.cells("reg", &[number]));
            }
        });
        root.node("psci", |node| node.bytes("method", b"smc\0"));
        root.node("chosen", |node| {
            node.bytes("bootargs", b"log=debug  semihosting\0");
            node.cells("linux,initrd-start", &[0, 0x4800_0000]);
            node.cells("linux,initrd-end", &[0x4800_1234]);
            node.bytes("rng-seed", &[7; 32]);
        });
        root.node("intc@8000000", |node| {
            node.bytes("compatible", b"arm,gic-v3\0");
            node.cells(
                "reg",
                &[0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0xf6_0000],
            );
        });
        root.node("pl011@9000000", |node| {
            node.bytes("compatible", b"arm,pl011\0arm,primecell\0");
            node.cells("reg", &[0, 0x900_0000, 0, 0x1000]);
            node.cells("interrupts", &[0, 1, 4]);
        });
        for number in (0..3).rev() {
            root.node(&format!("virtio_mmio@{number}"), |node| {
                node.bytes("compatible", b"virtio,mmio\0");
                node.cells("reg", &[0, 0xa00_0000 + 0x200 * number, 0, 0x200]);
                node.cells("interrupts", &[0, 16 + number, 1]);
            });
        }
    });
    writer.finish()
}

#[test]
fn a_tree_like_qemu_s_is_understood() {
    let machine = Machine::read(&machine()).unwrap();
    assert_eq!(
        machine.ram.as_slice(),
        core::slice::from_ref(&(0x4000_0000..0x5000_0000))
    );
    assert_eq!(machine.cpus.as_slice(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(machine.conduit, Some(Conduit::Smc));
    assert_eq!(
        machine.controller,
        Some(Controller::Three(0x800_0000, 0x80a_0000))
    );
    assert_eq!(machine.initrd, Some(0x4800_0000..0x4800_1234));
    assert_eq!(
        machine.reserved.as_slice(),
        core::slice::from_ref(&(0x4800_0000..0x4800_1234))
    );
    assert!(machine.has_word("semihosting") && !machine.has_word("semi"));
    assert_eq!(machine.seed.as_slice(), [7; 32]);
    let uart = Device {
        base: 0x900_0000,
        size: 0x1000,
        line: 33,
        edge: true,
    };
    assert_eq!(
        machine.uart,
        Some(Device {
            edge: false,
            ..uart
        })
    );
    let windows: Vec<_> = machine
        .virtio
        .iter()
        .map(|window| (window.base, window.line))
        .collect();
    assert_eq!(
        windows,
        [(0xa00_0000, 48), (0xa00_0200, 49), (0xa00_0400, 50)]
    );
    assert!(machine.virtio.iter().all(|window| window.edge));
}

#[test]
fn a_broken_tree_is_never_fatal() {
    let good = machine();
    let mut state = 99_u64;
    for _ in 0..20_000 {
        let mut tree = good.clone();
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let place = state as usize % tree.len();
            tree[place] = (state >> 40) as u8;
        }
        tree.truncate(tree.len() - (state >> 56) as usize % 64);
        let _understood_or_not = Machine::read(&tree);
    }
}

#[test]
fn rubbish_is_no_tree() {
    assert!(Machine::read(&[]).is_none());
    assert!(Machine::read(&[0; 64]).is_none());
    assert_eq!(total_size(&[0; 8]), None);
    assert_eq!(total_size(&[0xd0, 0x0d, 0xfe, 0xed, 0xff, 0, 0, 0]), None);
    let megabyte = total_size(&[0xd0, 0x0d, 0xfe, 0xed, 0, 0x10, 0, 0]);
    assert_eq!(megabyte, Some(1 << 20));
}
