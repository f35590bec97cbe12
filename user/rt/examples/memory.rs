//! Checks the memory functions in the guest, where they are: every length up to a few loops, every
//! alignment, every overlap, against what a byte at a time gives. Exit code 0: all right.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::hint::black_box;

use rt::{Env, println};

rt::entry!(run);

/// Bytes of the playing field.
const FIELD: usize = 640;
/// Longest move: the long loops go around several times.
const LONGEST: usize = 330;

type Field = [u8; FIELD];
/// Tells the first length at which something goes wrong.
type Check = fn() -> Option<usize>;

fn run(_env: Env) -> i32 {
    let checks: [(&str, Check); 4] = [
        ("copy", copy),
        ("move", shift),
        ("fill", fill),
        ("compare", compare),
    ];
    for (name, check) in checks {
        if let Some(length) = check() {
            println!("{name}: wrong at {length} bytes");
            return 1;
        }
        println!("{name}: right");
    }
    0
}

/// A field where every byte tells its place.
fn field(salt: u8) -> Field {
    let mut field = [0; FIELD];
    let mut value = salt;
    for byte in &mut field {
        value = black_box(value.wrapping_mul(5).wrapping_add(7));
        *byte = value;
    }
    field
}

/// First length at which copies between two fields go wrong.
fn copy() -> Option<usize> {
    let source = field(1);
    (0..LONGEST).find(|length| {
        (0..17).any(|from| {
            (0..17).any(|to| {
                let mut field = field(2);
                let mut wanted = field;
                for index in 0..*length {
                    wanted[to + index] = black_box(source[from + index]);
                }
                field[to..to + length].copy_from_slice(black_box(&source[from..from + length]));
                field != wanted
            })
        })
    })
}

/// First length at which a move within a field goes wrong.
fn shift() -> Option<usize> {
    (0..LONGEST).find(|length| {
        (0..150).any(|to| {
            let from = 75;
            let mut field = field(3);
            let mut wanted = field;
            for index in 0..*length {
                wanted[to + index] = black_box(field[from + index]);
            }
            field.copy_within(from..from + black_box(*length), to);
            field != wanted
        })
    })
}

/// First length at which filling goes wrong.
fn fill() -> Option<usize> {
    (0..LONGEST).find(|length| {
        (0..17).any(|to| {
            let mut field = field(4);
            let mut wanted = field;
            for byte in &mut wanted[to..to + length] {
                *byte = black_box(0xa7);
            }
            field[to..to + black_box(*length)].fill(0xa7);
            field != wanted
        })
    })
}

/// First length at which a comparison goes wrong.
fn compare() -> Option<usize> {
    (0..70).find(|length| {
        (0..9).any(|from| {
            let one = field(5);
            let mut other = field(6);
            other[3..3 + length].copy_from_slice(&one[from..from + length]);
            let (left, right) = (&one[from..from + length], 3..3 + length);
            let same = black_box(left).cmp(&other[right.clone()]).is_eq();
            let differs = (0..*length).any(|place| {
                let mut other = other;
                other[3 + place] ^= 0x80;
                let by_bytes = left[place].cmp(&other[3 + place]);
                black_box(left).cmp(&other[right.clone()]) != by_bytes
            });
            !same || differs
        })
    })
}
