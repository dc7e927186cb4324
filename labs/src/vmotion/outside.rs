//! A move of QEMU's as seen from outside. QEMU does not tell what it announces, so the client listens; and what the network
//! did is what is left when QEMU's own share is taken off.

use core::time::Duration;

use super::migration::{SETTLE, Told, frame_name, is_announcement};
use super::report::{CamMove, MigrationReport};
use crate::client::Heard;
use crate::guest::ANNOUNCE_AT;
use crate::guest::shell::GuestEvent;
use crate::lab::{LabError, interrupt};

/// After a move of QEMU's: until its announcements had their time, and their effects theirs.
pub(super) fn wait_for_announcements(told: &Told) -> Result<(), LabError> {
    let has_moved = told.iter().any(|(_, event)| event.kind == "resumed");
    let announcing = match has_moved {
        true => ANNOUNCE_AT[ANNOUNCE_AT.len() - 1],
        false => Duration::ZERO,
    };
    interrupt::pause(announcing + SETTLE)
}

/// The announcements that a client heard since the order, as if the target had told of them: QEMU does not.
pub(super) fn heard(heard: &[Heard], ordered: Duration) -> Told {
    let since = u64::try_from(ordered.as_nanos()).unwrap_or(u64::MAX);
    let event = |heard: &Heard| {
        let kind = serde_json::to_value(heard.kind).unwrap_or_default();
        let name = frame_name(kind.as_str().unwrap_or_default()).to_owned();
        let fields = [
            ("text".to_owned(), format!("the client hears {name}").into()),
            ("kind".to_owned(), kind),
        ];
        let event = GuestEvent {
            kind: "announced".to_owned(),
            time_ns: heard.at_ns,
            fields: fields.into_iter().collect(),
        };
        ("target", event)
    };
    let heard = heard.iter().filter(|heard| heard.at_ns >= since);
    heard.map(event).collect()
}

/// What the move cost beyond what the machine took for itself.
pub(super) fn measure(report: &mut MigrationReport) {
    let Some(figures) = &mut report.qemu else {
        return;
    };
    figures.silence_beyond_pause_ms = (report.ping_gap_ms - report.pause_ms).max(0.0);
    let announced = |change: &&CamMove| is_announcement(change);
    let changes = report.cam_moves.iter().chain(&report.cam_learns);
    let times = changes.filter(announced).map(|change| change.at_ms);
    let (first, last) = times.fold((f64::MAX, f64::MIN), |(first, last), at| {
        (first.min(at), last.max(at))
    });
    figures.rewrite_ms = (last - first).max(0.0);
}
