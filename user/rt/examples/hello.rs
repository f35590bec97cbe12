//! `hello [NAME]`: the smallest program worth the name.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

use rt::{Env, block_on, console, print, println};

rt::entry!(run);

fn run(env: Env) -> i32 {
    if let Some(name) = env.args.get(0) {
        println!("hello, {name}");
        return 0;
    }
    print!("your name? ");
    match block_on(console::read_line()) {
        Ok(name) => {
            println!("hello, {name}");
            0
        }
        Err(error) => {
            println!("hello: {error}");
            1
        }
    }
}
