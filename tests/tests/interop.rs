//! Spanning tree with other people's bridges: see [`tests::interop`].

#[path = "interop/codec.rs"]
mod codec;
#[path = "interop/recorded.rs"]
mod recorded;

use std::io::Write as _;
use std::time::Duration;

use tests::interop::dissect::{Dissected, dissect};
use tests::interop::talk::{COSTS, MESSAGE_AGE, OWN, ROOT, ROOT_PRIORITY, TIMES, talk};
use tests::interop::{document, measure, run, scenarios};

/// The forward delay of every bridge here.
const FORWARD_DELAY: Duration = Duration::from_secs(4);
/// Two forward delays of the root, and a hello.
const UNTIL_FORWARDING: Duration = Duration::from_secs(12);

/// What `make interop` writes is what the bridges do now.
#[test]
fn bridges_of_all_brands_agree_as_the_matrix_says() {
    let mut all = scenarios::all();
    // A part of them, while looking for something; the matrix is whole, and will not compare.
    if let Ok(only) = std::env::var("SCENARIO") {
        all.retain(|scenario| scenario.name.contains(&only));
    }
    let outcomes = run::run(&all);
    for (scenario, outcome) in all.iter().zip(&outcomes) {
        let outcome = outcome.iter();
        let rows = outcome.flat_map(|outcome| outcome.rows.iter().zip(&outcome.took));
        for ((what, tree), took) in rows {
            let took = took.as_secs_f64();
            // Past the test harness, which shows what a test prints only if it fails.
            writeln!(
                std::io::stderr(),
                "{:32} {took:5.1} s  {what}: {tree}",
                scenario.name
            )
            .expect("there is a standard error");
        }
    }
    let wrong = run::wrong(&all, &outcomes);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let complaints = run::complaints(&outcomes);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let text = std::fs::read_to_string(document::path()).expect("docs/INTEROP.md");
    let committed = document::matrix_in(&text).expect("it has a matrix");
    if let Some(difference) = document::difference(committed, &document::matrix(&all, &outcomes)) {
        panic!("{difference}\n`make interop` writes it anew");
    }
}

/// A bridge that had to wait for a timer would be silent for a forward delay at the least. What it is really, `make interop`
/// measures (docs/INTEROP.md); the milliseconds are asserted where time is virtual (`rapid.rs`).
#[test]
fn a_rapid_triangle_waits_for_no_timer_when_a_carrier_is_lost() {
    let silences = measure::carrier_loss(3).expect("the tree comes back");
    assert_eq!(silences.len(), 3);
    for silence in &silences {
        assert!(*silence < FORWARD_DELAY, "{silences:?}");
    }
}

#[track_caller]
fn complain_of_none(frames: &[Dissected]) {
    for (index, frame) in frames.iter().enumerate() {
        let complaints = frame.complaints();
        assert!(
            complaints.is_empty(),
            "frame {index}: {complaints:?} {:?}",
            frame.names()
        );
    }
}

/// The check of all of this: tshark does complain where something is wrong.
#[test]
fn tshark_complains_of_a_bpdu_that_is_cut_off_and_of_what_is_none() {
    let whole =
        b"\x01\x80\xc2\0\0\0\x02\0\0\0\0\x01\0\x26\x42\x42\x03\0\0\0\0\0\0\0\x02\0\0\0\0\x99\
        \0\0\0\0\x80\0\x02\0\0\0\0\x01\x80\x01\0\0\x14\0\x02\0\x0f\0";
    let cut = whole[..40].to_vec();
    let other = b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x88\xb5ring".to_vec();
    let seen = dissect(&[whole.to_vec(), cut, other]);
    assert_eq!(seen[0].complaints(), [""; 0]);
    assert!(!seen[1].complaints().is_empty());
    assert!(!seen[2].complaints().is_empty());
}

/// The bridge's own identifier and the root's, as tshark has them.
fn identifiers(frame: &Dissected) -> [&str; 5] {
    frame.fields([
        "stp.root.prio",
        "stp.root.hw",
        "stp.root.cost",
        "stp.bridge.prio",
        "stp.bridge.hw",
    ])
}

/// The root as it was told of, the cost with that of the root port, and the switch itself.
fn meant() -> [String; 5] {
    let cost = COSTS.iter().sum::<u32>();
    [
        ROOT_PRIORITY.to_string(),
        ROOT.to_string(),
        cost.to_string(),
        "32768".to_owned(),
        OWN.to_string(),
    ]
}

