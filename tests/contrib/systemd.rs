//! The units and drop-ins, as systemd reads them: in a root of their own, never among the machine's.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::tools::{BINARY, Dir, Done, NAME, command, read, run, source};

fn units() -> [String; 3] {
    ["", "-withdraw", "-prefixes"].map(|part| format!("{NAME}{part}"))
}

/// A root with our units and drop-ins, the programs that they name, and the targets that they refer to.
fn root() -> Dir {
    let root = Dir::new("units");
    for target in ["sysinit", "basic", "shutdown", "network", "multi-user"] {
        root.write(
            &format!("etc/systemd/system/{target}.target"),
            &format!("[Unit]\nDescription={target}\n"),
        );
    }
    for service in ["nginx", "bird"] {
        root.write(
            &format!("etc/systemd/system/{service}.service"),
            &format!("[Unit]\nDescription={service}\n[Service]\nExecStart=/usr/sbin/{service}\n"),
        );
    }
    for program in [
        "usr/sbin/anycast-healthchecker",
        "usr/sbin/nginx",
        "usr/sbin/bird",
        "bin/kill",
        "bin/sh",
        "bin/systemctl",
    ] {
        root.script(program, "#!/bin/sh\n");
    }
    for unit in units() {
        copy(
            &root,
            &format!("{unit}.service"),
            &format!("{unit}.service"),
        );
    }
    root
}

fn copy(root: &Dir, file: &str, to: &str) {
    let text = read(source("contrib/systemd").join(file));
    root.write(&format!("etc/systemd/system/{to}"), &text);
}

fn analyze(root: &Dir, verb: &[&str], unit: &str) -> Done {
    let option = format!("--root={}", root.path().display());
    let path = root.at(&format!("etc/systemd/system/{unit}.service"));
    run(command("systemd-analyze")
        .args(verb)
        .args(["--man=no", &option])
        .arg(path))
}

fn exposure(root: &Dir, unit: &str) -> f64 {
    let option = format!("--root={}", root.path().display());
    let path = root.at(&format!("etc/systemd/system/{unit}.service"));
    let done = run(command("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager", &option])
        .arg(path))
    .ok();
    let (_, rest) = done
        .out
        .split_once("exposure level for")
        .expect("a verdict");
    let (_, rest) = rest.split_once(": ").expect("a number follows");
    rest.split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let root = root();
    for unit in units() {
        analyze(&root, &["verify"], &unit).silent();
        let exposure = exposure(&root, &unit);
        assert!(exposure <= 2.1, "{unit}: exposure {exposure}");
    }
}

#[test]
fn systemd_finds_no_fault_with_the_drop_ins() {
    let root = root();
    copy(
        &root,
        "10-anycast-run-now.conf",
        "nginx.service.d/10-anycast-run-now.conf",
    );
    copy(
        &root,
        "10-anycast-prefixes.conf",
        "bird.service.d/10-anycast-prefixes.conf",
    );
    let strict = exposure(&root, NAME);
    for unit in [NAME.to_string(), format!("{NAME}-withdraw")] {
        copy(
            &root,
            "20-allow-sudo.conf",
            &format!("{unit}.service.d/20-allow-sudo.conf"),
        );
        analyze(&root, &["verify"], &unit).silent();
    }
    copy(
        &root,
        "20-allow-ping.conf",
        "anycast-healthchecker.service.d/20-allow-ping.conf",
    );
    analyze(&root, &["verify"], NAME).silent();
    for unit in ["nginx", "bird"] {
        analyze(&root, &["verify"], unit).silent();
    }
    // BIRD's drop-in names a unit that there is, and its package's ExecStartPre= stays the first.
    let drop_in = read(source("contrib/systemd/10-anycast-prefixes.conf"));
    for key in ["Wants", "After"] {
        let line = format!("{key}={NAME}-prefixes.service");
        assert!(drop_in.lines().any(|found| found == line), "{drop_in}");
    }
    assert!(exposure(&root, NAME) > strict, "the drop-in is not read");
    // The test would see a mistake: verify reports what it does not know and what does not exist.
    root.write(
        "etc/systemd/system/nginx.service.d/20-wrong.conf",
        "[Service]\nExecStopPots=/bin/true\n",
    );
    analyze(&root, &["verify"], "nginx").says("'ExecStopPots'");
    fs::remove_file(root.at("usr/sbin/anycast-healthchecker")).expect("it is there");
    assert_ne!(analyze(&root, &["verify"], NAME).code, 0);
}

