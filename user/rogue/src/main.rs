//! `rogue`: does what no program should, so that tests can see that nobody else notices.
//!
//! Never part of the released image. The only program with unsafe code of its own: it has to break
//! rules on purpose, and everything it breaks lies in its own address space.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod faults;
mod greed;
mod kernel;
mod liar;
mod raw;
mod threads;

use rt::{Env, println};

rt::entry!(run);

const USAGE: &str = "\
usage: rogue fault null|stack|text|udf|kernel   end by a fault
       rogue fault thread                       the same in a thread beside the first
       rogue threads                            work in several threads, until there are no more
       rogue wake                               wake a task from a thread that is not its own
       rogue leak                               take all memory, give nothing back
       rogue handles                            take all handles, give nothing back
       rogue loop                               never sleep again
       rogue rights                             try what takes a right that it lacks
       rogue garbage COUNT                      send netd messages of noise
       rogue numbers                            send netd every operation, cut short and unknown
       rogue sockets                            use socket numbers that belong to others
       rogue ring                               let a ring index run away
       rogue arena                              name bytes outside the arena, then take it away";

fn run(env: Env) -> i32 {
    let words: alloc::vec::Vec<&str> = env.args.iter().collect();
    let verdict = match words.as_slice() {
        ["fault", "thread"] => threads::fault(),
        ["threads"] => threads::together(),
        ["wake"] => threads::wake_across(),
        ["fault", kind] => faults::fault(kind),
        ["leak"] => greed::leak(),
        ["handles"] => greed::handles(),
        ["loop"] => greed::spin(),
        ["rights"] => kernel::rights(),
        ["garbage", count] => liar::garbage(count.parse().unwrap_or(1)),
        ["numbers"] => liar::numbers(),
        ["sockets"] => liar::sockets(),
        ["ring"] => liar::ring(),
        ["arena"] => liar::arena(),
        _ => {
            println!("{USAGE}");
            return 2;
        }
    };
    match verdict {
        Ok(()) => 0,
        Err(what) => {
            println!("rogue: {what}");
            1
        }
    }
}