/// The root's times, and information that is one bridge older.
fn assert_times(frame: &Dissected) {
    let times = frame.fields(["stp.max_age", "stp.hello", "stp.forward"]);
    assert_eq!(times, TIMES.map(|time| time.to_string()));
    let age: f64 = frame
        .field("stp.msg_age")
        .and_then(|age| age.parse().ok())
        .expect("a number");
    let least = u32::try_from(MESSAGE_AGE + 1).expect("small");
    assert!(
        (f64::from(least)..f64::from(least + 1)).contains(&age),
        "{age}"
    );
}

#[test]
fn configuration_bpdus_and_notifications_say_what_is_meant() {
    let sent = talk("stp", "", UNTIL_FORWARDING);
    let [root, designated] = sent.ports.map(|frames| dissect(&frames));
    for frames in [&root, &designated] {
        complain_of_none(frames);
    }
    // At first it takes itself for the root; in the end it has taken the root's times.
    let last = designated.last().expect("a hello");
    assert_eq!(
        last.fields(["stp.version", "stp.type", "stp.port"]),
        ["0", "0x00", "0x8002"]
    );
    assert_eq!(identifiers(last), meant());
    assert_times(last);
    // Its second port began to forward: the root is told, and acknowledges nothing, so again every hello.
    let notices = root
        .iter()
        .filter(|frame| frame.field("stp.type") == Some("0x80"))
        .count();
    assert!(notices >= 1, "{notices} of {}", root.len());
}

/// Both ports have done what a rapid tree does, and said a few hellos.
const UNTIL_AGREED: Duration = Duration::from_secs(5);

#[test]
fn rapid_bpdus_say_what_is_meant() {
    let sent = talk("rstp", "", UNTIL_AGREED);
    let [root, designated] = sent.ports.map(|frames| dissect(&frames));
    for frames in [&root, &designated] {
        complain_of_none(frames);
    }
    let last = designated.last().expect("a hello");
    let kind = last.fields(["stp.version", "stp.type", "stp.port", "stp.flags.port_role"]);
    assert_eq!(kind, ["2", "0x02", "0x8002", "3"]);
    assert_eq!(identifiers(last), meant());
    assert_times(last);
    // It was proposed to, and has agreed by its root port.
    let agreement = |frame: &&Dissected| {
        frame.fields(["stp.flags.port_role", "stp.flags.agreement"]) == ["2", "1"]
    };
    let agreement = root.iter().find(agreement).expect("an agreement");
    assert_eq!(identifiers(agreement), meant());
}

#[test]
fn multiple_spanning_tree_bpdus_say_what_is_meant() {
    let sent = talk("mstp", "", UNTIL_AGREED);
    let [root, designated] = sent.ports.map(|frames| dissect(&frames));
    for frames in [&root, &designated] {
        complain_of_none(frames);
    }
    let last = designated.last().expect("a hello");
    let kind = last.fields([
        "stp.version",
        "stp.type",
        "stp.port",
        "mstp.version_3_length",
    ]);
    assert_eq!(kind, ["3", "0x02", "0x8002", "64"]);
    let [root_priority, root_mac, cost, ..] = identifiers(last);
    let [meant_priority, meant_mac, meant_cost, ..] = meant();
    assert_eq!(
        [root_priority, root_mac, cost],
        [meant_priority, meant_mac, meant_cost]
    );
    // All VLANs in the common tree.
    assert_eq!(
        last.field("mstp.config_digest"),
        Some("ac:36:17:7f:50:28:3c:d4:b8:38:21:d8:ab:26:de:62")
    );
    assert_eq!(
        last.field("mstp.cist_bridge.hw"),
        Some(OWN.to_string().as_str())
    );
}

#[test]
fn shared_spanning_tree_frames_say_what_is_meant() {
    for (protocol, version) in [("pvst", "0"), ("rapid-pvst", "2")] {
        let sent = talk(protocol, ":trunk=1,10", UNTIL_AGREED);
        let [root, designated] = sent.ports.map(|frames| dissect(&frames));
        for frames in [&root, &designated] {
            complain_of_none(frames);
        }
        let of = |vlan| {
            let mut frames = designated.iter();
            frames.rfind(|frame| frame.field("stp.pvst.origvlan") == Some(vlan))
        };
        let native = of("1").expect("a frame of the native VLAN");
        assert_eq!(
            native.fields(["stp.version", "vlan.id", "stp.bridge.ext"]),
            [version, "absent", "1"]
        );
        let other = of("10").expect("a frame of VLAN 10");
        assert_eq!(
            other.fields(["stp.version", "vlan.id", "stp.bridge.ext"]),
            [version, "10", "10"]
        );
        let plain = designated
            .iter()
            .rfind(|frame| frame.field("stp.pvst.origvlan").is_none());
        assert_eq!(
            identifiers(plain.expect("the common tree's"))[..2],
            meant()[..2]
        );
    }
}
