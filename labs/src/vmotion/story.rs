//! The run as people read it.

use core::time::Duration;
use std::io::{self, IsTerminal as _};

use super::Options;
use super::report::{MigrationReport, Report, TcpSummary};
use crate::lab::LabError;
use crate::qemu::Figures;
use crate::watch::Downtime;

/// Writes lines with their time. Colors only where a terminal reads.
#[derive(Debug)]
pub(crate) struct Story {
    options: Options,
    color: bool,
    hushed: bool,
}

#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Good,
    Bad,
    Faint,
}

impl Story {
    pub(crate) fn new(options: Options) -> Self {
        let terminal = if options.json {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal()
        };
        Self {
            options,
            color: terminal,
            hushed: false,
        }
    }

    /// Writes nothing from now on.
    pub(crate) fn hush(&mut self) {
        self.hushed = true;
    }

    /// One thing that happened at `at`.
    pub(crate) fn line(&self, at: Duration, text: &str) -> Result<(), LabError> {
        let since = at.saturating_sub(self.options.start).as_secs_f64();
        let time = self.ink(Ink::Faint, &format!("[{since:10.6}]"));
        self.write(&format!("{time} {text}\n"))
    }

    /// A heading for what follows.
    pub(crate) fn heading(&self, text: &str) -> Result<(), LabError> {
        self.write(&format!("\n{}\n", self.ink(Ink::Bold, text)))
    }

    /// The topology as drawn.
    pub(crate) fn drawing(&self, drawing: &str) -> Result<(), LabError> {
        self.write(&format!("\n{drawing}\n"))
    }

    /// Summary for people, object for programs.
    pub(crate) fn finish(&self, report: &Report) -> Result<(), LabError> {
        for migration in &report.migrations {
            self.summary(migration)?;
        }
        self.verdict(&report.lab, report.ok)?;
        if self.options.json {
            let text = serde_json::to_string(report);
            let text = text.map_err(|error| LabError::Other(error.to_string()))?;
            put(&mut io::stdout().lock(), &format!("{text}\n"))?;
        }
        Ok(())
    }

    /// The same of a single move.
    pub(crate) fn finish_move(&self, migration: &MigrationReport) -> Result<(), LabError> {
        if migration.rounds > 0 || migration.failure.is_none() {
            self.summary(migration)?;
        }
        if self.options.json {
            let text = serde_json::to_string(migration);
            let text = text.map_err(|error| LabError::Other(error.to_string()))?;
            put(&mut io::stdout().lock(), &format!("{text}\n"))?;
        }
        Ok(())
    }

    /// The last line.
    pub(crate) fn verdict(&self, lab: &str, ok: bool) -> Result<(), LabError> {
        let verdict = if ok {
            self.ink(Ink::Good, "ok")
        } else {
            self.ink(Ink::Bad, "FAILED")
        };
        self.write(&format!("\n{lab}: {verdict}\n"))
    }

    pub(crate) fn summary(&self, migration: &MigrationReport) -> Result<(), LabError> {
        let MigrationReport { vm, from, to, .. } = migration;
        self.heading(&format!("{vm}: {from} → {to}"))?;
        if let Some(failure) = &migration.failure {
            let text = self.ink(Ink::Bad, &format!("did not move: {failure}"));
            self.write(&format!("  {text}\n"))?;
        }
        let asked = |value: &dyn Fn(&TcpSummary) -> String| {
            migration
                .tcp
                .as_ref()
                .map_or_else(|| "not asked".to_owned(), value)
        };
        let yes = |claim: bool| if claim { "yes" } else { "NO" };
        let stale = match migration.stale.as_slice() {
            [] => "0".to_owned(),
            stale => format!("{} ({})", stale.len(), stale.join(", ")),
        };
        let rewritten = match migration.not_by_announcement.as_slice() {
            [] => "by the first announcement that reached it".to_owned(),
            late => format!("NOT by an announcement: {}", late.join(", ")),
        };
        let lines = [
            (
                "total time",
                format!(
                    "{:.1} ms, {} rounds, {} MiB",
                    migration.total_ms, migration.rounds, migration.memory_mib
                ),
            ),
            (
                "pause (stop to resume)",
                format!("{:.2} ms", migration.pause_ms),
            ),
            (
                "silence seen by ping",
                format!("{:.1} ms", migration.ping_gap_ms),
            ),
            (
                "slowest answer to a ping",
                format!("{:.1} ms", migration.slowest_answer_ms),
            ),
            (
                "pings lost",
                format!("{} of {}", migration.pings_lost, migration.pings_sent),
            ),
            (
                "longest TCP stall",
                asked(&|tcp| format!("{:.1} ms", tcp.longest_stall_ms)),
            ),
            ("bytes lost", asked(&|tcp| tcp.bytes_lost.to_string())),
            (
                "bytes damaged, repeated",
                asked(&|tcp| format!("{}, {}", tcp.bytes_damaged, tcp.bytes_duplicated)),
            ),
            ("session alive", asked(&|tcp| yes(tcp.alive).to_owned())),
            (
                "memory equal",
                migration
                    .memory_equal
                    .map_or("not compared", yes)
                    .to_owned(),
            ),
            (
                "entries rewritten",
                format!(
                    "{} moved, {} new, each {rewritten}",
                    migration.cam_moves.len(),
                    migration.cam_learns.len()
                ),
            ),
            ("stale entries left", stale),
            (
                "seen by the switches",
                migration
                    .verdict
                    .map_or_else(|| "nothing".to_owned(), |verdict| verdict.to_string()),
            ),
        ];
        let figures = migration.qemu.iter().flat_map(qemu_lines);
        for (name, value) in lines.into_iter().chain(figures) {
            self.write(&format!("  {name:<24} {value}\n"))?;
        }
        match &migration.downtime {
            Some(downtime) => {
                self.downtime(downtime)?;
                self.not_the_longest(migration, downtime)
            }
            None if migration.failure.is_none() => self.write(
                "  where the silence went is not known: the client had no answers around the move\n",
            ),
            None => Ok(()),
        }
    }

