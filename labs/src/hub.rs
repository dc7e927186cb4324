//! A shared segment: what one end sends, all other ends receive, octet by octet. The hub sends nothing of its own
//! and withholds nothing, reserved addresses included: it is a wire, not a bridge.

use std::io::{self, Write};

use tun_tap::{Iface, Mode};

/// What the hub prints, as a line, once all its taps exist.
pub const READY: &str = "ready";
/// Longest frame, in octets: a tap's largest MTU with header and two tags.
const FRAME_MAX: usize = 65_536 + 22;

/// The name of the tap of end `number`, before it is moved to its owner.
#[must_use]
pub fn tap_name(number: usize) -> String {
    format!("end{number}")
}

/// Makes `ends` taps, says so on standard output and copies frames between them until all their interfaces are gone.
///
/// # Errors
/// When a tap cannot be made.
pub fn run(ends: usize) -> io::Result<()> {
    let open = |number| Iface::without_packet_info(&tap_name(number), Mode::Tap);
    let taps: Vec<Iface> = (0..ends).map(open).collect::<io::Result<_>>()?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{READY}")?;
    stdout.flush()?;
    std::thread::scope(|scope| {
        for from in 0..taps.len() {
            let taps = &taps;
            scope.spawn(move || carry(taps, from));
        }
    });
    Ok(())
}

/// Copies what end `from` sends to all others, until its interface is gone. Reading blocks; writing to a tap does not:
/// an end that is down or full loses its copy, as on a real wire.
fn carry(taps: &[Iface], from: usize) {
    let mut frame = vec![0; FRAME_MAX];
    loop {
        match taps[from].recv(&mut frame) {
            Ok(length) => {
                for (_, tap) in taps.iter().enumerate().filter(|&(to, _)| to != from) {
                    let _ = tap.send(&frame[..length]);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Its owner's namespace is gone, and the interface with it.
            Err(_) => return,
        }
    }
}
