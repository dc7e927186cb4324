//! QEMU's own figures of a migration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Accelerator;

/// What QEMU says of a move, and what came of it for the network. Times are milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What ran the guest.
    pub accelerator: Accelerator,
    /// QEMU's total time: from the order to the end of the copy.
    pub total_ms: u64,
    /// QEMU's downtime: from the stop to the end of the copy.
    pub downtime_ms: u64,
    /// QEMU's time to set the migration up.
    pub setup_ms: u64,
    /// Octets of memory sent.
    pub transferred: u64,
    /// Pages sent whole.
    pub normal_pages: u64,
    /// Pages sent as "all zero".
    pub zero_pages: u64,
    /// Rounds: how often the dirty pages were looked up.
    pub rounds: u64,
    /// The client's silence less the machine's pause.
    pub silence_beyond_pause_ms: f64,
    /// From the first entry that an announcement rewrote to the last.
    pub rewrite_ms: f64,
}

/// The bar: silence beyond the machine's own pause.
pub const SILENCE_MAX_MS: f64 = 60.0;
/// The bar: from the first switch that heard the announcement to the last whose entry was right.
pub const REWRITE_MAX_MS: f64 = 5.0;

impl Figures {
    /// What `query-migrate` has answered.
    pub(super) fn of(answer: &Value, accelerator: Accelerator) -> Self {
        let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(0);
        let of = |key: &str| number(answer.get(key));
        let ram = |key: &str| number(answer.get("ram").and_then(|ram| ram.get(key)));
        Self {
            accelerator,
            total_ms: of("total-time"),
            downtime_ms: of("downtime"),
            setup_ms: of("setup-time"),
            transferred: ram("transferred"),
            normal_pages: ram("normal"),
            zero_pages: ram("duplicate"),
            rounds: ram("dirty-sync-count"),
            ..Self::default()
        }
    }

    /// Whether the network did its share in time.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.silence_beyond_pause_ms <= SILENCE_MAX_MS && self.rewrite_ms <= REWRITE_MAX_MS
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_taken_from_the_answer_and_what_is_missing_is_nothing() {
        let answer = json!({
            "status": "completed", "total-time": 812, "downtime": 41, "setup-time": 2,
            "ram": {"transferred": 1000, "normal": 7, "duplicate": 9, "dirty-sync-count": 4},
        });
        let figures = Figures::of(&answer, Accelerator::Tcg);
        assert_eq!((figures.total_ms, figures.downtime_ms), (812, 41));
        assert_eq!((figures.transferred, figures.rounds), (1000, 4));
        assert_eq!(figures.accelerator, Accelerator::Tcg);
        assert_eq!(
            Figures::of(&json!([]), Accelerator::Auto),
            Figures::default()
        );
    }

    #[test]
    fn the_shape_of_the_json() {
        let figures = serde_json::to_value(Figures::default()).unwrap();
        assert_eq!(
            figures,
            json!({
                "accelerator": "auto", "total_ms": 0, "downtime_ms": 0, "setup_ms": 0, "transferred": 0,
                "normal_pages": 0, "zero_pages": 0, "rounds": 0, "silence_beyond_pause_ms": 0.0,
                "rewrite_ms": 0.0,
            })
        );
    }

    #[test]
    fn bars_are_inclusive() {
        let figures = |silence_beyond_pause_ms, rewrite_ms| Figures {
            silence_beyond_pause_ms,
            rewrite_ms,
            ..Figures::default()
        };
        assert!(figures(60.0, 5.0).is_good());
        assert!(!figures(60.1, 0.0).is_good());
        assert!(!figures(0.0, 5.1).is_good());
    }
}
