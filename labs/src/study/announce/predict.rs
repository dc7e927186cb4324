//! How long a client must be without answers, from the timers alone.

use super::{Case, FIRST_WORD, HOLD, LAST_HEARD, Setting, Tree, WORDS, asked};

/// An outage from here to there, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Predicted {
    pub(super) least: i64,
    pub(super) most: i64,
    /// When all is well again for good, at the latest.
    pub(super) over: i64,
}

/// What is promised of a case. In a quiet network least and most are the same. While spanning tree rebuilds, news may be
/// held back for up to a second at a port.
pub(super) fn predict(setting: &Setting, case: &Case) -> Predicted {
    match case.tree {
        Tree::Cut(at) if case.diameter > 1 => across(setting, case, at),
        // One switch is its own way; what is cut leads elsewhere. Nor does it make switches age faster: a topology change
        // is told of by bridges that are designated for somebody (802.1D-1998 8.5.5.3), and the detour is for nobody.
        Tree::Quiet | Tree::Cut(_) => {
            let healed = first_frame(case, i64::MIN).min(LAST_HEARD + setting.ageing());
            let outage = asked(0, healed);
            Predicted {
                least: outage,
                most: outage,
                over: healed,
            }
        }
    }
}

/// The first frame from the new place that every switch of the way hears: an announcement, or a word to the client.
fn first_frame(case: &Case, from: i64) -> i64 {
    announced(case, from).min(spoken(case, from))
}

fn announced(case: &Case, from: i64) -> i64 {
    let heard = case.announcements().into_iter();
    heard
        .filter(|(at, _, heard)| *heard && *at >= from)
        .map(|(at, _, _)| at)
        .min()
        .unwrap_or(i64::MAX)
}

fn spoken(case: &Case, from: i64) -> i64 {
    if !case.chatty {
        return i64::MAX;
    }
    let missed = (from.saturating_sub(FIRST_WORD).max(0) + WORDS - 1) / WORDS;
    FIRST_WORD + missed * WORDS
}

/// The cut is on the way. s2, which loses the cable, has the other way in its hand and forwards there twice the forward
/// delay later; what is announced meanwhile reaches only its side of the cut.
fn across(setting: &Setting, case: &Case, at: i64) -> Predicted {
    let opens = at + 2 * setting.forward_delay();
    // s2 tells of a topology change then. Two ports may hold it back until everybody's entries age by the forward delay:
    // s1's, which leads to the source, and the detour's, which leads back to s1.
    let told = opens + 2 * HOLD;
    let before = first_frame(case, i64::MIN);
    // All was right when the cable was cut, and s1's entry went with it.
    let (healed, broken) = match before <= at {
        true => (before, at),
        false => (0, 0),
    };
    let short = match before <= at {
        true => i64::MIN,
        false => LAST_HEARD + setting.forward_delay(),
    };
    // It opens as long after its millisecond as the cable was cut: what was announced in it came too early.
    let again = |told: i64| first_frame(case, opens + 1).min(told.max(short));
    let by = |told: i64| asked(0, healed) + asked(broken, again(told));
    Predicted {
        least: by(opens),
        most: by(told),
        over: again(told),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Schedule, Sender};
    use super::*;

    fn case(sender: Sender, lost: u32, chatty: bool, tree: Tree) -> Case {
        Case {
            diameter: 3,
            tree,
            chatty,
            sender,
            lost,
            schedule: Schedule::QEMU,
        }
    }

    #[test]
    fn in_a_quiet_network_the_first_frame_heard_decides() {
        let outage = |sender, lost, chatty| {
            let predicted = predict(
                &Setting::default(),
                &case(sender, lost, chatty, Tree::Quiet),
            );
            assert_eq!(predicted.least, predicted.most);
            predicted.least
        };
        assert_eq!(outage(Sender::Rarp, 0, false), 0);
        assert_eq!(outage(Sender::Rarp, 2, false), 200);
        assert_eq!(outage(Sender::Request, 2, false), 300);
        // RARP at 0 and 50 are lost; the guest's own at 100 is next.
        assert_eq!(outage(Sender::Both, 2, false), 100);
        assert_eq!(outage(Sender::Rarp, 4, true), 120);
        assert_eq!(outage(Sender::Nobody, 0, true), 120);
        assert_eq!(outage(Sender::Nobody, 0, false), 299_950);
        assert_eq!(outage(Sender::Rarp, 5, false), 299_950);
    }

    #[test]
    fn a_cut_while_announcements_go_unheard_lasts_until_the_short_ageing() {
        // The detour opens a second after the resume, when QEMU has said all it says.
        let cut = case(Sender::Rarp, 0, false, Tree::Cut(-28_998));
        let predicted = predict(&Setting::default(), &cut);
        assert_eq!((predicted.least, predicted.most), (14_950, 14_950));
        let patient = Case {
            schedule: Schedule::new(50, 100, 60, 550).unwrap(),
            ..cut
        };
        let predicted = predict(&Setting::default(), &patient);
        assert!(predicted.most <= 2_600, "{predicted:?}");
    }
}
