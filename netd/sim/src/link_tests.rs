use super::*;
use crate::weather::Loss;

fn line(weather: Weather) -> Line {
    Line::new(weather, Random::new(5))
}

const NOW: Instant = Instant::from_secs(1);

#[test]
fn a_line_takes_one_bit_after_the_other_and_its_queue_ends() {
    // 1000 bytes at 8 Mbit/s take 1 ms.
    let mut line = line(Weather {
        rate: Some(8_000_000),
        queue: 2_500,
        ..Weather::FAIR
    });
    let times: Vec<Option<Duration>> = (0..5)
        .map(|_| {
            line.carry(&[0; 1_000], NOW)
                .first()
                .map(|(at, _)| at.since(NOW))
        })
        .collect();
    let after = |milliseconds: u64| Some(Duration::from_micros(milliseconds * 1_000 + 50));
    assert_eq!(times, [after(1), after(2), after(3), None, None]);
    assert_eq!((line.sent, line.lost), (5, 2));
}

#[test]
fn losses_come_as_often_as_they_should() {
    for (loss, expected) in [
        (Loss::Never, 0..=0),
        (Loss::Random(100_000), 900..=1_100),
        // A hundred bursts of ten milliseconds on average, and one frame each millisecond.
        (
            Loss::Bursts {
                begin: 10_000,
                longest: Duration::from_millis(20),
            },
            700..=1_200,
        ),
    ] {
        let mut line = line(Weather {
            loss,
            ..Weather::FAIR
        });
        for millisecond in 0..10_000 {
            line.carry(&[0; 60], NOW + Duration::from_millis(millisecond));
        }
        assert!(expected.contains(&line.lost), "{loss:?}: {}", line.lost);
    }
}

#[test]
fn a_link_that_is_down_or_too_narrow_carries_nothing() {
    let mut down = line(Weather {
        is_up: false,
        ..Weather::FAIR
    });
    assert!(down.carry(&[0; 60], NOW).is_empty());
    let mut narrow = line(Weather {
        longest_frame: 600,
        ..Weather::FAIR
    });
    assert!(narrow.carry(&[0; 601], NOW).is_empty());
    assert_eq!(narrow.carry(&[0; 600], NOW).len(), 1);
}

#[test]
fn corruption_turns_one_bit_of_what_has_a_checksum() {
    let mut frame = vec![0; 60];
    frame[0] = 2;
    frame[6] = 2;
    frame[12..14].copy_from_slice(&[8, 0]);
    let mut line = line(Weather {
        corruption: 1_000_000,
        ..Weather::FAIR
    });
    let (_, arrived) = line.carry(&frame, NOW).remove(0);
    let turned: u32 = frame
        .iter()
        .zip(&arrived)
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    assert_eq!(turned, 1);
    frame[13] = 6;
    assert_eq!(line.carry(&frame, NOW).remove(0).1, frame);
}

/// A frame with an IPv4 header of 20 bytes and this traffic class.
fn packet(traffic_class: u8, len: usize) -> Vec<u8> {
    let mut frame = vec![0; len];
    frame[0] = 2;
    frame[6] = 2;
    frame[12..14].copy_from_slice(&[8, 0]);
    let total = u16::try_from(len - ethernet::HEADER_LEN).unwrap();
    let header = &mut frame[ethernet::HEADER_LEN..ethernet::HEADER_LEN + 20];
    header[0] = 0x45;
    header[1] = traffic_class;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[8] = 64;
    header[9] = 6;
    header[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = wire::sum(header).finish();
    header[10..12].copy_from_slice(&sum);
    frame
}

#[test]
fn a_queue_that_stands_is_marked_or_thinned() {
    for (traffic_class, is_marked) in [(2, true), (0, false)] {
        // A thousand bytes a millisecond fit, and a hundred more come.
        let mut line = line(Weather {
            rate: Some(8_000_000),
            queue: 1_000_000,
            discipline: Discipline::Codel,
            ..Weather::FAIR
        });
        let mut marked = 0;
        for millisecond in 0..1_000 {
            let now = NOW + Duration::from_millis(millisecond);
            for (_, frame) in line.carry(&packet(traffic_class, 1_100), now) {
                let packet = ethernet::Frame::parse(&frame).unwrap().payload;
                let packet = wire::ipv4::Packet::parse(packet).expect("a right checksum");
                marked += u64::from(packet.header.ecn == Ecn::Congested);
            }
        }
        let struck = if is_marked { marked } else { line.lost };
        assert!((10..60).contains(&struck), "{struck} of {}", line.sent);
        assert_eq!(line.lost > 0, !is_marked);
        assert_eq!(
            line.faults().values().map(Vec::len).sum::<usize>(),
            usize::try_from(struck).unwrap()
        );
    }
}

#[test]
fn frames_are_overtaken() {
    let mut line = line(Weather {
        reordering: 200_000,
        lateness: Duration::from_millis(10),
        ..Weather::FAIR
    });
    let arrivals: Vec<Instant> = (0..1_000)
        .map(|millisecond| line.carry(&[0; 60], NOW + Duration::from_millis(millisecond))[0].0)
        .collect();
    let overtaken = arrivals.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((120..200).contains(&overtaken), "{overtaken}");
}

#[test]
fn the_same_faults_can_be_played_again() {
    let weather = Weather {
        rate: Some(1_000_000),
        queue: 5_000,
        loss: Loss::Random(100_000),
        jitter: Duration::from_millis(1),
        duplication: 50_000,
        corruption: 50_000,
        ..Weather::FAIR
    };
    let mut first = line(weather);
    let mut second = Line::new(weather.calm(), Random::new(99));
    let run = |line: &mut Line| -> Vec<_> {
        (0..200)
            .map(|number| line.carry(&packet(0, 500), NOW + Duration::from_millis(number * 3)))
            .collect()
    };
    let wanted = run(&mut first);
    assert!(first.lost > 20);
    second.follow(first.faults().clone());
    assert_eq!(run(&mut second), wanted);
}
