//! A watch as people read it. Times count from its beginning.

use std::fmt::Write as _;
use std::time::Duration;

use super::analysis::{Analysis, Stay};
use super::trace::{Change, How};
use super::{End, Subject, Verdict};
use crate::show::{flushed, words};

/// Stays told of one by one; of more, the first and the last.
const STAYS_TOLD: usize = 8;

/// One change on one line.
#[must_use]
pub fn change_line(change: &Change, subject: Subject, start: Duration) -> String {
    let mut line = format!(
        "[{:>11}] {:<8} vlan {:<4} ",
        seconds(change.time, start),
        change.switch,
        subject.vlan.value()
    );
    let port = |port: Option<crate::PortName>| {
        port.map_or_else(|| "(none)".to_owned(), |port| port.to_string())
    };
    let (from, to) = (port(change.from), port(change.to));
    let _ = match change.how {
        How::Learned(cause) => write!(line, "learned at {to} from {}", words(cause)),
        How::Moved(cause) => write!(line, "{from} → {to} by {}", words(cause)),
        How::Expired => write!(line, "{from} forgotten: not heard for the ageing time"),
        How::Evicted => write!(line, "{from} forgotten: the table is full"),
        How::Flushed(reason) => write!(line, "{from} flushed: {}", flushed(reason)),
    };
    if change.circle {
        line += "; it came round in a circle";
    } else if let Some(place) = &change.place
        && !(place.switch == change.switch && Some(place.port) == change.to)
    {
        let _ = write!(line, "; the station is at {place}");
    }
    line
}

/// The verdict and what it rests on.
#[must_use]
pub fn report(analysis: &Analysis, subject: Subject, start: Duration) -> String {
    let mut text = format!(
        "{} in vlan {}: {}\n",
        subject.mac,
        subject.vlan.value(),
        analysis.verdict
    );
    let circling = analysis.verdict == Verdict::Loop;
    if circling {
        let _ = writeln!(
            text,
            "  {} times an entry was turned round by a frame that had been there before",
            analysis.circles
        );
    } else {
        places(analysis, start, &mut text);
    }
    if let Some(left) = &analysis.left {
        let _ = writeln!(
            text,
            "  {left} went down, and it has not been heard elsewhere"
        );
    }
    if !analysis.stale.is_empty() && !circling {
        let stale: Vec<String> = analysis.stale.iter().map(End::to_string).collect();
        let _ = writeln!(text, "  entries that point elsewhere: {}", stale.join(", "));
    } else if analysis.verdict.is_move() && !analysis.apart {
        text += "  no entry points elsewhere\n";
    }
    if analysis.apart {
        text += "  each switch was judged by itself, for their cables are not known: this is the worst of them; stale\n  \
                 entries cannot be seen (--link SWITCH:PORT=SWITCH:PORT tells of a cable)\n";
    }
    let advice = analysis.verdict.advice();
    if !advice.is_empty() {
        for line in wrapped(advice, 100) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn places(analysis: &Analysis, start: Duration, text: &mut String) {
    let stays = &analysis.stays;
    let hidden = stays.len().saturating_sub(STAYS_TOLD);
    for (number, stay) in stays.iter().enumerate() {
        if hidden > 0 && number == STAYS_TOLD / 2 {
            let _ = writeln!(text, "  … {hidden} more times to and fro …");
        }
        if hidden > 0 && (STAYS_TOLD / 2..STAYS_TOLD / 2 + hidden).contains(&number) {
            continue;
        }
        let _ = writeln!(text, "  {}", stay_line(stay, start));
    }
}

fn stay_line(stay: &Stay, start: Duration) -> String {
    let Some(cause) = stay.cause else {
        return format!("at {}", stay.place);
    };
    let mut line = format!(
        "at {} from {} on, by {}",
        stay.place,
        seconds(stay.since, start),
        words(cause)
    );
    if stay.continued {
        line += ": it had gone on speaking there";
    } else if !stay.announced {
        line += "; no announcement rewrote an entry";
    }
    let mut names: Vec<&str> = Vec::new();
    for (switch, _) in &stay.followed {
        if !names.contains(&switch.as_str()) {
            names.push(switch);
        }
    }
    if let Some((_, last)) = stay.followed.last()
        && names.len() > 1
    {
        let took = last.saturating_sub(stay.since).as_secs_f64() * 1e3;
        let _ = write!(line, "; {} within {took:.3} ms", names.join(", "));
    }
    line
}

/// Seconds since `start`, to the microsecond.
fn seconds(time: Duration, start: Duration) -> String {
    format!("{:.6}", time.saturating_sub(start).as_secs_f64())
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let fits = lines
            .last()
            .is_some_and(|line| line.is_empty() || line.len() + 1 + word.len() <= width);
        if !fits {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
