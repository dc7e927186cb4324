//! Everything promised is kept, and written down.

use core::num::NonZeroUsize;

use super::plan::Plan;
use super::*;
use crate::study::run::spread;

fn plan(diameters: &[u32], step: i64) -> Plan {
    Plan {
        setting: Setting::default(),
        diameters: diameters.to_vec(),
        lost: 4,
        step,
        schedule: Schedule::QEMU,
        schedules: vec![("QEMU's default".to_owned(), Schedule::QEMU)],
    }
}

fn live(setting: &Setting, cases: &[Case]) -> Vec<Record> {
    let order: Vec<usize> = (0..cases.len()).collect();
    let jobs = NonZeroUsize::new(2).unwrap();
    let work = |case: &Case| trial::run(setting, case).unwrap();
    spread(cases, &order, jobs, work, |_| {})
}

fn assert_as_predicted(records: &[Record]) {
    let broken: Vec<_> = records.iter().filter(|record| !record.holds()).collect();
    let told = broken.iter().map(|record| {
        let Record {
            case,
            predicted,
            measured,
        } = record;
        format!("{case:?}\n    {predicted:?} {measured:?}\n")
    });
    let told: String = told.take(10).collect();
    assert!(
        broken.is_empty(),
        "{} of {}:\n{told}",
        broken.len(),
        records.len()
    );
}

#[test]
fn every_case_at_rest_comes_as_predicted() {
    let plan = plan(&[1, 2, 5, 8], 60_000);
    let cases: Vec<Case> = plan
        .cases()
        .into_iter()
        .filter(|case| case.tree == Tree::Quiet)
        .collect();
    assert_eq!(cases.len(), 4 * 2 * 21);
    let records = live(&plan.setting, &cases);
    assert_as_predicted(&records);
    // Nobody's word is worth the ageing time; the way's length is worth nothing.
    for record in records {
        let case = record.case;
        if case.sender == Sender::Nobody && !case.chatty {
            assert_eq!(record.measured.outage, 299_950);
        }
        if case.sender == Sender::Rarp && case.lost == 0 {
            assert_eq!(
                (record.measured.outage, record.measured.stale),
                (0, Some(0))
            );
        }
    }
}

#[test]
fn every_case_in_a_tree_that_rebuilds_comes_as_predicted() {
    // A prime step: hello times, announcements and cuts meet in ever new ways.
    let plan = plan(&[1, 2, 4], 4_700);
    let cases: Vec<Case> = plan
        .cases()
        .into_iter()
        .filter(|case| matches!(case.tree, Tree::Cut(_)) && matches!(case.lost, 0 | 4))
        .collect();
    assert!(cases.len() >= 400, "{}", cases.len());
    assert_as_predicted(&live(&plan.setting, &cases));
}

/// Announcements in the milliseconds of questions, of cuts, and of the detour's opening, and beside them.
#[test]
fn what_falls_on_one_millisecond_has_its_order() {
    let setting = Setting::default();
    let opening = 2 * setting.forward_delay();
    let mut cases = Vec::new();
    for (initial, step, rounds, max) in [(500, 1, 12, 550), (5, 10, 10, 200), (2, 3, 9, 77)] {
        let schedule = Schedule::new(initial, step, rounds, max).unwrap();
        let said: Vec<i64> = schedule.times().collect();
        assert!(
            said.iter().any(|at| at % PERIOD == FIRST_QUESTION),
            "{said:?}"
        );
        for at in said {
            let cuts = [-1, 0, 1].into_iter().flat_map(|beside| {
                let at = at + beside;
                [at, at - opening]
            });
            cases.extend(cuts.flat_map(|cut| {
                [(2, 0), (2, 1), (8, 0)].map(|(diameter, lost)| Case {
                    diameter,
                    tree: Tree::Cut(cut),
                    chatty: false,
                    sender: Sender::Rarp,
                    lost,
                    schedule,
                })
            }));
        }
    }
    assert_as_predicted(&live(&setting, &cases));
}

#[test]
fn a_chosen_schedule_keeps_its_bound() {
    let plan = plan(&[3], 2_300);
    let demand = plan.demand();
    let best = demand.best(50);
    assert!(demand.bound(best) < demand.bound(Schedule::QEMU) / 10);
    let cases: Vec<Case> = plan
        .schedule_cases()
        .into_iter()
        .filter(|case| case.schedule == best && case.lost == plan.lost)
        .collect();
    for record in live(&plan.setting, &cases) {
        // To a question of the client's; what the tree may hold back comes on top.
        let allowed = demand.bound(best) + PERIOD + HOLD;
        assert!(record.beyond_tree() <= allowed, "{record:?}");
    }
}

#[test]
fn a_schedule_is_judged_by_its_own_trials() {
    let plan = plan(&[1, 2], 60_000);
    let mut cases = plan.cases();
    cases.extend(plan.schedule_cases());
    cases.retain(|case| case.schedule == Schedule::QEMU && case.tree == Tree::Quiet);
    let records = live(&plan.setting, &cases);
    let contenders = super::table::contenders(&plan, &records);
    let mut qemu = contenders
        .iter()
        .filter(|one| one.schedule == Schedule::QEMU);
    // Nobody's silence is no fault of the schedule.
    assert_eq!(qemu.next().unwrap().at_rest, [0, 50, 200, 450, 800]);
}

#[test]
fn fast_timers_and_short_ageing_are_predicted_too() {
    let seconds = Duration::from_secs;
    let plan = Plan {
        setting: Setting {
            times: BridgeTimes::new(seconds(6), seconds(1), seconds(4)).unwrap(),
            ageing: AgeingTime::from_secs(20).unwrap(),
        },
        ..plan(&[3], 1_900)
    };
    let cases: Vec<Case> = plan.cases();
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.lost < 2).collect();
    assert_as_predicted(&live(&plan.setting, &cases));
}
