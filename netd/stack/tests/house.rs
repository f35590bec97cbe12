//! The house of a packet, as `netd/README.md` describes it: the files are there, and the counters of
//! copies say what the page says.

use crate::world::World;
use stack::Range;
use std::path::Path;
use std::time::Duration;

const PAGE: &str = include_str!("../../README.md");

/// The steps of a table: number, file, copies.
fn steps(heading: &str) -> Vec<(u32, String, u64)> {
    let table = PAGE.split(heading).nth(1).expect(heading);
    let table = table.split("\n## ").next().expect("a section");
    table
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [number, _, file, copies] = cells[..] else {
                return None;
            };
            Some((
                number.parse().ok()?,
                file.trim_matches('`').to_owned(),
                copies.parse().ok()?,
            ))
        })
        .collect()
}

#[test]
fn every_step_is_where_the_page_says() {
    let netd = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (heading, count) in [("\n## In\n", 10), ("\n## Out\n", 9)] {
        let steps = steps(heading);
        assert!(steps.iter().map(|step| step.0).eq(1..=count), "{heading}");
        for (number, file, _) in steps {
            assert!(
                netd.join(&file).is_file(),
                "step {number} of {heading}: no file {file}"
            );
        }
    }
}

#[test]
fn copies_are_as_many_as_the_page_says() {
    let copies = |heading| steps(heading).iter().map(|step| step.2).sum::<u64>();
    let mut world = World::new();
    let pair = world.connected(Some(Range::new(0, 100_000)));
    let (client, socket) = (pair.client, pair.socket);
    let before = [&world.a, &world.b].map(|host| host.counter("copy.buffered"));
    world.a.send(client, socket, &[7; 50_000], 0, 3, world.now);
    world.run(Duration::from_secs(1));
    assert_eq!(
        world.b.counter("copy.bytes_in"),
        50_000 * copies("\n## In\n")
    );
    assert_eq!(
        world.a.counter("copy.bytes_out"),
        50_000 * copies("\n## Out\n")
    );
    // One copy a segment, none kept on the side, and no byte was sent twice.
    assert_eq!(world.b.counter("copy.in"), world.a.counter("copy.out"));
    let after = [&world.a, &world.b].map(|host| host.counter("copy.buffered"));
    assert_eq!(before, after);
}

#[test]
fn the_steps_of_a_segment_fire_in_their_order() {
    let mut world = World::new();
    let pair = world.connected(Some(Range::new(0, 1_000)));
    let (client, socket) = (pair.client, pair.socket);
    world
        .a
        .send(client, socket, b"step by step", 0, 3, world.now);
    let frames = world.a.frames(world.now);
    assert_eq!(frames.len(), 1);
    // Step 8: in the client's memory, before anybody is told or answered.
    world.b.input(&frames[0], world.now);
    assert_eq!(world.b.memory.bytes(pair.server, 0, 12), b"step by step");
    assert!(world.b.events.is_empty());
    assert!(
        world.b.frames(world.now).is_empty(),
        "acknowledged before it was published"
    );
    // Step 9, then step 10.
    world.b.publish(world.now);
    assert_eq!(world.b.take(10).len(), 1);
    world.run(Duration::from_millis(300));
    assert_eq!(world.a.take(3).len(), 1);
}
