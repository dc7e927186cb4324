//! TCP between namespaces, every octet checked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Namespace, PATIENCE, undisturbed};

const PORT: u16 = 5001;

/// Octet number `at` of the stream: no period that a segment size divides.
fn octet(at: usize) -> u8 {
    let mixed = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_be_bytes()[0]
}

/// Sends `octets` from `client` to `10.0.0.HOST` in `server`; how long it took. Panics unless every octet
/// arrives as it was sent, in both directions (the server sends a quarter back).
pub(crate) fn transfer(
    client: &Namespace,
    server: &Namespace,
    host: u8,
    octets: usize,
) -> Duration {
    let listener = server.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).unwrap());
    let serving = server.spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        receive(&mut peer, octets);
        send(&mut peer, octets / 4);
    });
    let start = Instant::now();
    client.run(|| {
        let mut peer = connect(host);
        send(&mut peer, octets);
        receive(&mut peer, octets / 4);
    });
    serving.join().unwrap();
    start.elapsed()
}

fn connect(host: u8) -> TcpStream {
    let address = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), PORT);
    let peer = TcpStream::connect_timeout(&address.into(), PATIENCE).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.set_write_timeout(Some(PATIENCE)).unwrap();
    peer
}

fn send(peer: &mut TcpStream, octets: usize) {
    let mut at = 0;
    let mut buffer = vec![0; 1 << 18];
    while at < octets {
        let len = buffer.len().min(octets - at);
        for (place, at) in buffer[..len].iter_mut().zip(at..) {
            *place = octet(at);
        }
        peer.write_all(&buffer[..len]).unwrap();
        at += len;
    }
}

fn receive(peer: &mut TcpStream, octets: usize) {
    let mut at = 0;
    let mut buffer = vec![0; 1 << 18];
    while at < octets {
        let len = buffer.len().min(octets - at);
        let read = undisturbed(|| peer.read(&mut buffer[..len]));
        assert_ne!(read, 0, "closed after {at} of {octets} octets");
        let wrong = buffer[..read]
            .iter()
            .zip(at..)
            .find(|&(got, at)| *got != octet(at));
        assert_eq!(wrong, None, "first wrong octet");
        at += read;
    }
}
