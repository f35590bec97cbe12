//! The interrupt controller, version 2 or 3.
//!
//! *Owns* the controller's registers, under the kernel lock. All lines go to the first CPU; PPI 27
//! is each CPU's virtual timer; SGI 0 asks a CPU to look at the run queue.

use arm_gic::gicv2::registers::{Gicc, Gicd as GicdV2};
use arm_gic::gicv2::{GicV2, SgiTarget as SgiTargetV2, SgiTargetListFilter};
use arm_gic::gicv3::registers::{Gicd, GicrSgi};
use arm_gic::gicv3::{GicCpuInterface, GicV3, SgiTarget, SgiTargetGroup};
use arm_gic::{IntId, InterruptGroup, Trigger, UniqueMmioPointer};
use core::ptr::NonNull;

/// Interrupt number of the virtual timer.
pub const TIMER: u32 = 27;
const RESCHEDULE: IntId = IntId::sgi(0);
const PRIORITY: u8 = 0x80;

/// An interrupt that this CPU has taken and must end.
#[derive(Clone, Copy)]
pub struct Taken {
    id: IntId,
    /// Its number, 0 to 1019.
    pub number: u32,
}

enum Version {
    Two {
        gic: GicV2<'static>,
        /// `GICD_ITARGETSR`, one byte per line.
        targets: NonNull<u8>,
    },
    Three(GicV3<'static>),
}

/// The driver.
pub struct Gic {
    version: Version,
    mpidr: [u64; abi::MAX_CPUS],
    /// Lines that the distributor has.
    lines: u32,
}

// SAFETY: the registers are reached only under the kernel lock.
unsafe impl Send for Gic {}

impl Gic {
    /// Version 2: distributor and CPU interface mapped at these addresses.
    pub fn version_2(distributor: NonNull<u8>, interface: NonNull<u8>) -> Self {
        let registers = distributor.cast::<GicdV2>().as_ptr();
        // SAFETY: the device tree names the two register blocks, mapped as device memory for
        // ever; the only other user is `targets`, which touches registers that `GicV2` does not.
        let mut gic = unsafe { GicV2::new(registers, interface.cast::<Gicc>().as_ptr()) };
        gic.setup();
        let lines = gic.typer().num_irqs();
        // SAFETY: 0x800 lies within the distributor's 4 KiB.
        let targets = unsafe { distributor.add(0x800) };
        let mut this = Self {
            version: Version::Two { gic, targets },
            mpidr: [0; abi::MAX_CPUS],
            lines: lines.min(1020),
        };
        for line in 32..this.lines {
            this.route_to_first(line);
        }
        this
    }

    /// Version 3: distributor and redistributors mapped at these addresses, for `cpus` CPUs.
    pub fn version_3(
        distributor: NonNull<u8>,
        redistributors: NonNull<u8>,
        cpus: usize,
    ) -> Option<Self> {
        // SAFETY: the device tree names the register block, mapped as device memory for ever.
        let registers = unsafe { UniqueMmioPointer::new(distributor.cast::<Gicd>()) };
        // SAFETY: the same; one redistributor for each CPU of the device tree.
        let mut gic =
            unsafe { GicV3::new(registers, redistributors.cast::<GicrSgi>(), cpus) }.ok()?;
        gic.setup(0);
        let lines = gic.typer().num_spis() + 32;
        Some(Self {
            version: Version::Three(gic),
            mpidr: [0; abi::MAX_CPUS],
            lines: lines.min(1020),
        })
    }

    /// Lets this CPU take interrupts. Called on each CPU with its number.
    pub fn init_cpu(&mut self, cpu: usize, mpidr: u64) {
        self.mpidr[cpu] = mpidr;
        let timer = IntId::ppi(TIMER - 16);
        match &mut self.version {
            Version::Two { gic, .. } => {
                if cpu != 0 {
                    gic.setup();
                }
                gic.set_priority_mask(0xff);
                // SGIs are always on; a timer that cannot be enabled shows as a machine that
                // does not wake up, which every test notices.
                let _unsupported = gic.enable_interrupt(timer, true);
            }
            Version::Three(gic) => {
                let index = (0..abi::MAX_CPUS)
                    .find(|&index| {
                        gic.gicr_typer(index)
                            .is_ok_and(|typer| typer.core_mpidr() == mpidr & 0xff_00ff_ffff)
                    })
                    .unwrap_or(cpu);
                if cpu != 0 {
                    gic.init_cpu(index);
                    GicCpuInterface::enable_group1(true);
                }
                GicCpuInterface::set_priority_mask(0xff);
                for id in [timer, RESCHEDULE] {
                    // The redistributor was found above, the numbers are private ones.
                    let _in_range = gic.set_interrupt_priority(id, Some(index), PRIORITY);
                    let _in_range = gic.enable_interrupt(id, Some(index), true);
                }
            }
        }
    }

