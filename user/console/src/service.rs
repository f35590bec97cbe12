//! The sessions: everyone who prints or reads.
//!
//! *Owns* each session's link and what it still has to be told. A session that breaks the rules,
//! or goes, harms only itself.

use alloc::{collections::VecDeque, vec::Vec};

use abi::{Signals, WaitItem};
use ring::Look;
use rt::{
    console::message::{self, DATA_BYTES, Operation},
    link::Link,
    system::{Client, Permissions},
};

use crate::{
    keyboard::Keyboard,
    screen::{Screen, Session},
};

/// Messages taken from a session before it is the next one's turn.
const BURST: usize = 32;
/// Most sessions.
const MAX_SESSIONS: usize = 128;
/// Bytes that may wait for the line before sessions have to wait.
const MAX_BACKLOG: usize = 16 * 1024;

/// Somebody who is connected.
struct Connected {
    session: Session,
    link: Link,
    control: bool,
    /// It wants to be told of Ctrl-C.
    catches: bool,
    /// Answers that wait: for a moment when everything is shown.
    flushes: VecDeque<u32>,
    gone: bool,
}

/// All sessions, the terminal and the keyboard.
pub struct Service {
    pub screen: Screen,
    keyboard: Keyboard,
    sessions: Vec<Connected>,
    next: Session,
}

impl Service {
    pub const fn new() -> Self {
        Self {
            screen: Screen::new(),
            keyboard: Keyboard::new(),
            sessions: Vec::new(),
            next: 1,
        }
    }

    /// A new session.
    pub fn connect(&mut self, client: Client) {
        if self.sessions.len() >= MAX_SESSIONS {
            log::warn!("too many sessions: {} is refused", client.name);
            return;
        }
        match Link::adopt(client.channel) {
            Ok(link) => self.sessions.push(Connected {
                session: self.next,
                link,
                control: client.permissions.contains(Permissions::CONTROL),
                catches: false,
                flushes: VecDeque::new(),
                gone: false,
            }),
            Err(error) => log::warn!("{} cannot be served: {error}", client.name),
        }
        self.next = self.next.wrapping_add(1);
    }

    /// Takes what the sessions have sent; true if there was something.
    pub fn receive(&mut self) -> bool {
        let Self {
            screen,
            keyboard,
            sessions,
            ..
        } = self;
        let mut any = false;
        for connected in &mut *sessions {
            for _ in 0..BURST {
                if screen.backlog() > MAX_BACKLOG {
                    break;
                }
                match connected.link.try_receive() {
                    Ok(Some(message)) => {
                        any = true;
                        connected.obey(&message, screen, keyboard);
                    }
                    Ok(None) => break,
                    Err(_) => {
                        connected.gone = true;
                        break;
                    }
                }
            }
        }
        for connected in sessions.extract_if(.., |connected| connected.gone) {
            any = true;
            screen.close(connected.session);
            keyboard.forget(connected.session);
        }
        any
    }

    /// Takes what was typed and hands it on.
    pub fn typed(&mut self, bytes: &[u8]) {
        let controlled = self.sessions.iter().any(|connected| connected.control);
        if self.keyboard.typed(bytes, controlled) {
            // The most recent of each is in the foreground.
            let catcher = self.foreground(|one| one.catches && !one.control);
            let is_caught = catcher
                .map(|one| one.tell(Operation::Interrupt, 0, &[]))
                .is_some();
            if let Some(one) = self.foreground(|one| one.control) {
                one.tell(Operation::Interrupt, u32::from(is_caught), &[]);
            }
        }
    }

    /// The most recent session of a kind.
    fn foreground(&mut self, is_wanted: impl Fn(&Connected) -> bool) -> Option<&mut Connected> {
        self.sessions
            .iter_mut()
            .rfind(|connected| is_wanted(connected))
    }

    /// Hands input to those who asked, and answers to those who wait until all is shown.
    pub fn deliver(&mut self) {
        while let Some((session, bytes)) = self.keyboard.deliver(DATA_BYTES) {
            let reader = self
                .sessions
                .iter_mut()
                .find(|connected| connected.session == session);
            if let Some(reader) = reader {
                reader.tell(Operation::Input, 0, &bytes);
            }
        }
        if self.screen.backlog() == 0 {
            for connected in &mut self.sessions {
                while let Some(request) = connected.flushes.pop_front() {
                    connected.tell(Operation::Flush, request, &[]);
                }
            }
        }
    }

    /// Before sleeping: asks every session for a doorbell. With a long backlog, only the line
    /// matters.
    pub fn announce_sleep(&mut self, items: &mut Vec<WaitItem>) -> Look {
        if self.screen.backlog() > MAX_BACKLOG {
            return Look::Sleep;
        }
        for connected in &mut self.sessions {
            if connected.link.announce_sleep() == Look::MoreWork {
                return Look::MoreWork;
            }
            items.push(connected.link.wait_item());
        }
        Look::Sleep
    }

    /// After sleeping: what was observed.
    pub fn awake(&mut self, items: &[WaitItem]) {
        for connected in &mut self.sessions {
            connected.link.awake();
            let handle = connected.link.handle().0;
            let seen = items.iter().find(|item| item.handle == handle);
            connected
                .link
                .observe(seen.map_or(Signals::empty(), WaitItem::signals));
        }
    }
}

impl Connected {
    /// Does what a message says.
    fn obey(&mut self, message: &ring::Message, screen: &mut Screen, keyboard: &mut Keyboard) {
        match message::parse(message) {
            Some((Operation::Write, _, text)) => screen.write(self.session, text, self.control),
            Some((Operation::Read, ..)) => {
                screen.insist(self.session);
                keyboard.ask(self.session);
            }
            Some((Operation::Flush, request, _)) => {
                if self.flushes.len() < BURST {
                    self.flushes.push_back(request);
                }
            }
            Some((Operation::Interrupt, ..)) => self.catches = true,
            // Only the console says this; and what it does not know it need not obey.
            Some((Operation::Input, ..)) | None => {}
        }
    }

    /// Sends a message. A session that does not read what it asked for loses it.
    fn tell(&mut self, operation: Operation, request: u32, data: &[u8]) {
        if self
            .link
            .send(&message::emit(operation, request, data))
            .is_err()
        {
            log::debug!("session {} does not read its messages", self.session);
        }
    }
}
