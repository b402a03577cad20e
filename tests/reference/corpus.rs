//! The configurations: what real files contain, what they get wrong, and what nobody should write.
//!
//! Most stand in `tests/data/config/corpus.txt`, one a line; what takes whole files is in `files.rs`. `{dir}`
//! stands for the directory of the case, in which `bird/`, `bird/6/`, `metrics/` and the service directory
//! `d/` exist.

#[path = "files.rs"]
mod files;

const LISTED: &str = include_str!("../data/config/corpus.txt");

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
pub const SERVICE: &[(&str, &str)] = &[("check_cmd", "/bin/true"), ("ip_prefix", "10.0.0.1/32")];

/// A section with these lines, and with those of `base` whose option the lines do not set.
pub fn section(name: &str, base: &[(&str, &str)], lines: &str) -> String {
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

pub fn main_conf() -> String {
    section("daemon", DAEMON, "")
}

pub fn case(title: String, main: impl Into<Vec<u8>>, service: impl Into<Vec<u8>>) -> Case {
    Case {
        title,
        main: main.into(),
        services: vec![("s.conf".to_string(), service.into())],
    }
}

/// The lines that are added to a good section.
fn listed(all: &mut Vec<Case>) {
    for title in LISTED.lines() {
        let added = |name: &str| title.strip_prefix(name).map(unescape);
        if let Some(lines) = added("[daemon] ") {
            let main = section("daemon", DAEMON, &lines);
            all.push(case(title.to_string(), main, section("s", SERVICE, "")));
        } else if let Some(lines) = added("[s] ") {
            let text = section("s", SERVICE, &lines);
            all.push(case(title.to_string(), main_conf(), text));
        } else {
            assert!(title.is_empty() || title.starts_with("# "), "{title}");
        }
    }
    for length in [60_000, 600_000] {
        let text = section("s", SERVICE, &format!("weight = {}", "x".repeat(length)));
        all.push(case(format!("a line of {length}"), main_conf(), text));
    }
}

/// Undoes the escapes of the list.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some('u')) => {
                let code: String = chars.by_ref().skip(2).take_while(|c| *c != '}').collect();
                let code = u32::from_str_radix(&code, 16).expect("a hexadecimal number");
                out.extend(char::from_u32(code));
            }
            ('\\', Some(_)) => out.push(match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('0') => '\0',
                Some('\\') => '\\',
                other => panic!("unknown escape {other:?} in {text}"),
            }),
            _ => out.push(c),
        }
    }
    out
}

pub fn all() -> Vec<Case> {
    let mut all = Vec::new();
    listed(&mut all);
    owners(&mut all);
    files::whole(&mut all);
    files::incomplete(&mut all);
    files::defaults(&mut all);
    files::layers(&mut all);
    files::examples(&mut all);
    random(&mut all);
    all
}

/// Who may have which prefix.
fn owners(all: &mut Vec<Case>) {
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

/// What matters to the reader. Line feeds stand there often, since they matter most.
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

/// Files made of what matters to the reader, in random order, always the same.
fn random(all: &mut Vec<Case>) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for number in 0..200 {
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
