//! The integer cube root, for CUBIC's K.
//!
//! *Owns* one function. *Never* uses floating point: a kernel-like program saves no such registers.

/// The largest `r` with `r³ <= value`, one bit of the result after the other.
pub(super) const fn cube_root(value: u64) -> u32 {
    let mut rest = value;
    let mut root: u64 = 0;
    // 2^63 is the cube of 2^21: the result has 22 bits.
    let mut shift = 63;
    loop {
        root *= 2;
        // (2r + 1)³ - (2r)³, scaled to where the work is.
        let step = 3 * root * (root + 1) + 1;
        if rest >> shift >= step {
            rest -= step << shift;
            root += 1;
        }
        if shift == 0 {
            break;
        }
        shift -= 3;
    }
    #[expect(clippy::cast_possible_truncation, reason = "22 bits")]
    let root = root as u32;
    root
}

#[cfg(test)]
mod tests {
    use super::cube_root;

    #[test]
    fn it_is_the_largest_number_whose_cube_fits() {
        let near = |value: u64| [value.saturating_sub(1), value, value.saturating_add(1)];
        let cubes = (0..2_642_245u64)
            .step_by(997)
            .map(|root| root * root * root);
        for value in cubes.chain([7, u64::MAX]).flat_map(near) {
            let root = u128::from(cube_root(value));
            let value = u128::from(value);
            assert!(root.pow(3) <= value && value < (root + 1).pow(3), "{value}");
        }
    }
}
