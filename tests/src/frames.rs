//! Frames injected and observed on an interface, octet by octet.

use std::time::{Duration, Instant};

use labs::netns::Namespace;
use pnet::datalink::{self, Channel, Config};

/// EtherType for local experiments (IEEE 802): no stack answers it.
pub const EXPERIMENTAL: [u8; 2] = [0x88, 0xb5];

/// Octets of an untagged frame with the experimental EtherType.
#[must_use]
pub fn frame(destination: [u8; 6], source: [u8; 6], payload: &[u8]) -> Vec<u8> {
    [&destination[..], &source, &EXPERIMENTAL, payload].concat()
}

/// The same frame with a C-VLAN tag.
#[must_use]
pub fn tagged(frame: &[u8], tci: u16) -> Vec<u8> {
    let [high, low] = tci.to_be_bytes();
    [&frame[..12], &[0x81, 0x00, high, low], &frame[12..]].concat()
}

/// Sends frames out of `interface` of a namespace.
///
/// # Panics
/// When the interface is missing.
pub fn inject(namespace: &Namespace, interface: &str, frames: &[Vec<u8>]) {
    namespace
        .run(|| {
            let (mut sender, _) = open(interface, Duration::from_millis(10));
            for frame in frames {
                sender
                    .send_to(frame, None)
                    .expect("a raw socket takes one frame")
                    .expect("sent");
            }
        })
        .expect("namespace");
}

/// Runs `act` while listening on `interface`, then listens on for `after`; the frames of the experimental
/// EtherType that came in (and those sent, which the caller knows).
///
/// # Panics
/// When the interface is missing.
pub fn observe(
    namespace: &Namespace,
    interface: &str,
    after: Duration,
    act: impl FnOnce() + Send,
) -> Vec<Vec<u8>> {
    namespace
        .run(|| {
            let (_, mut receiver) = open(interface, Duration::from_millis(10));
            act();
            let until = Instant::now() + after;
            let mut seen = Vec::new();
            while Instant::now() < until {
                if let Ok(frame) = receiver.next()
                    && is_experimental(frame)
                {
                    seen.push(frame.to_vec());
                }
            }
            seen
        })
        .expect("namespace")
}

fn is_experimental(frame: &[u8]) -> bool {
    frame
        .windows(2)
        .skip(12)
        .take(9)
        .any(|two| two == EXPERIMENTAL)
}

fn open(
    interface: &str,
    timeout: Duration,
) -> (
    Box<dyn datalink::DataLinkSender>,
    Box<dyn datalink::DataLinkReceiver>,
) {
    let interface = datalink::interfaces()
        .into_iter()
        .find(|candidate| candidate.name == interface)
        .unwrap_or_else(|| panic!("no interface {interface}"));
    let config = Config {
        read_timeout: Some(timeout),
        ..Config::default()
    };
    match datalink::channel(&interface, config).expect("raw socket") {
        Channel::Ethernet(sender, receiver) => (sender, receiver),
        _ => panic!("not an Ethernet interface"),
    }
}
