//! One scenario, played and judged.

use core::fmt;
use core::time::Duration;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use labs::sim::{Finding, Observer};

use crate::checks::{addresses, reach, tree};
use crate::oracle::{Graph, Tree};
use crate::scenario::network::Network;
use crate::scenario::regime::Regime;
use crate::scenario::{Fault, Scenario, Times};

/// What came of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// What must not be; `None`: all is well.
    pub wrong: Option<Wrong>,
    /// Loops that spanning tree does not promise to prevent, each with its explanation.
    pub loops: Vec<LoopSeen>,
    /// Stale addresses that spanning tree does not promise to forget.
    pub stale: Option<String>,
    /// Events of the simulation.
    pub events: u64,
    /// How much of the time it was allowed the tree took to come to rest after the last fault, in percent.
    pub settled_percent: u64,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What kind of thing.
    pub kind: WrongKind,
    /// When, since the start.
    pub time: Duration,
    /// What exactly.
    pub what: String,
}

/// Kinds of things that must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongKind {
    /// A loop without a cause that excuses it.
    Loop,
    /// The tree at rest is not the one that follows from the graph.
    Tree,
    /// The tree was right, and left rest.
    Restless,
    /// An address at a port that does not lead to its host.
    Address,
    /// A host was reached too rarely or too often.
    Reach,
    /// The code panicked.
    Panic,
}

/// A loop, and why it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopSeen {
    /// When, since the start.
    pub time: Duration,
    /// Its ports.
    pub path: String,
    /// What allowed it.
    pub cause: Cause,
}

/// What can make a loop that spanning tree does not promise to prevent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A wire died in silence.
    Silent,
    /// One end of a wire went mute or deaf.
    OneWay,
    /// A wire lost frames by chance.
    Loss,
    /// A bridge hung.
    Freeze,
    /// The times are too short for the network.
    ShortTimes,
    /// Nothing: it must not be.
    None,
}

impl Cause {
    fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Silent(_) => Self::Silent,
            Fault::Mute(..) | Fault::Deaf(..) => Self::OneWay,
            Fault::Loss(..) => Self::Loss,
            Fault::Freeze(_) => Self::Freeze,
            Fault::Nothing
            | Fault::Down(_)
            | Fault::Up(_)
            | Fault::Delay(..)
            | Fault::Off(_)
            | Fault::On(_)
            | Fault::Priority(..)
            | Fault::Times(..)
            | Fault::Cost(..)
            | Fault::PortPriority(..)
            | Fault::PortDown(..)
            | Fault::PortUp(..) => Self::None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => {
                "silent failure: both ends came to forward, and the wire came back before the next hello"
            }
            Self::OneWay => {
                "one-way failure: who no longer hears the designated bridge takes its place, and frames still pass"
            }
            Self::Loss => {
                "random loss: as many hellos in a row were lost as max age waits for, and data got through"
            }
            Self::Freeze => {
                "frozen bridge: others took its place, and it woke with its ports still forwarding"
            }
            Self::ShortTimes => {
                "times too short for the network: word of the root came too late, or grew too old to be passed on"
            }
            Self::None => "nothing allows it",
        })
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}: {}", self.kind, self.time, self.what)
    }
}

impl fmt::Display for LoopSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, path, cause } = self;
        write!(f, "loop at {time:?} by {path} ({cause})")
    }
}

/// How long a probing frame may be under way: far longer than any way through a test's network.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays a scenario and judges it. A panic is something wrong like any other.
#[must_use]
pub fn play(scenario: &Scenario) -> Trial {
    catch_panic(|| Play::new(scenario).run()).unwrap_or_else(|what| Trial {
        wrong: Some(Wrong {
            kind: WrongKind::Panic,
            time: Duration::ZERO,
            what,
        }),
        ..Trial::default()
    })
}

thread_local! {
    /// `Some` while a panic on this thread is to be caught: what it said, and where.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `act`; a panic in it is returned as text instead of printed, for a scenario that panics is played many times
/// while it is made smaller.
fn catch_panic<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let told = PANIC.with_borrow_mut(|panic| panic.as_mut().map(|p| *p = info.to_string()));
            if told.is_none() {
                before(info);
            }
        }));
    });
    PANIC.set(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(act));
    let told = PANIC.take();
    result.map_err(|_| told.unwrap_or_default())
}

/// Plays a scenario with somebody watching, without judging panics.
pub fn play_watched(scenario: &Scenario, observer: impl Observer + 'static) -> Trial {
    let mut play = Play::new(scenario);
    play.network.world.observe(observer);
    play.run()
}

struct Play<'a> {
    scenario: &'a Scenario,
    regime: Regime,
    network: Network,
    next_broadcast: Option<Duration>,
    /// Faults so far that lose frames in silence.
    losses: Vec<Fault>,
    /// The last fault is healed and the tree stands: nothing excuses anything any more.
    at_peace: bool,
    trial: Trial,
}

