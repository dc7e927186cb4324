//! The daemon on a thread of its own, in a namespace.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use etherparse::VlanId;
use stp::{PortNumber, PortState, TreeId};
use switchd::config::{Config, Io, PortConfig, PortKind, PortMode, StpConfig};
use switchd::control::{self, Command, Error, ErrorCode, MacFilter, Reply, Request, Responder};
use switchd::counters::DropReason;
use switchd::{Daemon, Inputs, StartError, Waker, show};

use super::Namespace;

type Question = Box<dyn FnOnce(&mut Daemon, Duration) + Send>;

thread_local! {
    static QUESTIONS: RefCell<Option<Receiver<Question>>> = const { RefCell::new(None) };
}

/// A running switch. Dropped, it stops and cleans up; when a test fails, it says first how its ports are.
pub(crate) struct Switch {
    requests: Option<Sender<Request>>,
    questions: Sender<Question>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Switch {
    /// Starts the daemon in `namespace`.
    pub(crate) fn start(namespace: &Namespace, config: Config) -> Result<Self, String> {
        let waker = Waker::new().unwrap();
        let (requests, asked) = bounded(16);
        let (questions, answers) = bounded(16);
        let (started, result) = bounded(1);
        let inputs = Inputs {
            requests: asked,
            waker: waker.clone(),
            signals: None,
            execute,
            events: None,
        };
        let thread = namespace.spawn(move || {
            QUESTIONS.with_borrow_mut(|cell| *cell = Some(answers));
            let daemon =
                Daemon::start(config, inputs).map_err(|error: StartError| error.to_string());
            match daemon {
                Ok(mut daemon) => {
                    started.send(Ok(())).unwrap();
                    daemon.run().unwrap();
                }
                Err(error) => started.send(Err(error)).unwrap(),
            }
        });
        match result.recv().unwrap() {
            Ok(()) => Ok(Self {
                requests: Some(requests),
                questions,
                waker,
                thread: Some(thread),
            }),
            Err(error) => {
                thread.join().unwrap();
                Err(error)
            }
        }
    }

    /// Asks the running daemon, on its own thread between two batches.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Daemon, Duration) -> T + Send + 'static,
    ) -> T {
        self.try_ask(question).expect("the switch answers")
    }

    /// The same; `None` if it does not answer.
    fn try_ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Daemon, Duration) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = bounded(1);
        let question: Question = Box::new(move |daemon, now| {
            // Nobody waits any more for an answer that comes late.
            let _ = answer.send(question(daemon, now));
        });
        self.questions.try_send(question).ok()?;
        let (replies, _) = bounded(1);
        let responder = Responder::new(0, replies, Arc::new(|| {}));
        let request = Request::new(Command::ShowVersion, responder);
        self.requests.as_ref()?.try_send(request).ok()?;
        self.waker.wake();
        answered.recv_timeout(super::PATIENCE).ok()
    }

    pub(crate) fn link(&self, port: u16) -> bool {
        self.ask(move |daemon, _| daemon.switch().port(number(port)).unwrap().is_link_up())
    }

    pub(crate) fn state(&self, port: u16) -> PortState {
        let port = number(port);
        self.ask(move |daemon, _| daemon.switch().port(port).unwrap().state(TreeId::COMMON))
    }

    pub(crate) fn drops(&self, port: u16, reason: DropReason) -> u64 {
        let port = number(port);
        self.ask(move |daemon, _| daemon.switch().port(port).unwrap().counters().drops(reason))
    }

    pub(crate) fn received(&self, port: u16) -> u64 {
        let port = number(port);
        self.ask(move |daemon, _| {
            daemon
                .switch()
                .port(port)
                .unwrap()
                .counters()
                .received_frames
        })
    }
}

/// What `switchctl show interfaces` and `show mac address-table` say.
fn shown(daemon: &mut Daemon, now: Duration) -> String {
    let mut text = String::new();
    for command in [
        Command::ShowInterfaces { interface: None },
        Command::ShowMac(MacFilter::default()),
    ] {
        match control::execute(daemon, now, command) {
            Ok(Reply::Interfaces { interfaces }) => {
                text.extend(interfaces.iter().map(show::interface));
            }
            Ok(Reply::MacPage { entries, .. }) => text.push_str(&show::mac_table(&entries)),
            other => text.push_str(&format!("{other:?}\n")),
        }
    }
    text
}

impl Drop for Switch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            match self.try_ask(shown) {
                Some(said) => eprintln!("--- the switch:\n{said}"),
                None => eprintln!("--- the switch does not answer"),
            }
        }
        // Nobody can ask any more: the loop ends, and the daemon cleans up on its own thread.
        self.requests = None;
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let stopped = thread.join();
            if !std::thread::panicking() {
                stopped.unwrap();
            }
        }
    }
}

fn execute(daemon: &mut Daemon, now: Duration, _: Command) -> Result<Reply, Error> {
    let question = QUESTIONS.with_borrow(|cell| cell.as_ref().unwrap().try_recv());
    question.unwrap()(daemon, now);
    Err(Error::new(ErrorCode::BadRequest, "answered another way"))
}

/// Forwarding threads: tests of ports run without any, and with two.
pub(crate) fn workers() -> u8 {
    match env!("CARGO_CRATE_NAME") {
        "ports_workers" => 2,
        _ => 0,
    }
}

pub(crate) fn number(port: u16) -> PortNumber {
    PortNumber::new(port).unwrap()
}

pub(crate) fn vlan(vlan: u16) -> VlanId {
    VlanId::try_new(vlan).unwrap()
}

/// A switch without spanning tree, with ports 1, 2, … of these kinds and names.
pub(crate) fn config(ports: &[(PortKind, &str)]) -> Config {
    Config {
        name: "test".to_owned(),
        run_dir: PathBuf::from("/nonexistent"),
        address: Some("02:00:00:00:00:01".parse().unwrap()),
        stp: StpConfig {
            protocol: switchd::TreeProtocol::Off,
            ..StpConfig::default()
        },
        ageing: cam::AgeingTime::default(),
        cam_capacity: cam::Capacity::new(1024).unwrap(),
        io: Io::Uring,
        workers: workers(),
        offload: true,
        ports: (1..)
            .zip(ports)
            .map(|(number, &(kind, name))| port(number, kind, name))
            .collect(),
        static_macs: Vec::new(),
    }
}

/// A port in VLAN 1.
pub(crate) fn port(port: u16, kind: PortKind, name: &str) -> PortConfig {
    PortConfig {
        number: number(port),
        name: name.parse().unwrap(),
        kind,
        endpoint: None,
        mac: None,
        mode: PortMode::default(),
        frames: None,
        stp: stp::PortConfig::default(),
        storm: switchd::protect::StormControl::default(),
        loop_detection: switchd::protect::LoopDetection::default(),
        rate: switchd::meter::RateLimits::default(),
        down: false,
        offload: None,
    }
}
