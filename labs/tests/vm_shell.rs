//! Guest processes on real sockets: a link that is cut in the middle of a move, targets that are
//! not there, hostile clients. Needs root.
#![expect(clippy::unwrap_used, reason = "a test says no more by expect")]

use core::time::Duration;
use labs::client::StreamCheck;
use labs::guest::shell::{self, GuestArgs, GuestClient, GuestEvent, Request};
use labs::migrate::Limits;
use labs::netns::Namespace;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A namespace in which guests, their client and the migration network are one machine.
struct World {
    namespace: Namespace,
    dir: tempfile::TempDir,
    guests: Vec<(PathBuf, JoinHandle<()>)>,
}

impl World {
    fn new(test: &str) -> Self {
        let name = format!("t{}-{test}", std::process::id());
        let namespace = Namespace::create(&name).unwrap();
        namespace.net().unwrap().set_up("lo", true).unwrap();
        Self {
            namespace,
            dir: tempfile::tempdir().unwrap(),
            guests: Vec::new(),
        }
    }

    /// Runs a guest in a thread; returns a client of it when it answers.
    fn guest(&mut self, tap: &str, incoming: Option<u16>) -> GuestClient {
        let control = self.dir.path().join(format!("{tap}.sock"));
        let args = GuestArgs {
            name: "vm1".to_owned(),
            tap: tap.to_owned(),
            tap_netns: Some(self.namespace.name().to_owned()),
            control: control.clone(),
            incoming: incoming.map(local),
            mac: "52:54:00:00:00:05".parse().unwrap(),
            ip: [10, 0, 10, 5].into(),
            prefix: 24,
            port: 7,
            memory_mib: 4,
            dirty_rate: 4 << 20,
            stream_rate: 1 << 20,
        };
        let name = self.namespace.name().to_owned();
        let thread = std::thread::spawn(move || {
            let namespace = Namespace::open(&name).unwrap();
            namespace.run(|| shell::run(&args)).unwrap().unwrap();
        });
        self.guests.push((control.clone(), thread));
        connect(&control)
    }