/// systemd sets no_new_privs for any user but root as soon as one of these is on, whatever NoNewPrivileges says, and
/// sudo does not work then. What the unit switches on the drop-in has to switch off.
#[test]
fn the_drop_in_for_sudo_lifts_everything_that_implies_no_new_privileges() {
    let unit = read(source("contrib/systemd/anycast-healthchecker.service"));
    let drop_in = read(source("contrib/systemd/20-allow-sudo.conf"));
    for key in [
        "NoNewPrivileges",
        "SystemCallFilter",
        "SystemCallArchitectures",
        "RestrictAddressFamilies",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "PrivateDevices",
        "ProtectClock",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
    ] {
        let on = unit
            .lines()
            .any(|line| line.starts_with(&format!("{key}=")));
        assert!(on, "the unit does without {key}");
        let off =
            (drop_in.lines()).any(|line| line == format!("{key}=") || line == format!("{key}=no"));
        assert!(off, "the drop-in leaves {key} on");
    }
}

/// journald files a line without a level under "info": whoever looks for errors would not see why a start failed.
#[test]
fn what_a_start_or_a_reload_complains_about_has_its_level_in_the_journal() {
    let dir = Dir::new("journal");
    let lib = dir.path().display();
    let conf = dir.write(
        "conf",
        &format!("[daemon]\npidfile = {lib}/pid\nbird_conf = {lib}/4.conf\n"),
    );
    let service = |name: &str, rest: &str| {
        dir.write(
            name,
            &format!("[www]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1/32\nip_check_disabled = true\ncheck_disabled = false\n{rest}"),
        )
    };
    let wrong = service("wrong", "check_interval = x\ncheck_rise = x\n");
    let odd = service("odd", "check_interval = 1\ncheck_timeout = 2\n");
    let said = |options: &[&str], file: &Path, journal: bool| {
        let stderr = fs::File::create(dir.at("stderr")).expect("can be made");
        let found = stderr.metadata().expect("it is there");
        // What a child inherits that writes elsewhere: it is not the journal that the variable names.
        let inode = if journal {
            found.ino()
        } else {
            found.ino() + 1
        };
        run(command(BINARY)
            .args(options)
            .arg("-f")
            .arg(&conf)
            .arg("-F")
            .arg(file)
            .env("JOURNAL_STREAM", format!("{}:{inode}", found.dev()))
            .stderr(stderr));
        read(dir.at("stderr"))
    };
    for (options, file, level, lines) in [
        (&["-c"][..], &wrong, "<3>", 3),
        (&[][..], &wrong, "<3>", 3),
        (&["-c"][..], &odd, "<4>", 1),
    ] {
        let text = said(options, file, true);
        assert_eq!(text.lines().count(), lines, "{text}");
        assert!(text.lines().all(|line| line.starts_with(level)), "{text}");
        assert_eq!(said(options, file, false), text.replace(level, ""));
    }
}

#[test]
fn user_and_directories_are_made_in_a_bare_root() {
    let root = Dir::new("sysusers");
    root.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    root.write("etc/group", "root:x:0:\n");
    root.write(
        &format!("usr/lib/sysusers.d/{NAME}.conf"),
        &read(source("contrib/systemd").join(format!("{NAME}.sysusers"))),
    );
    root.write(
        &format!("usr/lib/tmpfiles.d/{NAME}.conf"),
        &read(source("contrib/systemd").join(format!("{NAME}.tmpfiles"))),
    );
    let option = format!("--root={}", root.path().display());
    let file = format!("{NAME}.conf");
    run(command("systemd-sysusers").args([&option, &file])).ok();
    assert!(read(root.at("etc/passwd")).contains("anycast-healthchecker:x:"));
    assert!(
        read(root.at("etc/group"))
            .lines()
            .any(|line| line.starts_with("bird:") && line.ends_with(NAME))
    );
    run(command("systemd-tmpfiles").args(["--create", &option, &file])).ok();
    // A second time an existing list stays: it is the daemon's.
    let list = root.at("var/lib/anycast-healthchecker/anycast-prefixes.conf");
    assert!(read(&list).contains("10.189.200.255/32"));
    fs::write(&list, "the daemon's own\n").expect("can be written");
    run(command("systemd-tmpfiles").args(["--create", &option, &file])).ok();
    assert_eq!(read(&list), "the daemon's own\n");
    assert!(
        root.at("var/lib/anycast-healthchecker/6/anycast-prefixes.conf")
            .exists()
    );
}

#[test]
fn the_sudoers_example_is_valid() {
    let dir = Dir::new("sudoers");
    let file = dir.write("sudoers", &read(source("contrib/debian/sudoers")));
    run(command("visudo").args(["-c", "-q", "-f"]).arg(file)).ok();
}
