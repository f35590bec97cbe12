//! The virtual timer of each CPU, used as a one-shot alarm.
//!
//! The counter runs from zero at power-on at `CNTFRQ_EL0`; programs read it directly.

use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTKCTL_EL1, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, Readable, Writeable,
};

/// Ticks since power-on. May be read some instructions early, which no caller minds.
#[inline]
pub fn counter() -> u64 {
    CNTVCT_EL0.get()
}

/// Ticks per second.
pub fn counter_frequency() -> u64 {
    CNTFRQ_EL0.get()
}

/// Lets programs read the counter (not the physical one, not the timers) and silences the alarm.
pub fn init_timer() {
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
    disarm_timer();
}

/// Interrupts this CPU when the counter reaches `at`.
#[inline]
pub fn arm_timer(at: u64) {
    CNTV_CVAL_EL0.set(at);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET);
}

/// No interrupt until the next `arm_timer`.
#[inline]
pub fn disarm_timer() {
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR);
}
