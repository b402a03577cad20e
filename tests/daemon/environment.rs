//! What a check is started with: its environment, its signals, its descriptors, its words.

use crate::checks::lab_with_check;
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::{Lab, wait_until};

const LOOK: &str = r#"#!/bin/sh
exec >"$ANYCAST_TEST_LAB/seen.new" 2>&1
while read -r line; do echo "$line"; done </proc/$$/status
echo "stdin $(readlink /proc/$$/fd/0)"
read -r line </proc/$$/stat
echo "stat $line"
echo "directory $(pwd)"
echo "environment"
env
mv "$ANYCAST_TEST_LAB/seen.new" "$ANYCAST_TEST_LAB/seen"
exec ls /proc/self/fd >"$ANYCAST_TEST_LAB/descriptors"
"#;

/// What a check saw of itself that was started by a daemon which itself was brought up as badly as can be: with ignored
/// and blocked signals, and with variables that are meant for the daemon.
fn look_around(name: &str) -> (Lab, String) {
    let lab = lab_with_check(name, LOOK, &[("check_interval", "60")]);
    let mut command = lab.command("env");
    command.args([
        "--ignore-signal=PIPE,HUP,URG,USR1,CHLD",
        "--block-signal=TERM,INT,CHLD,ALRM",
        PROGRAM,
    ]);
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    command
        .env("NOTIFY_SOCKET", lab.path("notify"))
        .env("WATCHDOG_USEC", "30000000")
        .env("WATCHDOG_PID", "1");
    command.env("KEPT", "yes");
    let mut daemon = Daemon::spawn(command);
    wait_until("the check has looked around", || {
        lab.path("seen").exists() && !lab.read("descriptors").is_empty()
    });
    daemon.stop();
    let seen = lab.read("seen");
    (lab, seen)
}

fn line<'a>(seen: &'a str, begin: &str) -> &'a str {
    let line = seen.lines().find(|line| line.starts_with(begin));
    line.unwrap_or_else(|| panic!("no line {begin:?} in {seen}"))
}

#[test]
fn a_check_starts_with_default_signals_in_a_group_of_its_own() {
    let (_lab, seen) = look_around("signals");
    let bits = |begin: &str| {
        let word = line(&seen, begin).split_whitespace().nth(1).expect("bits");
        u64::from_str_radix(word, 16).expect("hex")
    };
    // Bits 31 and 32 are the C library's own real-time signals.
    let own = (1 << 31) | (1 << 32);
    assert_eq!(bits("SigBlk:"), 0, "blocked signals");
    assert_eq!(bits("SigIgn:") & !own, 0, "ignored signals");
    let stat: Vec<&str> = line(&seen, "stat ").split(' ').collect();
    assert_eq!(
        stat[1], stat[5],
        "the check leads its own process group: {stat:?}"
    );
}

#[test]
fn a_check_has_nothing_open_but_its_own_three_descriptors() {
    let (lab, seen) = look_around("descriptors");
    assert_eq!(line(&seen, "stdin "), "stdin /dev/null");
    // `ls` has one more, for the directory. Whatever the daemon itself was left with is not passed on.
    assert_eq!(lab.read("descriptors"), "0\n1\n2\n3\n");
}

#[test]
fn a_check_knows_its_service_and_nothing_that_is_the_daemons_alone() {
    let (_lab, seen) = look_around("environment");
    for wanted in [
        "ANYCAST_SERVICE=odd",
        "ANYCAST_IP_PREFIX=10.1.0.1/32",
        "KEPT=yes",
    ] {
        assert!(
            seen.lines().any(|line| line == wanted),
            "{wanted} is missing in {seen}"
        );
    }
    for unwanted in ["NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID="] {
        assert!(
            !seen.lines().any(|line| line.starts_with(unwanted)),
            "{unwanted} was passed on"
        );
    }
}

#[test]
fn words_are_passed_as_they_are_and_no_shell_is_asked() {
    let lab = lab_with_check(
        "words",
        "#!/bin/sh\nprintf '<%s>' \"$@\" >\"$ANYCAST_TEST_LAB/words\"\n",
        &[],
    );
    let command = format!(
        "{} one 'two words' \"$HOME\" *.conf a\\ b '' # c",
        lab.path("odd").display()
    );
    lab.service(
        "odd",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_cmd", &command),
            ("check_interval", "60"),
        ],
    );
    let mut daemon = Daemon::start(&lab);
    wait_until("the words", || !lab.read("words").is_empty());
    assert_eq!(
        lab.read("words"),
        "<one><two words><$HOME><*.conf><a b><><#><c>"
    );
    daemon.stop();
}
