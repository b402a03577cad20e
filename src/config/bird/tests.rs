use crate::config::fixture::{checked, complaint};

#[test]
fn the_families_stay_apart() {
    let both = "[daemon]\nipv6 = yes\n";
    let cases = [
        (
            "bird6_conf = /x/new.conf\nbird_conf = /x/new.conf",
            "[daemon] bird6_conf: the same file as bird_conf",
        ),
        (
            "bird_conf = /x/a.conf\nbird6_conf = /x/b.conf\nbird_keep_changes = 1\nbird6_keep_changes = 1",
            "[daemon] bird6_keep_changes: bird_conf and bird6_conf lie in the same directory, \
             so their histories would mix: put one elsewhere",
        ),
        (
            "bird6_variable = A\nbird_variable = A\nbird_control_socket = /a.ctl\nbird6_control_socket = /a.ctl",
            "[daemon] bird6_variable: the same name as bird_variable, although one BIRD reads both files",
        ),
        (
            "bird6_variable = A\nbird_variable = A\nbird_reconfigure_cmd = a  b\nbird6_reconfigure_cmd = a 'b'",
            "[daemon] bird6_variable: the same name as bird_variable, although one BIRD reads both files",
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(complaint(&format!("{both}{lines}")), expected, "{lines}");
    }
    for lines in [
        "bird6_variable = A\nbird_variable = A",
        "bird_conf = /x/a.conf\nbird6_conf = /y/b.conf\nbird_keep_changes = 1\nbird6_keep_changes = 1",
        "bird_conf = /x/a.conf\nbird6_conf = /x/b.conf\nbird6_keep_changes = 1",
    ] {
        assert_eq!(checked(&format!("{both}{lines}")).1, [""; 0], "{lines}");
    }
}

#[test]
fn a_family_that_is_off_needs_nothing() {
    let off = "[daemon]\nipv4 = no\nbird_conf = /missing/x\nbird_variable = 1\nbird_reconfigure_cmd = 'x\ndummy_ip_prefix = y\n";
    let (config, lines) = checked(off);
    assert_eq!(lines, [""; 0]);
    assert_eq!(config.unwrap().daemon.families, [None, None]);
}

#[test]
fn a_bird_that_does_not_include_the_file_is_noticed() {
    let with = |file: &str, variable: &str| {
        checked(&format!(
            "[daemon]\nbird_conf = {file}\nbird_variable = {variable}\nbird_control_socket = /bird.ctl\n"
        ))
        .1
    };
    assert_eq!(
        with("/a.conf", "UNKNOWN"),
        [
            "f:2: [daemon] bird_conf: warning: the running BIRD knows no constant UNKNOWN: \
             has it read a configuration that includes '/a.conf'?"
        ]
    );
    // A file that is not made yet can't be included, and a BIRD that says nothing proves nothing.
    for (file, variable) in [
        ("/new.conf", "UNKNOWN"),
        ("/a.conf", "SILENT"),
        ("/a.conf", "KNOWN"),
    ] {
        assert_eq!(with(file, variable), [""; 0], "{file} {variable}");
    }
}

#[test]
fn a_variable_is_as_long_as_bird_takes_it() {
    let named = |length: usize| format!("[daemon]\nbird_variable = {}\n", "X".repeat(length));
    assert_eq!(checked(&named(63)).1, [""; 0]);
    let why = "[daemon] bird_variable: a name of more than 63 characters is too long for BIRD";
    assert_eq!(complaint(&named(64)), why);
}

#[test]
fn a_history_has_a_directory() {
    let kept = |file: &str| format!("[daemon]\nbird_conf = {file}\nbird_keep_changes = yes\n");
    assert_eq!(checked(&kept("/x/a.conf")).1, [""; 0]);
    let lines = checked(&kept("/readonly/mounted.conf")).1;
    assert!(
        lines[1].starts_with("f:3: [daemon] bird_keep_changes: "),
        "{lines:?}"
    );
}

#[test]
fn each_family_has_its_file() {
    use crate::config::Family;
    use crate::config::bird::family_of_file;
    assert_eq!(family_of_file("bird_conf"), Some(Family::V4));
    assert_eq!(family_of_file("bird6_conf"), Some(Family::V6));
    assert_eq!(family_of_file("bird_variable"), None);
}
