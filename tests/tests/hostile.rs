//! Hostile neighbours and hostile clients: the switch goes on forwarding and answering, and holds no more than its
//! bounds allow.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use labs::netns::Namespace;
use labs::sim::rng::Rng;
use switchd::control::{CLIENTS_MAX, Command as Ask, Interface, Reply, socket_path};
use tests::frames::inject;
use tests::net::{Net, cable, pings};
use tests::switch_process::SwitchProcess;
use tests::wait::wait_for_eq;

const SOON: Duration = Duration::from_secs(20);

/// Two hosts that talk, and a third that attacks.
struct Lab {
    inside: Namespace,
    host: Namespace,
    attacker: Namespace,
    switch: SwitchProcess,
    _net: Net,
}

impl Lab {
    fn new() -> Self {
        let mut net = Net::new();
        let inside = net.namespace("sw");
        let host = net.host("h1", "10.9.2.1", &inside, "p1");
        net.host("h2", "10.9.2.2", &inside, "p2");
        let attacker = net.namespace("h3");
        cable(&attacker, "eth0", &inside, "p3");
        let ports = ["--packet", "p1:edge", "p2:edge", "p3:edge"];
        let switch = SwitchProcess::start(&inside, "sw1", &ports);
        Self {
            inside,
            host,
            attacker,
            switch,
            _net: net,
        }
    }

    /// Attacks while the hosts talk; everything answers at the end, and no descriptor is left behind.
    fn holds_against(&self, attack: impl FnOnce(&Self) + Send) {
        let is_over = AtomicBool::new(false);
        let descriptors = self.descriptors();
        std::thread::scope(|scope| {
            let talk = scope.spawn(|| {
                let mut missed = 0;
                while !is_over.load(Ordering::Relaxed) {
                    missed += u32::from(!pings(&self.host, "10.9.2.2", 3));
                }
                missed
            });
            let attacked = scope.spawn(|| attack(self)).join();
            is_over.store(true, Ordering::Relaxed);
            attacked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            assert_eq!(talk.join().expect("talk"), 0, "unanswered rounds of three");
        });
        assert!(pings(&self.host, "10.9.2.2", 3), "afterwards");
        let Reply::Version(version) = self.switch.ask(&Ask::ShowVersion) else {
            panic!("another answer");
        };
        assert_eq!(version.pid, self.switch.pid());
        // Not more than at the start, when the client that waited for it may still have been there.
        wait_for_eq("descriptors are closed", SOON, &true, || {
            self.descriptors() <= descriptors
        });
    }

    fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.switch.pid()));
        open.expect("it runs").count()
    }

    fn socket(&self) -> PathBuf {
        socket_path(self.switch.run_dir(), "sw1")
    }

    fn interface(&self, name: &str) -> Interface {
        let interface = Some(name.to_owned());
        let Reply::Interfaces { mut interfaces } =
            self.switch.ask(&Ask::ShowInterfaces { interface })
        else {
            panic!("another answer");
        };
        interfaces.remove(0)
    }
}

fn random_frame(rng: &mut Rng, octets: u64) -> Vec<u8> {
    let len = 15 + rng.below(octets);
    (0..len).map(|_| rng.next_u64().to_be_bytes()[0]).collect()
}

/// A configuration BPDU from a root better than ours, some of its octets changed and its end cut off.
fn broken_bpdu(rng: &mut Rng) -> Vec<u8> {
    const WHOLE: &[u8] =
        b"\x01\x80\xc2\0\0\0\x02\0\0\0\0\x01\0\x26\x42\x42\x03\0\0\0\0\0\0\0\x02\0\0\0\0\x99\
        \0\0\0\0\x80\0\x02\0\0\0\0\x01\x80\x01\0\0\x14\0\x02\0\x0f\0";
    let mut frame = WHOLE.to_vec();
    let any =
        |rng: &mut Rng, limit: usize| usize::try_from(rng.below(limit as u64)).expect("small");
    for _ in 0..any(rng, 4) {
        let at = 12 + any(rng, WHOLE.len() - 12);
        frame[at] = rng.next_u64().to_be_bytes()[0];
    }
    frame.truncate(WHOLE.len() - any(rng, 30));
    frame
}

