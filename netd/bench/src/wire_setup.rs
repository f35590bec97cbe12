//! What the wire of a measurement is like.

/// The wire.
#[derive(Clone, Copy, Debug)]
pub struct WireSetup {
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// Whether software computes and verifies checksums; if not, it is as if devices did.
    pub has_checksums: bool,
    /// Whether devices cut segments of up to 64 KiB into those of the MTU.
    pub cuts: bool,
}

impl WireSetup {
    /// Ethernet with nothing special.
    pub const PLAIN: Self = Self {
        mtu: 1_500,
        has_checksums: true,
        cuts: false,
    };

    /// Room for one frame.
    pub fn stride(&self) -> usize {
        if self.cuts {
            (1 << 16) + 64
        } else {
            usize::from(self.mtu) + 64
        }
    }
}
