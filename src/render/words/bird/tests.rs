use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::super::tests::says;
use super::super::{level, message};
use super::*;
use crate::config::{CommandLine, Family, Level};
use crate::engine::notice::Notice;
use crate::render::sample::net;

const MS: Duration = Duration::from_millis(5);

#[rustfmt::skip]
#[test]
fn repairs_of_prefix_files() {
    use Level::{Info, Warning};
    let family = Family::V4;
    let path = || "/var/lib/x.conf".into();
    for (again, then) in [
        (true, "it is written again"),
        (
            false,
            "nothing that a check asks for, so it is taken as it is",
        ),
    ] {
        says(
            What::FileChanged {
                family: Family::V4,
                path: "/p".into(),
                again,
            },
            Level::Warning,
            &format!("another program has changed IPv4 prefix file /p: {then}"),
        );
    }
    let repaired = |repair| What::FileRepaired {
        family,
        path: path(),
        repair,
    };
    let start = "IPv4 prefix file /var/lib/x.conf";
    says(
        repaired(Repair::Missing),
        Info,
        &format!("{start} did not exist and is made"),
    );
    for (repair, text) in [
        (Repair::Unreadable("is a directory".to_string()), "cannot be read: is a directory; it is written anew"),
        (Repair::WrongVariable(None), "defines no list of the configured name; it is written anew"),
        (Repair::WrongVariable(Some("OLD".to_string())), "defines OLD and no list of the configured name; it is written anew with the same prefixes"),
        (Repair::DummyMissing, "lacks the dummy prefix, which is put back"),
        (Repair::Malformed("'x' is no prefix".to_string()), "is malformed: 'x' is no prefix; it is written anew"),
    ] {
        says(repaired(repair), Warning, &format!("{start} {text}"));
    }
}

#[test]
fn prefix_files() {
    use Level::{Error, Info, Warning};
    let family = Family::V4;
    let path = || "/var/lib/x.conf".into();
    let start = "IPv4 prefix file /var/lib/x.conf";
    says(
        What::DamagedKept {
            path: path(),
            kept: "/var/lib/x.conf.damaged".into(),
        },
        Warning,
        "prefix file /var/lib/x.conf held more than one list of prefixes: the file as it was is kept as /var/lib/x.conf.damaged",
    );
    let without = |removed| What::WithoutCheck {
        path: path(),
        prefixes: vec![net("10.0.0.1/32"), net("10.0.0.2/32")],
        removed,
    };
    says(
        without(true),
        Warning,
        "prefixes without a check in /var/lib/x.conf: 10.0.0.1/32, 10.0.0.2/32; removed, because of purge_ip_prefixes",
    );
    says(
        without(false),
        Warning,
        "prefixes without a check in /var/lib/x.conf: 10.0.0.1/32, 10.0.0.2/32; left there until the file is next updated",
    );
    let written = |added: Vec<IpNetwork>, removed: Vec<IpNetwork>, left| What::FileWritten {
        family,
        path: path(),
        added,
        removed,
        left,
    };
    let many: Vec<IpNetwork> = (0..500_u32)
        .map(|n| net(&format!("10.0.{}.{}/32", n / 256, n % 256)))
        .collect();
    says(
        written(vec![net("10.0.0.1/32")], vec![net("10.0.0.2/32")], 1),
        Info,
        &format!(
            "{start} written: added 10.0.0.1/32, removed 10.0.0.2/32; 1 prefix beside the dummy"
        ),
    );
    says(
        written(vec![], vec![], 2),
        Info,
        &format!("{start} written: prefixes unchanged; 2 prefixes beside the dummy"),
    );
    let text = message(&Notice::from(written(many, vec![], 500)));
    assert!(
        text.contains("10.0.0.7/32, 492 more; 500 prefixes"),
        "{text}"
    );
    says(
        What::NothingAnnounced { family: Family::V6 },
        Warning,
        "no IPv6 prefix is announced any more: this host draws no IPv6 traffic",
    );
    says(
        What::FileFailed {
            family,
            path: path(),
            cause: "read-only file system".to_string(),
        },
        Error,
        &format!(
            "cannot write {start}: read-only file system; BIRD keeps the old one, and it is tried again"
        ),
    );
    says(
        What::FileRecovered {
            family,
            path: path(),
            attempts: 7,
            after: Duration::from_secs(31),
        },
        Info,
        &format!("{start} written at last, after 7 failures in 31 s"),
    );
}

#[test]
fn reconfigurations() {
    use Level::{Error, Info};
    let done = |accepted| What::Reconfigured {
        families: &Family::ALL,
        accepted,
        took: MS,
    };
    says(
        done(Accepted::Reconfigured),
        Info,
        "BIRD reconfigured for IPv4 and IPv6 (5 ms)",
    );
    says(
        done(Accepted::InProgress),
        Info,
        "BIRD has taken the configuration for IPv4 and IPv6 and is applying it (5 ms)",
    );
    says(
        done(Accepted::Queued),
        Info,
        "BIRD has taken the configuration for IPv4 and IPv6 and applies it after the one in progress (5 ms)",
    );
    let (attempts, after) = (12, Duration::from_secs(61));
    says(
        What::ReconfigureRecovered {
            families: Family::V6.alone(),
            attempts,
            after,
        },
        Info,
        "BIRD reconfigured for IPv6 at last, after 12 failures in 1 min 1 s",
    );
    says(
        What::ReconfigureStillFailing {
            families: &Family::ALL,
            attempts,
            after,
        },
        Error,
        "BIRD still cannot be reconfigured for IPv4 and IPv6: 12 failures in 1 min 1 s; what it announces may not be \
         what the checks ask for",
    );
}

