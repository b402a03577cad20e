//! packaging.mk: what `install` puts where, the static builds, and release archives that come out the same twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::tools::{BINARY, Dir, command, files_below, make, read, run};

#[test]
fn install_puts_everything_below_the_prefix() {
    let dir = Dir::new("install");
    let root = dir.at("root");
    make_install(&root, "/usr/local").ok();
    let installed: Vec<String> = (files_below(&root).iter())
        .map(|path| {
            path.strip_prefix(&root)
                .expect("it is below")
                .display()
                .to_string()
        })
        .collect();
    let expected = [
        "etc/anycast-healthchecker.conf",
        "usr/local/lib/nagios/plugins/check_anycast_healthchecker",
        "usr/local/lib/systemd/system/anycast-healthchecker-prefixes.service",
        "usr/local/lib/systemd/system/anycast-healthchecker-withdraw.service",
        "usr/local/lib/systemd/system/anycast-healthchecker.service",
        "usr/local/lib/sysusers.d/anycast-healthchecker.conf",
        "usr/local/lib/tmpfiles.d/anycast-healthchecker.conf",
        "usr/local/sbin/anycast-healthchecker",
        "usr/local/share/bash-completion/completions/anycast-healthchecker",
        "usr/local/share/doc/anycast-healthchecker/examples/anycast-healthchecker.conf",
        "usr/local/share/doc/anycast-healthchecker/examples/bird/1.6/bird.conf",
        "usr/local/share/doc/anycast-healthchecker/examples/bird/1.6/bird6.conf",
        "usr/local/share/doc/anycast-healthchecker/examples/bird/2/bird.conf",
        "usr/local/share/doc/anycast-healthchecker/examples/bird/3/bird.conf",
        "usr/local/share/doc/anycast-healthchecker/examples/grafana/anycast-healthchecker.json",
        "usr/local/share/doc/anycast-healthchecker/examples/prometheus/anycast-healthchecker.rules.yml",
        "usr/local/share/doc/anycast-healthchecker/examples/prometheus/anycast-healthchecker.test.yml",
        "usr/local/share/doc/anycast-healthchecker/examples/sudoers",
        "usr/local/share/doc/anycast-healthchecker/examples/systemd/10-anycast-prefixes.conf",
        "usr/local/share/doc/anycast-healthchecker/examples/systemd/10-anycast-run-now.conf",
        "usr/local/share/doc/anycast-healthchecker/examples/systemd/20-allow-ping.conf",
        "usr/local/share/doc/anycast-healthchecker/examples/systemd/20-allow-sudo.conf",
        "usr/local/share/fish/vendor_completions.d/anycast-healthchecker.fish",
        "usr/local/share/man/man5/anycast-healthchecker.conf.5.gz",
        "usr/local/share/man/man8/anycast-healthchecker.8.gz",
        "usr/local/share/zsh/vendor-completions/_anycast-healthchecker",
    ];
    assert_eq!(installed, expected);
    for path in files_below(&root) {
        let mode = fs::metadata(&path).expect("it exists").permissions().mode() & 0o777;
        let runs = path
            .parent()
            .is_some_and(|at| at.ends_with("sbin") || at.ends_with("plugins"));
        let expected = if runs { 0o755 } else { 0o644 };
        assert_eq!(mode, expected, "{}", path.display());
    }
    // A second time, over an operator's settings.
    fs::write(root.join("etc/anycast-healthchecker.conf"), "mine\n").expect("can be written");
    make_install(&root, "/usr/local").ok();
    assert_eq!(read(root.join("etc/anycast-healthchecker.conf")), "mine\n");
}

#[test]
fn what_is_installed_names_the_places_of_this_installation() {
    let dir = Dir::new("places");
    let root = dir.at("root");
    make_install(&root, "/usr/local").ok();
    let unit = read(root.join("usr/local/lib/systemd/system/anycast-healthchecker.service"));
    assert!(
        unit.contains("ExecStart=/usr/local/sbin/anycast-healthchecker\n")
            && !unit.contains("/usr/sbin/")
    );
    let unit =
        read(root.join("usr/local/lib/systemd/system/anycast-healthchecker-withdraw.service"));
    assert!(unit.contains("ExecStart=/usr/local/sbin/anycast-healthchecker --watch"));
    for text in [
        "etc/anycast-healthchecker.conf",
        "usr/local/share/man/man8/anycast-healthchecker.8.gz",
    ] {
        let text = run(command("gzip").args(["-cdf"]).arg(root.join(text)))
            .ok()
            .out;
        assert!(
            text.contains("/usr/local/share/doc/") && !text.contains(" /usr/share/doc/"),
            "{text}"
        );
    }
}

fn make_install(root: &Path, prefix: &str) -> crate::tools::Done {
    run(make("install")
        .arg(format!("DESTDIR={}", root.display()))
        .arg(format!("PREFIX={prefix}"))
        .arg(format!("BIN={BINARY}")))
}

#[test]
fn install_without_a_binary_says_what_to_do() {
    run(make("install").args(["DESTDIR=/nonexistent", "BIN=/nonexistent/binary"]))
        .exits(2)
        .says("it is not built, run make build or give BIN=");
}

#[test]
fn a_target_without_recipe_is_named_with_those_that_have_one() {
    run(make("cross").arg("TARGET=m68k-unknown-linux-gnu"))
        .exits(2)
        .says("no recipe for m68k")
        .says("mipsel-");
    run(&mut make("cross")).exits(2).says("TARGET= is one of");
    run(make("minimal").arg("TARGET=m68k-unknown-linux-gnu"))
        .exits(2)
        .says("no recipe for m68k");
}

/// What is missing is named in one line with the command that brings it.
#[test]
fn a_missing_toolchain_is_one_line_with_a_way_out() {
    let dir = Dir::new("cross");
    let sysroot = dir.path().display().to_string();
    dir.script("bin/rustc", &format!("#!/bin/sh\necho {sysroot}\n"));
    for failing in ["rustup", "python3"] {
        dir.script(&format!("bin/{failing}"), "#!/bin/sh\nexit 1\n");
    }
    let path = crate::tools::path_with(Some(&dir.at("bin")));
    let build = |arguments: &[&str]| {
        run(command("contrib/cross/build")
            .args(arguments)
            .env("PATH", &path)
            .env("CARGO_TARGET_DIR", dir.at("target")))
        .exits(1)
    };
    assert_eq!(
        build(&["aarch64-unknown-linux-musl"]).err,
        "cross: the standard library for aarch64-unknown-linux-musl is missing: \
         rustup target add aarch64-unknown-linux-musl\n"
    );
    let rust_src =
        "cross: the source of the standard library is missing: rustup component add rust-src\n";
    assert_eq!(build(&["mips-unknown-linux-musl"]).err, rust_src);
    fs::create_dir_all(dir.at("lib/rustlib/src/rust/library/std")).expect("can be made");
    build(&["mips-unknown-linux-musl"]).says("cross: zig is missing: python3 -m venv");
}
