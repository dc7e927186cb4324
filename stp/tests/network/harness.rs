//! A network of bridges in virtual time, drawn in a little table language:
//!
//! ```text
//! bridge 1 0x1000: 1=a 2=b/100 3=c/edge     # number, priority, then port=LAN with cost, `edge` or guards
//! bridge 2 0x8000 mstp/7: 1=a               # its protocol, and the revision of its region
//! bridge 3 0x8000 mstp/7 epochs: 1=a        # with epochs; `epochs` alone is rstp with them
//! expect 1: 1=D 2=R 3=A                     # R root, D designated, A alternate, B backup, X disabled
//! ```
//! A bridge's address is its number. BPDUs travel as encoded frames, one hop a millisecond, in the order sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pnet_base::MacAddr;
use stp::{
    Action, Bridge, BridgeConfig, BridgePriority, BridgeTimes, Event, PathCost, PortConfig,
    PortNumber, PortRole, PortState, PortStatus, Protocol, Region, TreeId, TreeStatus, llc,
};

pub(crate) const HOP: Duration = Duration::from_millis(1);
pub(crate) const DEFAULT_COST: u32 = 19;

pub(crate) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn port_number(number: u16) -> PortNumber {
    PortNumber::new(number).unwrap()
}

pub(crate) fn protocol_of(word: &str) -> Protocol {
    match word {
        "stp" => Protocol::Stp,
        "rstp" => Protocol::Rstp,
        "mstp" => Protocol::Mstp,
        _ => panic!("protocol {word}?"),
    }
}

/// One action, when and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) at: Duration,
    pub(crate) bridge: u8,
    pub(crate) action: Action,
}

#[derive(Clone, Debug)]
struct Arrival {
    bridge: u8,
    port: u16,
    frame: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) bridges: BTreeMap<u8, Bridge>,
    /// What the actions said, to be compared with what the bridges say.
    told: BTreeMap<(u8, u16), (PortRole, PortState)>,
    lans: BTreeMap<String, Vec<(u8, u16)>>,
    silent: Vec<String>,
    wire: BTreeMap<(Duration, u64), Arrival>,
    sequence: u64,
    pub(crate) deeds: Vec<Deed>,
    expected: Vec<(u8, u16, PortRole)>,
    /// Whether a forwarding loop, at any instant, is a failure. That of a rapid network, whose bridges count to
    /// infinity, is none.
    pub(crate) forbid_loops: bool,
    /// When a bridge last took one for the root that no way leads to any more.
    dead_root_at: Option<Duration>,
}

/// How long the word of a dead root can be on its way unseen, between a bridge that has given it up and the next: a
/// transmission held back for the hold count, and a hop.
const DEAD_WORD: Duration = Duration::from_millis(1_010);

impl World {
    /// Builds the network that `text` draws and brings all links up at once.
    pub(crate) fn new(text: &str) -> Self {
        Self::with_times(text, BridgeTimes::default())
    }

    pub(crate) fn with_times(text: &str, times: BridgeTimes) -> Self {
        Self::drawn(text, times, Protocol::Stp)
    }

    /// With another protocol than the classic one, where the drawing does not say.
    pub(crate) fn of(protocol: Protocol, text: &str) -> Self {
        Self::drawn(text, BridgeTimes::default(), protocol)
    }

    fn drawn(text: &str, times: BridgeTimes, protocol: Protocol) -> Self {
        let mut world = Self {
            forbid_loops: true,
            ..Self::default()
        };
        for line in text.lines() {
            let line = line.split('#').next().unwrap().trim();
            if line.is_empty() {
                continue;
            }
            let (head, ports) = line.split_once(':').expect("a colon");
            let words: Vec<&str> = head.split_whitespace().collect();
            match words[..] {
                ["bridge", number, priority] => {
                    let number = number.parse().unwrap();
                    world.draw_bridge(number, priority, ports, times, (protocol, None));
                }
                ["bridge", number, priority, "epochs"] => {
                    let number = number.parse().unwrap();
                    let protocol = (Protocol::Rstp, None);
                    world.draw_bridge(number, priority, ports, times, protocol);
                    world.set_epochs(number, true);
                }
                ["bridge", number, priority, protocol, ref epochs @ ..] => {
                    let (protocol, revision) = protocol.split_once('/').unwrap_or((protocol, ""));
                    let protocol = (protocol_of(protocol), revision.parse().ok());
                    let number = number.parse().unwrap();
                    world.draw_bridge(number, priority, ports, times, protocol);
                    match epochs {
                        [] => {}
                        ["epochs"] => world.set_epochs(number, true),
                        _ => panic!("what is `{line}`?"),
                    }
                }
                ["expect", number] => world.draw_expectation(number.parse().unwrap(), ports),
                _ => panic!("what is `{line}`?"),
            }
        }
        let ports: Vec<_> = world.told.keys().copied().collect();
        for (bridge, port) in ports {
            world.link_up(bridge, port);
        }
        world
    }

