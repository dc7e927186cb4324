//! Rounds as people read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::decision::{Decision, HostLoad, Refusal, Refused};
use super::planner::who;
use super::report::{MoveReport, Summary};

/// Columns of a host's bar: five percent each.
const BAR: u32 = 20;

/// A round: the hosts, the choice, and what was not chosen.
pub(super) fn round(number: usize, decision: &Decision) -> String {
    let mut text = String::new();
    let seconds = decision.at_ms as f64 / 1e3;
    let target = match decision.target {
        Some(target) => format!("target {target:.1}"),
        None => "no target".to_owned(),
    };
    let deviation = decision.deviation;
    put(
        &mut text,
        format_args!("round {number}, {seconds:.1} s: deviation {deviation:.1} points, {target}"),
    );
    let width = decision
        .hosts
        .iter()
        .map(|host| host.host.chars().count())
        .max();
    for host in &decision.hosts {
        put(
            &mut text,
            format_args!("  {}", host_line(host, width.unwrap_or(0))),
        );
    }
    for breach in &decision.broken {
        put(&mut text, format_args!("  BROKEN {breach}"));
    }
    match &decision.chosen {
        Some(choice) => {
            let (who, from, to) = (who(&choice.vms), &choice.from, &choice.to);
            let after = choice.deviation_after;
            put(
                &mut text,
                format_args!(
                    "  MOVE {who} from {from} to {to}: deviation {deviation:.1} → {after:.1}"
                ),
            );
            put(&mut text, format_args!("       {}", choice.why));
        }
        None => put(&mut text, format_args!("  stay: {}", decision.why)),
    }
    refusals(&mut text, &decision.refused);
    text.truncate(text.trim_end().len());
    text
}

fn put(text: &mut String, line: core::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

fn host_line(host: &HostLoad, width: usize) -> String {
    let full =
        (1..=BAR).filter(|column| host.load >= f64::from(*column) * 100.0 / f64::from(BAR) - 2.5);
    let full = full.count();
    let bar: String = (0..BAR as usize)
        .map(|column| if column < full { '█' } else { '░' })
        .collect();
    let vms: Vec<String> = host
        .vms
        .iter()
        .map(|vm| format!("{} {:.0}", vm.vm, vm.load))
        .collect();
    let vms = if vms.is_empty() {
        "no VM".to_owned()
    } else {
        vms.join(", ")
    };
    format!(
        "{:<width$}  {bar} {:>4.0} % of {:.0}   {vms}",
        host.host, host.load, host.capacity
    )
}

/// For each reason the move that would have been the best, and how many more there are.
fn refusals(text: &mut String, refused: &[Refused]) {
    let mut by_reason: BTreeMap<Refusal, Vec<&Refused>> = BTreeMap::new();
    for one in refused {
        by_reason.entry(one.reason).or_default().push(one);
    }
    if !by_reason.is_empty() {
        put(text, format_args!("  not moved"));
    }
    for all in by_reason.values() {
        let Some(one) = all.first() else {
            continue;
        };
        let way = format!("{} → {}", who(&one.vms), one.to);
        let more = match all.len() - 1 {
            0 => String::new(),
            more => format!(" ({more} more)"),
        };
        put(
            text,
            format_args!(
                "    {way:<18} to {:>5.1}: {}{more}",
                one.deviation_after, one.why
            ),
        );
    }
}

/// What became of a move.
pub(super) fn moved(one: &MoveReport) -> String {
    let migration = &one.migration;
    let (vm, from, to) = (&migration.vm, &migration.from, &migration.to);
    if let Some(failure) = &migration.failure {
        return format!("{vm} did not move and stays on {from}: {failure}");
    }
    let alive = match &migration.tcp {
        Some(tcp) if tcp.alive => "alive",
        Some(_) => "LOST",
        None => "not asked",
    };
    let stale = match migration.stale.as_slice() {
        [] => String::new(),
        stale => format!(", stale entries: {}", stale.join(", ")),
    };
    format!(
        "{vm} runs on {to}: copied in {:.0} ms, pause {:.1} ms, silence {:.0} ms, session {alive}, {} entries rewritten{stale}",
        migration.total_ms,
        migration.pause_ms,
        migration.ping_gap_ms,
        migration.cam_moves.len(),
    )
}

/// The last words.
pub(super) fn summary(summary: &Summary, rounds: usize) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| put(&mut text, format_args!("  {name:<26} {value}"));
    let named = |names: &[String]| match names {
        [] => "0".to_owned(),
        names => format!("{} ({})", names.len(), names.join(", ")),
    };
    line("rounds, moves", format!("{rounds}, {}", summary.moves));
    line("moves that failed", summary.failed.to_string());
    line(
        "sessions lost",
        format!("{} of {}", named(&summary.sessions_lost), summary.sessions),
    );
    line(
        "longest silence",
        format!("{:.0} ms", summary.silence_max_ms),
    );
    let rest = match summary.rest_min_ms {
        Some(rest) => format!("; shortest rest {:.1} s", rest as f64 / 1e3),
        None => String::new(),
    };
    line("to and fro", format!("{}{rest}", summary.ping_pong));
    line(
        "deviation",
        format!(
            "{:.1} at first, {:.1} at last",
            summary.deviation_first, summary.deviation_last
        ),
    );
    let ended = summary.excursions.iter().filter(|one| one.to_ms.is_some());
    let most = ended.clone().map(|one| one.moves).max().unwrap_or(0);
    line(
        "above the target",
        match summary.excursions.len() {
            0 => "never".to_owned(),
            all => format!(
                "{all} times, {} of them ended, after at most {most} moves",
                ended.count()
            ),
        },
    );
    line("rules broken", named(&summary.broken));
    text.truncate(text.trim_end().len());
    text
}
