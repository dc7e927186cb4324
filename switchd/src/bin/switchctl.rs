//! `switchctl`: asks and configures a running `switchd`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use switchd::cli::{self, Action, Output, WatchWords};
use switchd::control::{
    self, ANSWER_TIMEOUT, Client, ClientError, Command, EventStream, Notice, Reply,
    running_switches,
};
use switchd::show;
use switchd::watch::live::{self, Settings, WatchError};

/// The words are no command.
const EXIT_USAGE: u8 = 2;
/// What was watched is not as it should be.
const EXIT_VERDICT: u8 = 3;

/// What was typed, options taken out.
#[derive(Debug)]
struct Typed {
    json: bool,
    run_dir: PathBuf,
    words: Vec<String>,
}

fn main() -> ExitCode {
    let typed = match options(std::env::args().skip(1)) {
        Ok(typed) => typed,
        Err(message) => return refuse(&message),
    };
    let words: Vec<&str> = typed.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["-h" | "--help" | "help", ..] => cli::print(cli::HELP),
        ["-V" | "--version"] => cli::print(concat!("switchctl ", env!("CARGO_PKG_VERSION"), "\n")),
        // Of a command of one's own: what it does stands where all commands do.
        ["watch" | "list" | "completions", "-h" | "--help", ..] => cli::print(cli::HELP),
        [] | ["list"] => list(&typed),
        ["list", more, ..] => refuse(&format!("list: nothing is expected after it, not '{more}'")),
        ["watch", mac, ..] if mac.contains([':', '.']) || mac.starts_with('-') => watch(&typed),
        ["watch"] => {
            refuse("watch: name the address to watch, as in: switchctl watch 52:54:00:00:00:05")
        }
        ["completions", shell @ ..] => match shell.first().map(|shell| shell.parse()) {
            Some(Ok(shell)) => cli::print(&cli::completions(shell, &mut cli::command())),
            Some(Err(_)) | None => refuse("completions: name a shell: bash, zsh or fish"),
        },
        [option, ..] if option.starts_with('-') => refuse(&format!("unknown option '{option}'")),
        [name, ..] => ask(&typed, name),
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("{message}\n(switchctl --help has the commands)");
    ExitCode::from(EXIT_USAGE)
}

/// Takes `--json` and `--run-dir` out, wherever they stand.
fn options(mut typed: impl Iterator<Item = String>) -> Result<Typed, String> {
    let mut found = Typed {
        json: false,
        run_dir: control::default_run_dir(),
        words: Vec::new(),
    };
    while let Some(word) = typed.next() {
        if word == "--json" {
            found.json = true;
        } else if word == "--run-dir" {
            let dir = typed.next();
            found.run_dir = dir.ok_or("--run-dir: name a directory")?.into();
        } else if let Some(dir) = word.strip_prefix("--run-dir=") {
            found.run_dir = dir.into();
        } else {
            found.words.push(word);
        }
    }
    Ok(found)
}

fn list(typed: &Typed) -> ExitCode {
    match running_switches(&typed.run_dir) {
        Err(error) => {
            eprintln!("{}: {error}", typed.run_dir.display());
            ExitCode::FAILURE
        }
        Ok((live, _)) if typed.json => print_json(&live),
        Ok((live, stale)) if live.is_empty() && stale.is_empty() => cli::print(&format!(
            "No switch runs in {}. Start one: switchd --name sw1 p1 p2\n",
            typed.run_dir.display()
        )),
        Ok((live, stale)) => cli::print(&show::switches(&live, &stale)),
    }
}