    fn draw_bridge(
        &mut self,
        number: u8,
        priority: &str,
        ports: &str,
        times: BridgeTimes,
        (protocol, revision): (Protocol, Option<u16>),
    ) {
        let priority = u16::from_str_radix(priority.trim_start_matches("0x"), 16).unwrap();
        let mut bridge = Bridge::new(BridgeConfig {
            priority: BridgePriority::new(priority).unwrap(),
            times,
            protocol,
            ..BridgeConfig::new(MacAddr::new(2, 0, 0, 0, 0, number))
        });
        for word in ports.split_whitespace() {
            let (port, rest) = word.split_once('=').unwrap();
            let port: u16 = port.parse().unwrap();
            let mut words = rest.split('/');
            let lan = words.next().unwrap();
            let mut config = PortConfig::default();
            for word in words {
                match word {
                    "edge" => config.admin_edge = true,
                    "noauto" => config.auto_edge = false,
                    "rootguard" => config.restricted_role = true,
                    "tcnguard" => config.restricted_tcn = true,
                    "bpduguard" => config.bpdu_guard = true,
                    "filter" => config.bpdu_filter = true,
                    "loopguard" => config.loop_guard = true,
                    "assured" => config.bridge_assurance = true,
                    cost => config.path_cost = PathCost::new(cost.parse().unwrap()),
                }
            }
            assert!(
                bridge
                    .add_port(Duration::ZERO, port_number(port), config)
                    .is_empty()
            );
            self.told
                .insert((number, port), (PortRole::Disabled, PortState::Disabled));
            self.lans
                .entry(lan.to_owned())
                .or_default()
                .push((number, port));
        }
        if let Some(revision) = revision {
            let region = Region {
                revision,
                ..Region::default()
            };
            assert!(
                bridge
                    .set_region(Duration::ZERO, region.id(), &[])
                    .is_empty()
            );
        }
        self.bridges.insert(number, bridge);
    }

    pub(crate) fn set_epochs(&mut self, number: u8, epochs: bool) {
        self.act(number, |bridge, now| {
            let config = BridgeConfig {
                epochs,
                ..*bridge.config()
            };
            bridge.configure(now, config).to_vec()
        });
    }

    fn draw_expectation(&mut self, number: u8, ports: &str) {
        for word in ports.split_whitespace() {
            let (port, role) = word.split_once('=').unwrap();
            let role = match role {
                "R" => PortRole::Root,
                "D" => PortRole::Designated,
                "A" => PortRole::Alternate,
                "B" => PortRole::Backup,
                "X" => PortRole::Disabled,
                _ => panic!("role {role}?"),
            };
            self.expected.push((number, port.parse().unwrap(), role));
        }
    }

    pub(crate) fn act(
        &mut self,
        number: u8,
        call: impl FnOnce(&mut Bridge, Duration) -> Vec<Action>,
    ) -> Vec<Action> {
        let now = self.now;
        let actions = call(self.bridges.get_mut(&number).unwrap(), now);
        for action in &actions {
            self.apply(number, action);
        }
        self.check(number);
        actions
    }

    pub(crate) fn event(&mut self, number: u8, event: Event<'_>) -> Vec<Action> {
        self.act(number, |bridge, now| bridge.handle(now, event).to_vec())
    }

