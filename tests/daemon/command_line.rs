//! Options, bad configuration, wrong usage, closed pipes: what the command line promises without a daemon.

use std::process::Stdio;

use crate::support::Lab;
use crate::support::daemon::{PROGRAM, daemon_command, finish, run};
use crate::support::fake_bird::FakeBird;
use crate::support::sys::Watch;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file and directory below the lab, to see that nothing came or went.
fn tree(lab: &Lab) -> Vec<String> {
    let output = lab
        .command("find")
        .args([".", "-printf", "%p %s %T@ %C@\n"])
        .output()
        .expect("find");
    let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn a_bad_configuration_is_reported_whole_and_nothing_is_written() {
    let lab = Lab::new("bad");
    FakeBird::install(&lab);
    lab.daemon(&[
        ("loglevel", "loud"),
        ("bird_variable", "1-bad"),
        ("dummy_ip_prefix", "2001:db8::9/128"),
    ]);
    lab.service(
        "one",
        &[
            ("ip_prefix", "10.0.0.1/24"),
            ("check_interval", "0"),
            ("check_cmd", "/bin/true"),
        ],
    );
    lab.service(
        "two",
        &[
            ("ip_prefix", "10.1.0.2/32"),
            ("check_rise", "0"),
            ("check_cmd", "/no/such/check"),
        ],
    );
    lab.write(
        "services/zz.conf",
        "[three]\nip_prefix = 10.1.0.2\ncheck_cmd = /bin/true\ncheck_fail = many\n",
    );
    let before = tree(&lab);
    let [main, services] =
        ["main.conf", "services"].map(|name| lab.path(name).display().to_string());
    for arguments in [
        vec!["-c", "-f", &main, "-d", &services],
        vec!["-f", &main, "-d", &services],
    ] {
        let output = run(&lab, &arguments);
        let said = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let first = said.lines().find(|line| line.contains("onfiguration"));
        assert!(
            first.is_some_and(|line| line.starts_with("Invalid configuration")),
            "{said}"
        );
        for (file, section, option) in [
            ("main.conf:", "[daemon]", "loglevel"),
            ("main.conf:", "[daemon]", "bird_variable"),
            ("main.conf:", "[daemon]", "dummy_ip_prefix"),
            ("one.conf:", "[one]", "ip_prefix"),
            ("one.conf:", "[one]", "check_interval"),
            ("two.conf:", "[two]", "check_rise"),
            ("two.conf:", "[two]", "check_cmd"),
            ("zz.conf:", "[three]", "check_fail"),
            ("zz.conf:", "[three]", "ip_prefix"),
        ] {
            let wanted = format!("{section} {option}:");
            let found = said.lines().any(|line| {
                let at = line.find(file).map(|at| &line[at + file.len()..]);
                line.contains(&wanted)
                    && at.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            });
            assert!(found, "no line FILE:LINE: {wanted} for {file} in:\n{said}");
        }
        assert_eq!(tree(&lab), before, "something was written");
    }
}

#[test]
fn checking_and_printing_leave_no_trace_and_run_nothing() {
    let lab = Lab::new("no-trace");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[
        ("bird_keep_changes", "true"),
        ("log_file", &lab.path("log").display().to_string()),
    ]);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    let before = tree(&lab);
    let watch = Watch::new(lab.dir()).expect("inotify");
    let [main, services] =
        ["main.conf", "services"].map(|name| lab.path(name).display().to_string());
    let checked = run(&lab, &["-c", "-f", &main, "-d", &services]);
    assert_eq!(
        (checked.status.code(), text(&checked.stdout).as_str()),
        (Some(0), "OK\n"),
        "{}",
        text(&checked.stderr)
    );
    let printed = run(&lab, &["-P", "-f", &main, "-d", &services]);
    assert_eq!(printed.status.code(), Some(0));
    assert!(text(&printed.stdout).contains("[web]"));
    let defaults = run(&lab, &["-p"]);
    assert_eq!(defaults.status.code(), Some(0));
    assert!(text(&defaults.stdout).contains("[daemon]"));
    assert_eq!(tree(&lab), before, "something was written");
    assert_eq!(watch.events(), [], "something was touched");
    assert!(lab.runs("web").is_empty());
}

