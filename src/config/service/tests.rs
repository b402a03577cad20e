use std::path::PathBuf;

use crate::config::fixture::{checked, complaint, service};

use super::*;

#[test]
fn every_setting_of_a_service_arrives() {
    let (config, lines) = checked(
        "[DEFAULT]\nsplay_startup = .5\nlog_file = /var/a.log\n[daemon]\nipv6 = on\n[web]\n\
         check_cmd = /bin/check 'a b' #c\ncheck_interval = 1e1\ncheck_timeout = +1.5\ncheck_rise = 007\ncheck_fail = 3\n\
         check_disabled = NO\non_disabled = advertise\nip_prefix = 10.0.0.0/255.255.255.0,\n  2001:DB8:1::0/64 10.1.1.1\n\
         ip_check_disabled = Yes\ninterface = eth0\ncustom_bird_reconfigure_cmd = /bin/c\n\
         custom_bird_reconfigure_cmd_timeout = 9\nshared_prefix = 1\ncheck_fast_interval = 0.1\non_start = withdraw\n\
         on_exit = advertise\nmaintenance_file = /run/web.off\n",
    );
    assert_eq!(lines, [""; 0]);
    let config = config.unwrap();
    assert_eq!(
        config.daemon.splay_startup,
        Some(Duration::from_millis(500))
    );
    assert_eq!(config.daemon.log.file, Some(PathBuf::from("/var/a.log")));
    let web = &config.services[0];
    let texts: Vec<String> = web.prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.0.0.0/24", "2001:db8:1::/64", "10.1.1.1/32"]);
    assert_eq!(
        *web.prefix_texts,
        ["10.0.0.0/255.255.255.0", "2001:DB8:1::0/64", "10.1.1.1"]
    );
    assert_eq!(web.check_cmd, CommandLine::of(["/bin/check", "a b", "#c"]));
    assert_eq!(
        (web.interval, web.timeout),
        (Duration::from_secs(10), Duration::from_millis(1500))
    );
    assert_eq!((web.rise, web.fall), (7, 3));
    assert!(!web.disabled && web.ip_check_disabled && web.shared_prefix);
    assert_eq!(web.on_disabled, Announce::Advertise);
    assert_eq!(
        (web.on_start, web.on_exit),
        (Announce::Withdraw, Announce::Advertise)
    );
    assert_eq!((web.name.as_str(), web.interface.as_ref()), ("web", "eth0"));
    assert_eq!(web.custom_cmd, Some(CommandLine::of(["/bin/c"])));
    assert_eq!(web.custom_timeout, Duration::from_secs(9));
    assert_eq!(web.fast_interval, Some(Duration::from_millis(100)));
    assert_eq!(web.maintenance_file, Some(PathBuf::from("/run/web.off")));
}

#[test]
fn a_service_defaults_to_what_the_reference_does() {
    let (config, _) = checked(&service(""));
    let s = config.unwrap().services[0].clone();
    assert_eq!(
        (s.interval, s.timeout),
        (Duration::from_secs(10), Duration::from_secs(2))
    );
    assert_eq!((s.rise, s.fall, s.disabled), (2, 2, true));
    assert_eq!(
        (s.on_disabled, s.on_start, s.on_exit),
        (Announce::Withdraw, Announce::Keep, Announce::Keep)
    );
    assert_eq!(
        (s.interface.as_ref(), s.ip_check_disabled, s.shared_prefix),
        ("lo", false, false)
    );
    assert_eq!(
        (s.fast_interval, &s.maintenance_file, &s.custom_cmd),
        (None, &None, &None)
    );
}

