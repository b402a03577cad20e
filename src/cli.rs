//! The command line: arguments become one [`Command`], or a reason in one line.
//!
//! Every option of the reference works as it did there: short ones may be joined, long ones shortened to what
//! names only one of them (the reference's own come first), `-p` wins over everything and `-c` over `-P`.
//! What is new never changes what an old command line means.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::config::load::Source;
use crate::config::text::printable;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Run(Source),
    Check(Source),
    PrintDefaults,
    PrintConf {
        source: Source,
        json: bool,
    },
    Test {
        source: Source,
        json: bool,
    },
    Status {
        source: Source,
        json: bool,
        what: Shown,
    },
    Drain {
        source: Source,
        service: String,
    },
    Undrain {
        source: Source,
        service: String,
    },
    /// At once, or if no daemon works within `after`.
    Withdraw {
        source: Source,
        after: Duration,
    },
    /// Whenever no daemon has worked for so long.
    Watch {
        source: Source,
        patience: Duration,
    },
    CreateFiles {
        source: Source,
        empty: bool,
    },
    Version,
    Help,
}

/// What is shown of the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    All,
    /// These services.
    Services(Vec<String>),
    /// Counts, and the first services that are not well.
    Summary,
}

/// Why the arguments make no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub const USAGE: &str = "\
Usage: anycast-healthchecker [-f FILE] [-d DIR | -F FILE]
                             [-c | -p | -P | -t] [--json]
       anycast-healthchecker [-f FILE] -s [--json] [--summary | SERVICE ...]
       anycast-healthchecker [-f FILE] [-d DIR | -F FILE]
                             --drain SERVICE | --undrain SERVICE
       anycast-healthchecker [-f FILE] [-d DIR | -F FILE]
                             --withdraw [--after SECONDS] | --watch SECONDS
                             | --create-files [--empty]
       anycast-healthchecker -v | -h
";

const OPTIONS: &str = "
Runs health checks and keeps the list of prefixes that BIRD may announce.
Without an option below \"Instead of running\" it runs in the foreground.

Files:
  -f, --file FILE          settings of the daemon
                           [default: /etc/anycast-healthchecker.conf]
  -d, --dir DIR            directory of *.conf files with services
                           [default: /etc/anycast-healthchecker.d]
  -F, --service-file FILE  one file with services instead of a directory

Instead of running:
  -c, --check              validate the configuration: print OK, or every
                           problem; runs and touches nothing
  -p, --print              print the default settings
  -P, --print-conf         print the configuration with defaults applied
  -t, --test               run every enabled check once, now, and print a
                           table; touches neither BIRD nor any file
  -s, --status [SERVICE ...]
                           ask the running daemon and print a table of all
                           or these services
      --summary            with -s: only counts, and the first services
                           that are down
      --drain SERVICE      make the maintenance_file of a service and wait
                           until the daemon has told BIRD
      --undrain SERVICE    remove that file; the service comes back
                           through check_rise
      --withdraw           if no daemon works: withdraw every prefix, and
                           repeat it until BIRD agrees
      --after SECONDS      with --withdraw: only if no daemon works within
                           that time
      --watch SECONDS      keep running, and withdraw every prefix whenever
                           no daemon has worked for that long
      --create-files       create missing prefix files, which announce
                           nothing, before BIRD starts
      --empty              with --create-files: at the first start after a
                           boot, have existing ones announce nothing
      --json               with -P, -t and -s: print JSON
  -v, --version            print the version
  -h, --help               print this

Exit status: 0 if all is well, 1 if not, 2 for wrong usage,
3 if no daemon answers (-s, --drain, --undrain).

SIGHUP reloads the configuration, SIGURG runs every check now.
Manual: anycast-healthchecker(8), anycast-healthchecker.conf(5).
";

/// The page of `--help`.
pub fn help() -> String {
    format!("{USAGE}{OPTIONS}")
}