#[test]
fn frames_that_are_none_harm_nobody_else() {
    let lab = Lab::new();
    lab.holds_against(|lab| {
        let mut rng = Rng::new(1, [0, 0]);
        for _ in 0..40 {
            let noise: Vec<Vec<u8>> = (0..500).map(|_| random_frame(&mut rng, 200)).collect();
            inject(&lab.attacker, "eth0", &noise);
        }
    });
    let counters = lab.interface("p3").counters;
    assert!(counters.drops["source-invalid"] > 1000, "{counters:?}");
}

#[test]
fn bpdus_that_are_none_are_counted_and_only_whole_ones_move_the_tree() {
    let lab = Lab::new();
    lab.holds_against(|lab| {
        let mut rng = Rng::new(2, [0, 0]);
        for _ in 0..20 {
            let broken: Vec<Vec<u8>> = (0..500).map(|_| broken_bpdu(&mut rng)).collect();
            inject(&lab.attacker, "eth0", &broken);
        }
    });
    let counters = lab.interface("p3").counters;
    assert!(counters.drops["bpdu-invalid"] > 1000, "{counters:?}");
    // The other ports never left forwarding: the hosts talked all the time.
    for port in ["p1", "p2"] {
        assert_eq!(lab.interface(port).state, "forwarding");
    }
}

#[test]
fn a_port_that_flaps_and_is_replaced_under_noise_leaves_the_others_alone() {
    let lab = Lab::new();
    lab.holds_against(|lab| {
        let mut rng = Rng::new(3, [0, 0]);
        let (inside, outside) = (
            lab.inside.net().expect("netlink"),
            lab.attacker.net().expect("netlink"),
        );
        for _ in 0..10 {
            let noise: Vec<Vec<u8>> = (0..100).map(|_| random_frame(&mut rng, 1000)).collect();
            inject(&lab.attacker, "eth0", &noise);
            inside.set_up("p3", false).expect("down");
            inside.set_up("p3", true).expect("up");
            outside.set_up("eth0", false).expect("down");
            outside.set_up("eth0", true).expect("up");
            inside.delete("p3").expect("removed");
            cable(&lab.attacker, "eth0", &lab.inside, "p3");
        }
        wait_for_eq("taken again", SOON, &true, || lab.interface("p3").link);
    });
}

#[test]
fn clients_that_talk_nonsense_crowd_or_never_read_stall_nobody() {
    let lab = Lab::new();
    lab.holds_against(|lab| {
        let connect = || UnixStream::connect(lab.socket()).expect("a connection");
        let mut deaf: Vec<UnixStream> = (0..CLIENTS_MAX / 2).map(|_| connect()).collect();
        for stream in &mut deaf {
            // More answers asked for than the socket holds; nobody reads them.
            stream.set_nonblocking(true).expect("nonblocking");
            let asking = "{\"id\":1,\"command\":\"show-running-config\"}\n".repeat(2000);
            let _ = stream.write(asking.as_bytes());
        }
        for words in [
            &b"{\"id\":1,\"comm"[..],
            b"\xff\xfe\n\n{}\n[1]\n{\"id\":-1}\n",
            b"\0",
        ] {
            let mut stream = connect();
            let _ = stream.write_all(words);
        }
        let mut endless = connect();
        let megabyte = vec![b'x'; 1 << 20];
        while endless.write_all(&megabyte).is_ok() {}
        for _ in 0..1000 {
            drop(connect());
        }
        assert_eq!(lab.interface("p1").state, "forwarding");
        drop(deaf);
        let mut told = String::new();
        let mut polite = connect();
        polite.set_read_timeout(Some(SOON)).expect("a timeout");
        polite
            .write_all(b"{\"id\":7,\"command\":\"nonsense\"}\n")
            .expect("taken");
        polite
            .shutdown(std::net::Shutdown::Write)
            .expect("half closed");
        polite.read_to_string(&mut told).expect("an answer");
        for part in ["\"code\":\"bad-request\"", "\"id\":7"] {
            assert!(told.contains(part), "{told}");
        }
    });
}
