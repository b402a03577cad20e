//! Several prefixes of one check, several checks of one prefix, and one BIRD for both families.

use crate::support::bgp::BgpLab;
use crate::support::daemon::Daemon;
use crate::support::{Lab, holds_for, status, wait_until};
use crate::{by_socket, real_service, v4, v6};

#[test]
fn one_check_decides_for_all_its_prefixes_together() {
    let lab = Lab::new("several");
    let bgp = BgpLab::new(&lab);
    by_socket(&lab, &bgp, &[]);
    lab.install_checks();
    real_service(
        &lab,
        "web",
        &format!("{}, {}, {}", v6(1), v4(1), v4(2)),
        &[],
    );
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(1)]);
    status::wait_service("web", "up", "passed");
    let told = bgp.reconfigured();
    lab.answer("web", 1);
    bgp.wait_learned(&[]);
    lab.answer("web", 0);
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(1)]);
    assert_eq!(
        bgp.reconfigured() - told,
        2,
        "one reconfiguration for both families"
    );
    // One address less, and the check can't vouch for the others either.
    lab.ip(&format!("addr del {} dev lo", v6(1)));
    bgp.wait_learned(&[]);
    let service = status::service("web");
    assert_eq!(service.cause, "address_missing");
    assert!(service.reason.contains("2001:db8:53::1"), "{service:?}");
    lab.ip(&format!("addr add {} dev lo nodad", v6(1)));
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(1)]);
    daemon.stop();
}

#[test]
fn a_shared_prefix_is_announced_only_while_all_its_services_are_up() {
    let lab = Lab::new("shared");
    let bgp = BgpLab::new(&lab);
    by_socket(&lab, &bgp, &[]);
    lab.install_checks();
    let file = lab.path("off").display().to_string();
    let own = [
        ("shared_prefix", "true"),
        ("maintenance_file", file.as_str()),
    ];
    real_service(&lab, "http", &format!("{}, {}", v4(1), v6(1)), &own[..1]);
    real_service(&lab, "https", &v4(1), &own);
    lab.answer("https", 1);
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v6(1)]);
    lab.answer("https", 0);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    lab.answer("http", 1);
    bgp.wait_learned(&[]);
    lab.answer("https", 1);
    status::wait_service("https", "down", "failed");
    lab.answer("http", 0);
    bgp.wait_learned(&[&v6(1)]);
    lab.answer("https", 0);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    lab.write("off", "");
    bgp.wait_learned(&[&v6(1)]);
    // The one that objects is removed: the other one decides alone, and there is no gap.
    lab.remove("services/https.conf");
    daemon.signal(libc::SIGHUP);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    let moved = bgp.moved();
    // And a second one that comes in addition has no say before its first verdict.
    let check = format!(
        "/bin/sh -c 'until [ -e {}/go ]; do sleep 0.02; done; exit 1'",
        lab.dir().display()
    );
    real_service(
        &lab,
        "again",
        &v4(1),
        &[
            ("shared_prefix", "true"),
            ("check_cmd", &check),
            ("check_timeout", "60"),
        ],
    );
    daemon.signal(libc::SIGHUP);
    daemon.wait_line(&["1 added, 0 removed"]);
    let runs = lab.runs("http").len();
    wait_until("time goes by", || lab.runs("http").len() > runs + 3);
    assert_eq!(bgp.moved(), moved);
    lab.write("go", "");
    bgp.wait_learned(&[&v6(1)]);
    daemon.stop();
}

#[test]
fn one_bird_for_both_families_is_told_once_and_two_each() {
    use crate::support::fake_socket::FakeSocket;
    let both = format!("{}, {}", v4(1), v6(1));
    for same in [true, false] {
        let lab = Lab::new("one-bird");
        let first = FakeSocket::listen(&lab, "one.ctl");
        let second = FakeSocket::listen(&lab, "two.ctl");
        let six = if same { first.path() } else { second.path() };
        lab.daemon(&[
            ("bird_control_socket", &first.path()),
            ("bird6_control_socket", &six),
        ]);
        lab.install_checks();
        lab.service("both", &[("ip_prefix", &both)]);
        let last = if same { &first } else { &second };
        let mut daemon = Daemon::start(&lab);
        first.wait_exports("4", &[&v4(1)]);
        last.wait_exports("6", &[&v6(1)]);
        for (status, four, six) in [(1, vec![], vec![]), (0, vec![v4(1)], vec![v6(1)])] {
            wait_until("settled", || {
                status::ask().is_some_and(|doc| doc.families.iter().all(|family| family.settled))
            });
            let before = (first.commands().len(), second.commands().len());
            lab.answer("both", status);
            wait_until("BIRD knows", || {
                first.exports("4") == four && last.exports("6") == six
            });
            holds_for(
                "and is told no more",
                std::time::Duration::from_millis(300),
                || {
                    let more = (
                        first.commands().len() - before.0,
                        second.commands().len() - before.1,
                    );
                    more.0 <= 1 && more.1 <= usize::from(!same)
                },
            );
        }
        assert!(
            first
                .commands()
                .iter()
                .all(|command| command == "configure")
        );
        assert_eq!(second.commands().is_empty(), same);
        daemon.stop();
    }
}
