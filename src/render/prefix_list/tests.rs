use std::time::Instant;

use super::*;
use crate::config::{CommandLine, Via};
use crate::sorted::Set;

const DUMMY4: &str = "10.189.200.255/32";

fn net(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

fn nets(texts: &[&str]) -> Set<IpNetwork> {
    texts.iter().copied().map(net).collect()
}

fn family(variable: &str, dummy: &str) -> FamilyConfig {
    FamilyConfig {
        prefix_file: "/var/lib/x/prefixes.conf".into(),
        variable: variable.to_string(),
        via: Via::Command(CommandLine::of(["true".to_string()])),
        dummy: net(dummy),
        history: None,
    }
}

fn stamp() -> Calendar {
    Calendar {
        year: 2026,
        month: 11,
        day: 3,
        hour: 5,
        minute: 46,
        second: 7,
        micros: 339_709,
        offset: -12_600,
    }
}

fn written(config: &FamilyConfig, prefixes: &Set<IpNetwork>, pid: u32) -> String {
    let mut out = "what was there".to_string();
    write(&mut out, config, prefixes, &stamp(), pid);
    out
}

fn read4(text: &str) -> FoundFile {
    read(text.as_bytes(), Family::V4, "X", &net(DUMMY4))
}

/// The prefixes must be these and the complaint must hold this text.
fn malformed(text: &str, prefixes: &[&str], complaint: &str) {
    let found = read4(text);
    assert_eq!(found.prefixes, nets(prefixes), "{text:?}");
    match found.repair {
        Some(Repair::Malformed(what)) => assert!(what.contains(complaint), "{text:?}: {what}"),
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn written_as_bird_reads_it() {
    let text = written(
        &family("ACAST_PS_ADVERTISE", DUMMY4),
        &nets(&["192.0.2.1/32", "10.0.0.0/8", DUMMY4]),
        4711,
    );
    assert_eq!(
        text,
        include_str!("../../../tests/data/render/prefixes4.conf")
    );
    let text = written(
        &family("ACAST6_PS_ADVERTISE", "2001:db8::1/128"),
        &Set::new(),
        1,
    );
    assert_eq!(
        text,
        include_str!("../../../tests/data/render/prefixes6.conf")
    );
}

#[test]
fn a_prefix_is_written_as_display_does_it() {
    for octet in 0..=255u8 {
        let prefix = format!("{octet}.0.{octet}.1/{}", octet % 33);
        let mut out = String::new();
        push(&mut out, &net(&prefix));
        assert_eq!(out, prefix);
    }
    let mut out = String::new();
    push(&mut out, &net("2001:db8::1/128"));
    assert_eq!(out, "2001:db8::1/128");
}

#[test]
fn what_is_written_is_read_back() {
    let sets: [&[&str]; 4] = [
        &[],
        &["10.0.0.1/32"],
        &["0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32"],
        &["10.1.0.0/16", "10.1.0.0/17", "10.1.0.1/32"],
    ];
    for set in sets {
        let prefixes = nets(set);
        let text = written(&family("X", DUMMY4), &prefixes, 1);
        let repair = None;
        assert_eq!(read4(&text), FoundFile { prefixes, repair });
    }
    let dummy = net("2001:db8::1/128");
    let prefixes = nets(&["::/0", "2001:db8::/32", "::ffff:1.2.3.4/128", "fe80::1/128"]);
    let text = written(&family("Y_6", "2001:db8::1/128"), &prefixes, 1);
    let repair = None;
    let found = read(text.as_bytes(), Family::V6, "Y_6", &dummy);
    assert_eq!(found, FoundFile { prefixes, repair });
}

#[test]
fn every_form_that_bird_takes_is_read_without_complaint() {
    let d = DUMMY4;
    for text in [
        format!("define X = [ {d}, 10.0.0.1/32 ];"),
        format!("define X=[{d},10.0.0.1/32];"),
        format!("define X=[10.0.0.1/32,{d}];"),
        format!("define\nX\n=\n[\n{d}\n,\n10.0.0.1/32\n]\n;\n"),
        format!("\tdefine X =\t[\n\t{d},\n\t10.0.0.1/32\n\t];;"),
        format!("# c ] ;\ndefine X = [ # [\n {d}, # 10.0.0.7/32,\n 10.0.0.1/32 # a, b\n ]; # end"),
        format!(
            "/* define X = [ */ define /**/ X/* */= [ {d}/* , 10.0.0.2/32\n */, 10.0.0.1/32 ];"
        ),
        format!("define X = [ {d}, 10.0.0.1/32, 10.0.0.1/32, {d} ];"),
        format!("define X = [ {d}, 010.00.0.1/032 ];"),
        format!("define X = [ {d}, 10.0.0.1 /32 ];"),
        format!("define X = [ {d}, 10.0.0.1/ 32 ];"),
        format!("define 'X' = [ {d}, 10.0.0.1/32 ];"),
        format!("define'X'=[{d},10.0.0.1/32];"),
        format!("define A = 5; define X = [ {d}, 10.0.0.1/32 ]; define B = \"a;]\";"),
        format!(
            "define Y = [ 10.0.0.9/32 ]; define X = [ {d}, 10.0.0.1/32 ]; define Z = [ ::/0 ];"
        ),
        format!("# caf\u{e9} \u{1f600}\ndefine X = [ {d}, 10.0.0.1/32 ];"),
    ] {
        let found = read4(&text);
        assert_eq!(found.repair, None, "{text}");
        assert_eq!(found.prefixes, nets(&["10.0.0.1/32"]), "{text}");
    }
    let dummy = net("2001:db8::1/128");
    let text = "define X = [ 2001:DB8:0:0::1/128, FE80::/10, ::1.2.3.4/128 ];";
    let found = read(text.as_bytes(), Family::V6, "X", &dummy);
    assert_eq!(found.prefixes, nets(&["fe80::/10", "::102:304/128"]));
    assert_eq!(found.repair, None);
}

#[test]
fn a_dummy_that_is_missing_is_seen() {
    for (text, prefixes) in [
        ("define X = [ 10.0.0.1/32 ];", nets(&["10.0.0.1/32"])),
        ("define X = [ ];", nets(&[])),
        ("define X=[];", nets(&[])),
    ] {
        let repair = Some(Repair::DummyMissing);
        assert_eq!(read4(text), FoundFile { prefixes, repair });
    }
}

#[test]
fn another_name_keeps_its_prefixes() {
    for (text, name) in [
        (format!("define OLD = [ {DUMMY4}, 10.0.0.1/32 ];"), "OLD"),
        ("define x = [ 10.0.0.1/32 ];".to_string(), "x"),
        (
            "define A = [ 10.0.0.1/32 ]; define B = [ ::/0 ];".to_string(),
            "A",
        ),
    ] {
        let found = read4(&text);
        assert_eq!(found.prefixes, nets(&["10.0.0.1/32"]));
        let repair = Some(Repair::WrongVariable(Some(name.to_string())));
        assert_eq!(found.repair, repair);
    }
    let none = Some(Repair::WrongVariable(None));
    for text in ["", "\n\n", "# only a comment", "define A = 1;"] {
        assert_eq!(read4(text).repair, none, "{text:?}");
    }
}

#[test]
fn patterns_and_addresses_are_kept_and_named() {
    for (item, kept) in [
        ("10.0.0.1/32+", "10.0.0.1/32"),
        ("10.0.0.0/8-", "10.0.0.0/8"),
        ("10.0.0.0/8 +", "10.0.0.0/8"),
        ("10.0.0.0/8{8,24}", "10.0.0.0/8"),
        ("10.0.0.0/8{ 8 , 24 }", "10.0.0.0/8"),
        ("10.0.0.0/8{/* from */8,24}", "10.0.0.0/8"),
        ("10.0.0.0/8{8,24", "10.0.0.0/8"),
    ] {
        malformed(
            &format!("define X = [ {DUMMY4}, {item} ];"),
            &[kept],
            "is a pattern",
        );
    }
    malformed(
        "define X = [ 10.0.0.0/8{8,24}, 10.0.0.1/32 ];",
        &["10.0.0.0/8", "10.0.0.1/32"],
        "is a pattern",
    );
    malformed(
        "define X = [ 10.0.0.1 ];",
        &["10.0.0.1/32"],
        "has no length",
    );
}

#[test]
fn what_bird_refuses_is_named_and_the_rest_is_kept() {
    let kept = &["10.0.0.1/32"];
    for (list, complaint) in [
        (
            "10.0.0.1/32, 10.0.0.1/24",
            "'10.0.0.1/24' has host bits set",
        ),
        ("::/0, 10.0.0.1/32", "'::/0' is of the other address family"),
        ("10.0.0.1/32, 10.0.0.1/33", "'10.0.0.1/33' is no prefix"),
        ("10.0.0.256/32, 10.0.0.1/32", "'10.0.0.256/32' is no prefix"),
        ("10.0.0.1/32,", "a comma behind the last"),
        (", 10.0.0.1/32", "a comma without a prefix"),
        ("10.0.0.1/32,, 10.0.0.1/32", "a comma without a prefix"),
        ("10.0.0.1/32 10.0.0.1/32", "no comma behind '10.0.0.1/32'"),
        ("10.0.0.1/32 a b c d e f g", "no comma behind '10.0.0.1/32'"),
        (
            "10.0.0.1/32, \u{1f600}\u{9b}",
            "'\u{1f600}\\x9b' is no prefix",
        ),
        ("10.0.0.1/32\r\n", "\\x0d"),
        ("10.0.0.1/32\0", "\\x00"),
        ("\r10.0.0.1/32\0", "\\x0d"),
        ("= 10.0.0.1/32", "'=' in the list"),
        ("10.0.0.1/32, /", "'/' is no prefix"),
        ("10.0.0.1/32, 10.0.0.0/8x", "is no prefix"),
        ("10.0.0.1/32, 10.0.0.+1/32", "is no prefix"),
        ("10.0.0.1/32, 10..0.1/32", "is no prefix"),
        ("10.0.0.1/32, 1.2.3/8", "is no prefix"),
        ("10.0.0.1/32, 1.2.3.4.5/8", "is no prefix"),
        ("10.0.0.1/32, 10.0.0.0/255.0.0.0", "is no prefix"),
        ("10.0.0.1/32, 10.# c\n0.0.0/8", "no comma behind '10.'"),
        ("10.0.0.1/32 /* /* */", "a comment within a comment"),
        ("10.0.0.1/32 = 5", "'=' in the list"),
    ] {
        malformed(&format!("define X = [ {list} ];"), kept, complaint);
    }
}

#[test]
fn wrong_statements_are_named() {
    let kept = &["10.0.0.1/32"];
    for (text, complaint) in [
        ("define X = [ 10.0.0.1/32 ]", "no ';' behind the list"),
        (
            "define X = [ 10.0.0.1/32 ] define Y = 1;",
            "no ';' behind the list",
        ),
        ("define X = [ 10.0.0.1/32", "ends inside the list"),
        ("define X = [ 10.0.0.1/32;", "';' in the list"),
        (
            "define X = [ 10.0.0.1/32; 10.0.0.2/32 ];",
            "';' in the list",
        ),
        (
            "define Y = [ 10.0.0.3/32 ] define X = [ 10.0.0.1/32 ];",
            "no ';' behind the list",
        ),
        (
            "define X = [ 10.0.0.1/32 ]; define X = [ ];",
            "'X' is defined twice",
        ),
        ("define X = [ 10.0.0.1/32 ]; /* ", "a comment without end"),
        (
            "define X = [ 10.0.0.1/32 ]; protocol device { }",
            "'protocol' where",
        ),
        (
            "filter f { accept; } define X = [ 10.0.0.1/32 ];",
            "'filter' where",
        ),
        (
            "function f() { return 1; }define X = [ 10.0.0.1/32 ];",
            "'function' where",
        ),
        (
            "define A = 5 define X = [ 10.0.0.1/32 ];",
            "no ';' in front of a define",
        ),
        ("define X = [ 10.0.0.1/32 ]; ]", "']' where a define"),
        ("define X = [ 10.0.0.1/32 ]; define", "without a name"),
        ("define X = [ 10.0.0.1/32 ]; define Y", "no '='"),
        ("define X = [ 10.0.0.1/32 ]; define '", "define ''"),
        ("define X = [ 10.0.0.1/32 ]; define Y = ;", "has no value"),
        ("define X = [ 10.0.0.1/32 ]; define Y = 5", "without end"),
        (
            "\u{feff}define A = 1; define X = [ 10.0.0.1/32 ];",
            "where a define",
        ),
        ("// no\n; define X = [ 10.0.0.1/32 ];", "'//' where"),
    ] {
        malformed(text, kept, complaint);
    }
    malformed("define X = 10.0.0.0/8;", &[], "'X' is not a list");
}

#[test]
fn a_long_word_is_quoted_in_part() {
    let text = format!("define X = [ {} ];", "z".repeat(5000));
    let Some(Repair::Malformed(what)) = read4(&text).repair else {
        panic!("not malformed");
    };
    assert_eq!(what, format!("'{}…' is no prefix", "z".repeat(QUOTED_MAX)));
    let longest = "z".repeat(QUOTED_MAX);
    let complaint = format!("'{longest}' is no prefix");
    malformed(&format!("define X = [ {longest} ];"), &[], &complaint);
}

/// Every text of five pieces of this vocabulary is read without a panic, and reading what would be written
/// for the result gives the same prefixes.
#[test]
fn all_short_texts_are_survived() {
    const PIECES: [&[u8]; 11] = [
        b"define ",
        b"X",
        b"=",
        b"[",
        b"]",
        b";",
        b",",
        b"10.0.0.0/8",
        b"/*",
        b"{'",
        b"\xff\0",
    ];
    let dummy = net(DUMMY4);
    let mut text = Vec::new();
    for mut number in 0..11_usize.pow(5) {
        text.clear();
        for _ in 0..5 {
            text.extend_from_slice(PIECES[number % PIECES.len()]);
            number /= PIECES.len();
        }
        let found = read(&text, Family::V4, "X", &dummy);
        assert!(found.prefixes.len() <= 1);
        // A text so short holds no whole list with the dummy.
        assert!(found.repair.is_some());
    }
}

#[test]
fn a_cut_file_loses_at_most_what_was_cut() {
    let text = include_bytes!("../../../tests/data/render/prefixes4.conf");
    let all = nets(&["192.0.2.1/32", "10.0.0.0/8"]);
    for end in 0..text.len() {
        let found = read(&text[..end], Family::V4, "ACAST_PS_ADVERTISE", &net(DUMMY4));
        // A cut may shorten the last length or address, but the ones before it stand.
        assert!(
            found
                .prefixes
                .iter()
                .filter(|prefix| !all.contains(prefix))
                .count()
                <= 1
        );
        assert_eq!(found.repair.is_some(), end < text.len() - 1, "{end}");
    }
}

#[test]
fn time_is_linear_in_the_length() {
    for piece in [
        "a ",
        "define X=[",
        "/* ",
        "{",
        "'",
        "\"",
        "10.0.0.1/32,",
        "#",
        "=",
        "\r",
    ] {
        let text = piece.repeat(1_000_000 / piece.len());
        let start = Instant::now();
        read4(&text);
        // A million bytes take some 50 ms in a debug build; a quadratic reader would need minutes.
        assert!(start.elapsed().as_secs() < 5, "{piece:?}");
    }
}

/// Another part of BIRD's configuration is told from a list that was damaged, and by its line.
#[test]
fn what_else_bird_reads_is_never_taken_for_a_list() {
    for (text, line, word) in [
        ("router id 10.0.0.1;\n", 1, "router"),
        ("# bird.conf\n\nlog syslog all;", 3, "log"),
        ("define A = 5;\ninclude \"/etc/x\";\n", 2, "include"),
        (
            "define A = [ 10.0.0.1/32 ];\nprotocol bgp { }\n",
            2,
            "protocol",
        ),
        (
            "/* two\nlines */ template bgp t { local as 1; }",
            2,
            "template",
        ),
        (
            "define A = [\n 10.0.0.1/32,\nfilter f { accept; }\n",
            3,
            "filter",
        ),
        (
            "define A = 1\nfunction f() { return true; }\n",
            2,
            "function",
        ),
        ("timeformat protocol iso long;", 1, "timeformat"),
        ("ipv4 table t4;", 1, "ipv4"),
        ("unknown { a; }\nlog syslog all;", 2, "log"),
    ] {
        let word = word.to_string();
        let found = judge(text.as_bytes());
        assert_eq!(found, Content::Foreign { line, word }, "{text}");
    }
    for text in [
        "rubbish\n",
        "define A = [ 10.0.0.1/32",
        "define A = [ 10.0.0.1/32, ];\n",
        "define A = [ 10.0.0.1/32 ];\ndefine B = [ 10.0.0.2/32 ];\n",
        "define A = 5;\n",
        "a word like filter or log in the middle\n",
        "define A = [ 10.0.0.1/32, table, 10.0.0.2/32 ];\n",
    ] {
        assert_eq!(judge(text.as_bytes()), Content::Damaged, "{text}");
    }
    for text in [
        "",
        "# protocol bgp { }\n",
        "define OLD_NAME = [ 10.0.0.1/32, 10.0.0.2/32 ];\n",
        "define 'filter' = [ 10.0.0.1/32 ];\n",
        "define A = [ 2001:db8::1/128 ];\n",
    ] {
        assert_eq!(judge(text.as_bytes()), Content::List, "{text}");
    }
}

#[test]
fn what_is_foreign_is_shown_by_its_place() {
    let words = foreign(3, "log");
    assert!(words.starts_with("its line 3 begins a statement of BIRD's configuration with 'log'"));
}
