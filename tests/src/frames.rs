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
            let mut sender = open(interface);
            for frame in frames {
                sender
                    .send_to(frame, None)
                    .expect("a raw socket takes one frame")
                    .expect("sent");
            }
        })
        .expect("namespace");
}

/// The far end of a switch's port, octet by octet: the test holds the descriptor of a tap whose interface the
/// switch has as a `packet` port. (An observer on a veth would not see VLAN tags: the kernel takes them off before
/// any packet socket.)
#[derive(Debug)]
pub struct Plug {
    tap: tun_tap::Iface,
}

impl Plug {
    /// Makes the interface `name` in `namespace`.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[must_use]
    pub fn new(namespace: &Namespace, name: &str) -> Self {
        let tap = namespace
            .run(|| tun_tap::Iface::without_packet_info(name, tun_tap::Mode::Tap))
            .expect("namespace")
            .expect("tests run as root");
        tap.set_non_blocking().expect("a descriptor");
        Self { tap }
    }

    /// Sends one frame towards the switch.
    ///
    /// # Panics
    /// When the interface is gone.
    pub fn send(&self, frame: &[u8]) {
        self.tap.send(frame).expect("the interface is up");
    }

    /// The frames of the experimental EtherType that the switch sends within `time`.
    #[must_use]
    pub fn receive(&self, time: Duration) -> Vec<Vec<u8>> {
        self.receive_if(time, is_experimental)
    }

    /// The frames to group addresses that the switch sends within `time`: BPDUs, if no host speaks.
    #[must_use]
    pub fn receive_groups(&self, time: Duration) -> Vec<Vec<u8>> {
        self.receive_if(time, |frame| {
            frame.first().is_some_and(|octet| octet & 1 != 0)
        })
    }

    fn receive_if(&self, time: Duration, wanted: fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let until = Instant::now() + time;
        let mut seen = Vec::new();
        let mut frame = vec![0; 2048];
        while Instant::now() < until {
            match self.tap.recv(&mut frame) {
                Ok(len) if wanted(&frame[..len]) => seen.push(frame[..len].to_vec()),
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        seen
    }
}

/// Whether the EtherType behind any tags is the experimental one.
fn is_experimental(frame: &[u8]) -> bool {
    let mut rest = frame.get(12..).unwrap_or_default();
    while let [0x81, 0x00, _, _, behind @ ..] = rest {
        rest = behind;
    }
    rest.starts_with(&EXPERIMENTAL)
}

fn open(interface: &str) -> Box<dyn datalink::DataLinkSender> {
    let interface = datalink::interfaces()
        .into_iter()
        .find(|candidate| candidate.name == interface)
        .unwrap_or_else(|| panic!("no interface {interface}"));
    match datalink::channel(&interface, Config::default()).expect("raw socket") {
        Channel::Ethernet(sender, _) => sender,
        _ => panic!("not an Ethernet interface"),
    }
}
