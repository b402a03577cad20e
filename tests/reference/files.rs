//! Cases that are whole files: encodings, line ends, sections, layers, and the examples of the documentation.

use super::{Case, SERVICE, case, main_conf, section};

/// One service file, in every shape that an editor may give it.
pub fn whole(all: &mut Vec<Case>) {
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

/// Sections that lack something, or that nobody meant as services.
pub fn incomplete(all: &mut Vec<Case>) {
    let texts = [
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
    ];
    for text in texts {
        all.push(case(text.to_string(), main_conf(), text));
    }
}

/// Values in `[DEFAULT]` that mean something else in each section, or nothing.
pub fn defaults(all: &mut Vec<Case>) {
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
pub fn layers(all: &mut Vec<Case>) {
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
pub fn examples(all: &mut Vec<Case>) {
    let main = include_str!("../data/config/example.conf");
    let service = include_str!("../data/config/example-foo.conf");
    let service6 = include_str!("../data/config/example-foo6.conf");
    let both = main.replace(
        "ipv6                 = false",
        "ipv6                 = true",
    );
    all.push(case("example".to_string(), main, service));
    all.push(case(
        "example with IPv6 off".to_string(),
        main,
        format!("{service}{service6}"),
    ));
    all.push(case(
        "example with both".to_string(),
        both,
        format!("{service}{service6}"),
    ));
}
