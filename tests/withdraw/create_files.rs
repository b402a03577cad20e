//! `--create-files`: what BIRD includes is there before BIRD starts, and announces nothing that is not known to be up.

use super::*;

const IPV4: &str = "10.189.200.255/32\n    ];\n";

#[test]
fn missing_files_are_made_and_nothing_else_is_touched() {
    let lab = host("create", &[("ipv6", "true")]);
    lab.write("4/prefixes.conf", "anything\n");
    let output = order(&lab, &["--create-files"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
    assert_eq!(lab.read("4/prefixes.conf"), "anything\n");
    let made = lab.read("6/prefixes.conf");
    assert!(
        made.ends_with("define ACAST6_PS_ADVERTISE =\n    [\n        2001:db8::1/128\n    ];\n")
    );
    let mode = fs::metadata(lab.path("6/prefixes.conf"))
        .expect("made")
        .mode();
    assert_eq!(mode & 0o777, 0o644, "BIRD must be able to read it");
    assert_eq!(
        (lab.list("4"), lab.list("6")),
        (vec!["prefixes.conf".into()], vec!["prefixes.conf".into()])
    );
    assert!(!lab.path("pid").exists() && !lab.path("pid.boot-id").exists());
}

#[test]
fn a_file_that_cannot_be_made_is_a_failure_and_the_other_one_is_made() {
    let lab = host(
        "create-fails",
        &[("ipv6", "true"), ("bird6_conf", "/missing/6.conf")],
    );
    lab.remove("4/prefixes.conf");
    let output = order(&lab, &["--create-files"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("bird6_conf: directory '/missing' does not exist"),
        "{said}"
    );
    assert!(lab.read("4/prefixes.conf").ends_with(IPV4));
}

#[test]
fn lists_are_emptied_once_a_boot() {
    let lab = host("create-empty", &[]);
    succeeds(&order(&lab, &["--create-files", "--empty"]), "emptied ");
    assert!(withdrawn(&lab) && lab.read("4/prefixes.conf").ends_with(IPV4));
    // BIRD is restarted later.
    lab.write("4/prefixes.conf", LIST);
    succeeds(&order(&lab, &["--create-files", "--empty"]), "");
    assert!(!withdrawn(&lab));
    // The marker is of another boot.
    lab.write("pid.boot-id", "00000000-0000-0000-0000-000000000000\n");
    succeeds(&order(&lab, &["--create-files"]), "");
    assert!(!withdrawn(&lab), "only if it is asked for");
    succeeds(&order(&lab, &["--create-files", "--empty"]), "emptied ");
    assert!(withdrawn(&lab));
}

#[test]
fn a_daemon_that_runs_keeps_its_list() {
    let lab = host("create-running", &[]);
    let _bird = FakeBird::install(&lab);
    let mut daemon = start(&lab);
    succeeds(&order(&lab, &["--create-files", "--empty"]), "");
    assert_eq!(lab.announced("4"), [WEB]);
    daemon.stop();
}

#[test]
fn a_boot_that_cannot_be_remembered_empties_nothing() {
    let lab = host("create-marker", &[("pidfile", "/missing/pid")]);
    let output = order(&lab, &["--create-files", "--empty"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!withdrawn(&lab));
}

#[test]
fn files_belong_to_the_owner_of_their_directory() {
    let lab = host("create-owner", &[]);
    fs::set_permissions(lab.dir(), fs::Permissions::from_mode(0o777)).expect("chmod");
    chown(lab.path("4"), Some(OTHER), Some(OTHER)).expect("chown");
    lab.remove("4/prefixes.conf");
    succeeds(&order(&lab, &["--create-files"]), "");
    let made = fs::metadata(lab.path("4/prefixes.conf")).expect("made");
    assert_eq!((made.uid(), made.gid()), (OTHER, OTHER));
    // A link of that user leads root nowhere.
    let victim = lab.path("made-by-root");
    lab.remove("4/prefixes.conf");
    fs::set_permissions(lab.dir(), fs::Permissions::from_mode(0o755)).expect("chmod");
    symlink(&victim, lab.path("4/prefixes.conf")).expect("symlink");
    order(&lab, &["--create-files", "--empty"]);
    assert!(!victim.exists());
}