    /// A client on the other side of the tap, reading and checking the stream.
    fn client(&self, tap: &str) -> TcpStream {
        let net = self.namespace.net().unwrap();
        let own = [10, 0, 10, 100].into();
        net.add_address(tap, own, 24).unwrap();
        let connect = || TcpStream::connect("10.0.10.5:7");
        let stream = self.namespace.run(connect).unwrap().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A link that carries `limit` octets to the guest that waits at `port`, then is cut.
    fn cut_link(&self, port: u16, limit: usize) -> (u16, JoinHandle<()>) {
        let listen = || TcpListener::bind(local(0));
        let listener = self.namespace.run(listen).unwrap().unwrap();
        let at = listener.local_addr().unwrap().port();
        let dial = || TcpStream::connect(local(port));
        let far = self.namespace.run(dial).unwrap().unwrap();
        let thread = std::thread::spawn(move || {
            let (near, _) = listener.accept().unwrap();
            let (mut back, mut home) = (far.try_clone().unwrap(), near.try_clone().unwrap());
            let answers = std::thread::spawn(move || {
                let _cut = std::io::copy(&mut back, &mut home);
            });
            let mut forth = (&near).take(limit as u64);
            let _cut = std::io::copy(&mut forth, &mut &far);
            let _gone = near.shutdown(Shutdown::Both);
            let _gone = far.shutdown(Shutdown::Both);
            answers.join().unwrap();
        });
        (at, thread)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for (control, thread) in self.guests.drain(..) {
            if let Ok(mut client) = GuestClient::connect(&control) {
                let _gone = client.call(&Request::Quit);
            }
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
            assert!(!control.exists(), "a control socket is left");
        }
        Namespace::remove(self.namespace.name()).unwrap();
    }
}

fn local(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new([127, 0, 0, 1].into(), port)
}

fn connect(control: &Path) -> GuestClient {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        match GuestClient::connect(control) {
            Ok(client) => return client,
            Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn order(port: u16) -> Request {
    Request::Migrate {
        to: local(port),
        limits: Limits {
            bandwidth: 20_000_000,
            ..Limits::default()
        },
    }
}

fn wait_for(client: &mut GuestClient, kind: &str) -> GuestEvent {
    let end = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < end {
        let event = client.next_event(PATIENCE).unwrap();
        if let Some(event) = event.filter(|event| event.kind == kind) {
            return event;
        }
    }
    panic!("no `{kind}`")
}

/// Reads `count` more octets of the stream and checks them.
fn read_on(stream: &mut TcpStream, check: &mut StreamCheck, count: u64) {
    let end = check.received + count;
    let mut buffer = [0; 8192];
    while check.received < end {
        let read = match stream.read(&mut buffer) {
            // The process was stopped and goes on: a wait with a timeout ends then (signal(7)).
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.unwrap(),
        };
        assert!(read > 0, "the session ended");
        check.feed(&buffer[..read]);
    }
    assert_eq!((check.lost, check.duplicated, check.damaged), (0, 0, 0));
}

fn state(client: &mut GuestClient) -> String {
    let status = client.call(&Request::Status).unwrap();
    status["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_guest_goes_on_when_its_move_is_cut_and_moves_at_the_next_try() {
    let mut world = World::new("cut");
    let mut source = world.guest("vm1", None);
    let mut target = world.guest("vm1b", Some(7001));
    let mut check = StreamCheck::default();
    let mut stream = world.client("vm1");
    read_on(&mut stream, &mut check, 20_000);
    // At the greeting, in the first round, and near its end: 4 MiB and what frames them.
    for limit in [3, 1_000_000, 4_190_000] {
        let (port, link) = world.cut_link(7001, limit);
        source.call(&order(port)).unwrap();
        let failed = wait_for(&mut source, "failed");
        assert!(failed.fields["reason"].as_str().unwrap().contains("link"));
        link.join().unwrap();
        read_on(&mut stream, &mut check, 100_000);
        assert_eq!(state(&mut source), "running");
        assert_eq!(state(&mut target), "incoming");
    }
    source.call(&order(7001)).unwrap();
    let verified = wait_for(&mut source, "verified");
    assert_eq!(verified.fields["equal"], true);
    assert_eq!(state(&mut source), "left");
    assert_eq!(state(&mut target), "running");
    let status = target.call(&Request::Status).unwrap();
    assert_eq!(status["machine"]["moves"], 1);
    assert_eq!(status["machine"]["connections"], 1);
    assert!(source.call(&order(7001)).is_err(), "it is gone from here");
}

#[test]
fn a_target_that_is_not_there_is_a_failure_and_not_the_end() {
    let mut world = World::new("gone");
    let mut source = world.guest("vm1", None);
    let mut check = StreamCheck::default();
    let mut stream = world.client("vm1");
    source.call(&order(7009)).unwrap();
    wait_for(&mut source, "failed");
    read_on(&mut stream, &mut check, 50_000);
}

#[test]
fn hostile_sources_do_not_stop_a_target_from_taking_the_next_one() {
    let mut world = World::new("source");
    let mut source = world.guest("vm1", None);
    let mut target = world.guest("vm1b", Some(7001));
    let dial = || TcpStream::connect(local(7001));
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[0; 64], b""] {
        let mut hostile = world.namespace.run(dial).unwrap().unwrap();
        hostile.write_all(bytes).unwrap();
        hostile.shutdown(Shutdown::Write).unwrap();
        wait_for(&mut target, "not-arrived");
    }
    source.call(&order(7001)).unwrap();
    wait_for(&mut source, "verified");
    assert_eq!(state(&mut target), "running");
}

#[test]
fn hostile_control_clients_are_answered_or_dropped() {
    let mut world = World::new("control");
    let mut guest = world.guest("vm1", None);
    let control = world.dir.path().join("vm1.sock");
    let mut hostile = UnixStream::connect(&control).unwrap();
    hostile.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(hostile.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"guest\""));
    for line in [
        "{",
        "[]",
        "{\"command\":\"fly\"}",
        "{\"command\":\"migrate\",\"to\":\"x\"}",
    ] {
        hostile.write_all(line.as_bytes()).unwrap();
        hostile.write_all(b"\n").unwrap();
        let answer = lines.next().unwrap().unwrap();
        assert!(answer.starts_with("{\"error\""), "{line}: {answer}");
    }
    // A line without end: the connection is closed before it fills the memory.
    let endless = vec![b'x'; 64 * 1024];
    let _closed_meanwhile = hostile.write_all(&endless);
    assert!(lines.next().is_none_or(|line| line.is_err()));
    assert_eq!(state(&mut guest), "running");
}
