//! The configurations: what real files contain, what they get wrong, and what nobody should write.
//!
//! `{dir}` stands for the directory of the case, in which `bird/`, `bird/6/`, `metrics/` and the service directory `d/` exist.

/// One configuration.
pub struct Case {
    /// What is special about it, mostly the lines themselves.
    pub title: String,
    pub main: Vec<u8>,
    pub services: Vec<(String, Vec<u8>)>,
}

/// What `[daemon]` needs to be valid anywhere.
const DAEMON: &[(&str, &str)] = &[
    ("pidfile", "{dir}/x.pid"),
    ("ipv6", "true"),
    ("bird_conf", "{dir}/bird/p.conf"),
    ("bird6_conf", "{dir}/bird/6/p.conf"),
];
const SERVICE: &[(&str, &str)] = &[("check_cmd", "/bin/true"), ("ip_prefix", "10.0.0.1/32")];

/// A section with these lines, and with those of `base` whose option the lines do not set.
fn section(name: &str, base: &[(&str, &str)], lines: &str) -> String {
    let mut text = format!("[{name}]\n");
    let sets = |key: &str| {
        lines.lines().any(|line| {
            let name = line.split(['=', ':']).next().unwrap_or_default();
            name.trim_end().eq_ignore_ascii_case(key)
        })
    };
    for (key, value) in base {
        if !sets(key) {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    text.push_str(lines);
    text.push('\n');
    text
}

fn main_conf() -> String {
    section("daemon", DAEMON, "")
}

fn case(title: String, main: impl Into<Vec<u8>>, service: impl Into<Vec<u8>>) -> Case {
    Case {
        title,
        main: main.into(),
        services: vec![("s.conf".to_string(), service.into())],
    }
}

/// Some lines of `[daemon]` a case.
fn daemon(all: &mut Vec<Case>, lines: &[&str]) {
    for line in lines {
        let main = section("daemon", DAEMON, line);
        all.push(case(
            format!("[daemon] {line}"),
            main,
            section("s", SERVICE, ""),
        ));
    }
}

/// The same for a service.
fn service(all: &mut Vec<Case>, lines: &[&str]) {
    for line in lines {
        let text = section("s", SERVICE, line);
        all.push(case(format!("[s] {line}"), main_conf(), text));
    }
}

/// Whole service files.
fn files(all: &mut Vec<Case>, texts: &[&str]) {
    for text in texts {
        all.push(case(text.to_string(), main_conf(), *text));
    }
}

pub fn all() -> Vec<Case> {
    let mut all = Vec::new();
    daemon_settings(&mut all);
    bird_settings(&mut all);
    service_settings(&mut all);
    prefixes(&mut all);
    commands(&mut all);
    dialect(&mut all);
    interpolation(&mut all);
    layers(&mut all);
    examples(&mut all);
    random(&mut all);
    all
}

fn daemon_settings(all: &mut Vec<Case>) {
    let flags = [
        "ipv4",
        "ipv6",
        "purge_ip_prefixes",
        "json_stdout",
        "json_log_file",
        "json_log_server",
        "log_format_journalctl",
        "prometheus_exporter",
        "bird_keep_changes",
        "bird6_keep_changes",
        "stderr_log_server",
    ];
    for flag in flags {
        let good = format!("{flag} = yes");
        let bad = format!("{flag} = maybe");
        daemon(all, &[&good, &bad]);
    }
    let spellings = [
        "1",
        "yes",
        "true",
        "on",
        "YES",
        "True",
        "oN",
        "0",
        "no",
        "false",
        "off",
        "No",
        "FALSE",
        "oFF",
        "",
        "2",
        "y",
        "t",
        "true false",
        "01",
        "enabled",
    ];
    let spelt: Vec<String> = spellings
        .iter()
        .map(|word| format!("json_stdout = {word}"))
        .collect();
    daemon(all, &spelt.iter().map(String::as_str).collect::<Vec<_>>());
    daemon(
        all,
        &[
            "pidfile = {dir}/none/x",
            "pidfile =",
            "pidfile = x.pid",
            "pidfile = {dir}/main.conf",
        ],
    );
    daemon(
        all,
        &[
            "loglevel = info",
            "loglevel = INFO",
            "loglevel = Warn",
            "loglevel = fatal",
            "loglevel = notset",
            "loglevel = critical",
            "loglevel = warning",
            "loglevel = error",
            "loglevel = trace",
            "loglevel =",
            "loglevel = 10",
            "loglevel = info debug",
            "loglevel = basic_format",
            "loglevel = %(x)s",
        ],
    );
    daemon(
        all,
        &[
            "log_file = {dir}/a.log",
            "log_file = {dir}/none/a.log",
            "log_file =",
            "log_file = {dir}",
            "stderr_file = {dir}/e.log",
            "stderr_file = {dir}/none/e.log",
            "stderr_file =",
            "log_file = {dir}/a\0b",
        ],
    );
    daemon(
        all,
        &[
            "log_maxbytes = 0",
            "log_maxbytes = 1_000",
            "log_maxbytes = -1",
            "log_maxbytes = 1k",
            "log_maxbytes = 1e6",
            "log_maxbytes =",
            "log_backups = 0",
            "log_backups = +3",
            "log_backups = -1",
            "log_backups = x",
            "log_server_port = 514",
            "log_server_port = x",
            "log_server_port = 0",
            "log_server_port = 65536",
            "log_server_port = 007",
        ],
    );
    daemon(
        all,
        &[
            "log_server = 127.0.0.1",
            "log_server = no.such.host.invalid",
            "log_server =",
            "log_server = ::1",
        ],
    );
    daemon(
        all,
        &[
            "prometheus_exporter = on\nprometheus_collector_textfile_dir = {dir}/metrics",
            "prometheus_exporter = on\nprometheus_collector_textfile_dir = {dir}/none",
            "prometheus_exporter_interval = 1",
            "prometheus_exporter_interval = 0",
            "prometheus_exporter_interval = -1",
            "prometheus_exporter_interval = 1.5",
            "prometheus_exporter_interval = x",
        ],
    );
    daemon(
        all,
        &[
            "splay_startup = 0",
            "splay_startup = 1.5",
            "splay_startup = 60",
            "splay_startup = -1",
            "splay_startup = inf",
            "splay_startup = nan",
            "splay_startup = x",
            "splay_startup =",
        ],
    );
    daemon(
        all,
        &[
            "nothing = 1",
            "check_interval = x",
            "pid_file = 3",
            "nothing = 5%",
        ],
    );
}

fn bird_settings(all: &mut Vec<Case>) {
    daemon(
        all,
        &[
            "bird_conf = {dir}/none/p.conf",
            "bird_conf =",
            "bird_conf = {dir}/bird",
            "bird_conf = {dir}/main.conf",
            "bird6_conf = {dir}/none/p.conf",
            "bird6_conf = {dir}/none/p.conf\nipv6 = no",
            "bird6_conf = {dir}/bird/p.conf",
            "bird_conf = p.conf",
        ],
    );
    daemon(
        all,
        &[
            "bird_variable = MINE",
            "bird_variable = _m1",
            "bird_variable =",
            "bird_variable = 1A",
            "bird_variable = A-B",
            "bird_variable = A B",
            "bird6_variable = 1A",
            "bird6_variable = 1A\nipv6 = off",
            "bird_variable = X\nbird6_variable = X",
            "bird_variable = X\nbird6_variable = X\nbird_reconfigure_cmd = birdc configure\nbird6_reconfigure_cmd = birdc configure",
        ],
    );
    daemon(
        all,
        &[
            "bird_reconfigure_cmd = /nonexistent x",
            "bird_reconfigure_cmd = {dir}/no-exec",
            "bird_reconfigure_cmd =",
            "bird_reconfigure_cmd = 'a",
            "bird_reconfigure_cmd = a\\",
            "bird6_reconfigure_cmd = 'a\nipv6 = no",
            "bird_reconfigure_cmd = birdc 'configure'",
            "bird_reconfigure_cmd = birdc\n  configure",
        ],
    );
    daemon(
        all,
        &[
            "dummy_ip_prefix = 10.9.9.9",
            "dummy_ip_prefix = 10.9.9.9/32",
            "dummy_ip_prefix = 10.9.9.0/24",
            "dummy_ip_prefix = 10.9.9.9/24",
            "dummy_ip_prefix = ::1",
            "dummy_ip_prefix = x",
            "dummy_ip_prefix =",
            "dummy_ip_prefix = x\nipv4 = true",
            "dummy_ip6_prefix = 2001:db8::/64",
            "dummy_ip6_prefix = 2001:db8::1/64",
            "dummy_ip6_prefix = 10.9.9.9",
            "dummy_ip6_prefix = x",
            "dummy_ip6_prefix = x\nipv6 = no",
            "dummy_ip_prefix = 10.0.0.1",
            "dummy_ip_prefix = 10.0.0.0/24",
        ],
    );
    daemon(
        all,
        &[
            "bird_keep_changes = yes",
            "bird6_keep_changes = yes",
            "bird_keep_changes = yes\nbird6_keep_changes = yes",
            "bird_keep_changes = 1\nbird6_keep_changes = 1\nbird6_conf = {dir}/bird/q.conf",
            "bird_changes_counter = 1",
            "bird_changes_counter = 0",
            "bird_changes_counter = -1",
            "bird_changes_counter = x",
            "bird6_changes_counter = 1.0",
            "bird6_changes_counter = x\nipv6 = no",
            "bird6_keep_changes = x\nipv6 = no",
        ],
    );
}

fn service_settings(all: &mut Vec<Case>) {
    let numbers = [
        "1", "10", "1.5", ".5", "5.", "+5", "007", "1e1", "1E1", "1_0", "0.001", "0", "-1", "0.0",
        "nan", "inf", "-inf", "1e999", "x", "", "1 0", "10s", "1,5", "0x10", "1__0", "_1", "1_",
        "1_.5", "٣", "e1", ".",
    ];
    for key in [
        "check_interval",
        "check_timeout",
        "custom_bird_reconfigure_cmd_timeout",
    ] {
        let lines: Vec<String> = numbers
            .iter()
            .map(|number| format!("{key} = {number}"))
            .collect();
        service(all, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let counts = [
        "1", "2", "+5", "007", "1_0", "0", "-1", "2.0", "1e1", "0x2", "x", "", "1 0", "٣",
        "1000000",
    ];
    for key in ["check_rise", "check_fail"] {
        let lines: Vec<String> = counts
            .iter()
            .map(|number| format!("{key} = {number}"))
            .collect();
        service(all, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    }
    service(
        all,
        &[
            "check_disabled = false",
            "check_disabled = x",
            "on_disabled = advertise",
            "on_disabled = withdraw",
            "on_disabled = Withdraw",
            "on_disabled = none",
            "on_disabled =",
            "on_disabled = withdraw # at once",
        ],
    );
    service(
        all,
        &[
            "interface = lo",
            "interface = eth0",
            "interface = nope0",
            "interface =",
            "interface = a b",
            "ip_check_disabled = true",
            "ip_check_disabled = x",
            "interface = nope0\ncheck_disabled = no",
            "interface = waytoolongforaninterface",
        ],
    );
    service(
        all,
        &[
            "weight = 3",
            "check_intervall = 3",
            "ipv4 = x",
            "weight = 5%",
            "pidfile = %(x)s",
        ],
    );
    service(
        all,
        &[
            "shared_prefix = true",
            "on_start = withdraw",
            "on_exit = advertise",
            "maintenance_file = /run/x",
            "check_fast_interval = 1",
            "shared_prefix = x",
            "on_start = x",
            "on_exit = x",
            "check_fast_interval = x",
        ],
    );
    files(
        all,
        &[
            "[s]\n",
            "[s]\ncheck_cmd = /bin/true\n",
            "[s]\nip_prefix = 10.0.0.1\n",
            "[s]\ncheck_cmd =\nip_prefix = 10.0.0.1\n",
            "[s]\ncheck_cmd = /bin/true\nip_prefix =\n",
            "",
            "# only a comment\n",
            "[Daemon]\nipv4 = true\n",
            "[ daemon ]\nipv4 = true\n",
            "[deamon]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\n",
            "[default]\ncheck_rise = 3\n",
        ],
    );
}

fn prefixes(all: &mut Vec<Case>) {
    let spellings = [
        "10.0.0.1",
        "10.0.0.1/32",
        "10.0.0.0/24",
        "10.0.0.0/255.255.255.0",
        "10.0.0.0/0.0.0.255",
        "10.0.0.1/032",
        "0.0.0.0/0",
        "10.0.0.2/31",
        "10.0.0.1/255.255.255.255",
        "10.0.0.1/24",
        "10.0.0.1/33",
        "10.0.0.1/-1",
        "10.0.0.1/",
        "10.0.0.1/32/32",
        "010.0.0.1",
        "10.0.0.01",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.1.1",
        "10.0.0.0/255.0.255.0",
        "10.0.0.1 /32",
        "10.0.0.1/ 32",
        "a",
        "167772161",
        "0x0a000001",
        "10.0.0.1/+32",
        "2001:db8:1::1",
        "2001:db8:1::1/128",
        "2001:DB8:1:0:0:0:0:1/128",
        "2001:db8:1::/64",
        "::/0",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "fe80::1%%lo",
        "fe80::1%%lo/128",
        "fe80::1%%",
        "2001:db8:1::1/64",
        "2001:db8:1::1/129",
        "2001:db8:1::1/ffff::",
        "2001:db8::1::1",
        "2001:db8:1",
        "12345::1",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "1:2:3:4:5:6:7:8:9",
        "[::1]",
        "10.0.0.1%%lo",
        "١.0.0.1",
        "localhost",
        "10.0.0.1/1_6",
        "1.2.3.4/0.0.0.0",
        "0.0.0.0/0.0.0.0",
        "10.0.0.1, 10.0.0.2",
        "10.0.0.1 10.0.0.2",
        "10.0.0.1,\n  2001:db8:1::2",
        "10.0.0.1,",
        "10.0.0.1 10.0.0.1/32",
        ",",
    ];
    let lines: Vec<String> = spellings
        .iter()
        .map(|text| format!("ip_prefix = {text}"))
        .collect();
    service(all, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let two = |first: &str, second: &str| {
        format!(
            "{}{}",
            section("a", SERVICE, &format!("ip_prefix = {first}")),
            section("b", SERVICE, &format!("ip_prefix = {second}"))
        )
    };
    let pairs = [
        ("10.0.0.1", "10.0.0.2"),
        ("10.0.0.1/32", "10.0.0.1/32"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("2001:db8:1::1", "2001:DB8:1::1"),
        ("10.0.0.0/24", "10.0.0.1"),
        ("10.0.0.1", "2001:db8:1::1"),
        ("10.189.200.255", "10.0.0.1"),
        (
            "10.0.0.1\nshared_prefix = 1",
            "10.0.0.1/32\nshared_prefix = 1",
        ),
        (
            "10.0.0.1/32\nshared_prefix = 1",
            "10.0.0.1/32\nshared_prefix = 1",
        ),
    ];
    for (first, second) in pairs {
        all.push(case(
            format!("{first} and {second}"),
            main_conf(),
            two(first, second),
        ));
    }
    let families = [
        ("ipv4 = no", "10.0.0.1"),
        ("ipv6 = no", "2001:db8:1::1"),
        ("ipv6 = no", "10.0.0.1"),
        ("ipv4 = no", "2001:db8:1::1"),
        ("ipv4 = no\nipv6 = no", "10.0.0.1"),
    ];
    for (switch, prefix) in families {
        let main = section("daemon", DAEMON, switch);
        let text = section("s", SERVICE, &format!("ip_prefix = {prefix}"));
        all.push(case(format!("{switch} for {prefix}"), main, text));
    }
    all.push(case(
        "no family, no service".to_string(),
        section("daemon", DAEMON, "ipv4 = no\nipv6 = no"),
        "",
    ));
}

fn commands(all: &mut Vec<Case>) {
    let lines = [
        "/bin/true",
        "true",
        "/bin/true a b",
        "/bin/true 'a b' \"c d\"",
        "/bin/true 'a",
        "/bin/true \"a",
        "/bin/true a\\",
        "'/bin/true'",
        "/bin/tr'u'e",
        "''",
        "",
        "/nonexistent",
        "nonexistent-command",
        "/",
        "{dir}",
        "{dir}/no-exec",
        "{dir}/main.conf",
        "/bin/true # x",
        "/bin/true #",
        "# x",
        "/bin/true ; x",
        "/bin/true | x && y > z",
        "/bin/true \"\\$x\" \\$y `z`",
        "/bin/true\n  a\n  b",
        "\n  /bin/true",
        "/bin/true \\\n  b",
        "/bin/true %%",
        "/bin/true 5%",
        "/bin/true %(ip_prefix)s",
        "/bin/true %d",
        "/bin/true \0",
        "/bin/true ünïcödé",
        "/bin/true\u{a0}x",
        "./no-exec",
        "/bin/true \"a'b\" 'c\"d'",
        "/bin/true ''",
    ];
    let lines: Vec<String> = lines
        .iter()
        .map(|text| format!("check_cmd = {text}"))
        .collect();
    service(all, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let long = format!("check_cmd = /bin/true {}", "x".repeat(60_000));
    let longer = format!(
        "{}\nweight = {}",
        "check_cmd = /bin/true",
        "x".repeat(600_000)
    );
    service(all, &[&long, &longer]);
    service(
        all,
        &[
            "custom_bird_reconfigure_cmd = /bin/true",
            "custom_bird_reconfigure_cmd = /nonexistent",
            "custom_bird_reconfigure_cmd =",
            "custom_bird_reconfigure_cmd = 'a",
            "custom_bird_reconfigure_cmd = 5%",
        ],
    );
}

fn dialect(all: &mut Vec<Case>) {
    // Each is appended to a good service.
    let tails = [
        "x = 1",
        "x: 1",
        "x=1",
        "x:1",
        "x = a=b:c",
        "x : a",
        "X = Y\ny = Z",
        "x y = 1",
        "x =",
        "x",
        "= 1",
        ": 1",
        "x\n y = 1",
        "x = 1\nx = 2",
        "x = 1\nX = 2",
        "x = 1\nx : 2",
        "[s]\nx = 1",
        "[DEFAULT]\nx = 1\n[DEFAULT]\ny = 1",
        "[DEFAULT]\nx = 1\n[DEFAULT]\nx = 2",
        "x = 1 # c",
        "x = 1 ; c",
        "# c\n; c",
        "  # c",
        "x = 1\n# c\n  2",
        "x = 1\n  # c\n  2\n  ; c\n  3",
        "x = 1\n\n  2",
        "x = 1\n\n\n\n  2\n\n",
        "x = 1\n  2\n\t3",
        "x =\n  1\n  2",
        "x =\n\n  1",
        "x = 1\n  [t]\n  y = 2",
        " x = 1\n y = 2",
        " x = 1\n  y = 2",
        "  x = 1\n y = 2\n  z",
        "x = 1\n\n[DEFAULT]\ny = 2",
        "[DEFAULT] trailing\nx = 1",
        "[DEFAULT\nx = 1",
        "[]",
        "[]\nx = 1",
        "[a",
        "]",
        "[[DEFAULT]]",
        "x = [a]",
        "[x = a]\n",
        "x = 'quoted'",
        "x = \"quoted\"",
        "x = a\\nb",
        "x = a\tb",
        "\tx = 1",
        "x\t=\t1",
        "x = 1\r\n  2\r\ny = 3\r",
        "x = 1\r  2",
        "x\u{a0}=\u{a0}1",
        "x = 1\n\u{a0}2",
        "\u{a0}x = 1",
        "x = 1\u{85}y = 2",
        "x = 1\u{2028}y = 2",
        "x = 1\x0by = 2\x0c",
        "x = 1\x1c",
        "x = \x1f1\n\x1c2",
        "x = \u{3000}1\u{3000}",
        "x = \u{200b}1",
        "x = a\0b",
        "\0 = 1",
        "ÄÖ = ü",
        "İ = 1\ni\u{307} = 2",
        "ẞ = 1\nß = 2",
        "x = 😀",
        "x = 1\n   \n  2",
        "x = 1\n\t\n\t2\n",
        "%x = 1",
        "x%(y)s = 1",
        "(x) = 1",
        "x = 1\n#",
        "x = 1\n;\n 2",
        "x = =",
        "x == 1",
        "x := 1",
        "x =: 1",
        "rem = 1\nREM comment = 2",
        "x = ${HOME}",
        "x = <<EOF",
    ];
    service(all, &tails);
    let plain = section("s", SERVICE, "check_rise = 3");
    let whole: Vec<(&str, Vec<u8>)> = vec![
        ("crlf", plain.replace('\n', "\r\n").into()),
        ("cr", plain.replace('\n', "\r").into()),
        (
            "mixed-ends",
            plain
                .replacen('\n', "\r\n", 1)
                .replacen("\nip", "\rip", 1)
                .into(),
        ),
        ("bom", format!("\u{feff}{plain}").into()),
        ("two-boms", format!("\u{feff}\u{feff}{plain}").into()),
        (
            "latin1-comment",
            [b"# caf\xe9\n".to_vec(), plain.clone().into()].concat(),
        ),
        (
            "latin1-value",
            [plain.clone().into_bytes(), b"x = caf\xe9\n".to_vec()].concat(),
        ),
        (
            "cut-utf8",
            [plain.clone().into_bytes(), b"x = \xe2\x82".to_vec()].concat(),
        ),
        (
            "utf16",
            plain.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("no-last-newline", plain.trim_end().into()),
        ("before-section", format!("x = 1\n{plain}").into()),
        (
            "comment-before-section",
            format!("# c\n\n; d\n{plain}").into(),
        ),
        ("indented-section", format!("  {plain}").into()),
        (
            "indented-all",
            plain
                .lines()
                .map(|line| format!("    {line}\n"))
                .collect::<String>()
                .into(),
        ),
        ("indented-deeper", plain.replace("\nip", "\n  ip").into()),
        ("nul-only", vec![0]),
        ("binary", (0..=255).collect()),
        (
            "section-twice",
            format!("{plain}[t]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.2\n[s]\n").into(),
        ),
        ("bracket-in-section", plain.replace("[s]", "[a]b]").into()),
        (
            "text-after-section",
            plain.replace("[s]", "[s] # text = 1").into(),
        ),
        (
            "blank-in-section",
            plain.replace("[s]", "[ s\u{a0}]").into(),
        ),
        ("unicode-section", plain.replace("[s]", "[dïenst 1]").into()),
        ("quoted-section", plain.replace("[s]", "[\"s\"]").into()),
        ("percent-section", plain.replace("[s]", "[50%]").into()),
        ("hash-section", plain.replace("[s]", "[#s]").into()),
        (
            "many-sections",
            (0..40)
                .map(|n| {
                    section(
                        &format!("s{n}"),
                        SERVICE,
                        &format!("ip_prefix = 10.0.1.{n}"),
                    )
                })
                .collect::<String>()
                .into(),
        ),
    ];
    for (name, bytes) in whole {
        all.push(case(name.to_string(), main_conf(), bytes));
    }
}

fn interpolation(all: &mut Vec<Case>) {
    service(
        all,
        &[
            "x = %%",
            "x = %(y)s",
            "x = 1\ncheck_rise = %(x)s",
            "x = 1\ncheck_rise = %(X)s",
            "check_rise = %(nothing)s",
            "check_rise = %(check_rise)s",
            "check_rise = %(x)s\nx = %(y)s\ny = 2",
            "check_rise = %(x)s\nx = %(y)s\ny = %(x)s",
            "check_rise = %",
            "check_rise = 1%",
            "check_rise = %d",
            "check_rise = %(x",
            "check_rise = %(x)",
            "check_rise = %(x)d\nx = 1",
            "check_rise = %()s",
            "x = 1\ncheck_rise = %(x)s%(x)s",
            "interface = l%(x)s\nx = o",
            "interface = %(section)s",
            "interface = %(check_rise)s",
            "interface = %(ipv4)s",
            "x y = lo\ninterface = %(x y)s",
            "interface = %%(x)s",
            "interface = %%%%(x)s",
            "interface = %%%(x)s\nx = 1",
            "x = 5%%\ninterface = %(x)s",
            "x = 5%\ninterface = %(x)s",
            "x =\ninterface = %(x)slo",
            "x =\ninterface = %(x)s lo",
            "x =\ninterface = lo %(x)s",
            "x = # a\ninterface = lo\n  %(x)s",
            "x = a\n  b\ninterface = %(x)s",
            "a = lo\nb = %(a)s\nc = %(b)s\nd = %(c)s\ne = %(d)s\nf = %(e)s\ng = %(f)s\nh = %(g)s\ni = %(h)s\nj = %(i)s\ninterface = %(j)s",
            "a = lo\nb = %(a)s\nc = %(b)s\nd = %(c)s\ne = %(d)s\nf = %(e)s\ng = %(f)s\nh = %(g)s\ni = %(h)s\nj = %(i)s\nk = %(j)s\ninterface = %(k)s",
            "ip_prefix = %(net)s/32\nnet = 10.0.0.9",
            "maintenance_file = %(x)s",
            "on_disabled = %(x)s\nx = advertise",
        ],
    );
    daemon(
        all,
        &[
            "x = {dir}\nlog_file = %(x)s/a.log",
            "log_file = %(x)s",
            "bird_conf = %(x)s",
            "bird6_conf = %(x)s\nipv6 = no",
            "dummy_ip6_prefix = %(x)s\nipv6 = no",
            "pidfile = %(x)s",
            "loglevel = %",
            "x = info\nloglevel = %(x)s",
            "log_format_journalctl = %(x)s",
            "bird_reconfigure_cmd = date +%s",
            "bird_reconfigure_cmd = date +%%s",
            "prometheus_collector_textfile_dir = %(x)s",
            "log_server = %(x)s",
        ],
    );
    let defaults = [
        (
            "[DEFAULT]\ncheck_cmd = /bin/true %(ip_prefix)s\n",
            "[s]\nip_prefix = 10.0.0.1\n",
        ),
        (
            "[DEFAULT]\ncheck_cmd = /bin/true %(host)s\nhost = a\n",
            "[s]\nip_prefix = 10.0.0.1\nhost = b\n",
        ),
        (
            "[DEFAULT]\ncheck_cmd = /bin/true %(host)s\n",
            "[s]\nip_prefix = 10.0.0.1\n",
        ),
        (
            "[DEFAULT]\nx = 5%\n",
            "[s]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\n",
        ),
        (
            "[DEFAULT]\ncheck_rise = x\n",
            "[s]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\n",
        ),
        ("[DEFAULT]\ncheck_rise = x\n", ""),
        (
            "[DEFAULT]\ncheck_rise = 5%\n",
            "[s]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\ncheck_rise = 3\n",
        ),
    ];
    for (head, text) in defaults {
        all.push(case(
            format!("{head}{text}"),
            format!("{head}{}", main_conf()),
            text,
        ));
    }
}

/// Order, override and inheritance across files.
fn layers(all: &mut Vec<Case>) {
    let good = section("s", SERVICE, "");
    let mut add = |name: &str, main: String, services: &[(&str, &str)]| {
        all.push(Case {
            title: name.to_string(),
            main: main.into(),
            services: services
                .iter()
                .map(|(file, text)| (file.to_string(), text.as_bytes().to_vec()))
                .collect(),
        });
    };
    add("no-services", main_conf(), &[]);
    add(
        "daemon-in-service-file",
        main_conf(),
        &[("a.conf", "[daemon]\nloglevel = info\n"), ("b.conf", &good)],
    );
    add(
        "bad-daemon-in-service-file",
        main_conf(),
        &[("a.conf", "[daemon]\nloglevel = x\n")],
    );
    add(
        "default-in-service-file",
        main_conf(),
        &[("a.conf", &good), ("b.conf", "[DEFAULT]\ncheck_rise = 5\n")],
    );
    add(
        "override",
        main_conf(),
        &[
            ("a.conf", &good),
            ("b.conf", "[s]\ncheck_rise = 5\ncheck_fail = 7\n"),
            ("c.conf", "[s]\ncheck_rise = 6\n"),
        ],
    );
    add(
        "override-bad",
        main_conf(),
        &[
            ("a.conf", &good),
            ("b.conf", "[s]\ncheck_rise = 0x1\n"),
            ("c.conf", "[s]\ncheck_rise = 6\n"),
        ],
    );
    add(
        "split",
        main_conf(),
        &[
            ("a.conf", "[s]\ncheck_cmd = /bin/true\n"),
            ("b.conf", "[s]\nip_prefix = 10.0.0.1\n"),
        ],
    );
    add(
        "ignored-files",
        main_conf(),
        &[
            ("a.conf", &good),
            ("b.conf~", "rubbish"),
            (".c.conf", "rubbish"),
            ("d.txt", "rubbish"),
            ("e.conf.bak", "rubbish"),
        ],
    );
    add("service-in-main", format!("{}{good}", main_conf()), &[]);
    add(
        "service-in-both",
        format!("{}{good}", main_conf()),
        &[("a.conf", "[s]\ncheck_rise = 4\n")],
    );
    add(
        "broken-second",
        main_conf(),
        &[("a.conf", &good), ("b.conf", "rubbish\n")],
    );
    add(
        "names-order",
        main_conf(),
        &[
            ("B.conf", &section("b", SERVICE, "")),
            ("a.conf", &section("a", SERVICE, "ip_prefix = 10.0.0.2")),
            ("10.conf", "[a]\ncheck_rise = 9"),
        ],
    );
    add(
        "daemon-inherits",
        format!(
            "[DEFAULT]\nsplay_startup = 3\nlog_file = {{dir}}/a.log\nlog_server = 127.0.0.1\nipv4 = no\nloglevel = x\n{}",
            main_conf()
        ),
        &[("a.conf", &good)],
    );
    add(
        "daemon-inherits-bad",
        format!("[DEFAULT]\nsplay_startup = x\n{}", main_conf()),
        &[],
    );
    add(
        "daemon-inherits-bad-file",
        format!("[DEFAULT]\nlog_file = {{dir}}/none/x\n{}", main_conf()),
        &[],
    );
    add(
        "default-after",
        format!("{}[DEFAULT]\ncheck_rise = 4\n", main_conf()),
        &[("a.conf", &good)],
    );
    add(
        "no-daemon-section",
        "[DEFAULT]\npidfile = {dir}/x.pid\nbird_conf = {dir}/bird/p.conf\n".to_string(),
        &[("a.conf", &good)],
    );
    add(
        "old-beats-default",
        format!("[DEFAULT]\ninterface = eth0\n{}", main_conf()),
        &[("a.conf", &section("s", SERVICE, "interface = lo"))],
    );
    add(
        "two-default-sections",
        format!(
            "[DEFAULT]\ncheck_rise = 4\n{}[DEFAULT]\ncheck_fail = 4\n",
            main_conf()
        ),
        &[("a.conf", &good)],
    );
    add(
        "daemon-twice",
        format!("{}[daemon]\nloglevel = info\n", main_conf()),
        &[],
    );
}

/// The examples of the documentation: complete files that operators started from.
fn examples(all: &mut Vec<Case>) {
    let main = "[DEFAULT]\ninterface            = lo\n\n[daemon]\npidfile              = {dir}/anycast-healthchecker.pid\nipv4                 = true\n\
        ipv6                 = false\nbird_conf            = {dir}/bird/anycast-prefixes.conf\nbird6_conf           = {dir}/bird/6/anycast-prefixes.conf\n\
        bird_variable        = ACAST_PS_ADVERTISE\nbird6_variable       = ACAST6_PS_ADVERTISE\nbird_reconfigure_cmd = sudo /usr/sbin/birdc configure\n\
        bird6_reconfigure_cmd = sudo /usr/sbin/birdc6 configure\ndummy_ip_prefix      = 10.189.200.255/32\ndummy_ip6_prefix     = 2001:db8::1/128\n\
        bird_keep_changes    = false\nbird6_keep_changes   = false\nbird_changes_counter = 128\nbird6_changes_counter = 128\npurge_ip_prefixes    = false\n\
        loglevel             = debug\nlog_maxbytes         = 104857600\nlog_backups          = 8\nlog_server_port      = 514\njson_stdout          = false\n\
        json_log_file        = false\njson_log_server      = false\nprometheus_exporter  = false\nprometheus_collector_textfile_dir = /var/cache/textfile_collector/\n\
        prometheus_exporter_interval = 10\n";
    let service = "[foo.bar.com]\ncheck_cmd         = /bin/true --fail --silent http://10.52.12.1/\ncheck_interval    = 10\ncheck_timeout     = 2\ncheck_fail        = 2\n\
        check_rise        = 2\ncheck_disabled    = false\non_disabled       = withdraw\nip_prefix         = 10.52.12.1/32\n\n";
    let service6 = "[foo6.bar.com]\ncheck_cmd         = /bin/true --fail 'http://[fd12:aba6:57db:ffff::1]:8888'\ncheck_timeout     = 5\ncheck_rise        = 2\n\
        check_fail        = 2\ncheck_disabled    = false\non_disabled       = withdraw\nip_prefix         = fd12:aba6:57db:ffff::1/128\nip_check_disabled = false\n";
    let both = main.replace(
        "ipv6                 = false",
        "ipv6                 = true",
    );
    all.push(case("example-v4".to_string(), main, service));
    all.push(case(
        "example-v6-off".to_string(),
        main,
        format!("{service}{service6}"),
    ));
    all.push(case(
        "example-both".to_string(),
        both,
        format!("{service}{service6}"),
    ));
    let defaults = "[DEFAULT]\ninterface: lo\ncheck_interval: 10\ncheck_timeout: 2\ncheck_rise: 2\ncheck_fail: 2\ncheck_disabled: true\non_disabled: withdraw\n\
        ip_check_disabled: false\ncustom_bird_reconfigure_cmd_timeout: 2\n";
    all.push(case(
        "example-defaults".to_string(),
        format!("{defaults}{}", main_conf()),
        service,
    ));
}

/// Files made of what matters to the reader, in random order, always the same.
fn random(all: &mut Vec<Case>) {
    const PIECES: [&str; 40] = [
        "\n",
        "\n",
        "\n",
        "\n",
        "\n",
        " ",
        "  ",
        "\t",
        "\r\n",
        "\r",
        "x",
        "y",
        "z",
        "check_rise",
        "interface",
        "=",
        " = ",
        ":",
        " : ",
        "1",
        "2",
        "a b",
        "#",
        ";",
        "%%",
        "%(x)s",
        "%(y)s",
        "%",
        "%(",
        "[DEFAULT]",
        "[s]",
        "[daemon]",
        "[",
        "]",
        "\u{a0}",
        "\u{85}",
        "\x1c",
        "ä",
        "\n  ",
        "\n\n",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for number in 0..200 {
        // Half of them begin with what makes it likely that the whole is valid.
        let length = 1 + next(25);
        let mut tail = String::new();
        for _ in 0..length {
            match next(3) {
                0 => {
                    tail.push_str(["\nx = ", "\ny : ", "\n  ", "\nz=", "\ncheck_rise = 1"][next(5)])
                }
                _ => tail.push_str(PIECES[next(PIECES.len())]),
            }
        }
        let text = section("s", SERVICE, "") + &tail;
        all.push(case(format!("random {number}: {tail}"), main_conf(), text));
    }
}
