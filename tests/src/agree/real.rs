//! A lab in namespaces, phase by phase, each waited for until it is where the simulator says.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use labs::lab::{self, Lab, Options, Outcome, PortView, View, run_step};
use labs::sim::Power;
use labs::topology::{Step, Topology};
use switchd::control::{Command, MacFilter, MacOrigin, Notice, Reply};

use super::kernel::Settings;
use super::span::{Timed, from_disturbance, from_start, is_change};
use super::{Cam, Exchange, LabState, Phase, SwitchState, pairs, speakers};
use crate::frames;

/// How long nothing may move before it is taken for the end: two hellos.
const QUIET: Duration = Duration::from_secs(2);
/// How often the switches are asked.
const POLL: Duration = Duration::from_millis(200);
/// How long the history of a switch may take to arrive.
const HISTORY: Duration = Duration::from_millis(50);
/// How long an answer to a ping is waited for.
const PING: Duration = Duration::from_millis(500);
/// How often an exchange is begun again: entries age in 4 s while a topology change is told, which a machine busy with
/// other things may sleep through.
const EXCHANGES: usize = 5;

/// A lab that is up; goes down when dropped.
#[derive(Debug)]
pub struct Real {
    lab: Lab,
    /// As in the file, the kernel's place included.
    topology: Topology,
    kernel: Option<Settings>,
    /// Sequence number of the first event of the phase, by switch.
    marks: BTreeMap<String, u64>,
}

impl Drop for Real {
    fn drop(&mut self) {
        if let Err(error) = lab::down(self.lab.run_dir(), self.lab.name()) {
            eprintln!("{error}");
        }
    }
}

impl Real {
    /// Brings `topology` up, with a kernel bridge in the place of `kernel`.
    ///
    /// # Errors
    /// What went wrong.
    pub fn up(topology: &Topology, kernel: Option<&str>, run_dir: &Path) -> Result<Self, String> {
        let mut made = topology.clone();
        let kernel = kernel.map(|name| Settings::take(&mut made, name));
        let options = Options {
            run_dir,
            owned: true,
            progress: &|_| {},
        };
        let lab = lab::up(made, &options).map_err(|error| error.to_string())?;
        let real = Self {
            lab,
            topology: topology.clone(),
            kernel,
            marks: BTreeMap::new(),
        };
        if let Some(kernel) = &real.kernel {
            kernel.start(&real.namespace(&kernel.name));
        }
        Ok(real)
    }

    fn namespace(&self, node: &str) -> labs::netns::Namespace {
        self.lab.namespace(node).expect("it is up")
    }

    /// Does `disturbance` (`None`: has just started), waits until the lab is where `expected` says, for `patience`.
    ///
    /// # Errors
    /// It is not by then, with what is different; or a switch does not answer.
    pub fn phase(
        &mut self,
        disturbance: Option<&Step>,
        expected: &Phase,
        patience: Duration,
    ) -> Result<Phase, String> {
        if let Some(step) = disturbance {
            self.marks = self.ends()?;
            let mut nobody = |_: &str, _: &str| -> Result<Outcome, lab::LabError> {
                Err(lab::LabError::Other("no machine runs here".to_owned()))
            };
            run_step(&self.lab, &step.kind, &mut nobody).map_err(|error| error.to_string())?;
        }
        let (state, events) = self.settle(&expected.state, Instant::now() + patience)?;
        let span = match disturbance {
            None => from_start(&events),
            Some(_) => from_disturbance(&events),
        };
        let exchange = self.exchange(&expected.exchange)?;
        Ok(Phase {
            state,
            exchange,
            span,
        })
    }

    /// Waits until the state is the expected one and has been for a while.
    fn settle(&self, expected: &LabState, end: Instant) -> Result<(LabState, Vec<Timed>), String> {
        loop {
            let state = self.state()?;
            if differences(expected, &state, self.kernel.as_ref()).is_empty() {
                let events = self.events()?;
                sleep(QUIET);
                let later = self.events()?;
                let changes =
                    |events: &[Timed]| events.iter().filter(|(_, e)| is_change(e)).count();
                let still = differences(expected, &self.state()?, self.kernel.as_ref()).is_empty();
                if still && changes(&events) == changes(&later) {
                    return Ok((state, later));
                }
            }
            if Instant::now() > end {
                let mut all = differences(expected, &state, self.kernel.as_ref());
                if all.is_empty() {
                    all.push("it still moves".to_owned());
                }
                return Err(format!("in the end not the same:\n  {}", all.join("\n  ")));
            }
            sleep(POLL);
        }
    }

    fn state(&self) -> Result<LabState, String> {
        let wrong = |error: lab::LabError| error.to_string();
        let view = View::of(&self.lab).map_err(wrong)?;
        let mut state = LabState::new();
        for (name, switch) in view.switches {
            let stp = self.lab.spanning_tree(&name).map_err(wrong)?;
            let tree = stp.trees.first();
            let one = SwitchState {
                root: tree.map(|tree| format!("{}.{}", tree.root_priority, tree.root_mac)),
                root_path_cost: tree.map_or(0, |tree| tree.root_path_cost),
                root_port: tree.and_then(|tree| tree.root_port.clone()),
                ports: switch.ports,
            };
            state.insert(name, one);
        }
        if let Some(kernel) = &self.kernel {
            let one = kernel.state(&self.namespace(&kernel.name));
            state.insert(kernel.name.clone(), one);
        }
        Ok(state)
    }

