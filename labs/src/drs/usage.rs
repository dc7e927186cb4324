//! What a process uses of a processor, out of `/proc/PID/stat`.

use core::time::Duration;
use std::fs;

/// Clock ticks of `/proc`, a hundred a second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A process at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Its number, and when it started: no later holder of the number has both.
    process: (i32, u64),
    used: Duration,
    at: Duration,
}

impl Reading {
    /// Of process `pid` at `now`; `None`: there is none.
    pub(crate) fn take(pid: i32, now: Duration) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (start, ticks) = parse(&stat)?;
        Some(Self {
            process: (pid, start),
            used: TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX)),
            at: now,
        })
    }

    /// Percent of one core since an earlier reading; `None` if that was of another process, or of the same instant.
    pub(crate) fn percent_since(&self, earlier: &Self) -> Option<f64> {
        let passed = self.at.checked_sub(earlier.at)?.as_secs_f64();
        let used = self.used.saturating_sub(earlier.used).as_secs_f64();
        (self.process == earlier.process && passed > 0.0).then(|| 100.0 * used / passed)
    }
}

/// Start and ticks used. The second field is the program's name in parentheses and may hold anything, so fields are
/// counted behind it: utime and stime are 14 and 15 (of all threads, also of those that have ended), starttime is 22.
fn parse(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(22)?, field(14)?.checked_add(field(15)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_any_name() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 700 33 14 15 16 17 18 19 4242 23";
        assert_eq!(parse(&format!("7 (labs) {fields}")), Some((4242, 733)));
        assert_eq!(parse(&format!("7 (a) b) R 9) {fields}")), Some((4242, 733)));
        let huge = fields.replace("700", &u64::MAX.to_string());
        for bad in [
            "",
            "7 (labs",
            "7 (labs) S 1 2",
            "7 (labs) S a b",
            &format!("7 (x) {huge}"),
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn percent_is_use_by_time_of_the_same_process() {
        let reading = |pid, used, at| Reading {
            process: (pid, 1),
            used: Duration::from_millis(used),
            at: Duration::from_millis(at),
        };
        let before = reading(1, 100, 1_000);
        assert_eq!(reading(1, 1_600, 2_000).percent_since(&before), Some(150.0));
        assert_eq!(reading(2, 1_600, 2_000).percent_since(&before), None);
        assert_eq!(reading(1, 100, 1_000).percent_since(&before), None);
        assert_eq!(before.percent_since(&reading(1, 0, 2_000)), None);
    }

    #[test]
    fn a_process_that_works_has_a_load_and_one_that_is_gone_has_none() {
        let own = i32::try_from(std::process::id()).unwrap();
        let before = Reading::take(own, Duration::ZERO).unwrap();
        let mut after = before;
        while after.used == before.used {
            after = Reading::take(own, Duration::from_secs(1)).unwrap();
        }
        assert!(after.percent_since(&before).unwrap() >= 1.0);
        assert_eq!(Reading::take(i32::MAX, Duration::ZERO), None);
    }
}