#[test]
fn every_bad_value_of_a_service_is_refused() {
    let cases = [
        (
            "check_interval = 0",
            "[s] check_interval: '0' is not more than 0",
        ),
        (
            "check_interval = -1",
            "[s] check_interval: '-1' is not more than 0",
        ),
        (
            "check_interval = nan",
            "[s] check_interval: 'nan' is not finite",
        ),
        (
            "check_interval = inf",
            "[s] check_interval: 'inf' is not finite",
        ),
        (
            "check_interval = 1e-9",
            "[s] check_interval: '1e-9' is less than a millisecond",
        ),
        (
            "check_interval = 1e10",
            "[s] check_interval: '1e10' is more than 1000000000 seconds",
        ),
        (
            "check_interval =",
            "[s] check_interval: '' is no number of seconds",
        ),
        (
            "check_interval = 10s",
            "[s] check_interval: '10s' is no number of seconds",
        ),
        (
            "check_timeout = 0",
            "[s] check_timeout: '0' is not more than 0",
        ),
        (
            "check_fast_interval = 0",
            "[s] check_fast_interval: '0' is not more than 0",
        ),
        (
            "custom_bird_reconfigure_cmd_timeout = -2",
            "[s] custom_bird_reconfigure_cmd_timeout: '-2' is not more than 0",
        ),
        ("check_rise = 0", "[s] check_rise: '0' is less than 1"),
        (
            "check_rise = 2.0",
            "[s] check_rise: '2.0' is no whole number",
        ),
        (
            "check_rise = 99999999999999999999",
            "[s] check_rise: '99999999999999999999' is more than 1000000000",
        ),
        ("check_fail = -1", "[s] check_fail: '-1' is less than 1"),
        (
            "check_disabled = maybe",
            "[s] check_disabled: 'maybe' is neither true nor false",
        ),
        (
            "ip_check_disabled =",
            "[s] ip_check_disabled: '' is neither true nor false",
        ),
        (
            "shared_prefix = x",
            "[s] shared_prefix: 'x' is neither true nor false",
        ),
        (
            "on_disabled = Withdraw",
            "[s] on_disabled: 'Withdraw' is not withdraw or advertise",
        ),
        (
            "on_start = none",
            "[s] on_start: 'none' is not keep, withdraw or advertise",
        ),
        (
            "on_exit = keep",
            "[s] on_exit: 'keep' is not none, withdraw or advertise",
        ),
        (
            "maintenance_file = a\0b",
            "[s] maintenance_file: a NUL character is in it",
        ),
        (
            "custom_bird_reconfigure_cmd = 'a",
            "[s] custom_bird_reconfigure_cmd: cannot split ''a' into words: a ' has no closing '",
        ),
        (
            "interface = %(gone)s",
            "[s] interface: cannot expand %(gone)s: that option is set neither in this section nor in [DEFAULT]",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(complaint(&service(line)), expected, "{line}");
    }
}

#[test]
fn command_and_prefix_of_a_service_are_required_and_good() {
    let command =
        |value: &str| complaint(&format!("[s]\nip_prefix = 10.0.0.1\ncheck_cmd = {value}"));
    assert_eq!(
        complaint("[s]\nip_prefix = 10.0.0.1"),
        "[s] check_cmd: is missing, but required"
    );
    assert_eq!(command(""), "[s] check_cmd: the command is empty");
    assert_eq!(command("''"), "[s] check_cmd: the command is empty");
    assert_eq!(
        command("a\\"),
        "[s] check_cmd: cannot split 'a\\' into words: nothing follows the last backslash"
    );
    assert_eq!(command("/a b\0"), "[s] check_cmd: a NUL character is in it");
    assert_eq!(
        command("gone -x"),
        "[s] check_cmd: cannot run 'gone': no such command in PATH"
    );
    assert_eq!(
        command("/gone"),
        "[s] check_cmd: cannot run '/gone': no such file"
    );
    assert_eq!(
        command("/forbidden"),
        "[s] check_cmd: cannot run '/forbidden': user tester may not execute it"
    );
    assert_eq!(
        command("/dir"),
        "[s] check_cmd: cannot run '/dir': it is a directory"
    );
    assert_eq!(
        command("/script"),
        "[s] check_cmd: cannot run '/script': its interpreter '/no/sh' does not exist"
    );
    assert_eq!(
        command("/text"),
        "[s] check_cmd: cannot run '/text': it is neither a program nor a script that begins with #!"
    );
    let prefix =
        |value: &str| complaint(&format!("[s]\ncheck_cmd = /bin/true\nip_prefix = {value}"));
    assert_eq!(
        complaint("[s]\ncheck_cmd = x"),
        "[s] ip_prefix: is missing, but required"
    );
    assert_eq!(prefix(""), "[s] ip_prefix: names no prefix");
    assert_eq!(prefix(", ,"), "[s] ip_prefix: names no prefix");
    assert_eq!(
        prefix("10.0.0.1/24"),
        "[s] ip_prefix: '10.0.0.1/24' has host bits set: the network is 10.0.0.0/24"
    );
    assert_eq!(
        prefix("10.0.0.1 10.0.0"),
        "[s] ip_prefix: '10.0.0' is no IP prefix: it has the form ADDRESS/LENGTH"
    );
    assert_eq!(
        prefix("::1"),
        "[s] ip_prefix: '::1' can't be announced while ipv6 is false"
    );
    assert_eq!(
        prefix("10.0.0.1 10.0.0.1/32"),
        "[s] ip_prefix: 10.0.0.1/32 is named twice"
    );
}

#[test]
fn warnings_about_a_service_do_not_stop_the_start() {
    let on = "check_disabled = no\n";
    let cases = [
        (
            "check_interval = 1",
            "[s] check_interval: warning: check_timeout (2 s) is longer than check_interval (1 s): \
             runs that time out will skip their next turns",
        ),
        (
            "check_timeout = 11",
            "[s] check_timeout: warning: check_timeout (11 s) is longer than check_interval (10 s): \
             runs that time out will skip their next turns",
        ),
        (
            "check_fast_interval = 11",
            "[s] check_fast_interval: warning: is longer than check_interval",
        ),
        (
            "interface = nope0",
            "[s] interface: warning: there is no interface 'nope0' now, so the service is down",
        ),
        (
            "interface = eth0",
            "[s] ip_prefix: warning: interface 'eth0' has no address in '10.0.0.1' now, so the service is down",
        ),
        (
            "custom_bird_reconfigure_cmd = gone",
            "[s] custom_bird_reconfigure_cmd: warning: cannot run 'gone': no such command in PATH",
        ),
        (
            "maintenance_file = /missing/x",
            "[s] maintenance_file: warning: its directory does not exist: make it",
        ),
        (
            "check_intervall = 3",
            "[s] check_intervall: warning: unknown option: did you mean check_interval?",
        ),
        ("weight = 3", "[s] weight: warning: unknown option"),
        (
            "ipv4 = no",
            "[s] ipv4: warning: belongs into [daemon], and has no effect here",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(
            complaint(&service(&format!("{on}{line}"))),
            expected,
            "{line}"
        );
    }
    for line in [
        "interface = nope0\nip_check_disabled = yes",
        "helper = x\nmaintenance_file = /%(helper)s",
    ] {
        assert_eq!(checked(&service(&format!("{on}{line}"))).1, [""; 0]);
    }
    assert_eq!(
        checked(&service(
            "check_fast_interval =\nmaintenance_file =\ncustom_bird_reconfigure_cmd ="
        ))
        .1,
        [""; 0]
    );
}

#[test]
fn a_list_of_rubbish_is_not_read_to_its_end() {
    for word in ["10.0.0.1,", "x ", "::1\n "] {
        let list = word.repeat(5000);
        let (config, lines) = checked(&format!("[s]\ncheck_cmd = /bin/true\nip_prefix = {list}\n"));
        assert_eq!(config, None);
        assert!(lines.len() <= 2 * MAX_PREFIXES, "{}", lines.len());
        let end = "ip_prefix: more than 1000 prefixes: make several services of them";
        assert!(lines.iter().any(|line| line.ends_with(end)), "{word}");
    }
}

#[test]
fn a_name_that_no_run_can_be_told_is_refused() {
    let named = |name: &str| {
        let (config, lines) = checked(&format!(
            "[{name}]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\n"
        ));
        assert_eq!(config.is_some(), lines.is_empty());
        lines.join("\n")
    };
    assert_eq!(
        named("a\0b"),
        "f:1: [a\\u{0}b]: a NUL character is in the name"
    );
    assert_eq!(named(&"a".repeat(8192)), "");
    let long = named(&"a".repeat(8193));
    assert!(
        long.ends_with("...]: the name has more than 8192 bytes"),
        "{long}"
    );
    assert!(long.len() < 200);
}

#[test]
fn a_thousand_prefixes_are_not_too_many_and_their_texts_are_not_kept_twice() {
    let prefixes = |count: usize| -> String {
        let all = (0..count).map(|n| format!("10.0.{}.{}/32", n / 250, n % 250));
        let all: Vec<String> = all.collect();
        format!(
            "[s]\ncheck_cmd = /bin/true\nip_check_disabled = 1\nip_prefix = {}\n",
            all.join(",")
        )
    };
    let (config, lines) = checked(&prefixes(MAX_PREFIXES));
    assert_eq!(lines, [""; 0]);
    let service = &config.unwrap().services[0];
    assert_eq!(
        (service.prefixes.len(), service.prefix_texts.len()),
        (1000, 0)
    );
    assert!(checked(&prefixes(MAX_PREFIXES + 1)).0.is_none());
}

#[test]
fn spans_are_compared_only_where_both_count() {
    assert_eq!(checked(&service("check_fast_interval = 10\n")).1, [""; 0]);
    let on = "ip_check_disabled = 1\ncheck_disabled = 0\n";
    let off = "ip_check_disabled = 1\ncheck_disabled = 1\n";
    let longer = "check_timeout = 11\ncheck_interval = 10\n";
    assert_eq!(checked(&service(&format!("{on}{longer}"))).1.len(), 1);
    assert_eq!(checked(&service(&format!("{off}{longer}"))).1, [""; 0]);
    let same = "check_fast_interval = 10\ncheck_interval = 10\n";
    assert_eq!(checked(&service(&format!("{on}{same}"))).1, [""; 0]);
    // What could not be read has been complained of.
    for wrong in ["check_interval = x\n", "check_timeout = x\n"] {
        assert_eq!(checked(&service(&format!("{on}{wrong}"))).1.len(), 1);
    }
}