    /// Whether the controller has a shared line of that number.
    pub const fn has_line(&self, line: u32) -> bool {
        line >= 32 && line < self.lines
    }

    /// Sets up a shared line, masked.
    pub fn configure(&mut self, line: u32, edge: bool) {
        let trigger = if edge { Trigger::Edge } else { Trigger::Level };
        let id = IntId::spi(line - 32);
        match &mut self.version {
            Version::Two { gic, .. } => gic.set_trigger(id, trigger),
            Version::Three(gic) => {
                let mpidr = self.mpidr[0];
                // `has_line` was asked: the number is a shared line.
                let _in_range = gic.set_trigger(id, None, trigger);
                let _in_range = gic.distributor().set_routing(id, Some(mpidr));
            }
        }
        self.enable(line, false);
    }

    /// Unmasks or masks a shared line.
    pub fn enable(&mut self, line: u32, on: bool) {
        let id = IntId::spi(line - 32);
        // A line that the controller does not implement stays masked.
        match &mut self.version {
            Version::Two { gic, .. } => {
                let _unsupported = gic.enable_interrupt(id, on);
            }
            Version::Three(gic) => {
                let _in_range = gic.enable_interrupt(id, None, on);
            }
        }
    }

    /// Takes the most urgent pending interrupt of this CPU.
    pub fn take(&mut self) -> Option<Taken> {
        let id = match &mut self.version {
            Version::Two { gic, .. } => gic.get_and_acknowledge_interrupt(InterruptGroup::Group0),
            Version::Three(_) => {
                GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1)
            }
        }?;
        // Version 2 puts the sender of an SGI above the number.
        let number = u32::from(id) & 0x3ff;
        (number < 1020).then_some(Taken { id, number })
    }

    /// The interrupt has been dealt with.
    pub fn end(&mut self, taken: Taken) {
        match &mut self.version {
            Version::Two { gic, .. } => gic.end_interrupt(taken.id, InterruptGroup::Group0),
            Version::Three(_) => {
                GicCpuInterface::end_interrupt(taken.id, InterruptGroup::Group1);
            }
        }
    }

    /// Interrupts another CPU.
    pub fn kick(&mut self, cpu: usize) {
        match &mut self.version {
            Version::Two { gic, .. } => gic.send_sgi(
                RESCHEDULE,
                SgiTargetV2::List {
                    target_list_filter: SgiTargetListFilter::CPUTargetList,
                    target_list: 1 << cpu,
                },
            ),
            Version::Three(_) => {
                let mpidr = self.mpidr[cpu];
                let byte = |shift: u32| (mpidr >> shift) as u8;
                let target = SgiTarget::List {
                    affinity3: byte(32),
                    affinity2: byte(16),
                    affinity1: byte(8),
                    target_list: 1 << (mpidr & 0xf),
                };
                // The number is that of an SGI.
                let _in_range =
                    GicCpuInterface::send_sgi(RESCHEDULE, target, SgiTargetGroup::CurrentGroup1);
            }
        }
    }

    /// Version 2 resets the targets to "nobody" on a machine with several CPUs.
    fn route_to_first(&mut self, line: u32) {
        if let Version::Two { targets, .. } = &self.version {
            // SAFETY: `line` is below 1020, so the byte lies in `GICD_ITARGETSR`, which allows
            // byte access.
            let register = unsafe { targets.add(line as usize) };
            // SAFETY: mapped device register, see `version_2`.
            unsafe { register.write_volatile(1) }
        }
    }
}