/// Long names of the reference, with the short ones that stand for them.
const OLD: [(&str, char); 8] = [
    ("file", 'f'),
    ("dir", 'd'),
    ("service-file", 'F'),
    ("check", 'c'),
    ("print", 'p'),
    ("print-conf", 'P'),
    ("version", 'v'),
    ("help", 'h'),
];
/// Ours. Those without a short name have one here that nobody can type.
const NEW: [(&str, char); 11] = [
    ("test", 't'),
    ("status", 's'),
    ("json", JSON),
    ("drain", DRAIN),
    ("undrain", UNDRAIN),
    ("summary", SUMMARY),
    ("withdraw", WITHDRAW),
    ("after", AFTER),
    ("watch", WATCH),
    ("create-files", CREATE_FILES),
    ("empty", EMPTY),
];
const JSON: char = '\u{1}';
const DRAIN: char = '\u{2}';
const UNDRAIN: char = '\u{3}';
const SUMMARY: char = '\u{9}';
const WITHDRAW: char = '\u{4}';
const AFTER: char = '\u{5}';
const WATCH: char = '\u{6}';
const CREATE_FILES: char = '\u{7}';
const EMPTY: char = '\u{8}';
/// Seconds of `--after` and `--watch`: a year is a mistake.
const MAX_SECONDS: f64 = 31_536_000.0;

/// What has been asked for so far.
#[derive(Default)]
struct Asked {
    source: Source,
    check: bool,
    print: bool,
    print_conf: bool,
    test: bool,
    status: bool,
    json: bool,
    summary: bool,
    services: Vec<String>,
    drain: Option<String>,
    undrain: Option<String>,
    withdraw: bool,
    after: Option<Duration>,
    watch: Option<Duration>,
    create_files: bool,
    empty: bool,
}

/// Reads the arguments, without the name of the program.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(arguments);
    let mut asked = Asked::default();
    while let Some(argument) = parser.next().map_err(in_words)? {
        let option = match argument {
            Arg::Short(short) if NEW.iter().any(|(_, s)| *s == short && short < ' ') => {
                return Err(unknown(&format!("-{short}")));
            }
            Arg::Short(short) => short,
            Arg::Long(long) => resolve(long)?,
            Arg::Value(value) => {
                asked.services.push(value.string().map_err(in_words)?);
                continue;
            }
        };
        match option {
            'h' => return Ok(Command::Help),
            'v' => return Ok(Command::Version),
            'f' => once(&mut asked.source.file, path(&mut parser)?, "-f")?,
            'd' => once(&mut asked.source.dir, path(&mut parser)?, "-d")?,
            'F' => once(&mut asked.source.service_file, path(&mut parser)?, "-F")?,
            'c' => asked.check = true,
            'p' => asked.print = true,
            'P' => asked.print_conf = true,
            't' => asked.test = true,
            's' => asked.status = true,
            JSON => asked.json = true,
            SUMMARY => asked.summary = true,
            DRAIN => once(&mut asked.drain, name(&mut parser)?, "--drain")?,
            UNDRAIN => once(&mut asked.undrain, name(&mut parser)?, "--undrain")?,
            WITHDRAW => asked.withdraw = true,
            AFTER => once(&mut asked.after, seconds(&mut parser)?, "--after")?,
            WATCH => once(&mut asked.watch, seconds(&mut parser)?, "--watch")?,
            CREATE_FILES => asked.create_files = true,
            EMPTY => asked.empty = true,
            other => return Err(unknown(&format!("-{other}"))),
        }
    }
    command(asked)
}

