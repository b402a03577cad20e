//! packaging.mk: what `install` puts where, the static builds, and release archives that come out the same twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::tools::{BINARY, Dir, NAME, alone, command, files_below, read, run, source, unpacked};

/// make, without what the make that runs this test has left in the environment.
pub fn make(target: &str) -> Command {
    let mut make = command("make");
    make.args([
        "-s",
        "--no-print-directory",
        "-f",
        "contrib/packaging.mk",
        target,
    ]);
    for name in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR", "PREFIX"] {
        make.env_remove(name);
    }
    make
}

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
        "usr/local/lib/anycast-healthchecker/anycast-healthchecker-withdraw",
        "usr/local/lib/nagios/plugins/check_anycast_healthchecker",
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
        "usr/local/share/doc/anycast-healthchecker/examples/systemd/20-allow-sudo.conf",
        "usr/local/share/fish/vendor_completions.d/anycast-healthchecker.fish",
        "usr/local/share/man/man5/anycast-healthchecker.conf.5.gz",
        "usr/local/share/man/man8/anycast-healthchecker.8.gz",
        "usr/local/share/zsh/vendor-completions/_anycast-healthchecker",
    ];
    assert_eq!(installed, expected);
    // Units name this installation's places.
    let unit = read(root.join("usr/local/lib/systemd/system/anycast-healthchecker.service"));
    assert!(
        unit.contains("ExecStart=/usr/local/sbin/anycast-healthchecker\n")
            && !unit.contains("/usr/sbin/")
    );
    let unit =
        read(root.join("usr/local/lib/systemd/system/anycast-healthchecker-withdraw.service"));
    assert!(unit.contains(
        "ExecStart=/usr/local/lib/anycast-healthchecker/anycast-healthchecker-withdraw -w"
    ));
    for path in files_below(&root) {
        let mode = fs::metadata(&path).expect("it exists").permissions().mode() & 0o777;
        let runs = path
            .parent()
            .is_some_and(|at| at.ends_with("sbin") || at.ends_with("plugins"));
        let expected = if runs || path.ends_with(format!("{NAME}-withdraw")) {
            0o755
        } else {
            0o644
        };
        assert_eq!(mode, expected, "{}", path.display());
    }
    run(command("gzip")
        .arg("-t")
        .arg(root.join("usr/local/share/man/man8/anycast-healthchecker.8.gz")))
    .silent();
    // A second time, over an operator's settings.
    fs::write(root.join("etc/anycast-healthchecker.conf"), "mine\n").expect("can be written");
    make_install(&root, "/usr/local").ok();
    assert_eq!(read(root.join("etc/anycast-healthchecker.conf")), "mine\n");
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

/// The ELF header: class (1: 32 bit), byte order (1: little), machine, and whether an interpreter is asked for.
fn elf(path: &Path) -> (u8, u8, u16, bool) {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&bytes[..4], b"\x7fELF");
    let machine = u16::from_le_bytes([bytes[18], bytes[19]]);
    let dynamic = bytes
        .windows(7)
        .any(|window| window == b"/lib/ld" || window == b"/lib64/");
    (bytes[4], bytes[5], machine, dynamic)
}

/// Two builds, in two directories: the same bytes. And what is in the archive installs.
#[test]
fn a_release_archive_is_reproducible_and_complete() {
    let dir = Dir::new("dist");
    let copy = dir.at("somewhere/else");
    fs::create_dir_all(&copy).expect("can be made");
    for entry in [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "src",
        "contrib",
    ] {
        run(command("cp").arg("-R").arg(source(entry)).arg(&copy)).silent();
    }
    // Another umask's files, and others that no archive may show.
    run(command("chmod").args(["-R", "go-rwx"]).arg(&copy)).silent();
    let archives: Vec<Vec<u8>> = [Path::new(env!("CARGO_MANIFEST_DIR")), &copy]
        .iter()
        .map(|tree| {
            let out = dir.at(if tree == &copy { "out-2" } else { "out-1" });
            run(make("dist")
                .current_dir(tree)
                .env("SOURCE_DATE_EPOCH", "1750000000")
                .env(
                    "CARGO_TARGET_DIR",
                    dir.at(if tree == &copy {
                        "target-2"
                    } else {
                        "target-1"
                    }),
                )
                .arg(format!("DIST={}", out.display())))
            .ok();
            run(command("sha256sum")
                .args(["--check", "--strict", "SHA256SUMS"])
                .current_dir(&out))
            .ok();
            fs::read(out.join(archive())).expect("the archive was made")
        })
        .collect();
    assert!(archives[0] == archives[1], "the archives differ");

    let tree = dir.at("unpacked");
    fs::create_dir_all(&tree).expect("can be made");
    run(command("tar")
        .arg("-xzf")
        .arg(dir.at("out-1").join(archive()))
        .arg("-C")
        .arg(&tree))
    .silent();
    let tree = tree.join(archive().trim_end_matches(".tar.gz"));
    let binary = tree.join(NAME);
    assert_eq!(elf(&binary), (2, 1, 62, false), "a static x86_64 binary");
    run(command(&binary).arg("--version"))
        .ok()
        .says(env!("CARGO_PKG_VERSION"));
    run(command("make")
        .args(["-s", "install", "DESTDIR=root"])
        .current_dir(&tree)
        .env_remove("MAKEFLAGS"))
    .ok();
    run(command(tree.join("root/usr/sbin").join(NAME)).arg("-p"))
        .ok()
        .says("[daemon]");
}

