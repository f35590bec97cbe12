//! TCP options without exception: every area of up to six bytes over the bytes that matter, and
//! half a million longer ones at random, beside the oracle.

mod laws;

/// Bytes that mean something as a kind or as a length.
const ALPHABET: [u8; 10] = [0, 1, 2, 3, 4, 5, 8, 10, 28, 34];

/// Calls `visit` with every sequence of `len` bytes of the alphabet.
fn every(len: usize, area: &mut Vec<u8>, visit: &mut impl FnMut(&[u8])) {
    if area.len() == len {
        visit(area);
        return;
    }
    for byte in ALPHABET {
        area.push(byte);
        every(len, area, visit);
        area.pop();
    }
}

// RFC 9293: MUST-4, MUST-6, MUST-7, MUST-64
#[test]
fn every_short_area_is_read_as_the_oracle_reads_it() {
    let (mut accepted, mut all) = (0, 0);
    // Behind no-operations up to a whole word, so that every alignment is met.
    for len in 0..=6 {
        every(len, &mut Vec::new(), &mut |bytes| {
            let mut area = vec![1; (4 - bytes.len() % 4) % 4];
            area.extend(bytes);
            accepted += u32::from(laws::tcp_options(&area));
            all += 1;
        });
    }
    assert_eq!(all, 1_111_111);
    assert!((50_000..all).contains(&accepted), "{accepted}");
}

#[test]
fn long_areas_are_read_as_the_oracle_reads_them() {
    let mut state = 0x5eed_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let mut accepted = 0;
    for _ in 0..500_000 {
        let mut area = Vec::new();
        while area.len() < 36 {
            // Mostly sound options, sometimes anything.
            let option: &[u8] = match next(12) {
                0 => &[1],
                1 => &[2, 4, 5, 180],
                2 => &[3, 3, 7],
                3 => &[4, 2],
                4 => &[8, 10, 1, 2, 3, 4, 5, 6, 7, 8],
                5 => &[5, 10, 0, 0, 0, 1, 0, 0, 0, 9],
                6 => &[5, 18, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4],
                7 => &[28, 4, 128, 9],
                8 => &[34, 6, 9, 9, 9, 9],
                9 => &[34, 2],
                10 => &[254, 5, 1, 2, 3],
                _ => &[0],
            };
            area.extend(option);
            if next(20) == 0 {
                area.push(u8::try_from(next(256)).expect("a byte"));
            }
        }
        accepted += u32::from(laws::tcp_options(&area));
    }
    assert!((100_000..500_000).contains(&accepted), "{accepted}");
}
