//! What a person, or a program, may want to know of a connection.
//!
//! *Owns* [`Info`], plain numbers. *Never* is input to anything.

use core::time::Duration;

use crate::cc::Remembered;
use crate::open::Open;
use crate::opening::Opening;
use crate::shared::Shared;
use crate::state::State;
use crate::window::WindowScale;

/// A snapshot of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The state.
    pub state: State,
    /// The largest payload that is sent in one segment, in bytes.
    pub mss: u16,
    /// How far the peer's windows are shifted, and ours.
    pub window_scales: (u8, u8),
    /// Whether segments carry timestamps.
    pub has_timestamps: bool,
    /// Whether both ends understand selective acknowledgements.
    pub has_sack: bool,
    /// Whether both ends understand explicit congestion notification.
    pub has_ecn: bool,
    /// The smoothed round-trip time and its mean deviation, once measured.
    pub rtt: Option<(Duration, Duration)>,
    /// The retransmission timeout, backed off as it is now.
    pub rto: Duration,
    /// The congestion control's name.
    pub congestion_control: &'static str,
    /// The congestion window, in bytes.
    pub congestion_window: u32,
    /// Where slow start ends, in bytes; `u32::MAX` before the first loss.
    pub slow_start_threshold: u32,
    /// How fast it sends, in bytes per second, if it paces now.
    pub pacing_rate: Option<u64>,
    /// The window that the peer offers, in bytes.
    pub send_window: u32,
    /// The window that we offer, in bytes.
    pub receive_window: u32,
    /// Bytes, or FIN, sent and not acknowledged.
    pub in_flight: u32,
    /// Of those, bytes that the peer has reported as arrived, and bytes that are taken for lost and
    /// were not sent again yet.
    pub arrived: u32,
    /// See [`Info::arrived`].
    pub lost: u32,
    /// Bytes queued and not acknowledged.
    pub send_queue: u64,
    /// Bytes in order that are not published yet.
    pub receive_queue: u32,
    /// Bytes acknowledged by the peer since the start.
    pub bytes_sent: u64,
    /// Bytes received in order since the start.
    pub bytes_received: u64,
    /// Segments sent again, as far as can be counted.
    pub retransmits: u16,
    /// How fast the path took bytes of late, in bytes per second; 0 when that is not known.
    pub delivery_rate: u64,
}

impl Info {
    pub(crate) fn of_opening(opening: &Opening) -> Self {
        Self {
            state: opening.state(),
            mss: opening.mss().get(),
            window_scales: (WindowScale::NONE.get(), WindowScale::NONE.get()),
            has_timestamps: false,
            has_sack: false,
            has_ecn: false,
            rtt: None,
            rto: opening.rto().duration().into(),
            congestion_control: "",
            congestion_window: 0,
            slow_start_threshold: u32::MAX,
            pacing_rate: None,
            send_window: 0,
            receive_window: 0,
            in_flight: 1,
            arrived: 0,
            lost: 0,
            send_queue: 0,
            receive_queue: 0,
            bytes_sent: 0,
            bytes_received: 0,
            retransmits: u16::from(opening.retransmits()),
            delivery_rate: 0,
        }
    }

    pub(crate) fn of_open(open: &Open, shared: &Shared) -> Self {
        let (snd, rcv) = (&open.snd, &open.rcv);
        let busy = open.busy(shared);
        let idle = snd.remembered();
        let idle = idle.unwrap_or(Remembered::initial(snd.mss));
        let offered = rcv.edge().saturating_sub(rcv.published());
        Self {
            state: open.state(),
            mss: snd.mss.get(),
            window_scales: (snd.scale().get(), rcv.scale().get()),
            has_timestamps: open.stamps.is_some(),
            has_sack: open.has_sack,
            has_ecn: open.notice.is_agreed(),
            rtt: snd
                .rtt
                .smoothed()
                .zip(snd.rtt.variation())
                .map(|(mean, deviation)| (mean.into(), deviation.into())),
            rto: snd
                .rtt
                .rto(shared.least_rto)
                .backed_off(open.timers.backoff())
                .duration()
                .into(),
            congestion_control: snd.algorithm_in(shared.limits()).name(),
            congestion_window: busy.map_or(idle.window, |busy| busy.window()),
            slow_start_threshold: busy.map_or(idle.threshold, |busy| busy.congestion.threshold()),
            pacing_rate: busy.and_then(|busy| busy.pacer.rate()),
            send_window: snd.window,
            receive_window: u32::try_from(offered).unwrap_or(u32::MAX),
            in_flight: snd.flight,
            arrived: busy.map_or(0, |busy| busy.board.arrived()),
            lost: busy.map_or(0, |busy| busy.board.lost()),
            send_queue: snd.end().saturating_sub(snd.una),
            receive_queue: rcv.unpublished,
            bytes_sent: snd.una.min(snd.end()),
            bytes_received: rcv.nxt,
            retransmits: snd.retransmits,
            delivery_rate: busy.map_or(0, |busy| busy.delivered.rate()),
        }
    }
}