fn archive() -> String {
    format!(
        "{NAME}-{}-x86_64-unknown-linux-musl.tar.gz",
        env!("CARGO_PKG_VERSION")
    )
}

/// Another machine: 64 bit ARM, run by an emulator.
#[test]
fn a_cross_built_binary_works_on_its_machine() {
    let done = run(make("cross").arg("TARGET=aarch64-unknown-linux-musl")).ok();
    let binary = source(done.out.lines().last().expect("it prints the path"));
    assert_eq!(elf(&binary), (2, 1, 183, false), "a static aarch64 binary");
    let emulated = |arguments: &[&str]| {
        run(command(unpacked("qemu-aarch64-static"))
            .arg(&binary)
            .args(arguments))
    };
    let ours = run(command(BINARY).arg("-p")).ok().out;
    assert_eq!(emulated(&["-p"]).ok().out, ours);
    let dir = Dir::new("emulated");
    let lib = dir.path().display();
    let conf = dir.write(
        "conf",
        &format!("[daemon]\npidfile = {lib}/pid\nbird_conf = {lib}/4.conf\nbird_reconfigure_cmd = /bin/true\n"),
    );
    let good = dir.write(
        "good.conf",
        "[www]\ncheck_cmd = /bin/true\ncheck_disabled = false\nip_prefix = 10.0.0.1\n",
    );
    let (conf, good) = (conf.display().to_string(), good.display().to_string());
    emulated(&["-c", "-f", &conf, "-F", &good]).ok().says("OK");
    let bad = dir
        .write("bad.conf", "[www]\nip_prefix = 10.0.0.1/8\n")
        .display()
        .to_string();
    emulated(&["-c", "-f", &conf, "-F", &bad])
        .exits(1)
        .says("bad.conf:2: [www] ip_prefix");
    a_service_comes_and_goes(&binary);
}

/// The daemon itself in the emulator, in a network namespace: signals, children, netlink and files work there.
fn a_service_comes_and_goes(binary: &Path) {
    let dir = Dir::new("emulated");
    let lib = dir.path().display();
    dir.script("birdc", "#!/bin/sh\necho Reconfigured\n");
    dir.write(
        "conf",
        &format!("[daemon]\npidfile = {lib}/pid\nbird_conf = {lib}/4.conf\nbird_reconfigure_cmd = {lib}/birdc\n"),
    );
    dir.write(
        "www.conf",
        &format!(
            "[www]\ncheck_cmd = /usr/bin/test -e {lib}/healthy\ncheck_disabled = false\nip_prefix = 192.0.2.7\n\
             check_interval = 0.1\n"
        ),
    );
    dir.write("healthy", "");
    let script = "\"$@\" >$DIR/log 2>&1 & daemon=$!\ntrap 'kill $daemon' EXIT\n\
         wait_for 'grep -q ACAST $DIR/4.conf'\n! grep -q 192.0.2.7 $DIR/4.conf\n\
         ip address add 192.0.2.7/32 dev lo\nwait_for 'grep -q 192.0.2.7/32 $DIR/4.conf'\n\
         rm $DIR/healthy\nwait_for '! grep -q 192.0.2.7 $DIR/4.conf'\n\
         : >$DIR/healthy\nwait_for 'grep -q 192.0.2.7/32 $DIR/4.conf'\n\
         ip address del 192.0.2.7/32 dev lo\nwait_for '! grep -q 192.0.2.7 $DIR/4.conf'\n\
         kill $daemon\ntrap - EXIT\nwait $daemon\n! [ -e $DIR/pid ]\n";
    let mut command = alone(script);
    command.arg(unpacked("qemu-aarch64-static")).arg(binary);
    command
        .arg("-f")
        .arg(dir.at("conf"))
        .arg("-F")
        .arg(dir.at("www.conf"));
    let done = run(command.env("DIR", dir.path()));
    let log = fs::read_to_string(dir.at("log")).unwrap_or_default();
    assert_eq!(done.code, 0, "{}{}{log}", done.out, done.err);
}
