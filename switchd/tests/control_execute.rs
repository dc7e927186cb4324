//! Every command on a switch without I/O.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics is a test that found something"
)]

use std::path::PathBuf;
use std::time::Duration;

use cam::AgeingTime;
use etherparse::VlanId;
use pnet_base::MacAddr;
use stp::{CostMethod, PathCost, PortNumber};
use switchd::config::{Config, PortConfig, RawConfig, StaticMac, StpConfig, World};
use switchd::control::{
    Command, Error, ErrorCode, MacFilter, MacOrigin, PortFacts, Reply, Target, WhyRole, execute,
};
use switchd::event::{Event, FlushReason};
use switchd::tag::Relayed;
use switchd::{Ports, Switch, config};

/// A switch whose ports lead nowhere.
struct Bare {
    config: Config,
    switch: Switch,
}

struct Nowhere;

impl Ports for Nowhere {
    fn transmit(&mut self, _: PortNumber, _: Relayed<'_>) {}
    fn send(&mut self, _: PortNumber, _: &[u8]) {}
    fn notice(&mut self, _: Event) {}
}

const ADDRESS: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);

impl Target for Bare {
    fn config(&self) -> &Config {
        &self.config
    }

    fn switch(&self) -> &Switch {
        &self.switch
    }

    fn started(&self) -> Duration {
        Duration::ZERO
    }

    fn port_facts(&self, number: PortNumber) -> Option<PortFacts> {
        let port = self.switch.port(number)?;
        Some(PortFacts {
            mac: port.settings().address,
            link: port.is_link_up(),
            frame_max: 9216,
            io: "nowhere".to_owned(),
        })
    }

    fn add_port(&mut self, now: Duration, port: PortConfig) -> Result<(), Error> {
        let mac = MacAddr::new(2, 0, 0, 0, 1, port.number.get().to_be_bytes()[1]);
        let number = port.number;
        self.switch
            .add_port(now, number, port.core(mac), &mut Nowhere)
            .map_err(|error| Error::new(ErrorCode::System, error.to_string()))?;
        let cost = PathCost::for_speed(1000, CostMethod::Short);
        self.switch.link_up(now, number, cost, true, &mut Nowhere);
        self.config.insert_port(port);
        Ok(())
    }

    fn remove_port(&mut self, now: Duration, number: PortNumber) -> Result<(), Error> {
        self.switch.remove_port(now, number, &mut Nowhere).unwrap();
        self.config.remove_port(number);
        Ok(())
    }

    fn configure_port(&mut self, now: Duration, port: PortConfig) -> Result<(), Error> {
        let core = port.core(ADDRESS);
        self.switch
            .set_port(now, port.number, core, &mut Nowhere)
            .unwrap();
        self.config.replace_port(port);
        Ok(())
    }

    fn configure_stp(&mut self, now: Duration, stp: StpConfig) {
        self.switch
            .set_bridge(now, stp.bridge(ADDRESS), &mut Nowhere);
        self.switch.set_protocol(now, stp.protocol, &mut Nowhere);
        self.config.stp = stp;
    }

    fn check_migration(&mut self, now: Duration, number: PortNumber) {
        self.switch.check_migration(now, number, &mut Nowhere);
    }

    fn configure_ageing(&mut self, now: Duration, ageing: AgeingTime) {
        self.switch.set_ageing(now, ageing);
        self.config.ageing = ageing;
    }

    fn flush(&mut self, _: Duration, flush: cam::Flush<PortNumber>) -> u64 {
        let flushed = self
            .switch
            .flush(flush, FlushReason::Management, &mut Nowhere);
        u64::try_from(flushed).unwrap()
    }

    fn insert_static(&mut self, now: Duration, entry: StaticMac) -> Result<(), Error> {
        self.switch
            .set_static(now, entry.vlan.id(), entry.mac, entry.port, &mut Nowhere)
            .unwrap();
        self.config.static_macs.push(entry);
        Ok(())
    }

    fn remove_static(&mut self, now: Duration, vlan: VlanId, mac: MacAddr) -> bool {
        self.config
            .static_macs
            .retain(|entry| (entry.vlan.id(), entry.mac) != (vlan, mac));
        self.switch.remove_static(now, vlan, mac)
    }
}

