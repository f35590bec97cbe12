use super::*;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::vec;
use std::vec::Vec;

const CLOCK: Timestamps = Timestamps {
    value: 0x0102_0304,
    echo: 0x0506_0708,
};

pub(super) fn parse(bytes: &[u8]) -> Result<Options, Drop> {
    let mut options = Options::NONE;
    options.read(bytes).map(|()| options)
}

fn walk(bytes: &[u8]) -> Result<Options, Drop> {
    let mut options = Options::NONE;
    options.walk(bytes).map(|()| options)
}

fn emitted(options: &Options) -> Vec<u8> {
    let mut area = vec![0xaa; options.emitted_len()];
    options.emit(&mut area).expect("as long as announced");
    area
}

fn block(left: u32) -> SackBlock {
    SackBlock {
        left,
        right: left + 10,
    }
}

// RFC 9293: MUST-4, MUST-14
#[test]
fn customary_layouts() {
    let syn = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some(CLOCK),
        ..Options::NONE
    };
    let bytes = [
        2, 4, 0x05, 0xb4, // MSS 1460
        4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, // SACK permitted, timestamps
        1, 3, 3, 7, // window scale
    ];
    assert_eq!(emitted(&syn), bytes);
    assert_eq!(parse(&bytes), Ok(syn));

    let data = Options {
        timestamps: Some(CLOCK),
        ..Options::NONE
    };
    let bytes = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(emitted(&data), bytes);
    assert_eq!(parse(&bytes), Ok(data));

    let bare = Options {
        sack_permitted: true,
        ..Options::NONE
    };
    assert_eq!(emitted(&bare), [1, 1, 4, 2]);
    assert_eq!(emitted(&Options::NONE), []);

    let sack = Options {
        sack: [block(1), block(100)].into_iter().collect(),
        ..Options::NONE
    };
    let bytes = [
        1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 11, 0, 0, 0, 100, 0, 0, 0, 110,
    ];
    assert_eq!(emitted(&sack), bytes);
    assert_eq!(parse(&bytes), Ok(sack));
}

/// The options area as RFC 9293 section 3.1 wants it: whole words, a length behind every kind but
/// two, and nothing but zeros after an end of list.
fn is_well_formed(area: &[u8]) -> bool {
    let mut rest = area;
    while let [kind, behind @ ..] = rest {
        rest = match (*kind, behind) {
            (END, _) if behind.iter().any(|byte| *byte != 0) => return false,
            (END | NO_OPERATION, _) => behind,
            (_, [length, ..]) if (2..=rest.len()).contains(&usize::from(*length)) => {
                &rest[usize::from(*length)..]
            }
            _ => return false,
        };
    }
    area.len().is_multiple_of(4)
}

// RFC 9293: MUST-68, MUST-69
#[test]
fn every_choice_of_options_is_well_formed() {
    for choice in 0..1_u8 << 4 {
        let is = |bit: u8| choice & 1 << bit != 0;
        for blocks in 0..=4 {
            let options = Options {
                mss: is(0).then_some(1_460),
                window_scale: is(1).then_some(7),
                sack_permitted: is(2),
                timestamps: is(3).then_some(CLOCK),
                sack: (0..blocks).map(block).collect(),
                ..Options::NONE
            };
            let area = emitted(&options);
            assert!(is_well_formed(&area), "{options:?}: {area:?}");
        }
    }
    assert!(!is_well_formed(&[0, 0, 1, 0]) && !is_well_formed(&[2, 1, 0, 0]));
}

#[test]
fn fast_path_and_walk_agree() {
    for bytes in [&[][..], &[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]] {
        assert_eq!(parse(bytes), walk(bytes));
    }
}

#[test]
fn blocks_that_do_not_fit_are_left_out() {
    let sack: SackBlocks = (0..9).map(|n| block(n * 100)).collect();
    assert_eq!(sack.as_slice().len(), 4);
    for (options, fitting) in [
        (
            Options {
                sack,
                ..Options::NONE
            },
            4,
        ),
        (
            Options {
                sack,
                timestamps: Some(CLOCK),
                ..Options::NONE
            },
            3,
        ),
        (
            Options {
                sack,
                mss: Some(1),
                window_scale: Some(1),
                ..Options::NONE
            },
            3,
        ),
        (
            Options {
                sack,
                mss: Some(1),
                window_scale: Some(1),
                timestamps: Some(CLOCK),
                ..Options::NONE
            },
            2,
        ),
    ] {
        let bytes = emitted(&options);
        assert!(bytes.len() <= MAX_LEN && bytes.len().is_multiple_of(4));
        let read = parse(&bytes).expect("own bytes");
        assert_eq!(
            read,
            Options {
                sack: sack.truncated(fitting),
                ..options
            }
        );
    }
}

#[test]
fn a_fifth_block_is_refused() {
    let mut sack = SackBlocks::NONE;
    for n in 0..4 {
        assert!(sack.push(block(n)));
    }
    assert!(!sack.push(block(9)));
    assert_eq!(sack.as_slice().len(), 4);
}

// RFC 9293: MUST-4, MUST-6, MUST-64
#[test]
fn other_layouts() {
    // As some stacks send them: scale before the padding, an unknown kind, the end early.
    let bytes = [
        3, 3, 9, 1, 254, 4, 0xf9, 0x89, 2, 4, 0x02, 0x18, 0, 8, 10, 9,
    ];
    let expected = Options {
        mss: Some(536),
        window_scale: Some(9),
        ..Options::NONE
    };
    assert_eq!(parse(&bytes), Ok(expected));
    // The last of a repeated option counts.
    let expected = Options {
        mss: Some(2),
        ..Options::NONE
    };
    assert_eq!(parse(&[2, 4, 0, 1, 2, 4, 0, 2]), Ok(expected));
}

// RFC 9293: MUST-7
#[test]
fn wrong_lengths() {
    for bytes in [
        &[2][..],
        &[2, 0],
        &[2, 1],
        &[2, 4, 5],
        &[2, 3, 5, 0],
        &[3, 4, 5, 0],
        &[3, 2, 1, 1],
        &[4, 3, 0, 1],
        &[8, 9, 0, 0, 0, 0, 0, 0, 0, 1],
        &[5, 2, 1, 1],
        &[5, 9, 0, 0, 0, 0, 0, 0, 0, 1],
        &[5, 6, 0, 0, 0, 0],
        &[77, 0, 0, 0],
        &[77, 1, 0, 0],
        &[1, 1, 1, 77],
        &[77, 200, 0, 0],
    ] {
        assert_eq!(parse(bytes), Err(Drop::TcpOption), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_options_that_can_be_sent(bytes in proptest::collection::vec(any::<u8>(), 0..=40)) {
        if let Ok(options) = parse(&bytes) {
            let own = emitted(&options);
            prop_assert!(own.len() <= MAX_LEN && own.len().is_multiple_of(4));
            let read = parse(&own).expect("own bytes");
            let sack = options.sack.truncated(read.sack.as_slice().len());
            prop_assert_eq!(read, Options { sack, ..options });
        }
    }
}
