//! The control thread against clients of every kind: whatever they do, the loop's side never waits.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics is a test that found something"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use pnet_base::MacAddr;
use switchd::config::VlanNumber;
use switchd::control::{
    CLIENTS_MAX, Client, ClientError, Command, ErrorCode, EventSink, MacEntry, MacFilter,
    MacOrigin, Notice, Reply, Request, Server, Unserved, running_switches, socket_path,
};
use switchd::event::Event;

/// Longer than anything here takes, so that a failure ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// A control server over a fake loop that answers every request with `answer`.
struct World {
    // Dropped in this order: the server first, so that the fake loop's channel closes.
    server: Option<Server>,
    sink: EventSink,
    fake_loop: Option<std::thread::JoinHandle<()>>,
    dir: tempfile::TempDir,
}

impl World {
    fn new(answer: impl Fn(&Command) -> Reply + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (requests, received) = crossbeam_channel::bounded(CLIENTS_MAX);
        let (control, sink) = Unserved::bind(dir.path(), "sw1", requests, || {}).unwrap();
        let server = control.serve().unwrap();
        let fake_loop = std::thread::spawn(move || run_loop(&received, &answer));
        Self {
            server: Some(server),
            sink,
            fake_loop: Some(fake_loop),
            dir,
        }
    }

    fn path(&self) -> PathBuf {
        socket_path(self.dir.path(), "sw1")
    }

    fn client(&self) -> Client {
        Client::connect(&self.path()).unwrap()
    }

    fn raw(&self) -> Raw {
        Raw::new(&self.path())
    }

    /// Something happens.
    fn tick(&mut self) {
        let port = "p1".parse().unwrap();
        let now = Duration::from_nanos(7);
        self.sink.publish(now, Event::PortAdded { port });
        self.sink.flush();
    }

    /// The switch still serves: the proof after every attack.
    fn assert_serves(&self) {
        assert_eq!(
            self.client()
                .call(&Command::ShowSpanningTree { tree: None })
                .unwrap(),
            Reply::Done
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.server.take());
        if let Some(fake_loop) = self.fake_loop.take() {
            fake_loop.join().unwrap();
        }
    }
}