fn command(asked: Asked) -> Result<Command, UsageError> {
    let Asked {
        source,
        json,
        summary,
        ..
    } = asked;
    if source.dir.is_some() && source.service_file.is_some() {
        return refuse("-d and -F exclude each other");
    }
    if let Some(value) = asked.services.first().filter(|_| !asked.status) {
        return refuse(&format!("unexpected argument '{}'", printable(value)));
    }
    if asked.print {
        return Ok(Command::PrintDefaults);
    }
    let modes = [
        asked.check || asked.print_conf,
        asked.test,
        asked.status,
        asked.drain.is_some(),
        asked.undrain.is_some(),
        asked.withdraw,
        asked.watch.is_some(),
        asked.create_files,
    ];
    if modes.iter().filter(|mode| **mode).count() > 1 {
        return refuse(
            "only one of -c, -P, -t, -s, --drain, --undrain, --withdraw, --watch and --create-files can be done at a time",
        );
    }
    if json && !(asked.print_conf || asked.test || asked.status) {
        return refuse("--json needs -P, -t or -s");
    }
    if asked.after.is_some() && !asked.withdraw {
        return refuse("--after needs --withdraw");
    }
    if asked.empty && !asked.create_files {
        return refuse("--empty needs --create-files");
    }
    if summary && !asked.status {
        return refuse("--summary needs -s");
    }
    if summary && !asked.services.is_empty() {
        return refuse("--summary shows no services that are named");
    }
    let what = match asked.services.is_empty() {
        _ if summary => Shown::Summary,
        true => Shown::All,
        false => Shown::Services(asked.services),
    };
    if let Some(patience) = asked.watch {
        return Ok(Command::Watch { source, patience });
    }
    Ok(match (asked.drain, asked.undrain) {
        (Some(service), _) => Command::Drain { source, service },
        (None, Some(service)) => Command::Undrain { source, service },
        (None, None) if asked.check => Command::Check(source),
        (None, None) if asked.print_conf => Command::PrintConf { source, json },
        (None, None) if asked.test => Command::Test { source, json },
        (None, None) if asked.status => Command::Status { source, json, what },
        (None, None) if asked.withdraw => Command::Withdraw {
            source,
            after: asked.after.unwrap_or_default(),
        },
        (None, None) if asked.create_files => Command::CreateFiles {
            source,
            empty: asked.empty,
        },
        (None, None) => Command::Run(source),
    })
}

/// The short name of a long one, which may be shortened. New names never make an old abbreviation ambiguous.
fn resolve(long: &str) -> Result<char, UsageError> {
    for (name, short) in OLD.iter().chain(&NEW) {
        if *name == long {
            return Ok(*short);
        }
    }
    for table in [&OLD[..], &NEW[..]] {
        let mut found = None;
        let mut names = String::new();
        for (name, short) in table.iter().filter(|(name, _)| name.starts_with(long)) {
            let separator = if found.is_some() { " or --" } else { "--" };
            names.push_str(separator);
            names.push_str(name);
            found = Some((found.is_none(), *short));
        }
        match found {
            Some((true, short)) => return Ok(short),
            Some((false, _)) => {
                let message = format!("--{} is ambiguous: {names}", printable(long));
                return Err(UsageError(message));
            }
            None => {}
        }
    }
    Err(unknown(&format!("--{long}")))
}

fn once<T>(slot: &mut Option<T>, value: T, option: &str) -> Result<(), UsageError> {
    if slot.is_some() {
        return Err(UsageError(format!("{option} is given twice")));
    }
    *slot = Some(value);
    Ok(())
}

fn path(parser: &mut Parser) -> Result<PathBuf, UsageError> {
    let value = parser.value().map_err(in_words)?;
    if value.is_empty() {
        return refuse("the name of a file or directory is empty");
    }
    Ok(PathBuf::from(value))
}

fn name(parser: &mut Parser) -> Result<String, UsageError> {
    let value = parser.value().map_err(in_words)?;
    value.string().map_err(in_words)
}

fn seconds(parser: &mut Parser) -> Result<Duration, UsageError> {
    let value = parser.value().map_err(in_words)?;
    let shown = value.to_string_lossy();
    match shown.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= MAX_SECONDS => Ok(Duration::from_secs_f64(number)),
        _ => Err(UsageError(format!(
            "'{}' is not a number of seconds above 0",
            printable(&shown)
        ))),
    }
}

fn unknown(option: &str) -> UsageError {
    UsageError(format!("unknown option {}", printable(option)))
}

fn refuse<T>(reason: &str) -> Result<T, UsageError> {
    Err(UsageError(reason.to_string()))
}

fn in_words(error: lexopt::Error) -> UsageError {
    UsageError(printable(&error.to_string()).into_owned())
}

#[cfg(test)]
mod tests;
