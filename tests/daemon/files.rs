//! The prefix files: read liberally, repaired, replaced whole, with a history.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Command;

use crate::support::daemon::{Daemon, run};
use crate::support::fake_bird::FakeBird;
use crate::support::prefixes::{DUMMY4, is_whole, listed};
use crate::support::sys::Watch;
use crate::support::{Lab, wait_until};

/// A lab with `web` (10.1.0.1) and `dns` (10.1.0.2), whose first verdicts need many runs: until then what is announced
/// stays as it is.
fn undecided(name: &str) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("ipv6", "false")]);
    for (service, prefix) in [("web", "10.1.0.1/32"), ("dns", "10.1.0.2/32")] {
        lab.service(
            service,
            &[
                ("ip_prefix", prefix),
                ("check_interval", "30"),
                ("check_rise", "9"),
                ("check_fail", "9"),
            ],
        );
    }
    lab
}

#[test]
fn a_restart_keeps_what_is_announced_in_whatever_form_it_stands() {
    let lab = undecided("forms");
    let forms = [
        "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.1.0.1/32 ];",
        "define ACAST_PS_ADVERTISE = [10.1.0.1/32,10.189.200.255/32];\n",
        "define ACAST_PS_ADVERTISE =\n\t[\n\t\t10.189.200.255/32,\n\t\t10.1.0.1/32\n\t];\n",
        "# 10.1.0.2/32\ndefine ACAST_PS_ADVERTISE = [ # 10.1.0.2/32\n10.189.200.255/32, # dummy\n10.1.0.1/32 # web\n];",
        "/* 10.1.0.2/32 */ define ACAST_PS_ADVERTISE=[\n10.189.200.255/32\n,\n10.1.0.1/32 /* web */\n]\n;\n",
        "define   ACAST_PS_ADVERTISE\n=\n[ 10.1.0.1/32, 10.189.200.255/32, 10.1.0.1/32 ];\n",
        "define OTHER = [ 10.1.0.2/32 ];\ndefine ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.1.0.1/32 ];\n",
        // Repaired: the wrong variable, and no dummy.
        "define WRONG_NAME = [ 10.189.200.255/32, 10.1.0.1/32 ];\n",
        "define ACAST_PS_ADVERTISE = [ 10.1.0.1/32 ];\n",
    ];
    for form in forms {
        lab.write("4/prefixes.conf", form);
        let mut daemon = Daemon::start(&lab);
        wait_until("the first runs", || {
            !lab.runs("web").is_empty() && !lab.runs("dns").is_empty()
        });
        daemon.stop();
        let after = lab.read("4/prefixes.conf");
        let mut kept = listed(&after);
        kept.sort();
        kept.dedup();
        assert_eq!(kept, ["10.1.0.1/32", DUMMY4], "{form:?} became {after:?}");
        let repaired = form.contains("WRONG_NAME") || !form.contains(DUMMY4);
        assert!(!repaired || is_whole(&after), "{form:?} became {after:?}");
        assert!(
            after.contains("define") && !after.contains("WRONG_NAME"),
            "{after:?}"
        );
        lab.remove("checks/web.runs");
        lab.remove("checks/dns.runs");
    }
}

#[test]
fn a_missing_or_broken_file_is_made_and_bird_told() {
    let lab = undecided("repair");
    let bird = FakeBird::install(&lab);
    for broken in [
        None,
        Some(""),
        Some("define ACAST_PS_ADVERTISE = [ ];\n"),
        Some("rubbish\n"),
        Some("define ACAST_PS_ADVERTISE = [ 10.1.0.1/32"),
    ] {
        let _ = std::fs::remove_file(lab.path("4/prefixes.conf"));
        let _ = std::fs::remove_file(lab.path("bird.loaded4"));
        if let Some(text) = broken {
            lab.write("4/prefixes.conf", text);
        }
        let mut daemon = Daemon::start(&lab);
        wait_until("BIRD has the repaired file", || {
            is_whole(&lab.read("bird.loaded4"))
        });
        daemon.stop();
        let text = lab.read("4/prefixes.conf");
        assert!(
            is_whole(&text) && text.contains("define ACAST_PS_ADVERTISE"),
            "{broken:?} became {text:?}"
        );
    }
    // Nothing to repair, nothing to tell.
    let (calls, before) = (bird.calls(), lab.read("4/prefixes.conf"));
    let mut daemon = Daemon::start(&lab);
    wait_until("the first run", || !lab.runs("web").is_empty());
    daemon.stop();
    assert_eq!((bird.calls(), lab.read("4/prefixes.conf")), (calls, before));
}

