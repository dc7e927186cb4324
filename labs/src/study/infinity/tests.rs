//! What the study promises, on its smallest networks.

use super::*;

fn lived(case: Case) -> Record {
    trial::run(&case).unwrap()
}

/// Two bridges joined by two cables and their root are the smallest network with a circle.
#[test]
fn what_is_promised_is_kept_in_the_smallest_networks() {
    for shape in Shape::ALL {
        for size in 1..=4 {
            for epochs in Epochs::ALL {
                let record = lived(Case {
                    epochs,
                    ..Case::new(shape, size)
                });
                assert!(record.holds(), "{record:?}");
            }
        }
    }
}

#[test]
fn the_smallest_circles_count_to_infinity_and_epochs_end_it_in_a_round_trip() {
    for (shape, size) in [(Shape::Ring, 2), (Shape::Dual, 3), (Shape::Mesh, 4)] {
        let counting = lived(Case::new(shape, size));
        assert!(counting.measured.oldest > 10, "{counting:?}");
        assert!(counting.measured.believed > Some(5_000), "{counting:?}");
        let ended = lived(Case {
            epochs: Epochs::All,
            ..counting.case
        });
        assert!(ended.measured.believed <= ended.case.bound(), "{ended:?}");
        assert!(ended.measured.bpdus < counting.measured.bpdus, "{ended:?}");
    }
}

#[test]
fn who_allows_less_age_counts_less_long() {
    let believed = |max_age| {
        let case = Case {
            max_age,
            ..Case::new(Shape::Dual, 3)
        };
        lived(case).measured.believed
    };
    assert!(believed(6) < believed(20));
}

/// The same cases give the same tables, and every row says whether it kept its promise.
#[test]
fn tables_repeat() {
    let records = || {
        vec![
            lived(Case::new(Shape::Ring, 2)),
            lived(Case::new(Shape::Line, 2)),
        ]
    };
    let (one, other) = (records(), records());
    assert_eq!(table::trials(&one), table::trials(&other));
    assert_eq!(table::trials(&one).lines().count(), 3);
    let rows: serde_json::Value = serde_json::from_str(&table::json(&one)).unwrap();
    assert_eq!(rows[1]["shape"], "line");
    assert_eq!(rows[1]["as_promised"], true);
}

#[test]
fn every_chart_has_a_caption_of_its_own() {
    let deaths = [
        Case::new(Shape::Ring, 2),
        Case::new(Shape::Dual, 2),
        Case::new(Shape::Mesh, 2),
        // Charts by max age and hold count are of these, and that of loops is of all.
        Case::new(Shape::Dual, 3),
    ];
    let charts = charts::all(&deaths.map(lived));
    assert!(charts.iter().any(|chart| chart.name == "dual"));
    let captions: std::collections::BTreeSet<_> = charts
        .iter()
        .map(|chart| page::caption(chart.name))
        .collect();
    assert_eq!((charts.len(), captions.len()), (6, 6), "{captions:#?}");
}
