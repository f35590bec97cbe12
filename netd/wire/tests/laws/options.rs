//! TCP options read a second time, by a plain walk with an index: the oracle of the parser.

use wire::tcp::{Header, Options, SackBlock, Segment, Timestamps};
use wire::{Check, Drop};

/// The last option of a kind counts; an area is refused whole if any length in it is wrong.
fn read(area: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut found: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut at = 0;
    while at < area.len() {
        let kind = area[at];
        if kind == 0 {
            break;
        }
        if kind == 1 {
            at += 1;
            continue;
        }
        let length = usize::from(*area.get(at + 1)?);
        let fits = match kind {
            2 | 28 => length == 4,
            3 => length == 3,
            4 => length == 2,
            5 => length >= 10 && (length - 2).is_multiple_of(8),
            8 => length == 10,
            _ => length >= 2,
        };
        if !fits || at + length > area.len() {
            return None;
        }
        found.push((kind, area[at + 2..at + length].to_vec()));
        at += length;
    }
    Some(found)
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// What the options are, by the oracle.
fn agree(options: &Options, found: &[(u8, Vec<u8>)]) {
    let last = |kind| {
        let found = found.iter().rev().find(|(other, _)| *other == kind);
        found.map(|(_, data)| &data[..])
    };
    assert_eq!(options.mss.map(u32::from), last(2).map(number));
    assert_eq!(options.window_scale.map(u32::from), last(3).map(number));
    assert_eq!(options.sack_permitted, last(4).is_some());
    let timestamps = last(8).map(|data| Timestamps {
        value: number(&data[..4]),
        echo: number(&data[4..]),
    });
    assert_eq!(options.timestamps, timestamps);
    let blocks: Vec<SackBlock> = last(5)
        .unwrap_or_default()
        .chunks(8)
        .map(|block| SackBlock {
            left: number(&block[..4]),
            right: number(&block[4..]),
        })
        .collect();
    assert_eq!(options.sack.as_slice(), blocks);
    let timeout = last(28).map(number).map(|value| match value & 0x8000 {
        0 => value,
        _ => (value & 0x7fff) * 60,
    });
    assert_eq!(options.user_timeout.map(|it| it.seconds()), timeout);
    // A cookie has 4 to 16 bytes, an even number, or none yet (RFC 7413 section 4.1.1).
    let cookie = last(34).filter(|data| matches!(data.len(), 0 | 4 | 6 | 8 | 10 | 12 | 14 | 16));
    assert_eq!(options.fast_open.as_ref().map(|it| it.as_slice()), cookie);
}

/// Any options area: at most 40 bytes are looked at, whole words.
pub fn tcp_options(bytes: &[u8]) -> bool {
    let area = &bytes[..bytes.len().min(40) / 4 * 4];
    let mut segment = vec![0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    segment.extend([0x50 + (u8::try_from(area.len()).expect("short") << 2), 0x10]);
    segment.extend([0; 6]);
    segment.extend(area);
    let parsed = Segment::parse(&segment, Check::Trusted);
    match (parsed, read(area)) {
        (Err(Drop::TcpOption), None) => false,
        (
            Ok(Segment {
                header: Header { options, .. },
                ..
            }),
            Some(found),
        ) => {
            agree(&options, &found);
            true
        }
        (parsed, found) => panic!("{area:?}: {parsed:?}, but the oracle says {found:?}"),
    }
}
