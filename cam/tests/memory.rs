//! What a table costs in resident memory. One test alone in its process: the figures are the process's.
#![cfg(target_os = "linux")]

use core::time::Duration;

use cam::{Capacity, MacTable, MacTableConfig};
use etherparse::VlanId;
use pnet_base::MacAddr;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

fn resident() -> u64 {
    let status =
        std::fs::read_to_string("/proc/self/status").expect("a process may read its own status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .expect("the status has a VmRSS line")
        .trim()
        .trim_end_matches(" kB");
    kib.parse::<u64>().expect("VmRSS is a number") * KIB
}

fn table(capacity: usize) -> MacTable<u16> {
    MacTable::new(MacTableConfig {
        capacity: Capacity::new(capacity).expect("a legal capacity"),
        ..MacTableConfig::default()
    })
}

#[test]
fn memory_is_paid_for_by_the_entry_and_not_by_the_capacity() {
    let before = resident();
    let usual = table(32_768);
    assert!(
        resident().saturating_sub(before) < MIB,
        "an idle table of the usual size"
    );
    let mut large = table(1_000_000);
    assert!(
        resident().saturating_sub(before) < 2 * MIB,
        "an idle table of the largest size"
    );

    for number in 0..100_000_u32 {
        let [a, b, c, d] = number.to_be_bytes();
        let address = MacAddr::new(0x52, 0x54, a, b, c, d);
        let port = u16::try_from(number % 48).expect("below 48");
        let vlan = VlanId::try_new(port % 10).expect("below 10");
        large.learn(Duration::ZERO, vlan, address, port);
    }
    let grown = resident().saturating_sub(before);
    assert_eq!((usual.len(), large.len()), (0, 100_000));
    assert!(grown < 10 * MIB, "100,000 entries take {grown} octets");
}
