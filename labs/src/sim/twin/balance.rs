//! A cluster in virtual time: the VMs of a lab, balanced by [`crate::drs`].

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::BTreeMap;

use super::moves::client_host;
use super::{Pace, Telling, Twin, TwinError};
use crate::domain::{Domain, ways_stopped};
use crate::drs::run::{Bounds, Cluster, News, Way, run};
use crate::drs::{DrsReport, Settings};
use crate::sim::id::NodeId;
use crate::topology::{Position, Step, StepKind, Topology};
use crate::vmotion::migration::summary;
use crate::vmotion::{MigrationReport, TcpSummary};

/// There are many sessions at once, for long: a twentieth of a second is fine enough a stopwatch, and 8 KiB a second show
/// whether a session lives.
const PACE: Pace = Pace {
    stream: 8 * 1024,
    ask_every: Duration::from_millis(50),
};

/// Somebody who is told the story.
pub(crate) type Tell<'a, E> = dyn FnMut(&Telling) -> Result<(), E> + 'a;

/// Does the steps of `topology` in virtual time, then balances its VMs. `None`: a step failed, and the story says which.
/// `details`: of the moves, too, the whole story is told.
pub(crate) fn balance<E: From<TwinError>>(
    topology: &Topology,
    settings: Settings,
    bounds: Bounds,
    details: bool,
    tell: &mut Tell<'_, E>,
) -> Result<Option<DrsReport>, E> {
    let mut twin = Twin::paced(topology.clone(), bounds.seed, PACE)?;
    let mut told = Ok(());
    let steps = twin.run(|telling| {
        if told.is_ok() {
            told = tell(telling);
        }
    });
    told?;
    if !steps?.iter().all(|step| step.ok) {
        return Ok(None);
    }
    let mut cluster = TwinCluster {
        at: settings.at,
        clients: BTreeMap::new(),
        twin: &mut twin,
        details,
        tell,
    };
    cluster.attend()?;
    run(&mut cluster, topology, settings, bounds).map(Some)
}

struct TwinCluster<'a, 'w, E> {
    twin: &'a mut Twin,
    /// The section `drs`.
    at: Position,
    /// The host of each VM's client, and the VM's address.
    clients: BTreeMap<String, (NodeId, Ipv4Addr)>,
    details: bool,
    tell: &'a mut Tell<'w, E>,
}

impl<E: From<TwinError>> TwinCluster<'_, '_, E> {
    /// Every VM gets a client: also those that do not move must not notice that others do.
    fn attend(&mut self) -> Result<(), E> {
        let topology = self.twin.topology().clone();
        for (vm, settings) in topology.vms() {
            let client = client_host(&topology, settings).and_then(|host| self.twin.node(host));
            let (Some(client), IpAddr::V4(ip)) = (client, settings.ip.ip) else {
                let why = format!("no host is in the network of {vm}");
                return Err(self.twin.fault(self.at, why).into());
            };
            self.twin.attend(self.at, (vm, settings), client)?;
            self.clients.insert(vm.to_owned(), (client, ip));
        }
        self.story()
    }

    /// What the twin has to tell is told if wanted, and forgotten.
    fn story(&mut self) -> Result<(), E> {
        for telling in self.twin.story.drain(..) {
            if self.details {
                (self.tell)(&telling)?;
            }
        }
        Ok(())
    }
}

impl<E: From<TwinError>> Cluster for TwinCluster<'_, '_, E> {
    type Error = E;

    fn backend(&self) -> &'static str {
        "sim"
    }

    fn now(&self) -> Duration {
        self.twin.world().now()
    }

    fn wait_until(&mut self, at: Duration) -> Result<(), E> {
        self.twin.world_mut().run_until(at);
        Ok(())
    }

    fn places(&self) -> BTreeMap<String, String> {
        let places = self.twin.vms.iter();
        places
            .map(|(vm, places)| (vm.clone(), places.host.clone()))
            .collect()
    }

    fn usage(&mut self, _: &str) -> Option<f64> {
        None
    }

    fn obstacles(&mut self) -> Result<BTreeMap<Way, String>, E> {
        let domain = Domain {
            topology: &self.twin.topology,
            view: &self.twin.view(),
        };
        Ok(ways_stopped(&domain, &self.places()))
    }

    fn migrate(&mut self, vm: &str, to: &str) -> Result<MigrationReport, E> {
        let step = Step {
            at: self.at,
            // Only its place is asked for.
            kind: StepKind::Wait(Duration::ZERO),
        };
        self.twin.migrate(&step, vm, to, false)?;
        self.story()?;
        // Every move leaves a report, also one that was refused.
        Ok(self.twin.migrations.pop().unwrap_or_default())
    }

    fn sessions(&mut self) -> Result<BTreeMap<String, TcpSummary>, E> {
        let mut sessions = BTreeMap::new();
        for (vm, (client, ip)) in &self.clients {
            let seen = self.twin.ask_client(*client, *ip);
            let seen = seen.as_ref().map(summary);
            sessions.insert(vm.clone(), seen.unwrap_or_default());
        }
        Ok(sessions)
    }

    fn tell(&mut self, news: News<'_>) -> Result<(), E> {
        let telling = match news {
            News::Table(text) => Telling::Drawing(text.to_owned()),
            News::Line(text) => Telling::Line(self.now(), text.to_owned()),
        };
        (self.tell)(&telling)
    }
}
