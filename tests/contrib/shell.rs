//! Every shell script of contrib: shellcheck, and the shells that will run it.

use std::os::unix::fs::PermissionsExt;

use crate::tools::{command, files_below, read, run, source};

/// Who runs a POSIX script: Debian, a developer, a router.
const POSIX: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "ash"]];

#[test]
fn scripts_are_clean_for_every_shell_that_runs_them() {
    let mut seen = 0;
    for path in files_below(&source("contrib")) {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let Some(first) = text.lines().next().filter(|line| line.starts_with("#!")) else {
            continue;
        };
        seen += 1;
        // OpenWrt's init scripts have `local`, which POSIX lacks and each of these shells knows.
        let on_openwrt = path.starts_with(source("contrib/openwrt"));
        let (dialects, shells): (&[&str], &[&[&str]]) = match first {
            "#!/usr/bin/env bash" | "#!/bin/bash" => (&["bash"], &[&["bash"]]),
            "#!/bin/sh" if !on_openwrt => (&["sh", "dash"], &POSIX),
            "#!/bin/sh" | "#!/bin/sh /etc/rc.common" => (&["dash"], &POSIX),
            other => panic!("{}: {other}", path.display()),
        };
        for dialect in dialects {
            run(command("shellcheck").args(["-s", dialect]).arg(&path)).silent();
        }
        for shell in shells {
            run(command(shell[0]).args(&shell[1..]).arg("-n").arg(&path)).silent();
        }
    }
    assert!(seen >= 12, "only {seen} scripts found");
}

#[test]
fn what_is_run_by_its_name_is_executable_and_the_rest_is_not() {
    for path in files_below(&source("contrib")) {
        let mode = std::fs::metadata(&path)
            .expect("it exists")
            .permissions()
            .mode();
        let first = read(&path).lines().next().unwrap_or_default().to_string();
        // Installed with their mode by the package's Makefile.
        let installed = path.starts_with(source("contrib/openwrt/files"));
        let expected = first.starts_with("#!") && !installed;
        assert_eq!(
            mode & 0o111 != 0,
            expected,
            "{}: mode {mode:o}",
            path.display()
        );
    }
}
