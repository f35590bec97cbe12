//! How much of a program's arena a connection may hold each way, where its program has chosen that.

use protocol::SocketOption;

/// In bytes; `None`: not chosen. Of what is received, zero stands for no bound in particular.
#[derive(Clone, Copy, Default)]
pub struct Bounds {
    pub send: Option<u32>,
    pub receive: Option<u32>,
}

impl Bounds {
    /// After an option was set. Most are no bounds.
    #[must_use]
    pub fn with(mut self, option: SocketOption, value: u64) -> Self {
        let bytes = u32::try_from(value).unwrap_or(u32::MAX);
        match option {
            SocketOption::SendBuffer => self.send = Some(bytes),
            SocketOption::ReceiveBuffer => self.receive = Some(bytes),
            _ => {}
        }
        self
    }
}
