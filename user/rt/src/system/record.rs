//! What the system tells about processes and the machine, as data of messages.

use alloc::string::String;

use abi::ProcessState;

/// A process as `ps` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRecord {
    /// Its number.
    pub process: u32,
    /// The process that started it; zero for the first.
    pub parent: u32,
    /// Where it is in its life.
    pub state: ProcessState,
    /// Live threads.
    pub threads: u32,
    /// Open handles.
    pub handles: u32,
    /// How often it has been started anew after a failure.
    pub restarts: u32,
    /// Bytes of memory charged to it.
    pub memory: u64,
    /// Most it may have.
    pub memory_limit: u64,
    /// Processor time in nanoseconds.
    pub cpu: u64,
    /// Program.
    pub name: String,
}

/// Figures of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// CPUs that run.
    pub cpus: u32,
    /// Processes that exist.
    pub processes: u32,
    /// Bytes of RAM that the kernel manages.
    pub memory_total: u64,
    /// Bytes of it that are free.
    pub memory_free: u64,
    /// Bytes of kernel heap in use.
    pub kernel_heap: u64,
    /// Nanoseconds that all CPUs together spent idle.
    pub idle: u64,
    /// System calls since boot.
    pub syscalls: u64,
    /// Interrupts since boot.
    pub interrupts: u64,
    /// Switches between threads since boot.
    pub switches: u64,
}

/// Bytes of the fixed part of a process record.
const PROCESS_BYTES: usize = 48;
/// Bytes of the figures.
const FIGURES_BYTES: usize = 64;

impl ProcessRecord {
    /// Bytes: six u32, three u64, the name.
    #[must_use]
    pub fn emit(&self) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec::Vec::with_capacity(PROCESS_BYTES + self.name.len());
        let words = [
            self.process,
            self.parent,
            self.state as u32,
            self.threads,
            self.handles,
            self.restarts,
        ];
        for word in words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.memory, self.memory_limit, self.cpu] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    /// Reads what [`Self::emit`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, name) = bytes.split_at_checked(PROCESS_BYTES)?;
        Some(Self {
            process: word(fixed, 0)?,
            parent: word(fixed, 4)?,
            state: ProcessState::from_number(word(fixed, 8)?)?,
            threads: word(fixed, 12)?,
            handles: word(fixed, 16)?,
            restarts: word(fixed, 20)?,
            memory: long(fixed, 24)?,
            memory_limit: long(fixed, 32)?,
            cpu: long(fixed, 40)?,
            name: String::from_utf8_lossy(name).into_owned(),
        })
    }
}

impl Figures {
    /// Bytes: two u32, seven u64.
    #[must_use]
    pub fn emit(&self) -> [u8; FIGURES_BYTES] {
        let mut bytes = [0; FIGURES_BYTES];
        bytes[..4].copy_from_slice(&self.cpus.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.processes.to_le_bytes());
        let words = [
            self.memory_total,
            self.memory_free,
            self.kernel_heap,
            self.idle,
            self.syscalls,
            self.interrupts,
            self.switches,
        ];
        for (place, word) in bytes[8..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Self::emit`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            cpus: word(bytes, 0)?,
            processes: word(bytes, 4)?,
            memory_total: long(bytes, 8)?,
            memory_free: long(bytes, 16)?,
            kernel_heap: long(bytes, 24)?,
            idle: long(bytes, 32)?,
            syscalls: long(bytes, 40)?,
            interrupts: long(bytes, 48)?,
            switches: long(bytes, 56)?,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_le_bytes(*bytes))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::{Figures, ProcessRecord};
    use abi::ProcessState;

    #[test]
    fn records_round_trip() {
        let record = ProcessRecord {
            process: 7,
            parent: 3,
            state: ProcessState::Running,
            threads: 1,
            handles: 12,
            restarts: 2,
            memory: 1 << 20,
            memory_limit: 1 << 24,
            cpu: 123_456_789,
            name: "netd".into(),
        };
        assert_eq!(ProcessRecord::parse(&record.emit()), Some(record.clone()));
        assert_eq!(ProcessRecord::parse(&record.emit()[..47]), None);
        let figures = Figures {
            cpus: 4,
            processes: 9,
            memory_total: 10,
            memory_free: 11,
            kernel_heap: 12,
            idle: 13,
            syscalls: 14,
            interrupts: 15,
            switches: 16,
        };
        assert_eq!(Figures::parse(&figures.emit()), Some(figures));
        assert_eq!(Figures::parse(&figures.emit()[..63]), None);
    }
}
