//! What tests share: output, the boot information, children, the runner.

use crate::sys::{self, call};
use crate::{
    bad_calls, channels, faults, fuzz, handles, life, limits, machine, measure, memory, roles,
    threads,
};
use abi::{
    BootInfo, DEADLINE_NEVER, Error, Handle, ProcessInfo, Protection, Signals, Syscall, SystemInfo,
    WaitItem,
};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

/// Outcome of a test.
pub type Verdict = Result<(), &'static str>;
/// A test.
pub type Test = (&'static str, fn(&World) -> Verdict);

/// Ends the test unless something holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr) => {
        if !$condition {
            return Err(stringify!($condition));
        }
    };
}

/// The value of a call that must work.
#[macro_export]
macro_rules! must {
    ($answer:expr) => {
        match $answer {
            Ok(value) => value,
            Err(_) => return Err(concat!(stringify!($answer), " was refused")),
        }
    };
}

/// What the first process has.
pub struct World {
    /// The page from the kernel.
    pub boot: &'static BootInfo,
    /// Where this program lies in the archive.
    image: (u64, u64),
}

/// A copy of this program.
pub struct Child {
    /// Its process.
    pub process: u64,
    /// Our end of its channel.
    pub channel: u64,
    /// The channel's memory, mapped here.
    pub memory: u64,
}

static DEBUG: AtomicU32 = AtomicU32::new(0);

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let [address, bytes] = sys::text(text);
        let debug = u64::from(DEBUG.load(Ordering::Relaxed));
        match call(Syscall::DebugWrite, [debug, address, bytes]) {
            Ok(_) => Ok(()),
            Err(_) => Err(fmt::Error),
        }
    }
}

/// A line of at most 250 bytes in one piece.
pub fn print(arguments: fmt::Arguments<'_>) {
    struct Line([u8; 250], usize);
    impl Write for Line {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for &byte in text.as_bytes() {
                *self.0.get_mut(self.1).ok_or(fmt::Error)? = byte;
                self.1 += 1;
            }
            Ok(())
        }
    }
    let mut line = Line([0; 250], 0);
    // What does not fit is cut.
    let _cut = line.write_fmt(format_args!("{arguments}\n"));
    let text = core::str::from_utf8(&line.0[..line.1]).unwrap_or("?");
    // Nobody to tell if the console refuses.
    let _refused = Console.write_str(text);
}

/// Entry of every copy: `info` is zero in children.
#[unsafe(no_mangle)]
extern "C" fn begin(handle: u64, info: u64) -> ! {
    if info == 0 {
        roles::play(handle);
    }
    let boot = sys::boot_info(info);
    DEBUG.store(boot.debug.0, Ordering::Relaxed);
    let Some(image) = find_image(boot) else {
        print(format_args!("FAIL start: no init in the archive"));
        sys::exit(1);
    };
    let world = World { boot, image };
    let (passed, failed) = run(&world);
    print(format_args!(
        "kernel-check: {passed} passed, {failed} failed"
    ));
    let system = u64::from(boot.system.0);
    // It does not return.
    let _never = call(Syscall::SystemControl, [system, 0, failed]);
    sys::exit(1)
}

fn run(world: &World) -> (u64, u64) {
    let line = &world.boot.command_line[..world.boot.command_line_length as usize];
    let line = core::str::from_utf8(line).unwrap_or("");
    let only = line
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("only="))
        .unwrap_or("");
    let (mut passed, mut failed) = (0, 0);
    let areas: [&[Test]; 10] = [
        handles::TESTS,
        memory::TESTS,
        channels::TESTS,
        life::TESTS,
        threads::TESTS,
        faults::TESTS,
        machine::TESTS,
        bad_calls::TESTS,
        limits::TESTS,
        fuzz::TESTS,
    ];
    for (name, test) in areas.into_iter().flatten() {
        if !name.starts_with(only) {
            continue;
        }
        match test(world) {
            Ok(()) => {
                passed += 1;
                print(format_args!("ok {name}"));
            }
            Err(why) => {
                failed += 1;
                print(format_args!("FAIL {name}: {why}"));
            }
        }
    }
    if line.split_ascii_whitespace().any(|word| word == "measure") {
        measure::run(world);
    }
    (passed, failed)
}

impl World {
    /// Where this program lies in the archive: offset and bytes.
    pub const fn image(&self) -> (u64, u64) {
        self.image
    }

    /// A copy of this program that is not started yet, with a limit of memory.
    pub fn create(&self, limit: u64) -> Result<u64, Error> {
        let [name, length] = sys::text("child");
        let initrd = u64::from(self.boot.initrd.0);
        let (offset, bytes) = self.image;
        let (process, _) = call(
            Syscall::ProcessCreate,
            [initrd, offset, bytes, name, length, limit],
        )?;
        Ok(process)
    }

