//! User timeout and Fast Open.

use super::tests::parse;
use super::*;
use std::vec;
use std::vec::Vec;

fn emitted(options: &Options) -> Vec<u8> {
    let mut area = vec![0xaa; options.emitted_len()];
    options.emit(&mut area).expect("as long as announced");
    area
}

#[test]
fn user_timeouts_are_seconds_or_minutes() {
    for (seconds, bytes, back) in [
        (0, [28, 4, 0, 0], 0),
        (5, [28, 4, 0, 5], 5),
        (32_767, [28, 4, 0x7f, 0xff], 32_767),
        (32_768, [28, 4, 0x82, 0x23], 547 * 60),
        (u32::MAX, [28, 4, 0xff, 0xff], 32_767 * 60),
    ] {
        let options = Options {
            user_timeout: Some(UserTimeout::from_seconds(seconds)),
            ..Options::NONE
        };
        assert_eq!(emitted(&options), bytes);
        assert_eq!(parse(&bytes), Ok(options));
        let parsed = options.user_timeout.map(UserTimeout::seconds);
        assert_eq!(parsed, Some(back), "{seconds} s");
    }
    assert_eq!(parse(&[28, 3, 0, 1]), Err(Drop::TcpOption));
}

#[test]
fn cookies_of_all_lengths() {
    for length in [0, 4, 6, 8, 10, 12, 14, 16] {
        let cookie: Vec<u8> = (0..length).collect();
        let options = Options {
            mss: Some(1_460),
            fast_open: FastOpenCookie::from_slice(&cookie),
            ..Options::NONE
        };
        let bytes = emitted(&options);
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(parse(&bytes), Ok(options), "{length}");
    }
    // RFC 7413 section 4.1.1: other lengths are ignored.
    for length in [1_u8, 2, 3, 5, 7, 17, 18, 20] {
        let mut bytes = vec![34, length + 2];
        bytes.extend(0..length);
        assert_eq!(parse(&bytes), Ok(Options::NONE), "{length}");
    }
}

#[test]
fn what_does_not_fit_is_left_out() {
    let options = Options {
        mss: Some(1_460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 1, echo: 2 }),
        user_timeout: Some(UserTimeout::from_seconds(9)),
        fast_open: FastOpenCookie::from_slice(&[7; 16]),
        ..Options::NONE
    };
    let bytes = emitted(&options);
    assert_eq!(bytes.len(), 40);
    let without = Options {
        user_timeout: None,
        ..options
    };
    assert_eq!(parse(&bytes), Ok(without));
    let shorter = Options {
        fast_open: FastOpenCookie::from_slice(&[7; 8]),
        ..options
    };
    assert_eq!(parse(&emitted(&shorter)), Ok(shorter));
}
