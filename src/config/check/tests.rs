use std::time::Duration;

use super::*;
use crate::config::fixture::{checked, complaint};
use crate::config::{CommandLine, Via};

#[test]
fn nothing_at_all_is_a_configuration() {
    let (config, lines) = checked("");
    assert_eq!(lines, [""; 0]);
    let daemon = config.unwrap().daemon;
    let v4 = daemon.families[0].as_ref().unwrap();
    assert_eq!(v4.variable, "ACAST_PS_ADVERTISE");
    assert_eq!(
        v4.via,
        Via::Command(CommandLine::of(["sudo", "/usr/sbin/birdc", "configure"]))
    );
    assert_eq!(v4.dummy.to_string(), "10.189.200.255/32");
    assert_eq!(v4.history, None);
    assert_eq!(daemon.families[1], None);
    assert_eq!(daemon.log.level, Level::Debug);
    assert_eq!((daemon.log.max_bytes, daemon.log.backups), (104_857_600, 8));
    assert_eq!(daemon.update_interval, Duration::from_millis(250));
    assert_eq!(daemon.reconfigure_timeout, Duration::from_secs(5));
    assert_eq!((daemon.splay_startup, daemon.metrics), (None, None));
}

#[test]
fn the_daemon_warns_too() {
    let cases = [
        (
            "check_interval = 3",
            "[daemon] check_interval: warning: belongs to a service or into [DEFAULT], and has no effect here",
        ),
        (
            "bird_config = x",
            "[daemon] bird_config: warning: unknown option: did you mean bird_conf?",
        ),
        (
            "bird_reconfigure_cmd = gone",
            "[daemon] bird_reconfigure_cmd: warning: cannot run 'gone': no such command in PATH",
        ),
        (
            "bird_variable = filter",
            "[daemon] bird_variable: warning: 'filter' is a keyword of BIRD, which will not read the file",
        ),
        (
            "bird_control_socket = /missing.ctl",
            "[daemon] bird_control_socket: warning: socket '/missing.ctl' does not exist: does BIRD run?",
        ),
        (
            "bird_control_socket = /readonly.ctl",
            "[daemon] bird_control_socket: warning: user tester may not write to socket '/readonly.ctl'",
        ),
        (
            "bird_control_socket = /run",
            "[daemon] bird_control_socket: warning: '/run' is no socket",
        ),
        (
            "stderr_log_server = yes",
            "[daemon] stderr_log_server: warning: has no effect without log_server",
        ),
        (
            "log_server =",
            "[daemon] log_server: warning: empty, so it is not used",
        ),
        (
            "log_maxbytes = -1",
            "[daemon] log_maxbytes: warning: less than 0 is taken as 0",
        ),
        (
            "prometheus_exporter = on\nprometheus_collector_textfile_dir = /missing",
            "[daemon] prometheus_collector_textfile_dir: warning: directory '/missing' does not exist: \
             make it; there will be no metrics",
        ),
        (
            "pidfile = /readonly/file",
            "[daemon] pidfile: user tester may not write in directory '/readonly'",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(complaint(&format!("[daemon]\n{line}")), expected, "{line}");
    }
}

#[test]
fn every_bad_value_of_the_daemon_is_refused() {
    let cases = [
        ("ipv4 = x", "[daemon] ipv4: 'x' is neither true nor false"),
        ("ipv6 = 2", "[daemon] ipv6: '2' is neither true nor false"),
        ("bird_conf =", "[daemon] bird_conf: the path is empty"),
        (
            "bird_conf = /missing/new.conf",
            "[daemon] bird_conf: directory '/missing' does not exist: make it",
        ),
        (
            "bird_conf = /readonly/a.conf",
            "[daemon] bird_conf: user tester may not write in directory '/readonly'",
        ),
        (
            "bird_conf = /readonly/mounted.conf",
            "[daemon] bird_conf: warning: user tester may not write in directory '/readonly', so '/readonly/mounted.conf' is written in place",
        ),
        (
            "bird_conf = /etc/bird.conf",
            "[daemon] bird_conf: '/etc/bird.conf': it is BIRD's",
        ),
        (
            "bird_conf = /etc",
            "[daemon] bird_conf: '/etc' is no regular file",
        ),
        (
            "bird_conf = /a.conf/",
            "[daemon] bird_conf: '/a.conf/' is a directory",
        ),
        (
            "bird_conf = /hidden",
            "[daemon] bird_conf: cannot look at '/hidden': permission denied",
        ),
        (
            "bird_variable = 1A",
            "[daemon] bird_variable: '1A' is no name for BIRD: letters, digits and _, not beginning with a digit",
        ),
        (
            "bird_variable =",
            "[daemon] bird_variable: '' is no name for BIRD: letters, digits and _, not beginning with a digit",
        ),
        (
            "bird_variable = A-B",
            "[daemon] bird_variable: 'A-B' is no name for BIRD: letters, digits and _, not beginning with a digit",
        ),
        (
            "bird_reconfigure_cmd =",
            "[daemon] bird_reconfigure_cmd: the command is empty",
        ),
        (
            "bird_reconfigure_cmd = \"a",
            "[daemon] bird_reconfigure_cmd: cannot split '\"a' into words: a \" has no closing \"",
        ),
        (
            "dummy_ip_prefix = ::1",
            "[daemon] dummy_ip_prefix: '::1' is not an IPv4 prefix",
        ),
        (
            "dummy_ip_prefix = x",
            "[daemon] dummy_ip_prefix: 'x' is no IP prefix: it has the form ADDRESS/LENGTH",
        ),
        (
            "bird_keep_changes = x",
            "[daemon] bird_keep_changes: 'x' is neither true nor false",
        ),
        (
            "bird6_keep_changes = x",
            "[daemon] bird6_keep_changes: 'x' is neither true nor false",
        ),
        (
            "bird_changes_counter = 0",
            "[daemon] bird_changes_counter: '0' is less than 1",
        ),
        (
            "bird6_changes_counter = x",
            "[daemon] bird6_changes_counter: 'x' is no whole number",
        ),
        (
            "bird6_variable = %",
            "[daemon] bird6_variable: a lone % is not allowed: write %% for a percent sign",
        ),
        (
            "purge_ip_prefixes = x",
            "[daemon] purge_ip_prefixes: 'x' is neither true nor false",
        ),
        (
            "pidfile = /missing/x.pid",
            "[daemon] pidfile: directory '/missing' does not exist: make it",
        ),
        ("pidfile = /run", "[daemon] pidfile: '/run' is a directory"),
        (
            "pidfile = /missing/",
            "[daemon] pidfile: '/missing/' is a directory",
        ),
        (
            "log_file = /missing/.",
            "[daemon] log_file: '/missing/.' is a directory",
        ),
        (
            "bird_conf = /missing/.",
            "[daemon] bird_conf: '/missing/.' is a directory",
        ),
        (
            "loglevel = verbose",
            "[daemon] loglevel: 'verbose' is not debug, info, warning, error or critical",
        ),
        (
            "loglevel = %(x)s",
            "[daemon] loglevel: cannot expand %(x)s: that option is set neither in this section nor in [DEFAULT]",
        ),
        ("log_file =", "[daemon] log_file: the path is empty"),
        (
            "log_file = /missing/a.log",
            "[daemon] log_file: directory '/missing' does not exist: make it",
        ),
        (
            "log_file = /readonly.log",
            "[daemon] log_file: user tester may not write '/readonly.log'",
        ),
        (
            "stderr_file = /run",
            "[daemon] stderr_file: '/run' is a directory",
        ),
        (
            "log_maxbytes = 1k",
            "[daemon] log_maxbytes: '1k' is no whole number",
        ),
        (
            "log_backups = 8.0",
            "[daemon] log_backups: '8.0' is no whole number",
        ),
        (
            "log_server_port = 0",
            "[daemon] log_server_port: '0' is less than 1",
        ),
        (
            "log_server_port = 65536",
            "[daemon] log_server_port: '65536' is more than 65535",
        ),
        (
            "log_server = a b",
            "[daemon] log_server: 'a b' is no host name or address",
        ),
        (
            "log_server_format = x",
            "[daemon] log_server_format: 'x' is not rfc5424, rfc3164 or reference",
        ),
        (
            "json_stdout = x",
            "[daemon] json_stdout: 'x' is neither true nor false",
        ),
        (
            "json_log_file = x",
            "[daemon] json_log_file: 'x' is neither true nor false",
        ),
        (
            "json_log_server = x",
            "[daemon] json_log_server: 'x' is neither true nor false",
        ),
        (
            "log_format_journalctl = x",
            "[daemon] log_format_journalctl: 'x' is neither true nor false",
        ),
        (
            "stderr_log_server = x",
            "[daemon] stderr_log_server: 'x' is neither true nor false",
        ),
        (
            "prometheus_exporter = x",
            "[daemon] prometheus_exporter: 'x' is neither true nor false",
        ),
        (
            "prometheus_exporter_interval = 0",
            "[daemon] prometheus_exporter_interval: '0' is less than 1",
        ),
        (
            "prometheus_exporter_interval = 1.5",
            "[daemon] prometheus_exporter_interval: '1.5' is no whole number",
        ),
        (
            "splay_startup = -1",
            "[daemon] splay_startup: '-1' is not 0 or more",
        ),
        (
            "splay_startup = inf",
            "[daemon] splay_startup: 'inf' is not finite",
        ),
        (
            "on_exit_wait = -1",
            "[daemon] on_exit_wait: '-1' is not 0 or more",
        ),
        (
            "bird_update_interval = x",
            "[daemon] bird_update_interval: 'x' is no number of seconds",
        ),
        (
            "bird_reconfigure_timeout = 0",
            "[daemon] bird_reconfigure_timeout: '0' is not more than 0",
        ),
        (
            "max_running_checks = -1",
            "[daemon] max_running_checks: '-1' is less than 0",
        ),
        (
            "bird_control_socket = a\0",
            "[daemon] bird_control_socket: a NUL character is in it",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(complaint(&format!("[daemon]\n{line}")), expected, "{line}");
    }
}

#[test]
fn log_levels_are_pythons() {
    for (name, level) in [
        ("debug", Level::Debug),
        ("Info", Level::Info),
        ("WARNING", Level::Warning),
        ("warn", Level::Warning),
        ("notset", Level::Warning),
        ("error", Level::Error),
        ("critical", Level::Critical),
        ("fatal", Level::Critical),
    ] {
        let (config, lines) = checked(&format!("[daemon]\nloglevel = {name}"));
        assert_eq!(lines, [""; 0]);
        assert_eq!(config.unwrap().daemon.log.level, level, "{name}");
    }
}

#[test]
fn what_default_gets_wrong_is_said_once() {
    let text = "[DEFAULT]\ncheck_rise = x\nsplay_startup = 1\nfoo = 1\n[a]\ncheck_cmd = x\n\
                ip_prefix = 10.0.0.1\n[b]\ncheck_cmd = x\nip_prefix = 10.0.0.2\n";
    assert_eq!(
        checked(text).1,
        [
            "f:2: [DEFAULT] check_rise: 'x' is no whole number",
            "f:4: [DEFAULT] foo: warning: unknown option",
        ]
    );
}

#[test]
fn sections_that_nobody_meant_are_pointed_out() {
    let (config, lines) = checked("[Daemon]\nipv6 = true\n");
    assert_eq!(config, None);
    assert_eq!(
        lines,
        [
            "f:1: [Daemon] check_cmd: is missing, but required",
            "f:1: [Daemon] ip_prefix: is missing, but required",
            "f:1: [Daemon]: warning: this is taken for a service called Daemon: did you mean [daemon]?",
            "f:2: [Daemon] ipv6: warning: belongs into [daemon], and has no effect here",
        ]
    );
    assert_eq!(
        checked("[demon]\ncheck_cmd = x\nip_prefix = 10.0.0.1").1,
        [""; 0]
    );
}

#[test]
fn every_problem_is_found_at_once() {
    let (config, lines) = checked(
        "[daemon]\nipv4 = x\nloglevel = x\nlog_maxbytes = x\n[a]\ncheck_rise = x\ncheck_fail = x\nip_prefix = x y",
    );
    assert_eq!(config, None);
    assert_eq!(lines.len(), 8, "{lines:?}");
}

#[test]
fn what_default_can_not_reach_is_warned_of() {
    assert_eq!(
        complaint("[DEFAULT]\nipv4 = no\n"),
        "[DEFAULT] ipv4: warning: has no effect here, since the built-in value stands in [daemon]: set it there"
    );
    assert_eq!(
        checked("[DEFAULT]\nlog_server = x\ncheck_cmd = y\n").1,
        [""; 0]
    );
}

#[test]
fn a_small_file_can_not_make_the_program_large_or_slow() {
    let mut bomb = format!("[DEFAULT]\ncheck_cmd = /bin/true {}\n", "x".repeat(100_000));
    for n in 0..2_000 {
        bomb += &format!("[s{n}]\nip_prefix = 10.0.{}.{}\n", n / 250, n % 250);
    }
    let (config, lines) = checked(&bomb);
    let last = lines.last().map_or("", String::as_str);
    assert!(
        config.is_none() && last.contains("up to here the values"),
        "{last}"
    );

    // The first of many unknown options are met with a suggestion, the rest with a warning.
    let mut unknown = "[s]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\n".to_string();
    for n in 0..2_000 {
        unknown += &format!("check_interva{n:03x} = 1\n");
    }
    let (_, lines) = checked(&unknown);
    let meant = lines.iter().filter(|line| line.contains("did you mean"));
    assert_eq!((lines.len(), meant.count()), (2_000, 1_001));
}

#[test]
fn an_unknown_option_whose_value_cannot_be_expanded_is_a_warning() {
    for value in ["%(odd)s", "5% of", "%(nowhere)s", "%(open"] {
        let (config, lines) = checked(&crate::config::fixture::service(&format!("odd = {value}")));
        assert!(config.is_some(), "the reference accepts it");
        assert_eq!(lines.len(), 1, "{lines:?}");
        let words = "[s] odd: warning: unknown option with a broken value: ";
        assert!(lines[0].contains(words), "{lines:?}");
    }
}

#[test]
fn there_are_fifty_thousand_services_at_most() {
    let mut text = "[DEFAULT]\ncheck_cmd = /bin/true\nip_check_disabled = yes\n".to_string();
    for number in 0..MAX_SERVICES {
        let (high, low) = (number / 256, number % 256);
        text.push_str(&format!("[s{number}]\nip_prefix = 10.0.{high}.{low}\n"));
    }
    assert!(checked(&text).0.is_some());
    text.push_str("[one]\nip_prefix = 10.1.0.0\n");
    let (config, lines) = checked(&text);
    assert!(config.is_none());
    assert!(
        lines[0].ends_with("there are more than 50000 services"),
        "{lines:?}"
    );
}

#[test]
fn what_is_not_used_is_read_all_the_same() {
    for (key, lines) in [
        (
            "prometheus_collector_textfile_dir",
            "prometheus_exporter = off\n",
        ),
        ("bird_conf", "ipv4 = off\n"),
        ("bird_reconfigure_cmd", "ipv4 = off\n"),
        ("bird_reconfigure_cmd", "bird_control_socket = /bird.ctl\n"),
    ] {
        let (config, found) = checked(&format!("[daemon]\n{lines}{key} = %(nothing)s\n"));
        assert!(config.is_none());
        assert!(found[0].contains(&format!("[daemon] {key}: ")), "{found:?}");
    }
}

#[test]
fn nothing_is_wrong_with_a_limit() {
    assert_eq!(checked("[daemon]\nlog_maxbytes = 0\n").1, [""; 0]);
}

#[test]
fn a_section_that_is_half_a_service_is_mistaken() {
    let mistaken = |text: &str| {
        let lines = checked(text).1;
        lines
            .iter()
            .any(|line| line.contains("did you mean [daemon]?"))
    };
    for half in ["", "check_cmd = /bin/true\n", "ip_prefix = 10.0.0.1\n"] {
        assert!(mistaken(&format!("[Daemon]\n{half}")), "{half}");
    }
    assert!(!mistaken(
        "[Daemon]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\n"
    ));
    // After a thousand complaints nothing is suggested.
    let many = |count: usize| {
        let lines: String = (0..count).map(|n| format!("x{n} = 1\n")).collect();
        mistaken(&format!("[daemon]\n{lines}[Daemon]\n"))
    };
    assert!(many(900) && !many(MAX_SUGGESTIONS + 1));
}
