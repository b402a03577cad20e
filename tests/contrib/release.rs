//! Release archives that come out the same twice, and the daemon of another machine in an emulator. Each takes release
//! builds of a minute or more, so they are behind a feature: `make test-release`.

use std::fs;
use std::path::Path;

use crate::tools::{BINARY, Dir, NAME, alone, command, make, run, source, unpacked};

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
    a_service_comes_and_goes(&unpacked("qemu-aarch64-static"), &binary);
}

/// It has the musl of the system for its C library, here that of Debian's package, and lacks what operators type.
#[test]
fn the_minimal_build_is_a_whole_daemon() {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let done = run(make("minimal").arg(format!("TARGET={target}"))).ok();
    let binary = source(done.out.lines().last().expect("it prints the path"));
    assert!(elf(&binary).3, "it asks for a loader");
    let musl = unpacked("libc.so");
    let ours = run(command(BINARY).arg("-p")).ok().out;
    assert_eq!(run(command(&musl).arg(&binary).arg("-p")).ok().out, ours);
    run(command(&musl).arg(&binary).arg("--status"))
        .exits(2)
        .says("this is the minimal build, which has no --status; read the socket");
    a_service_comes_and_goes(&musl, &binary);
}

/// The daemon itself, by an emulator or a loader, in a network namespace: signals, children, netlink and files work.
fn a_service_comes_and_goes(runner: &Path, binary: &Path) {
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
    command.arg(runner).arg(binary);
    command
        .arg("-f")
        .arg(dir.at("conf"))
        .arg("-F")
        .arg(dir.at("www.conf"));
    let done = run(command.env("DIR", dir.path()));
    let log = fs::read_to_string(dir.at("log")).unwrap_or_default();
    assert_eq!(done.code, 0, "{}{}{log}", done.out, done.err);
}