#[test]
fn a_new_file_has_the_promised_shape_and_birds_user_can_read_it() {
    let lab = Lab::new("shape");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[
        ("bird_variable", "MY_LIST"),
        ("dummy_ip_prefix", "10.9.9.9"),
    ]);
    lab.service("web", &[("ip_prefix", "10.1.0.1")]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32", "10.9.9.9/32"]);
    let text = lab.read("4/prefixes.conf");
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::trim)
        .collect();
    assert_eq!(
        code.join(" "),
        "define MY_LIST = [ 10.9.9.9/32, 10.1.0.1/32 ];",
        "{text}"
    );
    assert!(
        text.contains(&daemon.pid().to_string()),
        "the header names the pid: {text}"
    );
    let mode = lab
        .path("4/prefixes.conf")
        .metadata()
        .expect("metadata")
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    daemon.stop();
}

#[test]
fn prefixes_without_a_check_go_with_purge_or_with_the_next_update() {
    for purge in ["true", "false"] {
        let lab = Lab::new("purge");
        let bird = FakeBird::install(&lab);
        lab.install_checks();
        lab.daemon(&[("purge_ip_prefixes", purge), ("ipv6", "false")]);
        lab.service("web", &[("ip_prefix", "10.1.0.1/32"), ("check_rise", "1")]);
        lab.service("dns", &[("ip_prefix", "10.1.0.2/32"), ("check_fail", "1")]);
        let hold = "#!/bin/sh\nuntil [ -e \"$ANYCAST_TEST_LAB/go\" ]; do sleep 0.02; done\n";
        lab.script("check", hold);
        lab.write(
            "4/prefixes.conf",
            "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.1.0.2/32, 10.77.0.1/32 ];\n",
        );
        let mut daemon = Daemon::start(&lab);
        daemon.wait_line(&["10.77.0.1/32"]);
        let at_first: &[&str] = if purge == "true" {
            &["10.1.0.2/32"]
        } else {
            &["10.1.0.2/32", "10.77.0.1/32"]
        };
        wait_until("the file is as purge_ip_prefixes says", || {
            lab.announced("4") == at_first
        });
        lab.write("go", "");
        bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
        daemon.stop();
    }
}