#[rustfmt::skip]
#[test]
fn failed_reconfigurations_come_with_a_hint() {
    let sudo = || {
        Via::Command(CommandLine::of([
            "sudo".to_string(),
            "birdc".to_string(),
            "configure".to_string(),
        ]))
    };
    let socket = || Via::Socket("/run/bird/bird.ctl".into());
    let command = |status, said: &str| Refusal::Command {
        ended: Ended::Exit(status),
        said: said.to_string(),
    };
    let said = |text: &str| Refusal::Said(text.to_string());
    let unreachable = |text: &str| Refusal::Unreachable(text.to_string());
    let connect = "Unable to connect to server control socket (/run/bird/bird.ctl)";
    for (via, refusal, hint) in [
        (sudo(), command(1, &format!("{connect}: Permission denied")), "must be in the group"),
        (sudo(), command(1, &format!("{connect}: Connection refused")), "is BIRD running"),
        (sudo(), command(1, &format!("{connect}: No such file or directory")), "is BIRD running"),
        (sudo(), command(1, "sudo: a password is required"), "NOPASSWD"),
        (sudo(), command(1, "bird is not in the sudoers file."), "NOPASSWD"),
        (sudo(), command(1, "sudo: birdc: command not found"), "installed"),
        (sudo(), command(0, ""), "`Reconfigured` is looked for"),
        (sudo(), command(0, "done"), "`Reconfigured` is looked for"),
        (sudo(), command(0, "x.conf:1:31 syntax error, unexpected ';'"), "`bird -p` checks them"),
        (sudo(), unreachable("cannot start birdc: No such file or directory"), "installed"),
        (sudo(), Refusal::TimedOut, "hangs"),
        (socket(),
         said("/etc/bird.conf:13:43 Unable to open included file /x: No such file or directory"), "bird -p"),
        (socket(), said("/x/root.conf:1:2 Permission denied"), "bird -p"),
        (socket(), said("Access denied"), "restricted"),
        (socket(), said("Reconfiguration ignored, shutting down"), "stopping"),
        (socket(), unreachable("cannot connect: Connection refused (os error 111)"), "is BIRD running"),
        (socket(), unreachable("cannot connect: No such file or directory (os error 2)"), "is BIRD running"),
        (socket(), unreachable("cannot connect: Permission denied (os error 13)"), "must be in the group"),
    ] {
        let what = What::ReconfigureFailed {
            families: Family::V4.alone(),
            via: Rc::new(via),
            refusal,
        };
        assert_eq!(level(&what), Level::Warning);
        let text = message(&Notice::from(what));
        assert!(
            text.starts_with("cannot reconfigure BIRD for IPv4 "),
            "{text}"
        );
        assert!(
            text.contains("; it is tried again (") && text.contains(hint),
            "{text}"
        );
    }
}

#[test]
fn a_hint_is_not_given_twice() {
    let cause = "cannot connect to /run/bird/bird.ctl: Connection refused (is BIRD running?)";
    says(
        What::ReconfigureFailed {
            families: Family::V4.alone(),
            via: Rc::new(Via::Socket("/run/bird/bird.ctl".into())),
            refusal: Refusal::Unreachable(cause.to_string()),
        },
        Level::Warning,
        &format!(
            "cannot reconfigure BIRD for IPv4 over /run/bird/bird.ctl: {cause}; it is tried again"
        ),
    );
}

#[test]
fn failed_reconfigurations_without_a_hint() {
    let sudo = || Via::Command(CommandLine::of(["sudo", "birdc", "configure"]));
    let socket = || Via::Socket("/run/bird/bird.ctl".into());
    let failed = |via, refusal| What::ReconfigureFailed {
        families: &Family::ALL,
        via: Rc::new(via),
        refusal,
    };
    says(
        failed(
            sudo(),
            Refusal::Command {
                ended: Ended::Exit(3),
                said: "odd".to_string(),
            },
        ),
        Level::Warning,
        "cannot reconfigure BIRD for IPv4 and IPv6 by 'sudo birdc configure': exit status 3: odd; it is tried again",
    );
    says(
        failed(socket(), Refusal::Said("Nothing to do".to_string())),
        Level::Warning,
        "cannot reconfigure BIRD for IPv4 and IPv6 over /run/bird/bird.ctl: BIRD says: Nothing to do; it is tried again",
    );
    says(
        failed(
            sudo(),
            Refusal::Command {
                ended: Ended::Signal(9),
                said: String::new(),
            },
        ),
        Level::Warning,
        "cannot reconfigure BIRD for IPv4 and IPv6 by 'sudo birdc configure': killed by SIGKILL, and no output; it is \
         tried again",
    );
}