/// Watches an address until it is told to stop.
fn watch(typed: &Typed) -> ExitCode {
    let words = match WatchWords::parse(&typed.words[1..]) {
        Ok(words) => words,
        Err(message) => return refuse(&message),
    };
    let (targets, wiring) = match words.targets(&typed.run_dir) {
        Ok(found) => found,
        Err(message) => return refuse(&message),
    };
    let settings = Settings {
        mac: words.mac,
        vlan: words.vlan,
        time: words.time,
        wiring,
        json: typed.json,
    };
    let watched = live::stop_on_signals()
        .map_err(WatchError::Io)
        .and_then(|stop| live::watch(&targets, &settings, &stop, &mut io::stdout().lock()));
    match watched {
        Ok(verdict) if verdict.is_good() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(EXIT_VERDICT),
        // A reader that went away has seen enough.
        Err(WatchError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("% {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_json(value: &impl serde::Serialize) -> ExitCode {
    match serde_json::to_string(value) {
        Ok(json) => cli::print(&format!("{json}\n")),
        Err(error) => {
            eprintln!("cannot write JSON: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(typed: &Typed, name: &str) -> ExitCode {
    let action = match cli::parse(&typed.words[1..]) {
        Ok(action) => action,
        Err(error) => return refuse(&error.pointed(&format!("switchctl {name} "))),
    };
    let asked = Client::connect_named(&typed.run_dir, name).and_then(|client| match action {
        Action::Ask(command, output) => answer(client, &command, output, typed.json),
        Action::Events { follow, since } => {
            let from_now = follow && since.is_none();
            let since = if from_now {
                None
            } else {
                Some(since.unwrap_or(0))
            };
            client
                .events(since)
                .and_then(|stream| events(stream, follow, typed.json))
        }
    });
    match asked {
        Ok(code) => code,
        Err(error) => {
            eprintln!("% {}", explained(&error, typed, name));
            ExitCode::FAILURE
        }
    }
}

/// The error, and for a switch that is not there, which ones are.
fn explained(error: &ClientError, typed: &Typed, name: &str) -> String {
    let (ClientError::NotRunning { .. }, Ok((live, _))) = (error, running_switches(&typed.run_dir))
    else {
        return error.to_string();
    };
    let names: Vec<&str> = live.iter().map(|switch| switch.name.as_str()).collect();
    let running = match names.is_empty() {
        true => format!("no switch runs in {}", typed.run_dir.display()),
        false => format!("running are {}", names.join(", ")),
    };
    format!("no switch '{name}' answers; {running}")
}

fn answer(
    mut client: Client,
    command: &Command,
    output: Output,
    json: bool,
) -> Result<ExitCode, ClientError> {
    let reply = client.call(command)?;
    if json {
        return Ok(print_json(&reply));
    }
    Ok(cli::print(&match (reply, output) {
        (Reply::MacTable { entries, .. }, Output::Count) => show::mac_filtered_count(&entries),
        (Reply::MacTable { entries, .. } | Reply::MacPage { entries, .. }, _) => {
            show::mac_table(&entries)
        }
        (Reply::MacCount(count), _) => show::mac_count(&count),
        (Reply::SpanningTree(tree), Output::Detail) => show::spanning_tree_detail(&tree),
        (Reply::SpanningTree(tree), _) => show::spanning_tree(&tree),
        (Reply::Why(why), _) => show::why(&why),
        (Reply::Vlans { vlans }, _) => show::vlans(&vlans),
        (Reply::Interfaces { interfaces }, Output::Counters) => {
            show::interface_counters(&interfaces)
        }
        (Reply::Interfaces { interfaces }, Output::OnePort) => {
            interfaces.iter().map(show::interface).collect()
        }
        (Reply::Interfaces { interfaces }, _) => show::interface_status(&interfaces),
        (Reply::RunningConfig { toml }, _) => toml,
        (Reply::Version(version), _) => show::version(&version),
        (Reply::Cleared { count: 1 }, _) => "1 address cleared\n".to_owned(),
        (Reply::Cleared { count }, _) => format!("{count} addresses cleared\n"),
        (Reply::PortAdded { number }, _) => format!("added as port {number}\n"),
        (Reply::Done | Reply::Events { .. }, _) => String::new(),
    }))
}

/// Prints events until the history is told or, following, until the switch or the reader goes.
fn events(mut stream: EventStream, follow: bool, json: bool) -> Result<ExitCode, ClientError> {
    let until = stream.next_at_start();
    let mut told = 0;
    while follow || told < until {
        let notice = match follow {
            true => match stream.next() {
                Some(notice) => notice?,
                None => break,
            },
            false => stream
                .next_within(ANSWER_TIMEOUT)?
                .ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))?,
        };
        let (line, next) = match notice {
            Notice::Event(record) if json => {
                let record_json = serde_json::to_string(&record).map_err(io::Error::from)?;
                (format!("{record_json}\n"), record.seq + 1)
            }
            Notice::Event(record) => (format!("{}\n", show::event(&record)), record.seq + 1),
            Notice::Lost { from, to } if json => (
                format!("{{\"lost\":{{\"from\":{from},\"to\":{to}}}}}\n"),
                to + 1,
            ),
            Notice::Lost { from, to } => (format!("(events {from} to {to} were lost)\n"), to + 1),
        };
        told = next;
        let mut out = io::stdout().lock();
        match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ExitCode::SUCCESS)
}