fn run_loop(requests: &Receiver<Request>, answer: &impl Fn(&Command) -> Reply) {
    loop {
        match requests.recv_timeout(PATIENCE) {
            Ok(request) => {
                let (command, responder) = request.into_parts();
                responder.answer(Ok(answer(&command)));
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A client that says what it likes.
struct Raw(BufReader<UnixStream>);

impl Raw {
    fn new(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut raw = Self(BufReader::new(stream));
        let greeting = raw.line();
        assert!(greeting.starts_with(r#"{"switchd":""#), "{greeting}");
        raw
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }
}

fn done(_: &Command) -> Reply {
    Reply::Done
}

#[test]
fn greeting_and_answers_have_the_documented_shape() {
    let world = World::new(done);
    let mut stream = BufReader::new(UnixStream::connect(world.path()).unwrap());
    let mut greeting = String::new();
    stream.read_line(&mut greeting).unwrap();
    let expected = format!(
        "{{\"switchd\":\"{}\",\"protocol\":1,\"name\":\"sw1\",\"pid\":{}}}\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    assert_eq!(greeting, expected);
    let mut raw = world.raw();
    raw.say("{\"id\":5,\"command\":\"show-vlan\"}\n");
    assert_eq!(raw.line(), "{\"id\":5,\"ok\":{\"reply\":\"done\"}}\n");
}

#[test]
fn what_is_no_request_is_answered_and_the_connection_goes_on() {
    let world = World::new(done);
    let mut raw = world.raw();
    raw.say("hello\n\n{\"id\":1,\"command\":\"reboot\"}\n{\"id\":2,\"command\":\"show-vlan\"}\n");
    assert!(raw.line().contains(r#""code":"bad-request""#));
    let unknown = raw.line();
    assert!(
        unknown.starts_with(r#"{"error":{"code":"bad-request""#),
        "{unknown}"
    );
    assert!(unknown.contains("unknown variant `reboot`"), "{unknown}");
    assert_eq!(raw.line(), "{\"id\":2,\"ok\":{\"reply\":\"done\"}}\n");
}

#[test]
fn half_lines_and_disconnects_in_the_middle_leave_nothing() {
    let world = World::new(done);
    for piece in [
        "",
        "{",
        "{\"id\":1,\"command\":\"show-vlan\"}\n",
        "\u{0}\n{\"id\"",
    ] {
        for _ in 0..50 {
            let mut stream = UnixStream::connect(world.path()).unwrap();
            let _ = stream.write_all(piece.as_bytes());
        }
    }
    let mut raw = world.raw();
    raw.say("{\"id\":1,\"comm");
    world.assert_serves();
    raw.say("and\":\"show-vlan\"}\n");
    assert_eq!(raw.line(), "{\"id\":1,\"ok\":{\"reply\":\"done\"}}\n");
}

#[test]
fn half_closed_clients_still_get_their_answer() {
    let world = World::new(done);
    let mut raw = world.raw();
    raw.say("{\"id\":1,\"command\":\"show-vlan\"}\n");
    raw.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(raw.line(), "{\"id\":1,\"ok\":{\"reply\":\"done\"}}\n");
    assert_eq!(raw.line(), "", "and then the connection ends");
}

#[test]
fn ten_megabytes_without_a_newline_end_the_connection() {
    let world = World::new(done);
    let mut raw = world.raw();
    let chunk = [b'x'; 1 << 16];
    let written = (0..160)
        .take_while(|_| raw.0.get_mut().write_all(&chunk).is_ok())
        .count();
    assert!(written < 160, "the switch must stop listening to it");
    world.assert_serves();
}

#[test]
fn a_client_that_never_reads_delays_nobody() {
    let mut world = World::new(|command| match command {
        Command::ShowVlan => Reply::RunningConfig {
            toml: "x".repeat(200_000),
        },
        _ => Reply::Done,
    });
    let mut deaf = world.raw();
    deaf.say("{\"id\":1,\"command\":\"events\",\"since\":0}\n");
    for _ in 0..300 {
        deaf.say("{\"id\":1,\"command\":\"show-vlan\"}\n");
    }
    for _ in 0..5_000 {
        world.tick();
    }
    world.assert_serves();
}

#[test]
fn thousands_of_connects_leave_room_for_one_more() {
    let world = World::new(done);
    let mut kept = Vec::new();
    for round in 0..3_000 {
        if let Ok(stream) = UnixStream::connect(world.path())
            && round % 100 == 0
        {
            kept.push(stream);
        }
    }
    world.assert_serves();
}

#[test]
fn one_client_too_many_is_told_so() {
    let world = World::new(done);
    let clients: Vec<Client> = (0..CLIENTS_MAX).map(|_| world.client()).collect();
    let mut one_more = Client::connect(&world.path()).unwrap();
    let error = one_more.call(&Command::ShowVlan).unwrap_err();
    match error {
        ClientError::Refused(error) => assert_eq!(error.code, ErrorCode::Full),
        ClientError::Io(_) => {} // already gone when it wrote
        other => panic!("{other}"),
    }
    drop(clients);
}

#[test]
fn pages_become_one_listing() {
    let entry = |index: u8| MacEntry {
        vlan: VlanNumber::DEFAULT,
        mac: MacAddr::new(2, 0, 0, 0, 0, index),
        origin: MacOrigin::Dynamic,
        port: "p1".to_owned(),
        expires_ms: Some(1000),
    };
    let world = World::new(move |command| match command {
        Command::ShowMacPage { cursor, .. } => Reply::MacPage {
            entries: match cursor {
                0 => vec![entry(1), entry(2)],
                512 => vec![],
                _ => vec![entry(3)],
            },
            cursor: (*cursor < 1024).then_some(cursor + 512),
        },
        _ => Reply::Done,
    });
    let reply = world.client().call(&Command::ShowMac(MacFilter::default()));
    assert_eq!(
        reply.unwrap(),
        Reply::MacTable {
            entries: vec![entry(1), entry(2), entry(3)],
            total: 3
        }
    );
}

#[test]
fn events_are_numbered_from_zero_and_history_is_told_first() {
    let mut world = World::new(done);
    world.tick();
    world.tick();
    // The history is what the control thread has taken in when it answers: wait for it.
    let mut stream = world.client().events(Some(0)).unwrap();
    for expected in 0..2 {
        match stream.next_within(PATIENCE).unwrap() {
            Some(Notice::Event(record)) => {
                assert_eq!((record.seq, record.time.as_nanos()), (expected, 7));
            }
            other => panic!("{other:?}"),
        }
    }
    let mut raw = world.raw();
    raw.say("{\"id\":9,\"command\":\"events\",\"since\":1}\n");
    assert_eq!(
        raw.line(),
        "{\"id\":9,\"ok\":{\"next\":2,\"reply\":\"events\"}}\n"
    );
    assert_eq!(
        raw.line(),
        "{\"event\":{\"kind\":\"port-added\",\"port\":\"p1\",\"seq\":1,\"time_ns\":7}}\n"
    );
    world.tick();
    assert!(raw.line().contains(r#""seq":2,"#));
}

#[test]
fn a_slow_reader_is_told_exactly_what_it_lost() {
    let mut world = World::new(done);
    let mut stream = world.client().events(Some(0)).unwrap();
    const EVENTS: u64 = 60_000;
    for _ in 0..EVENTS {
        world.tick();
    }
    let (mut wanted, mut lost) = (0, 0);
    while wanted < EVENTS {
        match stream
            .next_within(PATIENCE)
            .unwrap()
            .expect("all numbers arrive")
        {
            Notice::Event(record) => {
                assert_eq!(record.seq, wanted);
                wanted += 1;
            }
            Notice::Lost { from, to } => {
                assert_eq!(from, wanted);
                assert!(from <= to && to < EVENTS);
                lost += to - from + 1;
                wanted = to + 1;
            }
        }
    }
    assert!(lost > 0, "60,000 events do not fit in history and buffers");
}

#[test]
fn a_stopping_switch_says_so_and_its_socket_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (requests, received) = crossbeam_channel::bounded(CLIENTS_MAX);
    let (control, _sink) = Unserved::bind(dir.path(), "sw1", requests, || {}).unwrap();
    let server = control.serve().unwrap();
    let mut client = Client::connect_named(dir.path(), "sw1").unwrap();
    let (live, stale) = running_switches(dir.path()).unwrap();
    assert_eq!((live[0].name.as_str(), stale.len()), ("sw1", 0));
    let asking = std::thread::spawn(move || client.call(&Command::ShowVlan));
    drop(received.recv_timeout(PATIENCE).unwrap());
    match asking.join().unwrap().unwrap_err() {
        ClientError::Refused(error) => assert_eq!(error.code, ErrorCode::Stopping),
        other => panic!("{other}"),
    }
    let mut raw = Raw::new(&socket_path(dir.path(), "sw1"));
    drop(server);
    let mut rest = String::new();
    raw.0.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(!socket_path(dir.path(), "sw1").exists());
}