/// A switch with spanning tree off and these ports, by JSON commands.
fn bare(ports: &[&str]) -> Bare {
    let world = World {
        interface_exists: |_| false,
        run_dir: || PathBuf::from("/run/test"),
    };
    let mut config = RawConfig::default().check(world).unwrap();
    config.stp.protocol = switchd::TreeProtocol::Off;
    let switch = Switch::new(config.core(ADDRESS, [1, 2]));
    let mut bare = Bare { config, switch };
    for port in ports {
        ask(
            &mut bare,
            &format!(r#"{{"command":"add-port","port":"{port}"}}"#),
        )
        .unwrap();
    }
    bare
}

fn ask(bare: &mut Bare, json: &str) -> Result<Reply, Error> {
    let command: Command = serde_json::from_str(json).unwrap();
    execute(bare, Duration::from_secs(100), command)
}

/// A broadcast from `last` arrives at port `port`.
fn hear(bare: &mut Bare, port: u16, last: u8) {
    let mut frame = [0xff; 60];
    frame[6..12].copy_from_slice(&[0x52, 0x54, 0, 0, 0, last]);
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    let port = PortNumber::new(port).unwrap();
    bare.switch
        .receive(Duration::from_secs(100), port, &frame, &mut Nowhere);
}

fn dynamic(bare: &mut Bare, filter: &str) -> usize {
    let json = format!(r#"{{"command":"show-mac-page","cursor":0,"limit":512{filter}}}"#);
    match ask(bare, &json).unwrap() {
        Reply::MacPage {
            entries,
            cursor: None,
        } => entries
            .iter()
            .filter(|entry| entry.origin == MacOrigin::Dynamic)
            .count(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn addresses_are_shown_filtered_and_cleared() {
    let mut bare = bare(&["p1", "p2"]);
    hear(&mut bare, 1, 5);
    hear(&mut bare, 1, 6);
    hear(&mut bare, 2, 7);
    assert_eq!(dynamic(&mut bare, ""), 3);
    assert_eq!(dynamic(&mut bare, r#","interface":"p1""#), 2);
    assert_eq!(dynamic(&mut bare, r#","vlan":10"#), 0);
    assert_eq!(dynamic(&mut bare, r#","mac":"52:54:00:00:00:07""#), 1);
    assert_eq!(
        dynamic(&mut bare, r#","vlan":1,"mac":"52:54:00:00:00:07""#),
        1
    );
    let cleared = ask(&mut bare, r#"{"command":"clear-mac","interface":"p1"}"#);
    assert_eq!(cleared.unwrap(), Reply::Cleared { count: 2 });
    assert_eq!(dynamic(&mut bare, ""), 1);
}

#[test]
fn pages_end_and_hold_every_entry_once() {
    let mut bare = bare(&["p1"]);
    for last in 1..=100 {
        hear(&mut bare, 1, last);
    }
    let (mut cursor, mut seen) = (Some(0), Vec::new());
    while let Some(at) = cursor {
        let page = Command::ShowMacPage {
            filter: MacFilter::default(),
            cursor: at,
            limit: 7,
        };
        let Reply::MacPage {
            entries,
            cursor: next,
        } = execute(&mut bare, Duration::from_secs(100), page).unwrap()
        else {
            panic!("a page is answered by a page");
        };
        assert!(entries.len() <= 7);
        seen.extend(entries.iter().map(|entry| entry.mac));
        cursor = next;
    }
    seen.sort();
    seen.dedup();
    assert_eq!(
        seen.len(),
        101,
        "a hundred stations and the port's own address"
    );
}

#[test]
fn settings_change_the_core_and_the_running_configuration() {
    let mut bare = bare(&["p1", "p2"]);
    for json in [
        r#"{"command":"set-port","port":"p1","trunk":"10,20-29","native":5,"cost":77,"priority":64,"edge":true}"#,
        r#"{"command":"set-port","port":"p2","down":true}"#,
        r#"{"command":"set-spanning-tree","enabled":true,"priority":4096,"hello":1,"max-age":6,"forward-delay":4}"#,
        r#"{"command":"set-ageing","seconds":60}"#,
        r#"{"command":"set-static-mac","vlan":10,"mac":"52:54:00:00:00:09","port":"p1"}"#,
    ] {
        assert_eq!(ask(&mut bare, json), Ok(Reply::Done), "{json}");
    }
    let status = bare.switch.bridge().unwrap().port(PortNumber::MIN).unwrap();
    assert_eq!(
        (status.path_cost.get(), status.id.priority().get()),
        (77, 64)
    );
    let Reply::RunningConfig { toml } =
        ask(&mut bare, r#"{"command":"show-running-config"}"#).unwrap()
    else {
        panic!("a running configuration");
    };
    let world = World {
        interface_exists: |_| false,
        run_dir: PathBuf::new,
    };
    let read = config::parse_file("running".as_ref(), &toml)
        .unwrap()
        .check(world)
        .unwrap();
    assert_eq!(read, bare.config);
    assert!(
        toml.contains("trunk = \"5,10,20-29\"") && toml.contains("52:54:00:00:00:09"),
        "{toml}"
    );
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let mut bare = bare(&["p1", "p2"]);
    let before = bare.config.clone();
    for (json, code, message) in [
        (
            r#"{"command":"set-port","port":"p3"}"#,
            ErrorCode::NotFound,
            "there is no port 'p3'; did you mean 'p1'?",
        ),
        (
            r#"{"command":"set-port","port":"p1","cost":0}"#,
            ErrorCode::BadValue,
            "cost: '0' is not auto or 1..200000000",
        ),
        (
            r#"{"command":"set-port","port":"p1","number":9}"#,
            ErrorCode::BadValue,
            "number: is fixed once the port exists",
        ),
        (
            r#"{"command":"set-port","port":"p1","pvid":9}"#,
            ErrorCode::BadValue,
            "pvid: belongs to mode hybrid: say hybrid as well",
        ),
        (
            r#"{"command":"set-spanning-tree","hello":10}"#,
            ErrorCode::BadValue,
            "max-age: 20 s is too short for a hello of 10 s, which needs 22 s: 2 x (forward-delay - 1) >= max-age >= 2 x (hello + 1)",
        ),
        (
            r#"{"command":"set-ageing","seconds":9}"#,
            ErrorCode::BadValue,
            "ageing: '9' is not a time in seconds (10..1000000)",
        ),
        (
            r#"{"command":"set-static-mac","vlan":1,"mac":"01:00:5e:00:00:01","port":"p1"}"#,
            ErrorCode::BadValue,
            "mac: '01:00:5e:00:00:01' is a group address",
        ),
        (
            r#"{"command":"remove-static-mac","vlan":1,"mac":"52:54:00:00:00:01"}"#,
            ErrorCode::NotFound,
            "52:54:00:00:00:01 is not pinned in VLAN 1",
        ),
        (
            r#"{"command":"add-port","port":"p1"}"#,
            ErrorCode::BadValue,
            "name: a port 'p1' exists already",
        ),
        (
            r#"{"command":"remove-port","port":"p9"}"#,
            ErrorCode::NotFound,
            "there is no port 'p9'; did you mean 'p1'?",
        ),
        (
            r#"{"command":"show-mac","interface":"p9"}"#,
            ErrorCode::NotFound,
            "there is no port 'p9'; did you mean 'p1'?",
        ),
    ] {
        let error = ask(&mut bare, json).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            (code, message),
            "{json}"
        );
    }
    assert_eq!(bare.config, before);
}

#[test]
fn the_tree_is_shown_with_the_ageing_in_force() {
    let mut bare = bare(&["p1"]);
    let Reply::SpanningTree(off) = ask(&mut bare, r#"{"command":"show-spanning-tree"}"#).unwrap()
    else {
        panic!("a tree");
    };
    assert_eq!(
        (off.protocol.as_str(), off.trees.len(), off.ageing),
        ("off", 0, 300)
    );
    ask(
        &mut bare,
        r#"{"command":"set-spanning-tree","protocol":"stp"}"#,
    )
    .unwrap();
    let mut now = Duration::from_secs(100);
    while let Some(due) = bare
        .switch
        .deadline()
        .filter(|&due| due <= Duration::from_secs(131))
    {
        now = due;
        bare.switch.timeout(now, &mut Nowhere);
    }
    let Reply::SpanningTree(on) =
        execute(&mut bare, now, Command::ShowSpanningTree { tree: None }).unwrap()
    else {
        panic!("a tree");
    };
    assert_eq!(
        on.ageing, 15,
        "the port began to forward: a topology change"
    );
    assert_eq!(on.ageing_configured, 300);
    let tree = &on.trees[0];
    assert!(tree.topology_changes.active && tree.root_port.is_none());
    assert_eq!(
        (tree.ports[0].role.as_str(), tree.ports[0].state.as_str()),
        ("designated", "forwarding")
    );
}

#[test]
fn every_protocol_is_changed_live_and_says_why() {
    let mut bare = bare(&["p1"]);
    let access = r#"{"command":"set-port","port":"p1","access":10}"#;
    ask(&mut bare, access).unwrap();
    for (protocol, tree, name) in [
        ("rstp", 0, "rstp"),
        ("mstp", 0, "mstp"),
        ("pvst", 10, "pvst"),
        ("rapid-pvst", 10, "rapid-pvst"),
        ("stp", 0, "stp"),
    ] {
        let set = format!(r#"{{"command":"set-spanning-tree","protocol":"{protocol}"}}"#);
        ask(&mut bare, &set).unwrap();
        let one = r#"{"command":"show-spanning-tree","tree":{"vlan":10}}"#;
        let Reply::SpanningTree(shown) = ask(&mut bare, one).unwrap() else {
            panic!("a tree");
        };
        assert_eq!((shown.protocol.as_str(), shown.trees.len()), (name, 1));
        assert_eq!(shown.trees[0].tree, tree, "{protocol}");
        assert_eq!(shown.trees[0].ports[0].role, "designated", "{protocol}");
        assert_ne!(shown.trees[0].ports[0].state, "forwarding", "{protocol}");
        let why = r#"{"command":"why","port":"p1","tree":{"vlan":10}}"#;
        let Reply::Why(why) = ask(&mut bare, why).unwrap() else {
            panic!("a reason");
        };
        assert_eq!(why.trees[0].because, WhyRole::NobodyElse, "{protocol}");
        assert!(why.trees[0].waits.is_some(), "{protocol}: {why:?}");
        let toml = config::to_toml(&bare.config);
        assert!(
            toml.contains(&format!("protocol = \"{protocol}\"")),
            "{toml}"
        );
    }
    let missing = r#"{"command":"why","port":"p1","tree":{"mst":3}}"#;
    let error = ask(&mut bare, missing).unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[test]
fn bpdu_guard_disables_a_port_and_every_answer_says_so() {
    let mut bare = bare(&["p1"]);
    for json in [
        r#"{"command":"set-spanning-tree","protocol":"rstp"}"#,
        r#"{"command":"set-port","port":"p1","bpdu-guard":true}"#,
    ] {
        ask(&mut bare, json).unwrap();
    }
    let mut frame = Vec::new();
    stp::llc::frame_into(&mut frame, MacAddr::new(2, 0, 0, 0, 0, 9), &stp::Bpdu::Tcn);
    let port = PortNumber::new(1).unwrap();
    let now = Duration::from_secs(100);
    bare.switch.receive(now, port, &frame, &mut Nowhere);
    let Reply::Interfaces { interfaces } =
        ask(&mut bare, r#"{"command":"show-interfaces"}"#).unwrap()
    else {
        panic!("ports");
    };
    assert_eq!(interfaces[0].disabled.as_deref(), Some("bpdu-guard"));
    assert_eq!(interfaces[0].state, "disabled");
    let Reply::Why(why) = ask(&mut bare, r#"{"command":"why","port":"p1"}"#).unwrap() else {
        panic!("a reason");
    };
    assert_eq!(why.disabled.as_deref(), Some("bpdu-guard"));
    assert_eq!(why.trees[0].held.as_deref(), Some("bpdu-guard"));
    for json in [
        r#"{"command":"set-port","port":"p1","down":true}"#,
        r#"{"command":"set-port","port":"p1","down":false}"#,
    ] {
        ask(&mut bare, json).unwrap();
    }
    let Reply::Why(why) = ask(&mut bare, r#"{"command":"why","port":"p1"}"#).unwrap() else {
        panic!("a reason");
    };
    assert_eq!(why.disabled, None, "down and up lets it run again");
}

#[test]
fn a_port_that_came_to_speak_classic_speaks_rapid_again_when_told() {
    let tell = |bare: &mut Bare, at: u64, json: &str| {
        let command: Command = serde_json::from_str(json).unwrap();
        execute(bare, Duration::from_secs(at), command)
    };
    let is_rapid = |bare: &mut Bare, at: u64| {
        let shown = tell(bare, at, r#"{"command":"show-spanning-tree"}"#).unwrap();
        let Reply::SpanningTree(shown) = shown else {
            panic!("a tree");
        };
        shown.trees[0].ports[0].rapid
    };
    let mut classic = Vec::new();
    let neighbour = MacAddr::new(2, 0, 0, 0, 0, 9);
    stp::llc::frame_into(&mut classic, neighbour, &stp::Bpdu::Tcn);
    let port = PortNumber::new(1).unwrap();
    for protocol in ["rstp", "mstp", "rapid-pvst"] {
        let set = format!(r#"{{"command":"set-spanning-tree","protocol":"{protocol}"}}"#);
        for again in [
            r#"{"command":"check-migration","interface":"p1"}"#,
            r#"{"command":"check-migration"}"#,
        ] {
            let mut bare = bare(&["p1", "p2"]);
            tell(&mut bare, 100, &set).unwrap();
            // For the migrate time (3 s) a port keeps to what it has found out.
            for at in [105, 110] {
                bare.switch.timeout(Duration::from_secs(at), &mut Nowhere);
            }
            let heard = Duration::from_secs(110);
            bare.switch.receive(heard, port, &classic, &mut Nowhere);
            assert!(!is_rapid(&mut bare, 110), "{protocol}");
            let other = r#"{"command":"check-migration","interface":"p2"}"#;
            tell(&mut bare, 111, other).unwrap();
            assert!(!is_rapid(&mut bare, 111), "{protocol}: another port");
            tell(&mut bare, 112, again).unwrap();
            assert!(is_rapid(&mut bare, 112), "{protocol}: {again}");
        }
    }
    let mut bare = bare(&["p1"]);
    let nowhere = r#"{"command":"check-migration","interface":"p9"}"#;
    let error = tell(&mut bare, 100, nowhere).unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
}