#[test]
fn the_printed_configuration_is_read_back_as_the_same() {
    let lab = Lab::new("round-trip");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("splay_startup", "1.5")]);
    lab.service(
        "web",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_cmd", "/bin/echo 100%% 'a b'\n  second # c"),
        ],
    );
    let [main, services] =
        ["main.conf", "services"].map(|name| lab.path(name).display().to_string());
    let first = run(&lab, &["-P", "-f", &main, "-d", &services]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let whole = lab
        .write("whole.conf", &text(&first.stdout))
        .display()
        .to_string();
    lab.write("empty.d", "");
    let second = run(
        &lab,
        &[
            "-P",
            "-f",
            &whole,
            "-F",
            &lab.path("empty.d").display().to_string(),
        ],
    );
    assert_eq!(second.status.code(), Some(0), "{}", text(&second.stderr));
    assert_eq!(text(&second.stdout), text(&first.stdout));
}

#[test]
fn wrong_usage_says_why_and_exits_with_2() {
    let lab = Lab::new("usage");
    for arguments in [
        &["--no-such-option"][..],
        &["-f"],
        &["-d", "x", "-F", "y"],
        &["surplus"],
        &["-c", "--no-such"],
    ] {
        let output = run(&lab, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.to_lowercase().contains("usage"),
            "{arguments:?}: {said}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?} writes to stdout");
    }
    for arguments in [["-h"], ["--help"], ["-v"], ["--version"]] {
        let output = run(&lab, &arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_file_that_is_named_and_missing_is_an_error_with_its_name() {
    let lab = Lab::new("missing");
    FakeBird::install(&lab);
    lab.daemon(&[]);
    let main = lab.path("main.conf").display().to_string();
    for arguments in [
        ["-c", "-f", "/no/such/file.conf", "-d", "services"],
        ["-c", "-f", &main, "-d", "/no/such/directory"],
        ["-c", "-f", &main, "-F", "/no/such/service.conf"],
    ] {
        let output = run(&lab, &arguments);
        let said = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("/no/such/"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_closed_stdout_is_no_crash() {
    let lab = Lab::new("head");
    FakeBird::install(&lab);
    lab.daemon(&[]);
    for number in 0..300 {
        lab.service(
            &format!("s{number}"),
            &[
                (
                    "ip_prefix",
                    &format!("10.1.{}.{}/32", number / 250, number % 250),
                ),
                ("check_cmd", "/bin/true"),
            ],
        );
    }
    let conf = "-f main.conf -d services";
    for words in [
        "-p",
        "-h",
        "-v",
        &format!("-P {conf}"),
        &format!("-c {conf}"),
    ] {
        for script in [
            format!("'{PROGRAM}' {words} | head -n 1 >/dev/null; :"),
            format!("'{PROGRAM}' {words} >&-; test $? -lt 3"),
        ] {
            let mut command = lab.command("/bin/sh");
            command.args(["-c", &script]);
            let output = finish(command);
            let said = text(&output.stderr);
            assert!(!said.contains("panicked"), "{script}: {said}");
            assert_eq!(output.status.code(), Some(0), "{script}: {said}");
        }
    }
    // The daemon itself, without any of the three.
    let mut command = lab.command("/bin/sh");
    command
        .args(["-c", "exec \"$@\" <&- >&- 2>&-", "sh", PROGRAM])
        .args(conf.split(' '))
        .stdin(Stdio::null());
    let mut child = command.spawn().expect("start");
    crate::support::wait_until("at work", || lab.announced("4").len() == 300);
    crate::support::sys::kill(child.id(), libc::SIGTERM).expect("signal");
    assert_eq!(child.wait().expect("wait").code(), Some(0));
}

#[test]
fn no_services_at_all_is_not_an_error() {
    let lab = Lab::new("none");
    FakeBird::install(&lab);
    lab.daemon(&[]);
    let mut daemon = crate::support::daemon::Daemon::spawn(daemon_command(&lab));
    daemon.wait_ready(&lab);
    assert_eq!(lab.announced("4"), [] as [String; 0]);
    daemon.stop();
}