    /// Those that run.
    fn switches(&self) -> impl Iterator<Item = &str> {
        let names = self.lab.topology.switches().map(|(name, _)| name);
        names.filter(|name| self.lab.power(name) == Power::On)
    }

    /// Everything that the switches have told of this phase.
    fn events(&self) -> Result<Vec<Timed>, String> {
        let mut all = Vec::new();
        for name in self.switches() {
            let since = self.marks.get(name).copied().unwrap_or(0);
            let client = self.lab.client(name).map_err(|error| error.to_string())?;
            let mut stream = client
                .events(Some(since))
                .map_err(|error| error.to_string())?;
            loop {
                match stream
                    .next_within(HISTORY)
                    .map_err(|error| error.to_string())?
                {
                    Some(Notice::Event(record)) => all.push((record.time, record.event)),
                    Some(Notice::Lost { from, to }) => {
                        return Err(format!("{name} has lost the events {from} to {to}"));
                    }
                    None => break,
                }
            }
        }
        Ok(all)
    }

    /// The number of each switch's next event.
    fn ends(&self) -> Result<BTreeMap<String, u64>, String> {
        let end = |name: &str| {
            let client = self.lab.client(name).map_err(|error| error.to_string())?;
            let stream = client.events(None).map_err(|error| error.to_string())?;
            Ok((name.to_owned(), stream.next_at_start()))
        };
        self.switches().map(end).collect()
    }

    /// The defined exchange, again if what it should leave is not there in full.
    fn exchange(&self, expected: &Exchange) -> Result<Exchange, String> {
        let mut seen = Exchange::default();
        for _ in 0..EXCHANGES {
            seen = self.exchange_once()?;
            if seen == *expected {
                break;
            }
        }
        Ok(seen)
    }

    fn exchange_once(&self) -> Result<Exchange, String> {
        let ask = |name: &str, command: &Command| {
            let reply = self.lab.ask(name, command);
            reply.map_err(|error| error.to_string())
        };
        let kernel = self
            .kernel
            .as_ref()
            .map(|kernel| self.namespace(&kernel.name));
        for name in self.switches() {
            ask(name, &Command::ClearMac(MacFilter::default()))?;
        }
        if let Some(namespace) = &kernel {
            Settings::flush(namespace);
        }
        for speaker in speakers(&self.topology) {
            let frame = frames::frame([0xff; 6], speaker.mac.octets(), &[0; 46]);
            let namespace = self.namespace(&speaker.endpoint.node);
            frames::inject(&namespace, &speaker.endpoint.port, &[frame]);
        }
        let mut pings = BTreeMap::new();
        for (from, to) in pairs(&self.topology) {
            let came_back = self.ping(&from.endpoint.node, to.ip)?;
            pings.insert((from.endpoint.node, to.endpoint.node), came_back);
        }
        let mut cams = BTreeMap::new();
        for name in self.switches() {
            let Reply::MacTable { entries, .. } =
                ask(name, &Command::ShowMac(MacFilter::default()))?
            else {
                return Err(format!("{name}: an answer to another question"));
            };
            let learned = entries
                .into_iter()
                .filter(|entry| entry.origin == MacOrigin::Dynamic);
            let cam: Cam = learned
                .map(|entry| (entry.vlan.get(), entry.mac, entry.port))
                .collect();
            cams.insert(name.to_owned(), cam);
        }
        if let (Some(settings), Some(namespace)) = (&self.kernel, &kernel) {
            cams.insert(settings.name.clone(), Settings::cam(namespace));
        }
        Ok(Exchange { cams, pings })
    }

    fn ping(&self, from: &str, to: Ipv4Addr) -> Result<bool, String> {
        let answer = lab::ping(&self.namespace(from), to, PING);
        Ok(answer.map_err(|error| error.to_string())?.is_some())
    }
}

/// What is different, a line each. Of a kernel bridge's ports the role is not compared.
fn differences(expected: &LabState, seen: &LabState, kernel: Option<&Settings>) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, expected) in expected {
        let mut expected = expected.clone();
        if kernel.is_some_and(|kernel| kernel.name == *name) {
            for port in expected.ports.values_mut() {
                port.role.clear();
            }
        }
        let Some(seen) = seen.get(name) else {
            differences.push(format!("{name} is not there"));
            continue;
        };
        let way = |state: &SwitchState| {
            let port = state.root_port.as_deref().unwrap_or("-");
            let root = state.root.as_deref().unwrap_or("none");
            format!("root {root} cost {} by {port}", state.root_path_cost)
        };
        if way(&expected) != way(seen) {
            differences.push(format!(
                "{name}: simulated {}, real {}",
                way(&expected),
                way(seen)
            ));
        }
        let ports = expected.ports.keys().chain(seen.ports.keys());
        let ports: std::collections::BTreeSet<&String> = ports.collect();
        for port in ports {
            let (one, other) = (expected.ports.get(port), seen.ports.get(port));
            if one != other {
                let words = |view: Option<&PortView>| {
                    view.map_or("absent".to_owned(), |view| {
                        let carrier = if view.link { "" } else { " without carrier" };
                        format!("{} {}{carrier}", view.role, view.state)
                    })
                };
                differences.push(format!(
                    "{name}:{port}: simulated {}, real {}",
                    words(one),
                    words(other)
                ));
            }
        }
    }
    differences
}
