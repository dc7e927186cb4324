use super::*;

fn line(impairment: Impairment) -> Line {
    Line::new(Rc::new(impairment), Rng::new(1, [0, 0]))
}

fn arrivals(line: &mut Line, frames: u64, gap: u64) -> Vec<u64> {
    (0..frames)
        .filter_map(|frame| match line.fate(frame * gap) {
            Fate::Lost => None,
            Fate::Arrives(passage) => Some(passage.at),
        })
        .collect()
}

#[test]
fn a_good_cable_only_delays() {
    let mut line = line(Impairment::default());
    let expected = Fate::Arrives(Passage {
        at: 15_000,
        again: None,
        flipped: None,
    });
    assert_eq!(line.depart(5_000, 1514), Some(5_000));
    assert_eq!(line.fate(5_000), expected);
    assert!(Impairment::default().is_lossless());
}

#[test]
fn jitter_keeps_order_and_reordering_does_not() {
    let jitter = Impairment {
        jitter: Duration::from_micros(50),
        ..Impairment::default()
    };
    let times = arrivals(&mut line(jitter), 1_000, 1_000);
    assert!(times.is_sorted());
    assert!(
        times
            .iter()
            .zip(0..)
            .any(|(at, frame)| at - frame * 1_000 > 30_000)
    );
    let late = Impairment {
        reorder: Probability::percent(10),
        ..jitter
    };
    assert!(!arrivals(&mut line(late), 1_000, 1_000).is_sorted());
}

#[test]
fn losses_come_as_often_as_asked_and_bursts_in_runs() {
    let lossy = Impairment::lossy(Probability::percent(10));
    let arrived = arrivals(&mut line(lossy), 10_000, 1_000).len();
    assert!((8_800..9_200).contains(&arrived), "{arrived}");

    let burst = Impairment {
        burst: Some(Burst {
            enter: Probability::percent(1),
            leave: Probability::percent(10),
            loss: Probability::ALWAYS,
        }),
        ..Impairment::default()
    };
    let mut line = line(burst);
    let lost: Vec<bool> = (0..20_000)
        .map(|now| line.fate(now) == Fate::Lost)
        .collect();
    let losses = lost.iter().filter(|&&lost| lost).count();
    let runs = lost.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
    assert!((1_300..2_300).contains(&losses), "{losses}");
    assert!(losses > 6 * runs, "{losses} in {runs} runs");
}

#[test]
fn a_rate_makes_frames_wait_and_drops_what_waits_too_long() {
    let slow = Impairment {
        rate: Some(1_000_000),
        queue: Duration::from_millis(10),
        ..Impairment::default()
    };
    let mut line = line(slow);
    // 101 + 24 octets are 1,000 bits, a millisecond.
    assert_eq!(line.depart(0, 101), Some(1_000_000));
    assert_eq!(line.depart(0, 101), Some(2_000_000));
    let departed = (0..20).filter_map(|_| line.depart(0, 101)).count();
    assert_eq!(
        departed, 9,
        "eleven fit in ten milliseconds and the one under way"
    );
    assert_eq!(line.depart(50_000_000, 101), Some(51_000_000));
}

#[test]
fn duplicates_and_flipped_bits_are_told() {
    let noisy = Impairment {
        duplicate: Probability::ALWAYS,
        corrupt: Probability::ALWAYS,
        ..Impairment::default()
    };
    match line(noisy).fate(0) {
        Fate::Lost => panic!("nothing loses here"),
        Fate::Arrives(Passage { at, again, flipped }) => {
            assert_eq!(again, Some(at));
            assert!(flipped.is_some());
        }
    }
    assert!(!noisy.is_lossless());
}
