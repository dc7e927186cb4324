//! Random networks with random faults: where spanning tree promises it there is no forwarding loop at any instant; after
//! the last fault, within the protocol's bound, the tree is the one that follows from the graph, no address is stale,
//! and every host reaches every host exactly once. `tests::scenario::regime` has the arithmetic.
//!
//! Loops in networks that lose BPDUs in silence, or whose times are too short for their size, are counted and
//! explained. `make soak` goes on where this stops.

use std::io::Write as _;

use tests::crowd::gather;
use tests::failure::explain;
use tests::scenario::strategy::numbered;

/// About 50 s of one core at opt-level 1.
const SCENARIOS: u64 = 20_000;

#[test]
fn random_networks_come_to_rest_without_a_loop() {
    let drawn = gather(|number| (number < SCENARIOS).then(|| vec![numbered(number)]));
    let census = drawn.unwrap_or_else(|failure| {
        let origin = format!("random scenario {}", failure.number);
        panic!("{}", explain(&origin, &failure.scenario));
    });
    assert_eq!(census.trials, SCENARIOS);
    assert!(census.safe > SCENARIOS / 2, "{census}");
    // Past the test harness, which shows what a test prints only if it fails.
    writeln!(std::io::stderr(), "random networks: {census}").expect("there is a standard error");
}