/// Lets `web` go down and up, `times` changes in all, each seen by BIRD.
fn flip(lab: &Lab, times: usize) {
    let bird = FakeBird::install(lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    for number in 0..times {
        let down = number % 2 == 0;
        lab.answer("web", u8::from(down));
        bird.wait_exports("4", if down { &[] } else { &["10.1.0.1/32"] });
    }
}

fn web(name: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(
        &[
            &[("bird_update_interval", "0"), ("ipv6", "false")],
            settings,
        ]
        .concat(),
    );
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    lab
}

#[test]
fn the_history_holds_exactly_as_many_files_as_it_should() {
    let lab = web(
        "history",
        &[("bird_keep_changes", "true"), ("bird_changes_counter", "3")],
    );
    std::fs::create_dir(lab.path("4/history")).expect("mkdir");
    lab.write("4/history/README", "not ours\n");
    let mut daemon = Daemon::start(&lab);
    flip(&lab, 6);
    let ours = || {
        lab.list("4/history")
            .into_iter()
            .filter(|name| name != "README")
            .collect::<Vec<_>>()
    };
    wait_until("three files", || ours().len() == 3);
    daemon.stop();
    assert_eq!(
        lab.read("4/history/README"),
        "not ours\n",
        "what is not ours is left alone"
    );
    // The newest is the file before the last change: down, since `web` came up last.
    let newest = ours().into_iter().max_by_key(|name| {
        let meta = lab
            .path(&format!("4/history/{name}"))
            .metadata()
            .expect("metadata");
        (meta.mtime(), meta.mtime_nsec())
    });
    let newest = lab.read(&format!("4/history/{}", newest.expect("three")));
    assert!(is_whole(&newest) && listed(&newest) == [DUMMY4], "{newest}");
    assert_eq!(
        lab.list("4"),
        ["history", "prefixes.conf"],
        "no temporary file is left"
    );
}

#[test]
fn a_symbolic_link_stays_and_its_target_is_replaced() {
    let lab = web("symlink", &[]);
    std::fs::create_dir(lab.path("real")).expect("mkdir");
    lab.write(
        "real/list.conf",
        "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32 ];\n",
    );
    symlink("../real/list.conf", lab.path("4/prefixes.conf")).expect("symlink");
    let mut daemon = Daemon::start(&lab);
    flip(&lab, 2);
    daemon.stop();
    let link = std::fs::read_link(lab.path("4/prefixes.conf")).expect("still a link");
    assert_eq!(link.to_str(), Some("../real/list.conf"));
    assert_eq!(listed(&lab.read("real/list.conf")), [DUMMY4, "10.1.0.1/32"]);
    assert_eq!(
        (lab.list("4"), lab.list("real")),
        (vec!["prefixes.conf".into()], vec!["list.conf".into()])
    );
}

#[test]
fn mode_and_owner_of_the_file_are_kept() {
    let lab = web("owner", &[]);
    let path = lab.write(
        "4/prefixes.conf",
        "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32 ];\n",
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("chmod");
    chown(&path, Some(65534), Some(65534)).expect("chown");
    let mut daemon = Daemon::start(&lab);
    flip(&lab, 1);
    daemon.stop();
    let after = path.metadata().expect("metadata");
    assert_eq!(
        (after.mode() & 0o7777, after.uid(), after.gid()),
        (0o640, 65534, 65534)
    );
}

#[test]
fn the_file_is_replaced_by_a_rename_and_never_seen_half_written() {
    let lab = web("atomic", &[]);
    let mut daemon = Daemon::start(&lab);
    flip(&lab, 2);
    let watch = Watch::new(&lab.path("4")).expect("inotify");
    flip(&lab, 4);
    let events = watch.events();
    let with = |bit: u32| {
        events
            .iter()
            .filter(|(mask, name)| mask & bit != 0 && name == "prefixes.conf")
            .count()
    };
    assert_eq!(with(libc::IN_MOVED_TO), 4, "{events:?}");
    assert_eq!(
        with(libc::IN_CREATE) + with(libc::IN_MODIFY),
        0,
        "written in place: {events:?}"
    );
    daemon.stop();
    assert_eq!(
        lab.list("4"),
        ["prefixes.conf"],
        "no temporary file is left"
    );
}

#[test]
fn a_file_that_was_emptied_or_removed_meanwhile_is_written_anew() {
    let lab = web("removed", &[]);
    let mut daemon = Daemon::start(&lab);
    flip(&lab, 1);
    lab.remove("4/prefixes.conf");
    lab.answer("web", 0);
    wait_until("written anew", || lab.announced("4") == ["10.1.0.1/32"]);
    lab.write("4/prefixes.conf", "");
    lab.answer("web", 1);
    wait_until("written anew", || is_whole(&lab.read("4/prefixes.conf")));
    daemon.stop();
}

#[test]
fn a_temporary_file_that_somebody_left_is_no_obstacle() {
    let lab = web("leftover", &[]);
    for name in [
        ".prefixes.conf.tmp",
        "prefixes.conf.tmp",
        ".prefixes.conf.new",
        "prefixes.conf.new",
    ] {
        lab.write(&format!("4/{name}"), "half");
    }
    let mut daemon = Daemon::start(&lab);
    flip(&lab, 2);
    daemon.stop();
    assert!(is_whole(&lab.read("4/prefixes.conf")));
}

/// What cannot be renamed over is written in place, and that is said once.
#[test]
fn a_file_that_is_mounted_by_itself_is_written_in_place() {
    let lab = web("mounted", &[("bird_keep_changes", "true")]);
    let list = "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32 ];\n";
    let (real, path) = (
        lab.write("list", list),
        lab.write("4/prefixes.conf", "nothing\n"),
    );
    for words in [["mount", "--bind"], ["umount", "-l"]] {
        let mount = words[0] == "mount";
        let mut command = Command::new(words[0]);
        command.arg(words[1]);
        if mount {
            command.arg(&real);
        }
        let status = command.arg(&path).status().expect("mount");
        assert!(status.success());
        let mut daemon = Daemon::start(&lab);
        flip(&lab, 5);
        daemon.stop();
        let in_place = daemon.out.with(&["WARNING", "written in place"]);
        assert_eq!(in_place.len(), usize::from(mount));
        assert_eq!(lab.path("4/.prefixes.conf.reserve").exists(), !mount);
        assert!(listed(&lab.read("list")) == [DUMMY4] && is_whole(&lab.read("list")));
        if mount {
            assert_eq!(lab.list("4/history").len(), 6);
        }
        lab.answer("web", 0);
    }
}

/// Another part of BIRD's configuration is refused by `-c` and at the start, not taken up by a reload, and not overwritten
/// when it comes later.
#[test]
fn another_part_of_birds_configuration_is_never_overwritten() {
    let lab = web("foreign", &[]);
    let text = "router id 10.0.0.1;\nprotocol device { }\n";
    let why = "begins a statement of BIRD's configuration with 'router'";
    lab.write("4/prefixes.conf", text);
    for arguments in [&["-c"][..], &[]] {
        let (main, services) = (lab.path("main.conf"), lab.path("services"));
        let output = run(
            &lab,
            &[
                &[
                    "-f",
                    main.to_str().unwrap(),
                    "-d",
                    services.to_str().unwrap(),
                ],
                arguments,
            ]
            .concat(),
        );
        assert_eq!(output.status.code(), Some(1));
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("bird_conf") && said.contains(why), "{said}");
        assert!(said.contains("its line 1"), "{said}");
    }
    assert_eq!(lab.read("4/prefixes.conf"), text);
    assert_eq!(lab.list("4"), ["prefixes.conf"]);

    lab.remove("4/prefixes.conf");
    let mut daemon = Daemon::start(&lab);
    flip(&lab, 1);
    lab.write("4/bird.conf", text);
    lab.daemon(&[
        ("ipv6", "false"),
        ("bird_conf", lab.path("4/bird.conf").to_str().unwrap()),
    ]);
    daemon.signal(libc::SIGHUP);
    daemon.wait_line(&["ERROR", "bird_conf", why]);
    daemon.wait_line(&["configuration not reloaded"]);
    lab.write("4/prefixes.conf", text);
    lab.answer("web", 0);
    daemon.wait_line(&["ERROR", "cannot write IPv4 prefix file", why]);
    assert_eq!(lab.read("4/prefixes.conf"), text);
    assert_eq!(lab.read("4/bird.conf"), text);
    lab.remove("4/prefixes.conf");
    wait_until("written anew", || lab.announced("4") == ["10.1.0.1/32"]);
    daemon.stop();
}

#[test]
fn a_damaged_file_is_kept_once() {
    let lab = web("damaged", &[]);
    let damaged = "define ACAST_PS_ADVERTISE = [ 10.1.0.1/32, oops\n";
    lab.write("4/prefixes.conf", damaged);
    let mut daemon = Daemon::start(&lab);
    flip(&lab, 1);
    daemon.wait_line(&["WARNING", "is kept as", "4/prefixes.conf.damaged"]);
    lab.write("4/prefixes.conf", "oops again\n");
    lab.answer("web", 0);
    wait_until("written anew", || lab.announced("4") == ["10.1.0.1/32"]);
    daemon.stop();
    assert_eq!(lab.read("4/prefixes.conf.damaged"), damaged);
    assert_eq!(daemon.out.with(&["is kept as"]).len(), 1);
}
