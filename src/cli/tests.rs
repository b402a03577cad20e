use super::*;

fn parsed(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
}

fn source(file: &str, dir: &str, service_file: &str) -> Source {
    let path = |name: &str| (!name.is_empty()).then(|| PathBuf::from(name));
    Source {
        file: path(file),
        dir: path(dir),
        service_file: path(service_file),
    }
}

fn withdraw(after: f64) -> Command {
    Command::Withdraw {
        source: Source::default(),
        after: Duration::from_secs_f64(after),
    }
}

#[test]
fn every_command_has_its_words() {
    let s = || source("a", "b", "");
    let cases = [
        ("", Command::Run(Source::default())),
        ("-f a -d b", Command::Run(s())),
        ("-fa -db", Command::Run(s())),
        ("--file a --dir b", Command::Run(s())),
        ("--file=a --dir=b", Command::Run(s())),
        ("-f a -F b", Command::Run(source("a", "", "b"))),
        ("-f a --service-file b", Command::Run(source("a", "", "b"))),
        ("-f -c", Command::Run(source("-c", "", ""))),
        ("-c -f a -d b", Command::Check(s())),
        ("-cf a -d b", Command::Check(s())),
        ("-c -P -f a -d b", Command::Check(s())),
        ("-cP -f a -d b", Command::Check(s())),
        ("-c -c", Command::Check(Source::default())),
        ("-p", Command::PrintDefaults),
        ("-p -c -P -f a -d b", Command::PrintDefaults),
        (
            "-P -d b -f a",
            Command::PrintConf {
                source: s(),
                json: false,
            },
        ),
        (
            "-P --json -d b -f a",
            Command::PrintConf {
                source: s(),
                json: true,
            },
        ),
        (
            "-t -f a -d b",
            Command::Test {
                source: s(),
                json: false,
            },
        ),
        (
            "--test --json -f a -d b",
            Command::Test {
                source: s(),
                json: true,
            },
        ),
        ("-s", status(Source::default(), false)),
        ("--json --status", status(Source::default(), true)),
        (
            "-s --summary",
            Command::Status {
                source: Source::default(),
                json: false,
                what: Shown::Summary,
            },
        ),
        (
            "web -s --json dns",
            Command::Status {
                source: Source::default(),
                json: true,
                what: Shown::Services(vec!["web".to_string(), "dns".to_string()]),
            },
        ),
        ("-s -f a -d b", status(s(), false)),
        (
            "--drain x -f a -d b",
            Command::Drain {
                source: s(),
                service: "x".into(),
            },
        ),
        (
            "--undrain=x -f a -d b",
            Command::Undrain {
                source: s(),
                service: "x".into(),
            },
        ),
        ("--withdraw", withdraw(0.0)),
        ("--withdraw --after 6", withdraw(6.0)),
        ("--after=0.5 --withdraw", withdraw(0.5)),
        (
            "--watch 30 -f a -d b",
            Command::Watch {
                source: s(),
                patience: Duration::from_secs(30),
            },
        ),
        (
            "--create-files",
            Command::CreateFiles {
                source: Source::default(),
                empty: false,
            },
        ),
        (
            "--create-files --empty -f a -d b",
            Command::CreateFiles {
                source: s(),
                empty: true,
            },
        ),
        ("-v", Command::Version),
        ("--version", Command::Version),
        ("-h", Command::Help),
        ("--help -c", Command::Help),
    ];
    for (line, command) in cases {
        assert_eq!(parsed(line), Ok(command), "{line}");
    }
}

#[test]
fn long_names_may_be_shortened() {
    let cases = [
        ("--che", Command::Check(Source::default())),
        ("--c", Command::Check(Source::default())),
        (
            "--print-",
            Command::PrintConf {
                source: Source::default(),
                json: false,
            },
        ),
        ("--print", Command::PrintDefaults),
        ("--fi a", Command::Run(source("a", "", ""))),
        // The reference's names come first: these meant --dir, --service-file and --version before.
        ("--d a", Command::Run(source("", "a", ""))),
        ("--s a", Command::Run(source("", "", "a"))),
        ("--v", Command::Version),
        (
            "--te",
            Command::Test {
                source: Source::default(),
                json: false,
            },
        ),
        ("--st", status(Source::default(), false)),
        (
            "--u x",
            Command::Undrain {
                source: Source::default(),
                service: "x".into(),
            },
        ),
    ];
    for (line, command) in cases {
        assert_eq!(parsed(line), Ok(command), "{line}");
    }
    assert_eq!(
        parsed("--pri"),
        Err("--pri is ambiguous: --print or --print-conf".into())
    );
    assert_eq!(parsed("--checks"), Err("unknown option --checks".into()));
}

const ONE_MODE: &str = "only one of -c, -P, -t, -s, --drain, --undrain, --withdraw, --watch and --create-files can be done at a time";

#[test]
fn wrong_usage_has_one_line() {
    let cases = [
        ("-d a -F b", "-d and -F exclude each other"),
        ("-p -d a -F b", "-d and -F exclude each other"),
        ("x", "unexpected argument 'x'"),
        ("-c x", "unexpected argument 'x'"),
        ("-x", "unknown option -x"),
        ("-\u{1}", "unknown option -\\u{1}"),
        ("--nothing", "unknown option --nothing"),
        ("-f", "missing argument for option '-f'"),
        ("--drain", "missing argument for option '--drain'"),
        ("--file=", "the name of a file or directory is empty"),
        ("-f a -f b", "-f is given twice"),
        ("--json", "--json needs -P, -t or -s"),
        ("-c --json", "--json needs -P, -t or -s"),
        ("-t --summary", "--summary needs -s"),
        (
            "-s --summary web",
            "--summary shows no services that are named",
        ),
        ("-c -t", ONE_MODE),
        ("-s -t", ONE_MODE),
        ("--drain a --undrain b", ONE_MODE),
        ("--withdraw -c", ONE_MODE),
        ("--withdraw --watch 3", ONE_MODE),
        ("--create-files --watch 3", ONE_MODE),
        ("--after 3", "--after needs --withdraw"),
        ("--watch 3 --after 3", "--after needs --withdraw"),
        ("--empty", "--empty needs --create-files"),
        ("--watch soon", "'soon' is not a number of seconds above 0"),
        ("--watch 0", "'0' is not a number of seconds above 0"),
        ("--watch inf", "'inf' is not a number of seconds above 0"),
        (
            "--check=yes",
            "unexpected argument for option '--check': \"yes\"",
        ),
    ];
    for (line, reason) in cases {
        assert_eq!(parsed(line), Err(reason.to_string()), "{line}");
    }
    let raw = parse([OsString::from("a\x1b\n")]).map_err(|error| error.to_string());
    assert_eq!(raw, Err("unexpected argument 'a\\u{1b}\\n'".to_string()));
}

#[test]
fn the_help_fits_a_terminal_and_names_every_option() {
    let help = help();
    for line in help.lines() {
        assert!(line.chars().count() < 80, "{line}");
    }
    for (long, short) in OLD.iter().chain(&NEW) {
        assert!(help.contains(&format!("--{long}")), "{long}");
        if *short > ' ' {
            assert!(help.contains(&format!("-{short}, --{long}")), "{short}");
        }
    }
    assert!(help.contains(crate::config::load::DEFAULT_FILE));
    assert!(help.contains(crate::config::load::DEFAULT_DIR));
}

fn status(source: Source, json: bool) -> Command {
    Command::Status {
        source,
        json,
        what: Shown::All,
    }
}
