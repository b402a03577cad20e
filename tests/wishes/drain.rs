//! `--drain` and `--undrain`: when the one returns, BIRD knows; when the other does, the checks count again.

use std::process::Output;

use crate::support::bgp::BgpLab;
use crate::support::daemon::{Daemon, PROGRAM, finish};
use crate::support::{Lab, status};
use crate::{by_socket, real_service, v4, v6};

fn order(lab: &Lab, option: &str, service: &str) -> (Option<i32>, String) {
    let mut command = lab.command(PROGRAM);
    command.arg("-f").arg(lab.path("main.conf"));
    command.arg("-d").arg(lab.path("services"));
    command.args([option, service]);
    let Output {
        status,
        stdout,
        stderr,
    } = finish(command);
    let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    (status.code(), said.into_owned())
}

#[test]
fn draining_returns_when_bird_knows_and_undraining_when_checks_count_again() {
    let lab = Lab::new("drain");
    let bgp = BgpLab::new(&lab);
    by_socket(&lab, &bgp, &[]);
    lab.install_checks();
    let file = lab.path("off").display().to_string();
    let own = [("maintenance_file", file.as_str()), ("check_rise", "3")];
    real_service(&lab, "web", &format!("{}, {}", v4(1), v6(1)), &own);
    real_service(&lab, "dns", &v4(2), &[]);
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(1)]);
    for _ in 0..2 {
        let (code, said) = order(&lab, "--drain", "web");
        let known = (bgp.exported("4"), bgp.exported("6"));
        assert_eq!((code, known), (Some(0), (vec![v4(2)], vec![])), "{said}");
        assert!(said.contains("web"), "{said}");
        assert!(lab.path("off").exists());
        status::wait_service("web", "down", "maintenance");
        bgp.wait_learned(&[&v4(2)]);
        // Twice is once.
        assert_eq!(order(&lab, "--drain", "web").0, Some(0));
        // This one does not wait for check_rise, and says so.
        let (code, said) = order(&lab, "--undrain", "web");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("rises when"), "{said}");
        assert!(!status::service("web").maintenance);
        assert!(!lab.path("off").exists());
        bgp.wait_learned(&[&v4(1), &v4(2), &v6(1)]);
        assert_eq!(order(&lab, "--undrain", "web").0, Some(0));
    }
    // What has no maintenance file, and what does not exist, is refused; nothing moves.
    let moved = bgp.moved();
    for (service, words) in [("dns", "maintenance_file"), ("nobody", "nobody")] {
        let (code, said) = order(&lab, "--drain", service);
        assert_ne!(code, Some(0), "{said}");
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(bgp.moved(), moved);
    daemon.stop();
    // The file is the order: a daemon that starts later obeys it.
    let (code, said) = order(&lab, "--drain", "web");
    assert!(
        lab.path("off").exists() && code != Some(0),
        "{code:?}: {said}"
    );
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(2)]);
    daemon.stop();
}
