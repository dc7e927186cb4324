//! The guest in virtual time, frozen and thawed in the middle of things.

mod vm_common;

use core::time::Duration;
use labs::guest::{ANNOUNCE_AT, Checkpoint, Closing, Machine, MachineConfig, Memory, ThawError};
use proptest::prelude::*;
use smoltcp::socket::{icmp, tcp};
use smoltcp::wire::IpAddress;
use vm_common::{DELAY, MS, World, config};

#[test]
fn it_answers_ping_and_arp() {
    let mut world = World::new(config());
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 1024]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    let identifier = icmp::Endpoint::Ident(7);
    socket.bind(identifier).expect("a fresh socket");
    // Echo request, identifier 7, sequence 1; checksum of these eight octets.
    let request = [8, 0, 0xf7, 0xf7, 0, 7, 0, 1];
    let machine = IpAddress::v4(10, 10, 0, 5);
    socket.send_slice(&request, machine).expect("room for one");
    let handle = world.sockets.add(socket);
    world.run_for(5 * MS);
    let socket = world.sockets.get_mut::<icmp::Socket<'_>>(handle);
    let (reply, from) = socket.recv().expect("an answer");
    assert_eq!((reply[0], from), (0, machine));
    assert_eq!(world.machine().status().pings, 1);
}

#[test]
fn it_serves_a_stream_at_its_pace() {
    let mut world = World::new(MachineConfig {
        stream_rate: 100_000,
        ..config()
    });
    world.connect();
    world.run_for(Duration::from_secs(2));
    let received = world.received();
    assert!((195_000..=200_000).contains(&received), "{received}");
}

#[test]
fn a_stream_survives_two_moves_with_data_in_flight() {
    let mut world = World::new(config());
    let handle = world.connect();
    world.run_for(20 * MS);
    for round in 0..2u32 {
        world.upload(handle, 3000);
        world.run_for(MS / 3);
        let before = world.received();
        let checkpoint = world.migrate(10 * MS);
        let connection = &checkpoint.connections[0];
        assert!(connection.queued > connection.acknowledged, "in flight");
        assert_eq!(checkpoint.moves, round);
        world.run_for(50 * MS);
        assert!(world.received() > before + 500_000);
    }
    let status = world.machine().status();
    world.run_for(Duration::from_secs(2));
    let later = world.machine().status();
    assert_eq!((later.received, later.mismatched), (world.uploaded, 0));
    assert!(later.acknowledged > status.acknowledged);
    assert_eq!((later.moves, later.connections), (2, 1));
}

#[test]
fn all_connections_move_and_a_new_one_is_served_afterwards() {
    let mut world = World::new(config());
    for _ in 0..3 {
        world.connect();
    }
    world.run_for(20 * MS);
    world.migrate(5 * MS);
    world.run_for(5 * MS);
    let before: Vec<u64> = world.streams.iter().map(|stream| stream.1).collect();
    world.connect();
    world.run_for(50 * MS);
    for (index, before) in before.into_iter().enumerate() {
        assert!(world.streams[index].1 > before, "connection {index}");
    }
    assert!(world.streams[3].1 > 0, "the listening socket is back");
}

#[test]
fn a_machine_that_was_frozen_and_not_moved_goes_on() {
    let mut world = World::new(config());
    world.connect();
    world.run_for(20 * MS);
    let before = world.received();
    let machine = world.machine.take().expect("it runs");
    let _unused = machine.freeze();
    world.run_for(30 * MS);
    world.machine = Some(machine);
    world.run_for(Duration::from_secs(3));
    assert!(world.received() > before);
}

#[test]
fn announcements_come_first_and_on_schedule() {
    let mut world = World::new(config());
    world.connect();
    world.run_for(20 * MS);
    world.sent.clear();
    world.migrate(5 * MS);
    let resumed = world.now;
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.sent[0].1[12..14], [0x80, 0x35]);
    assert_eq!(world.sent[1].1[12..14], [0x08, 0x06]);
    let rarp = world.sent.iter().filter(|(_, f)| f[12..14] == [0x80, 0x35]);
    let times: Vec<Duration> = rarp.map(|(at, _)| *at - resumed).collect();
    assert_eq!(times, ANNOUNCE_AT);
}

#[test]
fn a_connection_half_closed_by_the_peer_moves_and_ends_well() {
    let limit = 400_000;
    let mut world = World::new(MachineConfig {
        stream_rate: 4_000_000,
        stream_limit: Some(limit),
        ..config()
    });
    let handle = world.connect();
    world.run_for(10 * MS);
    world.close(handle);
    world.run_for(5 * MS);
    let checkpoint = world.migrate(5 * MS);
    assert!(checkpoint.connections[0].peer_closed);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.received(), limit);
    assert_eq!(world.state(handle), tcp::State::TimeWait);
    assert_eq!(world.machine().status().connections, 0);
}

#[test]
fn a_connection_half_closed_by_the_machine_moves_and_ends_well() {
    let limit = 50_000;
    let mut world = World::new(MachineConfig {
        stream_limit: Some(limit),
        ..config()
    });
    let handle = world.connect();
    world.run_for(50 * MS);
    let checkpoint = world.migrate(5 * MS);
    assert_eq!(checkpoint.connections[0].closing, Closing::FinAcknowledged);
    world.upload(handle, 700);
    world.run_for(20 * MS);
    assert_eq!(world.machine().status().received, 700);
    world.close(handle);
    world.run_for(20 * MS);
    assert_eq!(world.state(handle), tcp::State::Closed, "FIN was answered");
    assert_eq!(world.received(), limit);
}

