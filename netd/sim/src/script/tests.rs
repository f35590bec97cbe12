use super::parse;

fn failure(text: &str) -> String {
    let cases = parse(text).unwrap_or_else(|failure| panic!("{failure}"));
    let [case] = &cases[..] else {
        panic!("one case")
    };
    case.run().expect_err("a failure").to_string()
}

#[test]
fn a_prelude_belongs_to_every_case_and_variants_have_names() {
    let text = "listen\ncase a\ncase b for X,Y in 1,2 3,4\n< RST seq $X ack $Y\n";
    let cases = parse(text).unwrap();
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["a", "b[1,2]", "b[3,4]"]);
    assert_eq!(cases[0].lines.len(), 1);
    assert_eq!(cases[2].lines.len(), 2);
}

#[test]
fn what_is_no_statement_is_told_with_its_line() {
    for (text, line) in [
        ("listen\n\nwhistle", 3),
        ("< SYN", 1),
        ("+5x quiet", 1),
        ("< seq 1 ack 1 win 70000", 1),
        ("case a for X in\n", 1),
        ("# nothing\nstate", 2),
    ] {
        assert_eq!(parse(text).unwrap_err().line, line, "{text}");
    }
}

#[test]
fn what_is_sent_and_not_expected_is_a_failure() {
    assert!(failure("listen\n< SYN seq 0\n+1ms quiet").contains("unexpected"));
    assert!(failure("listen\n< SYN seq 0").contains("unexpected"));
}

#[test]
fn what_is_expected_and_not_sent_is_a_failure() {
    assert!(failure("listen\n> SYN seq 0").contains("nothing was sent"));
    assert!(failure("listen\n< SYN seq 0\n> SYN seq 0 ack 2").contains("wrong: ack"));
    assert!(failure("listen\n< SYN seq 0\n> RST seq 0 ack 1").contains("wrong: flags"));
}

#[test]
fn a_call_behind_a_segment_comes_before_what_the_stack_answers() {
    let ends = "open passive mss 1000\n< FIN seq 1 ack 1\n";
    let play = |text: &str| parse(text).unwrap()[0].run();
    assert!(play(&format!("{ends}shutdown send\n> FIN seq 1 ack 2")).is_ok());
    assert!(
        play(&format!(
            "{ends}> seq 1 ack 2\nshutdown send\n> FIN seq 1 ack 2"
        ))
        .is_ok()
    );
}

#[test]
fn a_packet_must_say_what_is_written() {
    let ask = "< ip4 echo-request id 5 data 8\n> ip4";
    let play = |text: &str| parse(text).unwrap()[0].run();
    assert_eq!(
        play(&format!("{ask} echo-reply * id 5 without more")),
        Ok(())
    );
    assert!(failure(&format!("{ask} echo-reply 8 id 6")).contains("wrong: id 6"));
    assert!(failure(&format!("{ask} without ttl")).contains("wrong: without ttl"));
    assert!(failure("< ip4 echo-request data 8").contains("unexpected, @0ns: > mac"));
    assert!(failure("given ipv6\naddress own6 none").contains("found preferred"));
    assert!(parse("< ip6 echo-request wrong").is_err());
    assert!(parse("< ip6 ns own4").is_err());
}

#[test]
fn times_are_exact() {
    let resent = |time: &str| format!("connect\n> SYN seq 0\n{time} > SYN seq 0");
    for right in ["+1s", "@1s", "+950ms~50ms"] {
        let cases = parse(&resent(right)).unwrap();
        assert_eq!(cases[0].run(), Ok(()), "{right}");
    }
    assert!(failure(&resent("+999ms")).contains("nothing was sent"));
    assert!(failure(&resent("+1001ms")).contains("not in time"));
}

#[test]
fn calls_states_and_events_are_compared() {
    assert!(failure("connect\n> SYN seq 0\nstate LISTEN").contains("SYN-SENT"));
    assert!(failure("connect\n> SYN seq 0\nevent connected").contains("told was []"));
    assert!(failure("connect\n> SYN seq 0\nsend 5 fails ShutDown").contains("did not fail"));
    assert!(failure("listen\nlisten").contains("AddressInUse"));
    assert!(failure("count tcp.sent 1").contains("found 0"));
}
