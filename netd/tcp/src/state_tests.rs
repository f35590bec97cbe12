//! The state machine against the diagram of RFC 9293 section 3.3.2, written down here once more,
//! arrow by arrow, without looking at the code.

use super::*;

/// The arrows that leave synchronised states in figure 5 of RFC 9293, and the two that leave
/// every one of them (sections 3.10.5 and 3.10.7.4: ABORT and RST).
fn arrow(from: State, cause: Cause) -> Option<State> {
    use Cause::{FinAcknowledged, FinArrived, ResetArrived, TimedOut, UserAborted, UserClosed};
    match (from, cause) {
        (State::Closed, _) => None,
        (_, ResetArrived | UserAborted | TimedOut) => Some(State::Closed),
        (State::Established, UserClosed) => Some(State::FinWait1),
        (State::Established, FinArrived) => Some(State::CloseWait),
        (State::CloseWait, UserClosed) => Some(State::LastAck),
        (State::FinWait1, FinAcknowledged) => Some(State::FinWait2),
        (State::FinWait1, FinArrived) => Some(State::Closing),
        (State::FinWait2, FinArrived) => Some(State::TimeWait),
        (State::Closing, FinAcknowledged) => Some(State::TimeWait),
        (State::LastAck, FinAcknowledged) => Some(State::Closed),
        _ => None,
    }
}

const CAUSES: [Cause; 6] = [
    Cause::UserClosed,
    Cause::FinAcknowledged,
    Cause::FinArrived,
    Cause::ResetArrived,
    Cause::UserAborted,
    Cause::TimedOut,
];

/// Walks every sequence of causes up to `depth`.
fn walk(facts: Facts, depth: u32, visited: &mut Vec<State>) {
    let from = facts.state();
    let is_ending = matches!(from, State::Closed | State::TimeWait);
    assert!(!is_ending || !facts.surely_goes_on());
    if !visited.contains(&from) {
        visited.push(from);
    }
    if depth == 0 {
        return;
    }
    for cause in CAUSES {
        let mut next = facts;
        let step = next.change(cause);
        match arrow(from, cause) {
            Some(to) => {
                assert_eq!(step, Some(Step { from, cause, to }), "{from:?} {cause:?}");
                assert_eq!(next.state(), to);
            }
            None => assert_eq!(step, None, "{from:?} must not change by {cause:?}"),
        }
        walk(next, depth - 1, visited);
    }
}

#[test]
fn every_walk_follows_the_diagram() {
    let mut visited = Vec::new();
    walk(Facts::default(), 6, &mut visited);
    // All synchronised states and CLOSED were reached.
    assert_eq!(visited.len(), 8);
}

#[test]
fn the_impossible_combination_is_refused() {
    for ours in [OurFin::NotQueued, OurFin::Queued, OurFin::Acknowledged] {
        for theirs in [
            TheirFin::NotSeen,
            TheirFin::SeenFirst,
            TheirFin::SeenAfterOurs,
        ] {
            let impossible = ours == OurFin::NotQueued && theirs == TheirFin::SeenAfterOurs;
            assert_eq!(Facts::restore(ours, theirs).is_none(), impossible);
        }
    }
}

#[test]
fn steps_keep_their_order() {
    let mut steps = Steps::default();
    let mut facts = Facts::default();
    for cause in [Cause::UserClosed, Cause::FinAcknowledged, Cause::FinArrived] {
        steps.push(facts.change(cause).unwrap());
    }
    let names: Vec<_> = steps.iter().map(|step| step.to.name()).collect();
    assert_eq!(names, ["FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"]);
}
