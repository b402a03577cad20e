//! The package under a real systemd, as process 1 of namespaces of its own: booted/boot makes them, booted/scenario
//! is what happens there. Some half a minute, and only as root on a machine with systemd, overlayfs and cgroups that
//! can be made; skipped with a reason anywhere else.

use crate::tools::{BINARY, Dir, NAME, command, make, read, run, source};

#[test]
fn an_operator_installs_runs_upgrades_and_purges_under_systemd() {
    let dir = Dir::new("booted");
    let binary = dir.at(NAME);
    run(command("strip").arg("-o").arg(&binary).arg(BINARY)).silent();
    for version in ["1.0.0", "1.0.1", "1.0.2"] {
        run(make("deb")
            .env("SOURCE_DATE_EPOCH", "1750000000")
            .arg(format!("DIST={}", dir.path().display()))
            .arg(format!("VERSION={version}"))
            .arg(format!("BIN={}", binary.display())))
        .ok();
    }
    run(command("cp")
        .arg(source("tests/contrib/booted/scenario"))
        .arg(dir.path()))
    .silent();
    let done = run(command(source("tests/contrib/booted/boot")).arg(dir.path()));
    if done.code == 77 {
        println!("{}", done.out.trim());
        return;
    }
    let report = dir.at("report");
    assert!(report.exists(), "it did not boot: {}{}", done.out, done.err);
    let report = read(report);
    assert_eq!(report.lines().last(), Some("done"), "{report}");
}