    pub(crate) fn link_up(&mut self, bridge: u8, port: u16) -> Vec<Action> {
        self.event(
            bridge,
            Event::LinkUp {
                port: port_number(port),
                cost: PathCost::new(DEFAULT_COST).unwrap(),
                point_to_point: self.ends(bridge, port) <= 2,
            },
        )
    }

    pub(crate) fn link_down(&mut self, bridge: u8, port: u16) -> Vec<Action> {
        self.event(
            bridge,
            Event::LinkDown {
                port: port_number(port),
            },
        )
    }

    /// The LAN loses every frame from now on; no port notices.
    pub(crate) fn silence(&mut self, lan: &str) {
        assert!(self.lans.contains_key(lan));
        self.silent.push(lan.to_owned());
    }

    pub(crate) fn heal(&mut self, lan: &str) {
        self.silent.retain(|silent| silent != lan);
    }

    /// Takes carrier from every port of the LAN.
    pub(crate) fn cut(&mut self, lan: &str) {
        for (bridge, port) in self.lans[lan].clone() {
            self.link_down(bridge, port);
        }
    }

    pub(crate) fn join(&mut self, lan: &str) {
        for (bridge, port) in self.lans[lan].clone() {
            self.link_up(bridge, port);
        }
    }

    /// Lets `time` pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.wire.keys().next().map(|&(at, _)| at);
            let deadline = self.bridges.values().filter_map(Bridge::deadline).min();
            let next = arrival.into_iter().chain(deadline).min();
            let Some(next) = next.filter(|&next| next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if let Some((&key, _)) = self.wire.range(..=(self.now, u64::MAX)).next() {
                let arrival = self.wire.remove(&key).unwrap();
                self.arrive(&arrival);
                continue;
            }
            for number in self.bridges.keys().copied().collect::<Vec<_>>() {
                if self.bridges[&number]
                    .deadline()
                    .is_some_and(|due| due <= self.now)
                {
                    self.event(number, Event::Timeout);
                    let deadline = self.bridges[&number].deadline();
                    assert!(
                        deadline.is_none_or(|due| due > self.now),
                        "a deadline stays due"
                    );
                }
            }
        }
        self.now = end;
    }

    /// The first message on the way to each port.
    pub(crate) fn first_arrivals(&self) -> Vec<(Duration, u64)> {
        let mut ports = BTreeSet::new();
        let first = |(_, arrival): &(_, &Arrival)| ports.insert((arrival.bridge, arrival.port));
        self.wire
            .iter()
            .filter(first)
            .map(|(key, _)| *key)
            .collect()
    }

    /// That message arrives, now.
    pub(crate) fn deliver(&mut self, key: (Duration, u64)) {
        let arrival = self.wire.remove(&key).unwrap();
        self.arrive(&arrival);
        self.deeds.clear();
    }

    /// Lets the next timer run out, if that is before `end`; nothing is on its way.
    pub(crate) fn run_to_deadline(&mut self, end: Duration) -> bool {
        assert!(self.wire.is_empty());
        let deadline = self.bridges.values().filter_map(Bridge::deadline).min();
        let Some(due) = deadline.filter(|due| *due <= end) else {
            return false;
        };
        self.now = self.now.max(due);
        for number in self.bridges.keys().copied().collect::<Vec<_>>() {
            self.event(number, Event::Timeout);
        }
        self.deeds.clear();
        true
    }

    /// What is on the way to each port, in order.
    pub(crate) fn on_links(&self) -> BTreeMap<(u8, u16), Vec<&[u8]>> {
        let mut links: BTreeMap<_, Vec<&[u8]>> = BTreeMap::new();
        for arrival in self.wire.values() {
            let link = links.entry((arrival.bridge, arrival.port)).or_default();
            link.push(&arrival.frame);
        }
        links
    }

    fn arrive(&mut self, arrival: &Arrival) {
        let lan = self.lan_of(arrival.bridge, arrival.port);
        let up = self.port(arrival.bridge, arrival.port).link_up;
        if up && !self.silent.contains(&lan) {
            let bpdu = llc::unframe(&arrival.frame).expect("a bridge sends good frames");
            let port = port_number(arrival.port);
            self.event(arrival.bridge, Event::Received { port, bpdu: &bpdu });
        }
    }

    /// How many ports are on the port's LAN.
    fn ends(&self, bridge: u8, port: u16) -> usize {
        self.lans[&self.lan_of(bridge, port)].len()
    }

    /// The ports that are up on the port's LAN, itself among them.
    pub(crate) fn neighbours(&self, bridge: u8, port: u16) -> Vec<(u8, u16)> {
        let mut ends = self.lans[&self.lan_of(bridge, port)].clone();
        ends.retain(|&(bridge, port)| self.role(bridge, port) != PortRole::Disabled);
        if ends.is_empty() {
            ends.push((bridge, port));
        }
        ends
    }

    fn lan_of(&self, bridge: u8, port: u16) -> String {
        let found = self
            .lans
            .iter()
            .find(|(_, ends)| ends.contains(&(bridge, port)));
        found.unwrap().0.clone()
    }

    fn apply(&mut self, number: u8, action: &Action) {
        self.deeds.push(Deed {
            at: self.now,
            bridge: number,
            action: action.clone(),
        });
        match *action {
            Action::Transmit { port, ref bpdu } => {
                let from = (number, port.get());
                let frame = llc::frame(MacAddr::new(2, 0, 0, 0, 1, number), bpdu);
                let lan = self.lan_of(number, port.get());
                for &(bridge, port) in &self.lans[&lan] {
                    if (bridge, port) != from {
                        self.sequence += 1;
                        self.wire.insert(
                            (self.now + HOP, self.sequence),
                            Arrival {
                                bridge,
                                port,
                                frame: frame.clone(),
                            },
                        );
                    }
                }
            }
            Action::SetState { port, state, tree } if tree == TreeId::COMMON => {
                self.told.get_mut(&(number, port.get())).unwrap().1 = state;
            }
            Action::SetRole { port, role, tree } if tree == TreeId::COMMON => {
                self.told.get_mut(&(number, port.get())).unwrap().0 = role;
            }
            Action::SetState { .. }
            | Action::SetRole { .. }
            | Action::Flush { .. }
            | Action::SetInconsistent { .. }
            | Action::ShortAgeing { .. }
            | Action::RootChanged { .. }
            | Action::TopologyChange { .. } => {}
        }
    }

    pub(crate) fn tree(&self, bridge: u8) -> TreeStatus {
        self.bridges[&bridge].tree(TreeId::COMMON)
    }

    pub(crate) fn port(&self, bridge: u8, port: u16) -> PortStatus {
        self.bridges[&bridge].port(port_number(port)).unwrap()
    }

    pub(crate) fn role(&self, bridge: u8, port: u16) -> PortRole {
        self.port(bridge, port).role
    }

    pub(crate) fn state(&self, bridge: u8, port: u16) -> PortState {
        self.port(bridge, port).state
    }

    /// The deeds of one bridge since `since`.
    pub(crate) fn deeds_of(&self, bridge: u8, since: Duration) -> Vec<Deed> {
        let mut deeds = self.deeds.clone();
        deeds.retain(|deed| deed.bridge == bridge && deed.at >= since);
        deeds
    }

    /// What must hold of one bridge after every call.
    fn check(&mut self, number: u8) {
        if self.is_rapid() && self.believes_dead_root() {
            self.dead_root_at = Some(self.now);
        }
        let bridge = &self.bridges[&number];
        let tree = bridge.tree(TreeId::COMMON);
        let mut roots = 0;
        for port in bridge.ports() {
            let status = bridge.port(port).unwrap();
            let told = self.told[&(number, port.get())];
            assert_eq!(
                told,
                (status.role, status.state),
                "told and shown differ: {number}.{port}"
            );
            let fits = match status.role {
                PortRole::Disabled => status.state == PortState::Disabled,
                PortRole::Alternate | PortRole::Backup | PortRole::Master => {
                    status.state == PortState::Blocking
                }
                PortRole::Root | PortRole::Designated if status.inconsistent.is_some() => {
                    status.state == PortState::Blocking
                }
                PortRole::Root | PortRole::Designated => {
                    !matches!(status.state, PortState::Disabled | PortState::Blocking)
                }
            };
            assert!(fits, "{number}.{port}: {} {}", status.role, status.state);
            assert_eq!(status.role == PortRole::Root, tree.root_port == Some(port));
            if status.role == PortRole::Designated {
                assert_eq!(status.designated, status.offer);
                assert_eq!(status.message_age_due, None);
            }
            roots += usize::from(status.role == PortRole::Root);
        }
        assert_eq!(roots, usize::from(!tree.is_root()), "bridge {number}");
        if self.forbid_loops && !self.counts_to_infinity() {
            assert!(!self.has_loop(), "a forwarding loop at {:?}", self.now);
        }
    }

    /// Whether the word of a dead root may still go round among rapid bridges (Elmeleegy, Cox and Ng 2006): then there
    /// may be a loop, which the standard does not exclude. Classic bridges wait it out.
    pub(crate) fn counts_to_infinity(&self) -> bool {
        self.dead_root_at
            .is_some_and(|at| self.now <= at + DEAD_WORD)
    }

    /// Whether not all bridges are classic ones.
    fn is_rapid(&self) -> bool {
        let rapid = |bridge: &Bridge| bridge.config().protocol != Protocol::Stp;
        self.bridges.values().any(rapid)
    }

    /// Whether a bridge takes one for the root that no way leads to.
    pub(crate) fn believes_dead_root(&self) -> bool {
        self.believes_dead_root_in(TreeId::COMMON)
    }

    /// The same of one of several trees.
    pub(crate) fn believes_dead_root_in(&self, tree: TreeId) -> bool {
        self.bridges.iter().any(|(&bridge, own)| {
            let root = own.tree(tree).root;
            let mut others = self.bridges.iter();
            let holder = others.find(|(_, other)| other.tree(tree).bridge == root);
            holder.is_none_or(|(&holder, _)| !self.reachable(bridge).contains(&holder))
        })
    }

    /// The bridges that ways lead to, over links that are up.
    fn reachable(&self, from: u8) -> BTreeSet<u8> {
        let mut found = BTreeSet::from([from]);
        loop {
            let before = found.len();
            for (lan, ends) in &self.lans {
                let up = ends
                    .iter()
                    .filter(|end| self.told[*end].0 != PortRole::Disabled);
                let up: Vec<u8> = up.map(|&(bridge, _)| bridge).collect();
                if !self.silent.contains(lan) && up.iter().any(|bridge| found.contains(bridge)) {
                    found.extend(up);
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    /// Whether frames could run in a circle: a union of bridges and LANs along forwarding ports that closes.
    pub(crate) fn has_loop(&self) -> bool {
        self.closes(|end| self.told[&end].1)
    }

    /// The same for the frames of an instance.
    pub(crate) fn has_loop_in(&self, tree: TreeId) -> bool {
        self.closes(|(bridge, port)| {
            let port = self.bridges[&bridge].port_in_tree(port_number(port), tree);
            port.unwrap().state
        })
    }

    fn closes(&self, state: impl Fn((u8, u16)) -> PortState) -> bool {
        let mut group: BTreeMap<String, String> = BTreeMap::new();
        fn find(group: &BTreeMap<String, String>, of: String) -> String {
            match group.get(&of) {
                Some(next) => find(group, next.clone()),
                None => of,
            }
        }
        for (lan, ends) in &self.lans {
            for &(bridge, port) in ends {
                if state((bridge, port)).forwards() && !self.silent.contains(lan) {
                    let one = find(&group, format!("lan {lan}"));
                    let other = find(&group, format!("bridge {bridge}"));
                    if one == other {
                        return true;
                    }
                    group.insert(one, other);
                }
            }
        }
        false
    }

    /// Compares all roles with what the drawing expects, and that every port is where its role leads.
    pub(crate) fn check_expected(&self) {
        assert!(!self.expected.is_empty(), "nothing is expected");
        for &(bridge, port, role) in &self.expected {
            assert_eq!(self.role(bridge, port), role, "role of {bridge}.{port}");
            let state = match role {
                PortRole::Disabled => PortState::Disabled,
                PortRole::Root | PortRole::Designated => PortState::Forwarding,
                PortRole::Alternate | PortRole::Backup | PortRole::Master => PortState::Blocking,
            };
            assert_eq!(self.state(bridge, port), state, "state of {bridge}.{port}");
        }
    }

    /// Expects something else from now on.
    pub(crate) fn expect(&mut self, text: &str) {
        self.expected.clear();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (number, ports) = line.split_once(':').unwrap();
            self.draw_expectation(number.trim().parse().unwrap(), ports);
        }
        self.check_expected();
    }

    /// The roles that follow from the graph alone: no protocol, no `stp` code.
    pub(crate) fn oracle(&self) -> BTreeMap<(u8, u16), PortRole> {
        self.oracle_of(TreeId::COMMON)
    }

    /// The same of an instance of the one region that all bridges are in.
    pub(crate) fn oracle_of(&self, tree: TreeId) -> BTreeMap<(u8, u16), PortRole> {
        type Key = (u16, u8);
        let id = |number: u8| -> Key {
            let own = self.bridges[&number].tree(tree).bridge;
            (own.settable(), number)
        };
        let port = |bridge: u8, port: u16| {
            let port = self.bridges[&bridge].port_in_tree(port_number(port), tree);
            port.unwrap()
        };
        let cost = |bridge: u8, number: u16| u64::from(port(bridge, number).path_cost.get());
        let port_id = |bridge: u8, number: u16| (port(bridge, number).id.priority().get(), number);
        let up = |&(bridge, port): &(u8, u16)| self.port(bridge, port).role != PortRole::Disabled;
        let lans: Vec<Vec<(u8, u16)>> = self
            .lans
            .iter()
            .filter(|(lan, _)| !self.silent.contains(lan))
            .map(|(_, ends)| ends.iter().copied().filter(|end| up(end)).collect())
            .collect();
        // Best (root, cost) of every bridge: relaxed until nothing changes.
        let mut best: BTreeMap<u8, (Key, u64)> = self
            .bridges
            .keys()
            .map(|&number| (number, (id(number), 0)))
            .collect();
        for _ in 0..=self.bridges.len() {
            for ends in &lans {
                for &(from, _) in ends {
                    for &(to, port) in ends {
                        let (root, so_far) = best[&from];
                        let offer = (root, so_far + cost(to, port));
                        if offer < best[&to] {
                            best.insert(to, offer);
                        }
                    }
                }
            }
        }
        let mut roles: BTreeMap<(u8, u16), PortRole> = self
            .told
            .keys()
            .map(|&end| (end, PortRole::Disabled))
            .collect();
        let mut ways = BTreeMap::new();
        for ends in &lans {
            let speaker = ends
                .iter()
                .copied()
                .min_by_key(|&(bridge, port)| (best[&bridge], id(bridge), port_id(bridge, port)));
            let Some(speaker) = speaker else { continue };
            for &end in ends {
                let role = if end == speaker {
                    PortRole::Designated
                } else if end.0 == speaker.0 {
                    PortRole::Backup
                } else {
                    let (root, so_far) = best[&speaker.0];
                    let way = (
                        (root, so_far + cost(end.0, end.1)),
                        id(speaker.0),
                        port_id(speaker.0, speaker.1),
                        port_id(end.0, end.1),
                    );
                    let least = ways.entry(end.0).or_insert((way, end));
                    *least = (*least).min((way, end));
                    PortRole::Alternate
                };
                roles.insert(end, role);
            }
        }
        for (bridge, (_, end)) in ways {
            if best[&bridge].0 != id(bridge) {
                roles.insert(end, PortRole::Root);
            }
        }
        roles
    }

    /// All roles as they are.
    pub(crate) fn roles(&self) -> BTreeMap<(u8, u16), PortRole> {
        self.roles_in(TreeId::COMMON)
    }

    /// The same in one of several trees.
    pub(crate) fn roles_in(&self, tree: TreeId) -> BTreeMap<(u8, u16), PortRole> {
        let role = |&(bridge, port): &(u8, u16)| {
            let status = self.bridges[&bridge].port_in_tree(port_number(port), tree);
            ((bridge, port), status.unwrap().role)
        };
        self.told.keys().map(role).collect()
    }
}
