//! A mirror read by others while its table changes: never torn, and lost to its table only for moments.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::thread;

use cam::{Capacity, Flush, Learned, MacTable, MacTableConfig, Mirror, Sight};
use etherparse::VlanId;
use pnet_base::MacAddr;

const STATIONS: u16 = 200;
/// Station `n` is only ever at ports `PLACES * n` to `PLACES * n + PLACES - 1`.
const PLACES: u16 = 4;

fn table(capacity: usize) -> MacTable<u16> {
    MacTable::new(MacTableConfig {
        capacity: Capacity::new(capacity).expect("a legal capacity"),
        ..MacTableConfig::default()
    })
}

fn station(number: u16) -> (VlanId, MacAddr) {
    let [high, low] = number.to_be_bytes();
    let vlan = VlanId::try_new(1 + number % 3).expect("a legal VLAN");
    (vlan, MacAddr::new(0x52, 0x54, 0, 0, high, low))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Looks every station up until told to end; how often it found one.
fn watch(mirror: &Mirror, is_over: &AtomicBool) -> u64 {
    let mut found = 0;
    while !is_over.load(Ordering::Relaxed) {
        for number in 0..STATIONS {
            let (vlan, address) = station(number);
            if let Some(reflection) = mirror.find(Duration::ZERO, vlan, address) {
                assert_eq!(reflection.port / PLACES, number, "another station's port");
                found += 1;
            }
            let elsewhere = PLACES * (number + 1);
            let sight = mirror.sight(Duration::ZERO, vlan, address, elsewhere);
            assert_eq!(sight, Sight::Unknown);
        }
    }
    found
}

#[test]
fn readers_never_see_the_port_of_another_station() {
    // Room for a quarter of the stations: they come and go all the time, in the same places.
    let mut table = table(usize::from(STATIONS / 4));
    let mirror = table.mirror(u16::from);
    let is_over = AtomicBool::new(false);
    let found: u64 = thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(|| watch(&mirror, &is_over)));
        for round in 0_u32..200_000 {
            let number = u16::try_from(round.wrapping_mul(7919) % u32::from(STATIONS));
            let number = number.expect("below 200");
            let place = u16::try_from(round / 977 % u32::from(PLACES)).expect("below 4");
            let (vlan, address) = station(number);
            let port = PLACES * number + place;
            match round % 64 {
                0 => drop(table.remove(Duration::ZERO, vlan, address)),
                1 => drop(table.flush(Flush::port_vlan(port, vlan))),
                _ => drop(table.learn(Duration::ZERO, vlan, address, port)),
            }
        }
        is_over.store(true, Ordering::Relaxed);
        let found = readers.map(|reader| reader.join().expect("no reader has seen another's port"));
        found.iter().sum()
    });
    assert!(found > 0, "there was something to be found");
}

#[test]
fn a_full_table_shows_nearly_all_it_holds() {
    const HELD: u32 = 1 << 15;
    let mut table = table(HELD as usize);
    let mirror = table.mirror(u16::from);
    let stations = || (0..HELD).map(|number| MacAddr::from(address(number)));
    let vlan = VlanId::try_new(1).expect("a legal VLAN");
    for address in stations() {
        table.learn(Duration::ZERO, vlan, address, 7);
    }
    let shown = stations().filter(|&address| mirror.find(Duration::ZERO, vlan, address).is_some());
    let shown = u32::try_from(shown.count()).expect("as many as are held");
    assert!(shown > HELD / 100 * 97, "{shown} of {HELD}");
}

fn address(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x52, 0x54, a, b, c, d]
}

#[test]
fn the_table_is_told_in_time_of_who_is_seen() {
    let mut table = table(8);
    let mirror = table.mirror(u16::from);
    let (vlan, address) = station(1);
    let sight = |now, port| mirror.sight(now, vlan, address, port);
    table.learn(seconds(10), vlan, address, 5);
    // 300 s of ageing: once a second.
    assert_eq!(sight(seconds(10), 5), Sight::Known);
    assert_eq!(sight(Duration::from_millis(10_999), 5), Sight::Known);
    assert_eq!(sight(seconds(11), 5), Sight::Due);
    assert_eq!(sight(seconds(11), 5), Sight::Known, "told once");
    assert_eq!(sight(seconds(12), 5), Sight::Due);
    assert_eq!(sight(seconds(12), 6), Sight::Unknown, "at another port");
    assert!(table.confirm(seconds(12), vlan, address, 5));
    assert!(!table.confirm(seconds(12), vlan, address, 6), "not there");
    // Held since it was confirmed, and no longer.
    assert_eq!(sight(seconds(311), 5), Sight::Due);
    assert_eq!(sight(seconds(312), 5), Sight::Unknown);
    assert!(!table.confirm(seconds(312), vlan, address, 5), "expired");
    // The shorter the time, the more often.
    table.set_short_ageing(seconds(313), Some(seconds(4)));
    table.learn(seconds(313), vlan, address, 5);
    assert_eq!(
        sight(seconds(313) + Duration::from_millis(62), 5),
        Sight::Known
    );
    assert_eq!(
        sight(seconds(313) + Duration::from_millis(63), 5),
        Sight::Due
    );
    table
        .insert_static(seconds(314), vlan, address, 5)
        .expect("there is room");
    assert_eq!(sight(seconds(9_999), 5), Sight::Known, "nothing to tell of");
}

#[test]
fn a_clone_has_no_mirror() {
    let mut table = table(8);
    let mirror = table.mirror(u16::from);
    let (vlan, address) = station(1);
    let mut clone = table.clone();
    assert_eq!(
        clone.learn(Duration::ZERO, vlan, address, 1),
        Learned::New { displaced: None }
    );
    assert_eq!(mirror.find(Duration::ZERO, vlan, address), None);
}
