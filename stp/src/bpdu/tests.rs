use proptest::prelude::*;

use super::*;

/// A configuration BPDU of bridge 1 through port 5, as a classic root sends it.
const CONFIG: [u8; LENGTH_CONFIG] = [
    0, 0, 0, 0, 0x81, // protocol, version, type, both flags
    0x80, 0x00, 2, 0, 0, 0, 0, 1, // root
    0, 0, 0, 19, // root path cost
    0x90, 0x00, 2, 0, 0, 0, 0, 2, // bridge
    0x80, 0x05, // port
    0x01, 0x00, 0x14, 0x00, 0x02, 0x00, 0x0f, 0x00, // 1 s, 20 s, 2 s, 15 s
];

fn with(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut octets = CONFIG.to_vec();
    for &(at, octet) in changes {
        octets[at] = octet;
    }
    octets
}

#[test]
fn configuration_field_by_field() {
    let Ok(Bpdu::Config(config)) = Bpdu::decode(&CONFIG) else {
        panic!("not a configuration BPDU");
    };
    assert_eq!(config.root.to_string(), "32768.02:00:00:00:00:01");
    assert_eq!(config.bridge.to_string(), "36864.02:00:00:00:00:02");
    assert_eq!(
        (config.root_path_cost, config.port.to_string()),
        (19, "128.5".to_owned())
    );
    let units = [
        config.message_age,
        config.max_age,
        config.hello_time,
        config.forward_delay,
    ]
    .map(BpduTime::units);
    assert_eq!(units, [0x100, 0x1400, 0x200, 0xf00]);
    assert!(config.topology_change && config.topology_change_acknowledgment);
    assert_eq!(*Bpdu::Config(config).encode(), CONFIG);
}

#[test]
fn notification_is_four_octets() {
    assert_eq!(*Bpdu::Tcn.encode(), [0, 0, 0, 0x80]);
    assert_eq!(Bpdu::decode(&[0, 0, 0, 0x80]), Ok(Bpdu::Tcn));
    assert_eq!(Bpdu::decode(&[0, 0, 7, 0x80, 1, 2, 3]), Ok(Bpdu::Tcn));
}

#[test]
fn higher_version_and_octets_beyond_the_end_are_no_error() {
    let plain = Bpdu::decode(&CONFIG);
    assert_eq!(Bpdu::decode(&with(&[(2, 9)])), plain);
    let mut long = CONFIG.to_vec();
    long.extend([0xff; 30]);
    assert_eq!(Bpdu::decode(&long), plain);
    assert_eq!(
        Bpdu::decode(&with(&[(4, 0xff)])),
        plain,
        "flags of other versions"
    );
}

#[test]
fn each_reason_to_discard() {
    let truncated = |have, need| Err(DecodeError::Truncated { have, need });
    for have in 0..4 {
        assert_eq!(Bpdu::decode(&CONFIG[..have]), truncated(have, 4));
    }
    assert_eq!(Bpdu::decode(&CONFIG[..34]), truncated(34, 35));
    assert_eq!(
        Bpdu::decode(&with(&[(1, 1)])),
        Err(DecodeError::ProtocolId(1))
    );
    assert_eq!(
        Bpdu::decode(&with(&[(3, 1)])),
        Err(DecodeError::UnknownType(1))
    );
    let old = with(&[(27, 0x14)]);
    let error = Bpdu::decode(&old).unwrap_err();
    assert_eq!(
        error.to_string(),
        "message age 20s is not less than max age 20s"
    );
    assert_eq!(error.name(), "message-age");
    assert!(Bpdu::decode(&with(&[(27, 0x13), (28, 0xff)])).is_ok());
    assert_eq!(Bpdu::decode(&with(&[(2, 2), (3, 2)])), truncated(35, 36));
    let mut rst = with(&[(2, 1), (3, 2)]);
    rst.push(0);
    assert_eq!(Bpdu::decode(&rst), Err(DecodeError::Version(1)));
}

#[test]
fn rapid_flags_and_versions() {
    for (version, flags) in [(2, 0x0e), (3, 0x7c), (4, 0x3c)] {
        let mut octets = with(&[(2, version), (3, 2), (4, flags)]);
        octets.push(0);
        let Ok(Bpdu::Rst(rst)) = Bpdu::decode(&octets) else {
            panic!("not an RST BPDU");
        };
        assert_eq!(rst.role, RstRole::Designated);
        assert_eq!(rst.proposal, flags == 0x0e);
        assert_eq!(
            (rst.learning, rst.forwarding),
            (flags != 0x0e, flags != 0x0e)
        );
        assert_eq!(rst.agreement, flags == 0x7c);
        octets[2] = 2;
        assert_eq!(*Bpdu::Rst(rst).encode(), *octets);
    }
}