impl<'a> Play<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let traffic = Duration::from_millis(scenario.traffic_ms.into());
        Self {
            scenario,
            regime: Regime::of(scenario),
            network: Network::build(scenario),
            next_broadcast: (!traffic.is_zero()).then_some(traffic),
            losses: Vec::new(),
            at_peace: false,
            trial: Trial::default(),
        }
    }

    fn run(mut self) -> Trial {
        self.act();
        self.trial.events = self.network.world.totals().events;
        self.trial
    }

    fn now(&self) -> Duration {
        self.network.world.now()
    }

    /// `None`: something is wrong, and the rest does not matter.
    fn act(&mut self) -> Option<()> {
        for step in &self.scenario.steps {
            self.pass(Duration::from_micros(step.wait_us))?;
            if step.fault.loses() {
                self.losses.push(step.fault);
            }
            self.network.hurt(step.fault);
        }
        self.network.heal();
        if self.scenario.hush {
            self.next_broadcast = None;
        }
        let healed = self.now();
        let graph = self.network.graph();
        let tree = graph.tree();
        let roots = self.roots(&graph, &tree);
        let bound = |after: fn(&Regime, Times) -> Duration| {
            let bounds = roots.iter().map(|&root| after(&self.regime, root));
            bounds.max().unwrap_or_default()
        };
        let (settling, learning) = (bound(Regime::settled_after), bound(Regime::learned_after));
        self.pass(settling)?;
        if !self.regime.reaches {
            return Some(());
        }
        self.rest(healed, settling, &graph, &tree)?;
        self.at_peace = true;
        self.pass(learning)?;
        self.peace(&graph, &tree)
    }

    /// The tree is right.
    fn rest(
        &mut self,
        healed: Duration,
        bound: Duration,
        graph: &Graph,
        tree: &Tree,
    ) -> Option<()> {
        let last = self.network.world.changes().last().unwrap_or_default();
        let took = last.saturating_sub(healed).as_millis() * 100;
        let percent = took / bound.as_millis().max(1);
        self.trial.settled_percent = u64::try_from(percent).unwrap_or(u64::MAX);
        match tree::difference(&self.network, graph, tree) {
            Some(what) => self.wrong(WrongKind::Tree, what),
            None => Some(()),
        }
    }

    /// It stays right, no address is stale, everyone reaches everyone once, and there is no loop any more.
    fn peace(&mut self, graph: &Graph, tree: &Tree) -> Option<()> {
        if let Some(what) = tree::difference(&self.network, graph, tree) {
            return self.wrong(WrongKind::Restless, what);
        }
        let stale = addresses::astray(&self.network, graph, tree);
        match stale {
            Some(what) if self.regime.is_safe() => return self.wrong(WrongKind::Address, what),
            stale => self.trial.stale = stale,
        }
        let patience = PATIENCE.max(4 * self.regime.bridges * self.regime.delay);
        if let Some(what) = reach::wrong(&mut self.network, graph, tree, patience) {
            return self.wrong(WrongKind::Reach, what);
        }
        self.look_for_loops()?;
        match addresses::astray(&self.network, graph, tree) {
            Some(what) => self.wrong(WrongKind::Address, what),
            None => Some(()),
        }
    }

    /// The times of the roots there will be.
    fn roots(&self, graph: &Graph, tree: &Tree) -> Vec<Times> {
        let is_root = |index: &usize| tree.ways[*index].0 == graph.bridges[*index];
        let roots = (0..graph.bridges.len()).filter(is_root);
        roots.filter_map(|root| self.network.times(root)).collect()
    }

    fn wrong(&mut self, kind: WrongKind, what: String) -> Option<()> {
        let time = self.now();
        self.trial.wrong = Some(Wrong { kind, time, what });
        None
    }

    /// Lets time pass, with the hosts sending.
    fn pass(&mut self, time: Duration) -> Option<()> {
        let end = self.now() + time;
        while let Some(at) = self.next_broadcast.filter(|at| *at <= end) {
            self.network.world.run_until(at);
            self.look_for_loops()?;
            self.network.broadcast();
            let period = Duration::from_millis(self.scenario.traffic_ms.into());
            self.next_broadcast = Some(at + period);
        }
        self.network.world.run_until(end);
        self.look_for_loops()
    }

    /// Judges the loops found since the last look.
    fn look_for_loops(&mut self) -> Option<()> {
        let findings = self.network.world.take_findings();
        for finding in findings
            .iter()
            .filter(|finding| finding.violation.is_loop())
        {
            let seen = self.loop_seen(finding);
            if self.at_peace || self.regime.is_safe() || seen.cause == Cause::None {
                return self.wrong(WrongKind::Loop, seen.to_string());
            }
            self.trial.loops.push(seen);
        }
        Some(())
    }

    fn loop_seen(&self, finding: &Finding) -> LoopSeen {
        let path = finding.violation.path();
        let map = self.network.world.map();
        let labels: Vec<String> = path.iter().map(|&port| map.label(port)).collect();
        // The last loss on the loop itself, or else anywhere: word from beyond may have been lost there.
        let on_path = |fault: &&Fault| self.network.touches(**fault, path);
        let on_loop = self.losses.iter().rev().find(on_path);
        let cause = match on_loop.or(self.losses.last()) {
            Some(fault) => Cause::of(fault),
            None if !self.regime.holds() => Cause::ShortTimes,
            None => Cause::None,
        };
        LoopSeen {
            time: finding.time,
            path: labels.join(" "),
            cause,
        }
    }
}
