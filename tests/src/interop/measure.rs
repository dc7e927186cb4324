//! How long hosts hear nothing when a link fails, measured in a triangle of one brand. What is measured is told; what may be
//! asked for on a machine that has other things to do is only that no timer was waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use labs::netns::Namespace;
use pnet::datalink::{self, Channel, Config, DataLinkReceiver, DataLinkSender};

use super::plan::{Brand, Bridge, Scenario, Speech, Step, Wire};
use super::play::Site;
use crate::frames::{EXPERIMENTAL, frame};

/// How often the one host speaks to the other.
const PERIOD: Duration = Duration::from_millis(1);
/// A silence is listened to for so long, and counts as that long if it is longer.
const LIMIT: Duration = Duration::from_secs(15);
/// How long hosts may take to hear each other before something fails.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long it must have been heard again before the silence is taken for over.
const CALM: Duration = Duration::from_millis(1000);
/// Frames of the measurement begin so, behind the EtherType.
const MARK: &[u8; 4] = b"gap?";
const DESTINATION: [u8; 6] = [2, 0, 0, 0x6a, 0, 2];

/// The silences of one kind of failure.
#[derive(Debug)]
pub struct Measured {
    /// The triangle.
    pub who: &'static str,
    /// What fails.
    pub what: &'static str,
    /// One each time.
    pub silences: Vec<Duration>,
}

impl Measured {
    /// The median.
    ///
    /// # Panics
    /// When nothing was measured.
    #[must_use]
    pub fn median(&self) -> Duration {
        let mut sorted = self.silences.clone();
        sorted.sort();
        sorted[sorted.len() / 2]
    }
}

/// What fails.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// The leaf's root port loses carrier.
    Carrier,
    /// The root dies, and every carrier stays.
    Silent,
}

/// Measures our triangle and Open vSwitch's, one after the other: carrier loss `times` times, silence a quarter as often.
///
/// # Errors
/// When a tree does not come back.
pub fn measure(times: usize) -> Result<Vec<Measured>, String> {
    let brands = [(Brand::Ours, "ours"), (Brand::Ovs, "Open vSwitch")];
    let mut all = Vec::new();
    if times == 0 {
        return Ok(all);
    }
    for (brand, who) in brands {
        for (failure, what, times) in [
            (
                Failure::Carrier,
                "the leaf's root port loses carrier",
                times,
            ),
            (
                Failure::Silent,
                "the root dies, carriers stay",
                times.div_ceil(4),
            ),
        ] {
            let silences = silences(brand, failure, times)?;
            all.push(Measured {
                who,
                what,
                silences,
            });
        }
    }
    Ok(all)
}

/// Our triangle alone: carrier loss, `times` times.
///
/// # Errors
/// When a tree does not come back.
pub fn carrier_loss(times: usize) -> Result<Vec<Duration>, String> {
    silences(Brand::Ours, Failure::Carrier, times)
}

fn triangle(brand: Brand) -> Scenario {
    let bridge = |priority| Bridge {
        brand,
        speech: Speech::Rstp,
        epochs: false,
        priority,
    };
    let wire = |one, other| Wire {
        ends: [one, other],
        cost: 100,
    };
    Scenario {
        name: "triangle",
        bridges: [4096, 8192, 12288].map(bridge).into(),
        wires: vec![wire(0, 1), wire(1, 2), wire(2, 0)],
        steps: Vec::new(),
    }
}

fn silences(brand: Brand, failure: Failure, times: usize) -> Result<Vec<Duration>, String> {
    let mut site = Site::build(&triangle(brand));
    site.settle()?;
    // The root's host cannot be heard when the root is dead.
    let (from, fails, returns) = match failure {
        Failure::Carrier => (0, Step::Cut(2), Step::Join(2)),
        Failure::Silent => (1, Step::Stop(0), Step::Start(0)),
    };
    let mut line = Line::open(site.host(from), site.host(2));
    let mut all = Vec::new();
    for _ in 0..times {
        line.until_heard()?;
        // Meanwhile, for a rapid tree has answered before a netlink request has.
        let done = AtomicBool::new(false);
        let silence = std::thread::scope(|scope| {
            scope.spawn(|| {
                site.apply(fails);
                done.store(true, Ordering::Release);
            });
            line.longest_silence(&done)
        });
        all.push(silence);
        site.apply(returns);
        site.settle()?;
        site.purge_flows();
    }
    Ok(all)
}

/// From one host to another.
struct Line {
    sender: Box<dyn DataLinkSender>,
    receiver: Box<dyn DataLinkReceiver>,
    octets: Vec<u8>,
}

impl Line {
    fn open(from: &Namespace, to: &Namespace) -> Self {
        let mut payload = MARK.to_vec();
        payload.resize(46, 0);
        Self {
            sender: channel(from).0,
            receiver: channel(to).1,
            octets: frame(DESTINATION, [2, 0, 0, 0x6a, 0, 1], &payload),
        }
    }

    /// Speaks once; whether anything has been heard since.
    fn turn(&mut self) -> bool {
        let _ = self.sender.send_to(&self.octets, None);
        std::thread::sleep(PERIOD);
        let mut heard = false;
        while let Ok(octets) = self.receiver.next() {
            let payload = octets
                .get(12..)
                .and_then(|rest| rest.strip_prefix(&EXPERIMENTAL));
            heard |= payload.is_some_and(|payload| payload.starts_with(MARK));
        }
        heard
    }

    fn until_heard(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while !self.turn() {
            if Instant::now() > end {
                return Err("nothing is heard before the failure".to_owned());
            }
        }
        Ok(())
    }

    /// The longest time without a frame until what fails is `done` and frames have come for a while.
    fn longest_silence(&mut self, done: &AtomicBool) -> Duration {
        let begin = Instant::now();
        let (mut last, mut longest) = (begin, Duration::ZERO);
        let (mut since, mut came) = (begin, false);
        while begin.elapsed() < LIMIT {
            if self.turn() {
                let now = Instant::now();
                let silence = now - last;
                if silence > longest {
                    longest = silence;
                    since = now;
                }
                last = now;
                came = true;
            }
            if !done.load(Ordering::Acquire) {
                since = since.max(Instant::now());
            } else if came && last.duration_since(since) > CALM && last.elapsed() < CALM / 10 {
                return longest;
            }
        }
        LIMIT
    }
}

fn channel(namespace: &Namespace) -> (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>) {
    let opened = namespace.run(|| {
        let found = datalink::interfaces()
            .into_iter()
            .find(|candidate| candidate.name == "eth0")
            .expect("a host has eth0");
        let config = Config {
            read_timeout: Some(Duration::ZERO),
            ..Config::default()
        };
        match datalink::channel(&found, config).expect("raw socket") {
            Channel::Ethernet(sender, receiver) => (sender, receiver),
            _ => panic!("not an Ethernet interface"),
        }
    });
    opened.expect("namespace")
}