fn any_config() -> impl Strategy<Value = ConfigBpdu> {
    let ids = (any::<[u8; 8]>(), any::<[u8; 8]>(), any::<[u8; 2]>());
    let times = (any::<u16>(), 1..=u16::MAX, any::<u16>(), any::<u16>());
    (ids, any::<u32>(), times, any::<(bool, bool)>()).prop_map(
        |((root, bridge, port), root_path_cost, times, flags)| ConfigBpdu {
            root: BridgeId::from_octets(root),
            root_path_cost,
            bridge: BridgeId::from_octets(bridge),
            port: PortId::from_octets(port),
            message_age: BpduTime::from_units(times.0.min(times.1 - 1)),
            max_age: BpduTime::from_units(times.1),
            hello_time: BpduTime::from_units(times.2),
            forward_delay: BpduTime::from_units(times.3),
            topology_change_acknowledgment: flags.0,
            topology_change: flags.1,
        },
    )
}

fn any_epoch() -> impl Strategy<Value = Option<EpochStamp>> {
    let stamp = any::<(u32, bool)>().prop_map(|(current, vouched)| EpochStamp { current, vouched });
    prop::option::of(stamp)
}

fn any_bpdu() -> impl Strategy<Value = Bpdu> {
    let role = prop_oneof![
        Just(RstRole::Unknown),
        Just(RstRole::AlternateOrBackup),
        Just(RstRole::Root),
        Just(RstRole::Designated),
    ];
    prop_oneof![
        Just(Bpdu::Tcn),
        any_config().prop_map(Bpdu::Config),
        (any_config(), role, any::<[bool; 4]>(), any_epoch()).prop_map(
            |(config, role, flags, epoch)| {
                let [proposal, learning, forwarding, agreement] = flags;
                Bpdu::Rst(RstBpdu {
                    config,
                    proposal,
                    role,
                    learning,
                    forwarding,
                    agreement,
                    epoch,
                })
            }
        ),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(bpdu in any_bpdu(), tail in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut octets = bpdu.encode().to_vec();
        prop_assert_eq!(Bpdu::decode(&octets), Ok(bpdu.clone()));
        octets.extend(tail);
        prop_assert_eq!(Bpdu::decode(&octets), Ok(bpdu));
    }

    #[test]
    fn any_octets_are_a_bpdu_or_a_reason(
        mut octets in prop::collection::vec(any::<u8>(), 0..80),
        head in (0..2_u8, 0..4_u8, prop::sample::select(vec![0_u8, 2, 0x80, 1])),
    ) {
        let once = Bpdu::decode(&octets);
        if let Ok(bpdu) = once {
            prop_assert_eq!(Bpdu::decode(&bpdu.encode()), Ok(bpdu));
        }
        // Nearly right octets reach further.
        for (octet, good) in octets.iter_mut().zip([0, head.0, head.1, head.2]) {
            *octet = good;
        }
        if let Ok(bpdu) = Bpdu::decode(&octets) {
            prop_assert_eq!(Bpdu::decode(&bpdu.encode()), Ok(bpdu));
        }
    }
}

mod mst;

/// Who knows nothing of epochs reads the octets that he knows; what is no stamp is none.
#[test]
fn a_stamp_of_epochs_stands_behind_what_the_standard_knows() {
    let rst = |epoch| {
        Bpdu::Rst(RstBpdu {
            config: decode_config(&CONFIG),
            proposal: true,
            role: RstRole::Designated,
            learning: false,
            forwarding: false,
            agreement: false,
            epoch,
        })
    };
    let plain = rst(None).encode();
    let stamp = |current, vouched| rst(Some(EpochStamp { current, vouched }));
    let stamped = stamp(0x0102_0304, true).encode();
    assert_eq!(stamped[..36], plain[..]);
    assert_eq!(
        stamped[36..],
        *b"\xfe\x09\x02\x41\x4c\x01\x01\x01\x02\x03\x04"
    );
    assert_eq!(Bpdu::decode(&stamped), Ok(stamp(0x0102_0304, true)));
    let unvouched = stamp(7, false).encode();
    assert_eq!(Bpdu::decode(&unvouched), Ok(stamp(7, false)));
    // Cut short, of somebody else, none.
    assert_eq!(Bpdu::decode(&stamped[..46]), Ok(rst(None)));
    for (place, octet) in [(36, 0), (37, 10), (40, 0x4d), (41, 2), (42, 2)] {
        let mut other = stamped.clone();
        other[place] = octet;
        assert_eq!(Bpdu::decode(&other), Ok(rst(None)), "octet {place}");
    }
}
