//! Ageing on a running switch.

use std::time::Duration;

use switchd::event::Event;
use tests::frames::{frame, inject};
use tests::net::{Net, cable};
use tests::switch_process::SwitchProcess;
use tests::wait::wait_for;

const A: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];

/// The shortest legal ageing time (802.1D-1998 Table 7-4).
const AGEING: Duration = Duration::from_secs(10);

#[test]
fn an_entry_is_learned_refreshed_and_expires_at_its_age() {
    let mut net = Net::new();
    let (switch, host) = (net.namespace("sw"), net.namespace("h"));
    cable(&host, "eth0", &switch, "p1");
    let process = SwitchProcess::start(
        &switch,
        "sw",
        &["--stp", "off", "--ageing", "10", "--packet", "p1"],
    );
    let mut events = process.client().events(None).expect("events");
    let mut next = |wanted: fn(&Event) -> bool| {
        wait_for("the event", AGEING * 3, || {
            tests::events::next(&mut events)
                .filter(|record| wanted(&record.event))
                .map(|record| record.time)
        })
    };
    let hello = [frame([0xff; 6], A, b"hello")];
    inject(&host, "eth0", &hello);
    let learned = next(|event| matches!(event, Event::CamLearn { mac, .. } if mac.octets() == A));
    std::thread::sleep(Duration::from_secs(2));
    inject(&host, "eth0", &hello);
    let expired = next(|event| matches!(event, Event::CamExpire { mac, .. } if mac.octets() == A));
    let held = expired - learned;
    assert!(
        held >= AGEING + Duration::from_secs(2),
        "refreshed, so held longer: {held:?}"
    );
    assert_eq!(process.port_of(A.into()), None);
}
