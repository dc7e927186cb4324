//! What each call of a table costs, by how much it holds: `cargo bench -p cam`.
//!
//! Stations are asked for in an order that no prefetcher guesses, so that the largest table shows what memory costs.
//! Allocations are counted; a call that has none says nothing of them.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::collections::VecDeque;

use cam::{Capacity, Flush, MacTable, MacTableConfig};
use divan::{AllocProfiler, Bencher};
use etherparse::VlanId;
use pnet_base::MacAddr;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const HELD: [u32; 3] = [1_000, 32_000, 990_000];
const PORTS: u32 = 48;
const VLANS: u32 = 4;
/// Calls timed together, so that reading the clock is no part of the figure.
const TOGETHER: u32 = 1_000;
const SAMPLES: u32 = 200;
/// How many different stations the drawn ones are.
const DRAWN: u32 = 1 << 16;
/// What a switch asks for at a time.
const BUDGET: usize = 256;
const SECOND: Duration = Duration::from_secs(1);

fn main() {
    divan::main();
}

fn station(number: u32) -> (VlanId, MacAddr) {
    let [a, b, c, d] = number.to_be_bytes();
    let vlan = u16::try_from(number % VLANS).expect("four VLANs");
    let vlan = VlanId::try_new(10 + vlan).expect("a legal VLAN");
    (vlan, MacAddr::new(0x52, 0x54, a, b, c, d))
}

fn port(number: u32) -> u16 {
    u16::try_from(number % PORTS).expect("48 ports")
}

/// A table with room for `spare` more than it holds.
fn table(held: u32, spare: u32) -> MacTable<u16> {
    let mut table = MacTable::new(MacTableConfig {
        capacity: Capacity::new((held + spare) as usize).expect("a legal capacity"),
        hash_key: [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908],
        ..MacTableConfig::default()
    });
    for number in shuffled(held).take(held as usize) {
        let (vlan, address) = station(number);
        table.learn(Duration::ZERO, vlan, address, port(number));
    }
    assert_eq!(table.len(), held as usize);
    table
}

/// Every number below `count` before any comes again, in an order without a pattern a prefetcher knows: a full
/// cycle of a linear congruence over the next power of two, what is too large left out.
fn shuffled(count: u32) -> impl Iterator<Item = u32> {
    let mask = count.next_power_of_two() - 1;
    let mut state = 1_u32;
    core::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & mask;
        state ^ (state >> 7)
    })
    .filter(move |&number| number < count)
}

/// Stations drawn beforehand: drawing one costs as much as looking it up.
fn drawn(count: u32) -> impl FnMut() -> (VlanId, MacAddr, u16) {
    let of = |number| {
        let (vlan, address) = station(number);
        (vlan, address, port(number))
    };
    let drawn: Vec<_> = shuffled(count).take(DRAWN as usize).map(of).collect();
    let mut at = 0;
    move || {
        at = (at + 1) % drawn.len();
        drawn[at]
    }
}

#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn hit(bencher: Bencher<'_, '_>, held: u32) {
    let (table, mut next) = (table(held, 1), drawn(held));
    bencher.bench_local(|| {
        let (vlan, address, _) = next();
        table.lookup(SECOND, vlan, address)
    });
}

#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn miss(bencher: Bencher<'_, '_>, held: u32) {
    let (table, mut next) = (table(held, 1), drawn(held));
    bencher.bench_local(|| {
        let (vlan, MacAddr(_, _, c, d, e, f), _) = next();
        table.lookup(SECOND, vlan, MacAddr(0x56, 0, c, d, e, f))
    });
}

/// What a forwarding thread asks for instead of `hit`.
#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn mirror_hit(bencher: Bencher<'_, '_>, held: u32) {
    let (mut table, mut next) = (table(held, 1), drawn(held));
    let mirror = table.mirror(u16::from);
    bencher.bench_local(|| {
        let (vlan, address, _) = next();
        mirror.find(SECOND, vlan, address)
    });
}

/// And instead of `refresh`; the table is told once a second.
#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn mirror_sight(bencher: Bencher<'_, '_>, held: u32) {
    let (mut table, mut next) = (table(held, 1), drawn(held));
    let mirror = table.mirror(u16::from);
    let mut now = SECOND;
    bencher.bench_local(|| {
        let (vlan, address, port) = next();
        now += Duration::from_nanos(1);
        mirror.sight(now, vlan, address, port)
    });
}