    /// A move that is over between two questions may cost less than the host's other work.
    fn not_the_longest(
        &self,
        migration: &MigrationReport,
        downtime: &Downtime,
    ) -> Result<(), LabError> {
        let longest = migration.ping_gap_ms;
        if longest - downtime.silence_ms < 0.05 {
            return Ok(());
        }
        self.write(&format!(
            "  the silence of {longest:.1} ms was another one: the machine ran, here or there, all the while\n"
        ))
    }

    /// Where the silence went, part by part.
    fn downtime(&self, downtime: &Downtime) -> Result<(), LabError> {
        let switches: Vec<String> = downtime
            .rewrite
            .iter()
            .map(|part| format!("{} {:.2}", part.switch, part.ms))
            .collect();
        let rewriting = match switches.as_slice() {
            [] => "no entry on the client's way changed".to_owned(),
            switches => format!("switch by switch: {}", switches.join(", ")),
        };
        let (arp, arp_note) = match downtime.arp_ms {
            Some(ms) => (ms, "the client asked for the address again"),
            None => (0.0, ""),
        };
        let lines = [
            (
                "before the stop",
                downtime.before_stop_ms,
                "since the client's last answer",
            ),
            ("pause", downtime.pause_ms, ""),
            (
                "announcement wait",
                downtime.announcement_wait_ms,
                "until a switch heard the VM at its new place",
            ),
            ("rewriting", downtime.rewrite_ms(), &rewriting),
            ("ARP", arp, arp_note),
            (
                "rest",
                downtime.rest_ms,
                "until the next question was answered",
            ),
        ];
        self.write(&format!(
            "  where the {:.1} ms of silence went\n",
            downtime.silence_ms
        ))?;
        for (name, ms, note) in lines {
            if name == "ARP" && downtime.arp_ms.is_none() {
                continue;
            }
            let line = format!("    {name:<22} {ms:>8.2} ms   {note}");
            self.write(&format!("{}\n", line.trim_end()))?;
        }
        Ok(())
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => 1,
            Ink::Good => 32,
            Ink::Bad => 31,
            Ink::Faint => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    fn write(&self, text: &str) -> Result<(), LabError> {
        if self.hushed {
            Ok(())
        } else if self.options.json {
            put(&mut io::stderr().lock(), text)
        } else {
            put(&mut io::stdout().lock(), text)
        }
    }
}

/// QEMU's own figures, and the network's beside them.
fn qemu_lines(figures: &Figures) -> Vec<(&'static str, String)> {
    let mib = figures.transferred as f64 / f64::from(1 << 20);
    vec![
        (
            "QEMU's own figures",
            format!(
                "total {} ms, downtime {} ms, {mib:.1} MiB sent, {} rounds ({})",
                figures.total_ms,
                figures.downtime_ms,
                figures.rounds,
                figures.accelerator.name()
            ),
        ),
        (
            "silence beyond the pause",
            format!("{:.1} ms", figures.silence_beyond_pause_ms),
        ),
        (
            "rewritten within",
            format!("{:.2} ms of the first", figures.rewrite_ms),
        ),
    ]
}

/// Writes and flushes; a reader that went away is no error, as with other tools.
fn put(to: &mut impl io::Write, text: &str) -> Result<(), LabError> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(LabError::io("write the story", error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
