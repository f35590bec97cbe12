//! A host that runs smoltcp, in memory, set up as fast as it goes.
//!
//! Acknowledgements are not delayed, Nagle is off, there is no congestion control, and where the
//! loop knows what is to be done it calls the matching half of the interface's `poll` only.

use std::num::NonZeroUsize;

use smoltcp::iface::{
    Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet,
};
use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};

use crate::burst::Burst;
use crate::ours::{address, mac};
use crate::wire_setup::WireSetup;

/// Both directions of the wire, as this end sees them.
pub struct Device {
    pub received: Burst,
    pub sent: Burst,
    capabilities: DeviceCapabilities,
}

pub struct Receiving<'a>(&'a [u8]);
pub struct Sending<'a>(&'a mut Burst);

impl phy::RxToken for Receiving<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl phy::TxToken for Sending<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let room = self.0.room().expect("a token is given only for room");
        let result = fill(&mut room[..len]);
        self.0.filled(len);
        result
    }
}

impl phy::Device for Device {
    type RxToken<'a> = Receiving<'a>;
    type TxToken<'a> = Sending<'a>;

    #[inline]
    fn receive(&mut self, _now: Instant) -> Option<(Receiving<'_>, Sending<'_>)> {
        self.sent.room()?;
        let frame = self.received.take()?;
        Some((Receiving(frame), Sending(&mut self.sent)))
    }

    #[inline]
    fn transmit(&mut self, _now: Instant) -> Option<Sending<'_>> {
        self.sent.room()?;
        Some(Sending(&mut self.sent))
    }

    #[inline]
    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// A host.
pub struct Host {
    pub interface: Interface,
    pub device: Device,
    pub sockets: SocketSet<'static>,
    pub now: Instant,
}

/// A socket that sends and receives at once, with these buffers.
pub fn tcp_socket(receive: usize, send: usize) -> tcp::Socket<'static> {
    let buffer = |len| tcp::SocketBuffer::new(vec![0; len]);
    let mut socket = tcp::Socket::new(buffer(receive), buffer(send));
    socket.set_ack_delay(None);
    socket.set_nagle_enabled(false);
    socket.set_congestion_control(tcp::CongestionControl::None);
    socket
}

impl Host {
    /// A host on a wire with room for so many frames.
    pub fn new(number: u8, setup: WireSetup, slots: usize) -> Self {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = usize::from(setup.mtu) + 14;
        if !setup.has_checksums {
            capabilities.checksum = ChecksumCapabilities::ignored();
        }
        if setup.cuts {
            let longest = NonZeroUsize::new(usize::from(u16::MAX) + 14);
            capabilities.segmentation.tcpv4 = longest;
        }
        let burst = || Burst::new(slots, setup.stride());
        let mut device = Device {
            received: burst(),
            sent: burst(),
            capabilities,
        };
        let hardware = HardwareAddress::Ethernet(EthernetAddress(mac(number).0));
        let mut config = Config::new(hardware);
        config.random_seed = number.into();
        let now = Instant::from_secs(1);
        let mut interface = Interface::new(config, &mut device, now);
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(address(number).into(), 15);
            addresses.push(own).expect("room for one address");
        });
        Self {
            interface,
            device,
            sockets: SocketSet::new(Vec::new()),
            now,
        }
    }

    /// Writes all frames that it has, as far as there is room.
    #[inline]
    pub fn send(&mut self) {
        while self
            .interface
            .poll_egress(self.now, &mut self.device, &mut self.sockets)
            != PollResult::None
        {}
    }

    /// Writes what one round over the sockets gives.
    #[inline]
    pub fn send_one(&mut self) {
        self.interface
            .poll_egress(self.now, &mut self.device, &mut self.sockets);
    }

    /// Takes all frames in.
    #[inline]
    pub fn receive(&mut self) {
        while self.receive_one() {}
    }

    /// Takes one frame in. Returns whether there was one.
    #[inline]
    pub fn receive_one(&mut self) -> bool {
        !matches!(
            self.interface
                .poll_ingress_single(self.now, &mut self.device, &mut self.sockets),
            PollIngressSingleResult::None
        )
    }

    /// Everything, as an event loop does.
    pub fn poll(&mut self) {
        self.interface
            .poll(self.now, &mut self.device, &mut self.sockets);
    }

    /// A TCP socket.
    #[inline]
    pub fn tcp(&mut self, socket: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(socket)
    }

    /// A UDP socket.
    #[inline]
    pub fn udp(&mut self, socket: SocketHandle) -> &mut udp::Socket<'static> {
        self.sockets.get_mut(socket)
    }
}

/// What one has sent becomes what the other receives.
#[inline]
pub fn pass(from: &mut Host, to: &mut Host) {
    std::mem::swap(&mut from.device.sent, &mut to.device.received);
}

/// One microsecond passes at both.
pub fn tick(one: &mut Host, other: &mut Host) {
    one.now += smoltcp::time::Duration::from_micros(1);
    other.now = one.now;
}

/// Connects a socket of `a` to one of `b`.
///
/// # Panics
/// If it does not come about.
pub fn connect(a: &mut Host, b: &mut Host, sockets: [SocketHandle; 2], ports: [u16; 2]) {
    let [from, to] = sockets;
    b.tcp(to).listen(ports[1]).expect("a port to listen on");
    let context = a.interface.context();
    a.sockets
        .get_mut::<tcp::Socket<'_>>(from)
        .connect(context, (address(2), ports[1]), ports[0])
        .expect("a way to the peer");
    for _ in 0..20 {
        a.poll();
        pass(a, b);
        b.poll();
        pass(b, a);
        tick(a, b);
        let open = tcp::State::Established;
        if a.tcp(from).state() == open && b.tcp(to).state() == open {
            return;
        }
    }
    panic!("no connection");
}
