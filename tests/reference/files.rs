//! Cases that are whole files: encodings, line ends, sections, layers, and the examples of the documentation.

use super::{Case, SERVICE, case, main_conf, section};

/// One service file, in every shape that an editor may give it.
pub fn whole(all: &mut Vec<Case>) {
    let plain = section("s", SERVICE, "check_rise = 3");
    for (title, from, to) in REPLACED {
        all.push(case(
            title.to_string(),
            main_conf(),
            plain.replace(from, to),
        ));
    }
    let mixed = plain.replacen('\n', "\r\n", 1);
    let indented = plain.lines().map(|line| format!("    {line}\n"));
    let many = (0..40).map(|n| {
        let prefix = format!("ip_prefix = 10.0.1.{n}");
        section(&format!("s{n}"), SERVICE, &prefix)
    });
    let texts = [
        ("mixed-ends", mixed.replacen("\nip", "\rip", 1)),
        ("bom", format!("\u{feff}{plain}")),
        ("two-boms", format!("\u{feff}\u{feff}{plain}")),
        ("no-last-newline", plain.trim_end().to_string()),
        ("before-section", format!("x = 1\n{plain}")),
        ("comment-before-section", format!("# c\n\n; d\n{plain}")),
        ("indented-section", format!("  {plain}")),
        ("indented-all", indented.collect()),
        ("many-sections", many.collect()),
        ("section-twice", format!("{plain}[DEFAULT]\nx = 1\n[s]\n")),
    ];
    for (title, text) in texts {
        all.push(case(title.to_string(), main_conf(), text));
    }
    let bytes = |before: &[u8], after: &[u8]| [before, plain.as_bytes(), after].concat();
    let broken = [
        ("latin1-comment", bytes(b"# caf\xe9\n", b"")),
        ("latin1-value", bytes(b"", b"x = caf\xe9\n")),
        ("cut-utf8", bytes(b"", b"x = \xe2\x82")),
        (
            "utf16",
            plain.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("nul-only", vec![0]),
        ("binary", (0..=255).collect()),
    ];
    for (title, bytes) in broken {
        all.push(case(title.to_string(), main_conf(), bytes));
    }
}

/// Title, and what is replaced by what in a good file.
const REPLACED: &[(&str, &str, &str)] = &[
    ("crlf", "\n", "\r\n"),
    ("cr", "\n", "\r"),
    ("indented-deeper", "\nip", "\n  ip"),
    ("bracket-in-section", "[s]", "[a]b]"),
    ("text-after-section", "[s]", "[s] # text = 1"),
    ("blank-in-section", "[s]", "[ s\u{a0}]"),
    ("unicode-section", "[s]", "[d\u{ef}enst 1]"),
    ("quoted-section", "[s]", "[\"s\"]"),
    ("percent-section", "[s]", "[50%]"),
    ("hash-section", "[s]", "[#s]"),
    ("nul-in-section", "[s]", "[a\0b]"),
];

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

/// Title, main file, service files. `{main}` is a good main file, `{good}` a good service.
type Layers = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);
const LAYERS: &[Layers] = &[
    ("no-services", "{main}", &[]),
    (
        "daemon-in-service-file",
        "{main}",
        &[
            ("a.conf", "[daemon]\nloglevel = info\n"),
            ("b.conf", "{good}"),
        ],
    ),
    (
        "bad-daemon-in-service-file",
        "{main}",
        &[("a.conf", "[daemon]\nloglevel = x\n")],
    ),
    (
        "default-in-service-file",
        "{main}",
        &[
            ("a.conf", "{good}"),
            ("b.conf", "[DEFAULT]\ncheck_rise = 5\n"),
        ],
    ),
    (
        "override",
        "{main}",
        &[
            ("a.conf", "{good}"),
            ("b.conf", "[s]\ncheck_rise = 5\ncheck_fail = 7\n"),
            ("c.conf", "[s]\ncheck_rise = 6\n"),
        ],
    ),
    (
        "override-bad",
        "{main}",
        &[
            ("a.conf", "{good}"),
            ("b.conf", "[s]\ncheck_rise = 0x1\n"),
            ("c.conf", "[s]\ncheck_rise = 6\n"),
        ],
    ),
    (
        "split",
        "{main}",
        &[
            ("a.conf", "[s]\ncheck_cmd = /bin/true\n"),
            ("b.conf", "[s]\nip_prefix = 10.0.0.1\n"),
        ],
    ),
    (
        "ignored-files",
        "{main}",
        &[
            ("a.conf", "{good}"),
            ("b.conf~", "rubbish"),
            (".c.conf", "rubbish"),
            ("d.txt", "rubbish"),
            ("e.conf.bak", "rubbish"),
        ],
    ),
    ("service-in-main", "{main}{good}", &[]),
    (
        "service-in-both",
        "{main}{good}",
        &[("a.conf", "[s]\ncheck_rise = 4\n")],
    ),
    (
        "broken-second",
        "{main}",
        &[("a.conf", "{good}"), ("b.conf", "rubbish\n")],
    ),
    (
        "order-of-names",
        "{main}",
        &[
            ("B.conf", "[b]\ncheck_cmd = true\nip_prefix = 10.0.0.1\n"),
            ("a.conf", "[a]\ncheck_cmd = true\nip_prefix = 10.0.0.2\n"),
            ("10.conf", "[a]\ncheck_rise = 9"),
        ],
    ),
    (
        "daemon-inherits",
        "[DEFAULT]\nsplay_startup = 3\nlog_file = {dir}/a.log\nlog_server = ::1\n\
        ipv4 = no\nloglevel = x\n{main}",
        &[("a.conf", "{good}")],
    ),
    (
        "daemon-inherits-bad",
        "[DEFAULT]\nsplay_startup = x\n{main}",
        &[],
    ),
    (
        "daemon-inherits-bad-file",
        "[DEFAULT]\nlog_file = {dir}/none/x\n{main}",
        &[],
    ),
    (
        "default-after",
        "{main}[DEFAULT]\ncheck_rise = 4\n",
        &[("a.conf", "{good}")],
    ),
    (
        "no-daemon-section",
        "[DEFAULT]\npidfile = {dir}/x.pid\nbird_conf = {dir}/bird/p.conf\n",
        &[("a.conf", "{good}")],
    ),
    (
        "own-beats-default",
        "[DEFAULT]\ninterface = eth0\n{main}",
        &[("a.conf", "{good}interface = lo\n")],
    ),
    (
        "two-default-sections",
        "[DEFAULT]\ncheck_rise = 4\n{main}[DEFAULT]\ncheck_fail = 4\n",
        &[("a.conf", "{good}")],
    ),
    ("daemon-twice", "{main}[daemon]\nloglevel = info\n", &[]),
];

/// Order, override and inheritance across files.
pub fn layers(all: &mut Vec<Case>) {
    let good = section("s", SERVICE, "").replace("\n\n", "\n");
    let fill = |text: &str| {
        text.replace("{main}", &main_conf())
            .replace("{good}", &good)
    };
    for (title, main, services) in LAYERS {
        let file = |(name, text): &(&str, &str)| (name.to_string(), fill(text).into_bytes());
        all.push(Case {
            title: title.to_string(),
            main: fill(main).into_bytes(),
            services: services.iter().map(file).collect(),
        });
    }
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