/// The same as `refresh` of a table that has a mirror.
#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn refresh_mirrored(bencher: Bencher<'_, '_>, held: u32) {
    let (mut table, mut next) = (table(held, 1), drawn(held));
    let _mirror = table.mirror(u16::from);
    let mut now = SECOND;
    bencher.bench_local(|| {
        let (vlan, address, port) = next();
        now += Duration::from_nanos(1);
        table.learn(now, vlan, address, port)
    });
}

/// Each frame at an instant of its own: the dearest case. Frames of a batch share one.
#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn refresh(bencher: Bencher<'_, '_>, held: u32) {
    let (mut table, mut next) = (table(held, 1), drawn(held));
    let mut now = SECOND;
    bencher.bench_local(|| {
        let (vlan, address, port) = next();
        now += Duration::from_nanos(1);
        table.learn(now, vlan, address, port)
    });
}

/// What a frame of a conversation does: learns where it comes from, looks up where it goes.
#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn conversation(bencher: Bencher<'_, '_>, held: u32) {
    let mut table = table(held, 1);
    let (left, right) = ((station(0), port(0)), (station(VLANS), port(VLANS)));
    let mut ends = [left, right];
    let mut now = SECOND;
    bencher.bench_local(|| {
        ends.swap(0, 1);
        let [((vlan, source), port), ((_, destination), _)] = ends;
        now += Duration::from_nanos(1);
        (
            table.learn(now, vlan, source, port),
            table.entry(now, vlan, destination),
        )
    });
}

#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn r#move(bencher: Bencher<'_, '_>, held: u32) {
    let (mut table, mut next) = (table(held, 1), drawn(held));
    let round = held.min(DRAWN);
    let mut turn = round;
    bencher.bench_local(|| {
        let (vlan, address, port) = next();
        turn += 1;
        // A port further each time the drawn stations come round.
        let elsewhere = (port + u16::try_from(turn / round % PORTS).expect("48 ports")) % 48;
        table.learn(SECOND, vlan, address, elsewhere)
    });
}

#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn insert(bencher: Bencher<'_, '_>, held: u32) {
    let table = RefCell::new(table(held, TOGETHER));
    let mut fresh = (held..held + TOGETHER).collect::<VecDeque<_>>();
    bencher
        .with_inputs(|| {
            let number = fresh.pop_front().expect("as many as are learned together");
            fresh.push_back(number);
            let (vlan, address) = station(number);
            table.borrow_mut().remove(SECOND, vlan, address);
            (vlan, address, port(number))
        })
        .bench_local_values(|(vlan, address, port)| {
            table.borrow_mut().learn(SECOND, vlan, address, port)
        });
}

/// Every newcomer evicts the oldest of the fullest port.
#[divan::bench(args = HELD, sample_size = TOGETHER, sample_count = SAMPLES)]
fn insert_when_full(bencher: Bencher<'_, '_>, held: u32) {
    let mut table = table(held, 0);
    let mut number = held;
    bencher.bench_local(|| {
        number = number.wrapping_add(1).max(held);
        let (vlan, address) = station(number);
        table.learn(SECOND, vlan, address, port(number))
    });
}

/// One call, as a switch makes it, with more entries due than it may touch.
#[divan::bench(args = HELD, sample_size = 1, sample_count = 1000)]
fn expire_256(bencher: Bencher<'_, '_>, held: u32) {
    let table = RefCell::new(table(held, 1));
    // All of a fresh table is due.
    let now = Cell::new(table.borrow().hold_time());
    bencher
        .with_inputs(|| {
            // Who has left comes back; all are due again when the ageing time is over.
            let mut table = table.borrow_mut();
            if table.len() < 2 * BUDGET {
                for number in shuffled(held).take(held as usize) {
                    let (vlan, address) = station(number);
                    table.learn(now.get(), vlan, address, port(number));
                }
                now.set(now.get() + table.hold_time());
            }
        })
        .bench_local_values(|()| table.borrow_mut().expire(now.get(), BUDGET).len());
}

/// One call with as many flushed entries to reclaim.
#[divan::bench(args = HELD, sample_size = 1, sample_count = 1000)]
fn reclaim_256(bencher: Bencher<'_, '_>, held: u32) {
    let table = RefCell::new(table(held, 1));
    let mut left = 0;
    bencher
        .with_inputs(|| {
            let mut table = table.borrow_mut();
            if left < BUDGET {
                for number in shuffled(held).take(held as usize) {
                    let (vlan, address) = station(number);
                    table.learn(SECOND, vlan, address, port(number));
                }
                left = table.flush(Flush::ALL);
            }
            left -= BUDGET;
        })
        .bench_local_values(|()| table.borrow_mut().expire(SECOND, BUDGET).len());
}
