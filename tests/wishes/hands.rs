//! Another hand on the prefix file: seen, said and put right within a second, at the peer as well.

use std::fs;
use std::process::Command;

use crate::support::bgp::BgpLab;
use crate::support::daemon::Daemon;
use crate::support::{Lab, holds_for, status, wait_within};
use crate::{by_socket, real_service, v4, v6};
use std::time::Duration;

/// The promise is a second; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(3);

const CHANGED: &[&str] = &["WARNING", "another program has changed IPv4 prefix file"];

#[test]
fn what_another_program_makes_of_the_list_is_put_right_within_a_second() {
    let lab = Lab::new("hands");
    let bgp = BgpLab::new(&lab);
    by_socket(&lab, &bgp, &[]);
    lab.install_checks();
    real_service(&lab, "web", &v4(1), &[("check_interval", "60")]);
    real_service(&lab, "dns", &v6(1), &[("check_interval", "60")]);
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    let list = lab.path("4/prefixes.conf");
    let right = || lab.announced("4") == [v4(1)];
    let settled = || status::ask().is_some_and(|document| document.families[0].settled);

    // As configuration management does it, which tells BIRD as well.
    let (_, before) = bgp.moved();
    let sed = Command::new("sed")
        .args(["-i", "s|10.1.0.1/32|10.1.0.99/32|"])
        .arg(&list)
        .status();
    assert!(sed.expect("sed runs").success());
    bgp.node(&["configure"]);
    wait_within("the route is back", SOON, || {
        bgp.learned() == [v4(1), v6(1)] && right() && settled()
    });
    let (_, after) = bgp.moved();
    assert!(after <= before + 1, "it was gone once at most");
    daemon.wait_line(CHANGED);

    // Whatever else becomes of the file, and however often.
    let directory = lab.path("4");
    let away = lab.path("away");
    let violence: [&dyn Fn(); 4] = [
        &|| fs::remove_file(&list).expect("rm"),
        &|| fs::rename(&list, lab.path("elsewhere")).expect("mv"),
        &|| fs::write(&list, "").expect("truncate"),
        &|| {
            fs::rename(&directory, &away).expect("mv");
            holds_for("BIRD keeps the route", Duration::from_millis(300), || {
                bgp.learned() == [v4(1), v6(1)]
            });
            fs::rename(&away, &directory).expect("mv");
            fs::write(&list, "").expect("truncate");
        },
    ];
    for does in violence {
        does();
        // Each time it takes twice as long until it is looked at: these come one after the other.
        wait_within("the file is as it was", Duration::from_secs(12), || {
            right() && settled()
        });
    }
    bgp.node(&["configure"]);
    assert_eq!(bgp.learned(), [v4(1), v6(1)]);
    let lines = daemon.out.with(CHANGED);
    assert_eq!(lines.len(), 1, "once a minute: {lines:?}");
    daemon.stop();
}
