//! The examples for BIRD, each read by the BIRD it is for: 1.6 and 2 of Debian 12, 3 of Debian 13.
//!
//! The example for BIRD 3 promises that BIRD 2 reads it as well.

use std::path::Path;

use crate::tools::{Dir, command, read, run, source, unpacked};

const V4: &str = "/var/lib/anycast-healthchecker/anycast-prefixes.conf";
const V6: &str = "/var/lib/anycast-healthchecker/6/anycast-prefixes.conf";

/// Has `bird` parse the example with prefix files as the daemon writes them.
fn parse(bird: &Path, example: &str, extra: &str) -> crate::tools::Done {
    let dir = Dir::new("bird");
    let v4 = dir.write(
        "4.conf",
        "# comment\ndefine ACAST_PS_ADVERTISE =\n    [\n        10.189.200.255/32,\n        10.52.12.1/32\n    ];\n",
    );
    let v6 = dir.write(
        "6.conf",
        "define ACAST6_PS_ADVERTISE =\n    [\n        2001:db8::1/128\n    ];\n",
    );
    let text = read(source(example))
        .replace(V4, &v4.display().to_string())
        .replace(V6, &v6.display().to_string());
    assert!(
        !text.contains("/var/lib/"),
        "{example} includes a file that the daemon does not write by default"
    );
    let conf = dir.write("bird.conf", &format!("{text}{extra}"));
    run(command(bird).arg("-p").arg("-c").arg(conf))
}

#[test]
fn bird_1_6_reads_its_examples() {
    parse(&unpacked("bird"), "contrib/bird/1.6/bird.conf", "").ok();
    parse(&unpacked("bird6"), "contrib/bird/1.6/bird6.conf", "").ok();
}

#[test]
fn bird_2_reads_the_examples_for_2_and_3() {
    for example in ["contrib/bird/2/bird.conf", "contrib/bird/3/bird.conf"] {
        parse(Path::new("bird"), example, "").ok();
    }
}

#[test]
fn bird_3_reads_its_example() {
    parse(&unpacked("bird3"), "contrib/bird/3/bird.conf", "").ok();
}

#[test]
fn a_mistake_in_an_example_would_be_noticed() {
    let broken = "protocol bgp broken { neighbor; }\n";
    for (bird, example) in [
        (unpacked("bird"), "contrib/bird/1.6/bird.conf"),
        ("bird".into(), "contrib/bird/2/bird.conf"),
        (unpacked("bird3"), "contrib/bird/3/bird.conf"),
    ] {
        let said = parse(&bird, example, broken).exits(1);
        assert!(said.err.contains("bird.conf:"), "{bird:?}: {}", said.err);
    }
}

/// The examples use the names and dummies that the daemon has by default.
#[test]
fn the_examples_agree_with_the_defaults() {
    let tmpfiles = read(source("contrib/systemd/anycast-healthchecker.tmpfiles"));
    for example in [
        "1.6/bird.conf",
        "1.6/bird6.conf",
        "2/bird.conf",
        "3/bird.conf",
    ] {
        let text = read(source("contrib/bird").join(example));
        let six = example != "1.6/bird.conf";
        let four = example != "1.6/bird6.conf";
        for (wanted, path, variable, dummy) in [
            (four, V4, "ACAST_PS_ADVERTISE", "10.189.200.255/32"),
            (six, V6, "ACAST6_PS_ADVERTISE", "2001:db8::1/128"),
        ] {
            let include = format!("include \"{path}\";");
            let export = format!("net ~ {variable} && net != {dummy} then accept");
            assert_eq!(text.contains(&include), wanted, "{example}: {include}");
            assert_eq!(text.contains(&export), wanted, "{example}: {export}");
            let made = format!(
                "f {path} 0644 anycast-healthchecker anycast-healthchecker - define {variable} = [ {dummy} ];"
            );
            assert!(tmpfiles.contains(&made), "tmpfiles.d lacks {made}");
        }
    }
}