    /// Starts a copy that plays a role with an argument.
    pub fn spawn_with(
        &self,
        role: u64,
        argument: u64,
        priority: u64,
        limit: u64,
    ) -> Result<Child, Error> {
        let process = self.create(limit)?;
        let (channel, peer) = call(Syscall::ChannelCreate, [8192])?;
        let (memory, _) = call(Syscall::ChannelMap, [channel])?;
        sys::poke(memory, role);
        sys::poke(memory + 8, argument);
        call(Syscall::ProcessStart, [process, peer, priority])?;
        Ok(Child {
            process,
            channel,
            memory,
        })
    }

    /// The usual way.
    pub fn spawn(&self, role: u64, argument: u64) -> Result<Child, Error> {
        self.spawn_with(role, argument, 3, u64::MAX)
    }

    /// Figures of the machine.
    pub fn figures(&self) -> SystemInfo {
        let mut info = SystemInfo::default();
        let address = sys::at_mut(&mut info);
        // Refused: the figures stay zero and the test that wants them fails.
        let _refused = call(Syscall::SystemInfo, [self.boot.system.0.into(), address]);
        info
    }
}

impl Child {
    /// Waits for its end.
    pub fn join(&self) -> ProcessInfo {
        wait_one(self.process, Signals::EXITED, DEADLINE_NEVER).unwrap_or(Signals::empty());
        self.info()
    }

    /// What the kernel says about it.
    pub fn info(&self) -> ProcessInfo {
        process_info(self.process)
    }

    /// Lets go of everything.
    pub fn close(self) {
        for handle in [self.process, self.channel] {
            // A test may have closed one on its own.
            let _gone = call(Syscall::HandleClose, [handle]);
        }
        let _gone = call(Syscall::MemoryUnmap, [self.memory, 8192]);
    }

    /// Rings and waits for the answer.
    pub fn ask(&self) -> Result<(), Error> {
        call(Syscall::ChannelRing, [self.channel])?;
        let wanted = Signals::DOORBELL | Signals::PEER_CLOSED;
        let seen = wait_one(self.channel, wanted, DEADLINE_NEVER)?;
        if seen.contains(Signals::DOORBELL) {
            Ok(())
        } else {
            Err(Error::PeerClosed)
        }
    }
}

/// What the kernel says about a process.
pub fn process_info(process: u64) -> ProcessInfo {
    let mut info = ProcessInfo::default();
    let address = sys::at_mut(&mut info);
    // Refused: all zeros, which no test takes for an answer.
    let _refused = call(Syscall::ProcessInfo, [process, address]);
    info
}

/// Waits for one object.
pub fn wait_one(handle: u64, wanted: Signals, deadline: u64) -> Result<Signals, Error> {
    let mut item = [WaitItem::new(Handle(handle as u32), wanted)];
    wait(&mut item, deadline)?;
    Ok(item[0].signals())
}

/// Waits for several.
pub fn wait(items: &mut [WaitItem], deadline: u64) -> Result<u64, Error> {
    let count = items.len() as u64;
    for item in items.iter_mut() {
        item.observed = 0;
    }
    let (seen, first) = call(Syscall::Wait, [sys::at_mut(items), count, deadline])?;
    abi::settle(items, seen, first);
    Ok(seen)
}

/// Maps a whole Memory or Device.
pub fn map(object: u64, bytes: u64, protection: Protection) -> Result<u64, Error> {
    call(Syscall::MemoryMap, [object, 0, bytes, protection.bits()]).map(|(address, _)| address)
}

fn find_image(boot: &BootInfo) -> Option<(u64, u64)> {
    let bytes = boot.initrd_bytes.next_multiple_of(4096);
    let start = map(boot.initrd.0.into(), bytes, Protection::READ).ok()?;
    let byte = |at: u64| (sys::peek((start + at) & !7) >> (8 * ((start + at) % 8))) as u8;
    let number = |at: u64| {
        (at..at + 8).fold(0, |sum, at| {
            let digit = (byte(at) as char).to_digit(16).unwrap_or(0);
            sum << 4 | u64::from(digit)
        })
    };
    let mut at = 0;
    while at + 110 < boot.initrd_bytes {
        let (size, name) = (number(at + 54), number(at + 94));
        let data = (at + 110 + name).next_multiple_of(4);
        if name == 5 && (0..4).all(|place| byte(at + 110 + place) == b"init"[place as usize]) {
            return Some((data, size));
        }
        at = (data + size).next_multiple_of(4);
    }
    None
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    print(format_args!("{info}"));
    sys::exit(101)
}