#[test]
fn a_fin_that_was_not_acknowledged_is_sent_again_after_a_move() {
    let limit = 300_000;
    let mut world = World::new(MachineConfig {
        stream_limit: Some(limit),
        ..config()
    });
    world.read_limit = 50_000;
    let handle = world.connect();
    world.run_for(100 * MS);
    let checkpoint = world.migrate(5 * MS);
    assert_eq!(checkpoint.connections[0].closing, Closing::FinSent);
    world.read_limit = u64::MAX;
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.received(), limit);
    assert_eq!(world.state(handle), tcp::State::CloseWait);
}

#[test]
fn a_handshake_in_flight_moves() {
    let mut world = World::new(config());
    world.connect();
    // ARP there and back, SYN there, and the SYN-ACK is under way.
    world.run_for(DELAY * 3 + DELAY / 2);
    let checkpoint = world.migrate(Duration::ZERO);
    assert!(checkpoint.connections[0].half_open);
    world.run_for(20 * MS);
    assert!(world.received() > 100_000);
}

#[test]
fn checkpoints_from_strangers_are_refused_by_name() {
    let mut world = World::new(config());
    world.connect();
    world.run_for(20 * MS);
    let machine = world.machine.take().expect("it runs");
    let good = machine.freeze();
    let thaw = |change: &dyn Fn(&mut Checkpoint)| {
        let mut bad = good.clone();
        change(&mut bad);
        Machine::thaw(world.now, bad, machine.memory().clone()).err()
    };
    assert_eq!(thaw(&|_| {}), None);
    let config = |e| matches!(e, Some(ThawError::Config(_)));
    assert!(config(thaw(&|c| c.config.prefix_len = 33)));
    assert!(config(thaw(&|c| c.config.port = 0)));
    assert!(config(thaw(&|c| c.config.mac.0 = 1)));
    assert!(config(thaw(&|c| c.config.memory_pages = 0)));
    assert!(config(thaw(&|c| c.config.ip = [224, 0, 0, 1].into())));
    let size = thaw(&|c| c.config.memory_pages = 65);
    assert!(matches!(
        size,
        Some(ThawError::MemorySize { found: 64, .. })
    ));
    let many = thaw(&|c| c.connections = vec![c.connections[0].clone(); 5]);
    assert_eq!(many, Some(ThawError::Connections(5)));
    let connection = |e| matches!(e, Some(ThawError::Connection { .. }));
    assert!(connection(thaw(&|c| c
        .connections
        .push(c.connections[0].clone()))));
    assert!(connection(thaw(
        &|c| c.connections[0].acknowledged = u64::MAX
    )));
    assert!(connection(thaw(&|c| c.connections[0].queued = u64::MAX)));
    assert!(connection(thaw(&|c| c.connections[0].half_open = true)));
    assert!(connection(thaw(&|c| c.connections[0].peer.set_port(0))));
    let elsewhere = [192, 0, 2, 1].into();
    assert!(connection(thaw(&|c| c.connections[0]
        .peer
        .set_ip(elsewhere))));
}

#[test]
fn memory_keeps_changing_under_load_and_moves_whole() {
    let mut world = World::new(MachineConfig {
        dirty_pages_per_second: 5000,
        ..config()
    });
    world.run_for(50 * MS);
    let before = world.machine().memory().clone();
    let checkpoint = world.migrate(MS);
    let after = world.machine().memory().digest();
    assert_eq!(before.digest(), after);
    world.run_for(50 * MS);
    let status = world.machine().status();
    assert!(status.pages_written > checkpoint.load_written + 200);
    assert_ne!(world.machine().memory().digest(), after);
}

#[test]
fn pages_are_installed_within_bounds_only() {
    let mut memory = Memory::zeroed(2);
    assert!(!memory.install(2, &[0; 4096]));
    assert!(!memory.install(1, &[0; 4095]));
    assert!(memory.install(1, &[7; 4096]));
    assert_eq!(memory.page(1), Some(&[7; 4096][..]));
    assert_eq!(memory.dirty_pages(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_stream_is_byte_exact_whenever_it_moves(
        moments in proptest::collection::vec((0u64..40_000, 0u64..30_000), 1..4),
        rate in prop_oneof![Just(5_000_000u64), Just(500_000)],
        upload in 0u64..20_000,
    ) {
        let mut world = World::new(MachineConfig { stream_rate: rate, ..config() });
        let handle = world.connect();
        world.run_for(3 * MS);
        for (run, pause) in moments {
            world.upload(handle, upload);
            world.run_for(Duration::from_micros(run));
            world.migrate(Duration::from_micros(pause));
        }
        let before = world.received();
        // Longer than a retransmission timeout, which is at least a second.
        world.run_for(Duration::from_millis(2500));
        prop_assert!(world.received() > before, "the session lives");
        let status = world.machine().status();
        prop_assert_eq!((status.received, status.mismatched), (world.uploaded, 0));
        prop_assert_eq!(status.connections, 1);
    }

    #[test]
    fn hostile_frames_do_no_harm(
        frames in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)), 0..40),
    ) {
        let mut machine = Machine::boot(MS, config()).expect("a good configuration");
        for (ip, mut frame) in frames {
            if ip && frame.len() > 40 {
                frame[..6].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 5]);
                frame[12..15].copy_from_slice(&[8, 0, 0x45]);
                frame[23] = 6;
            }
            let _ = machine.poll(MS, Some(&frame));
        }
        prop_assert_eq!(machine.status().connections, 0);
    }
}
