//! The Debian package, installed, upgraded and purged in a root of its own: dpkg runs the maintainer scripts outside of
//! it (--force-script-chrootless) and they work on $DPKG_ROOT. Nothing of the machine's own dpkg or systemd is touched.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::tools::{
    BINARY, Dir, Done, NAME, command, files_below, is_root, make, read, run, source,
};

/// A package around a small stand-in for the binary: dpkg does not run it, and our debug build takes long to compress.
fn build(out: &Path, version: &str) -> PathBuf {
    let stand_in = Dir::new("deb-binary");
    let binary = stand_in.script(NAME, "#!/bin/sh\n");
    run(make("deb")
        .env("SOURCE_DATE_EPOCH", "1750000000")
        .arg(format!("DIST={}", out.display()))
        .arg(format!("VERSION={version}"))
        .arg(format!("BIN={}", binary.display())))
    .ok();
    out.join(format!("{NAME}_{version}_amd64.deb"))
}

/// A root as debootstrap begins one: merged /usr, an empty database, the users that every Debian has, and BIRD's.
struct Root(Dir);

impl Root {
    fn new() -> Root {
        assert!(is_root(), "dpkg needs root: run make test as root");
        let root = Root(Dir::new("debian"));
        root.0.write("var/lib/dpkg/status", "");
        root.0.write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nbird:x:101:102::/run/bird:/usr/sbin/nologin\n",
        );
        root.0.write("etc/group", "root:x:0:\nbird:x:102:\n");
        for directory in [
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "usr/lib",
            "usr/sbin",
            "usr/bin",
            "run",
            "tmp",
        ] {
            fs::create_dir_all(root.0.at(directory)).expect("can be made");
        }
        for top in ["lib", "sbin", "bin"] {
            symlink(format!("usr/{top}"), root.0.at(top)).expect("can be made");
        }
        root
    }

    fn dpkg(&self, arguments: &[&str]) -> Done {
        run(command("dpkg")
            .arg(format!("--root={}", self.0.path().display()))
            .args([
                "--force-script-chrootless",
                "--force-depends",
                "--log=/dev/null",
            ])
            .args(arguments))
    }

    fn install(&self, package: &Path) -> Done {
        self.dpkg(&["--install", &package.display().to_string()])
            .ok()
    }

    fn status(&self) -> String {
        let database = format!("--admindir={}", self.0.at("var/lib/dpkg").display());
        run(command("dpkg-query").args([&database, "--show", "--showformat=${Status}", NAME]))
            .ok()
            .out
    }

    /// Files and links that are not dpkg's own, and not part of the bare root.
    fn files(&self) -> Vec<String> {
        (files_below(self.0.path()).iter())
            .map(|path| {
                path.strip_prefix(self.0.path())
                    .expect("it is below")
                    .display()
                    .to_string()
            })
            .filter(|path| !path.starts_with("var/lib/dpkg/") && !path.starts_with("etc/passwd"))
            .filter(|path| !["lib", "sbin", "bin"].contains(&path.as_str()))
            .collect()
    }
}

const LIST: &str = "var/lib/anycast-healthchecker/anycast-prefixes.conf";
const CONF: &str = "etc/anycast-healthchecker.conf";
const UNIT_OF_ANOTHER: &str = "etc/systemd/system/anycast-healthchecker.service";
const ENABLED: &str = "etc/systemd/system/multi-user.target.wants/anycast-healthchecker.service";
const ALLOWS_SUDO: &str = "etc/systemd/system/anycast-healthchecker.service.d/20-allow-sudo.conf";

#[test]
fn the_package_is_built_from_its_input_alone() {
    let dir = Dir::new("deb");
    let (first, second) = (build(&dir.at("1"), "1.0.0"), build(&dir.at("2"), "1.0.0"));
    assert!(
        fs::read(&first).ok() == fs::read(&second).ok(),
        "the packages differ"
    );
    let fields = run(command("dpkg-deb").arg("--field").arg(&first)).ok().out;
    for field in [
        "Package: anycast-healthchecker\n",
        "Version: 1.0.0\n",
        "Architecture: amd64\n",
        "Installed-Size: ",
    ] {
        assert!(fields.contains(field), "{fields}");
    }
    let list = run(command("dpkg-deb").arg("--contents").arg(&first))
        .ok()
        .out;
    assert!(
        list.lines().all(|line| line.contains(" root/root ")),
        "{list}"
    );
    assert!(
        list.contains(" ./usr/lib/systemd/system/anycast-healthchecker.service\n"),
        "{list}"
    );
}

#[test]
fn installs_upgrades_removes_and_purges() {
    let dir = Dir::new("deb");
    let root = Root::new();
    let before = root.files();
    root.install(&build(dir.path(), "1.0.0"));
    assert_eq!(root.status(), "install ok installed");
    // The user, as a member of the group that owns BIRD's socket.
    let passwd = read(root.0.at("etc/passwd"));
    let user = passwd
        .lines()
        .find(|line| line.starts_with(&format!("{NAME}:")))
        .expect("the user was made");
    let uid: u32 = user
        .split(':')
        .nth(2)
        .and_then(|number| number.parse().ok())
        .expect("it has a number");
    assert!(read(root.0.at("etc/group")).contains(&format!("bird:x:102:{NAME}")));
    for path in [
        "var/lib/anycast-healthchecker",
        "var/lib/anycast-healthchecker/6",
        "var/log/anycast-healthchecker",
        LIST,
    ] {
        assert_eq!(
            fs::metadata(root.0.at(path)).expect("it was made").uid(),
            uid,
            "{path}"
        );
    }
    assert!(
        fs::symlink_metadata(root.0.at(ENABLED)).is_ok(),
        "the unit is not enabled"
    );
    assert!(!root.0.at(ALLOWS_SUDO).exists());
    configuration_is_valid(&root);

    // An operator's work and the daemon's survive an upgrade.
    root.0.write(CONF, "[daemon]\nloglevel = error\n");
    root.0.write(
        LIST,
        "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.0.0.1/32 ];\n",
    );
    root.0
        .write("etc/anycast-healthchecker.d/www.conf", "[www]\n");
    root.install(&build(dir.path(), "1.0.1"));
    assert_eq!(read(root.0.at(CONF)), "[daemon]\nloglevel = error\n");
    assert!(read(root.0.at(LIST)).contains("10.0.0.1/32"));

    // So does a removal; BIRD still includes the list.
    root.dpkg(&["--remove", NAME])
        .ok()
        .says("BIRD goes on announcing what they list");
    assert!(!root.0.at("usr/sbin/anycast-healthchecker").exists());
    // The next unit of that name, the Python program's say, would be written to /dev/null.
    assert!(fs::symlink_metadata(root.0.at(UNIT_OF_ANOTHER)).is_err());
    assert!(root.0.at(CONF).exists() && root.0.at(LIST).exists());

    root.dpkg(&["--purge", NAME]).ok();
    let left: Vec<String> = root
        .files()
        .into_iter()
        .filter(|file| !before.contains(file))
        .collect();
    let system = [
        "etc/.pwd.lock",
        "etc/group-",
        "etc/gshadow",
        "etc/gshadow-",
        "etc/shadow",
        "etc/shadow-",
    ];
    let left: Vec<&String> = left
        .iter()
        .filter(|file| !system.contains(&file.as_str()))
        .collect();
    // The operator's own, and nothing else.
    assert_eq!(left, ["etc/anycast-healthchecker.d/www.conf"]);
}

/// The shipped settings, moved below the root, pass the program's own check.
fn configuration_is_valid(root: &Root) {
    let here = root.0.path().display().to_string();
    fs::create_dir_all(root.0.at("run/bird")).expect("can be made");
    let text = read(root.0.at(CONF));
    let text = text
        .replace("#ipv6", "ipv6")
        .replace(" = /", &format!(" = {here}/"));
    let pidfile = format!("pidfile = {here}/run/{NAME}/{NAME}.pid\n");
    let moved = root.0.write("tmp/moved.conf", &format!("{text}{pidfile}"));
    // The example in the comments is one that works.
    let example: String = (text.lines().filter_map(|line| line.strip_prefix("#   ")))
        .map(|line| format!("{line}\n"))
        .filter(|line| !line.contains("setfacl"))
        .collect();
    let example = root.0.write(
        "tmp/example.conf",
        &example.replace(&format!("{here}/usr/bin/curl"), "/bin/true"),
    );
    run(command(BINARY)
        .arg("-c")
        .arg("-f")
        .arg(&moved)
        .arg("-F")
        .arg(&example))
    .ok()
    .says("OK");
    let printed = run(command(BINARY)
        .arg("-P")
        .arg("-f")
        .arg(&moved)
        .arg("-F")
        .arg(&example))
    .ok()
    .out;
    assert!(printed.contains("[www.example.com]"), "{printed}");
    for file in ["tmp/moved.conf", "tmp/example.conf"] {
        fs::remove_file(root.0.at(file)).expect("it is there");
    }
}

/// A host that ran the Python program: its settings are kept without a question, and the unit lets its sudo work.
#[test]
fn a_host_of_the_reference_keeps_what_it_has() {
    let dir = Dir::new("deb");
    let package = build(dir.path(), "1.0.0");
    let settings = "[daemon]\nbird_reconfigure_cmd = sudo /usr/sbin/birdc configure\n";
    for (text, sudo) in [
        (settings, true),
        ("[daemon]\nloglevel = info\n", true),
        (
            "[daemon]\nbird_control_socket = /run/bird/bird.ctl\n",
            false,
        ),
        (
            "[daemon]\nbird_reconfigure_cmd: /usr/sbin/birdc configure\n",
            false,
        ),
    ] {
        let root = Root::new();
        root.0.write(CONF, text);
        root.0.write(
            LIST,
            "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.0.0.1/32 ];\n",
        );
        let done = root.install(&package);
        assert_eq!(read(root.0.at(CONF)), text);
        assert!(read(root.0.at(LIST)).contains("10.0.0.1/32"));
        assert_eq!(root.0.at(ALLOWS_SUDO).exists(), sudo, "{text}{}", done.out);
        // It is the daemon's from now on, whoever made it.
        assert_ne!(fs::metadata(root.0.at(LIST)).expect("it exists").uid(), 0);
        root.dpkg(&["--purge", NAME]).ok();
        assert!(!root.0.at(ALLOWS_SUDO).exists() && !root.0.at(LIST).exists());
    }
}

/// The unit of the Python program, below /etc, would go on being the one that systemd starts.
#[test]
fn a_unit_that_overrides_ours_is_pointed_out() {
    let dir = Dir::new("deb");
    let package = build(dir.path(), "1.0.0");
    let root = Root::new();
    let silent = root.install(&package);
    assert!(!silent.out.contains("overrides"), "{}", silent.out);
    root.0.write(UNIT_OF_ANOTHER, "[Service]\n");
    root.install(&package).says(
        "/etc/systemd/system/anycast-healthchecker.service overrides the unit of this package",
    );
}

/// What postinst does about the daemon, with stand-ins for systemd's tools: they are never the machine's own.
#[test]
fn an_upgrade_takes_no_running_daemon_down() {
    let dir = Dir::new("postinst");
    let postinst = read(source("contrib/debian/postinst"));
    let (_, function) = postinst
        .split_once("\nstart_or_restart() {\n")
        .expect("it is there");
    let (function, _) = function.split_once("\n}\n").expect("it ends");
    let script = format!(
        "name={NAME}\nset -e\nstart_or_restart() {{\n{function}\n}}\nstart_or_restart \"$1\"\n"
    );
    dir.script("bin/systemctl", "#!/bin/sh\n[ -e \"$STATE/active\" ]\n");
    dir.script(
        "bin/setpriv",
        "#!/bin/sh\necho asked: \"$@\"\n[ ! -e \"$STATE/invalid\" ]\n",
    );
    dir.script(
        "bin/deb-systemd-invoke",
        "#!/bin/sh\necho \"$1\" >>\"$STATE/done\"\n[ ! -e \"$STATE/failing\" ]\n",
    );
    let path = format!("{}:/usr/bin:/bin", dir.at("bin").display());
    let case = |old: &str, state: &[&str]| {
        for file in ["active", "invalid", "failing", "done"] {
            fs::remove_file(dir.at(file)).unwrap_or_default();
        }
        for file in state {
            dir.write(file, "");
        }
        let done = run(command("dash")
            .args(["-c", &script, "postinst", old])
            .env("PATH", &path)
            .env("STATE", dir.path()))
        .ok();
        let invoked = fs::read_to_string(dir.at("done")).unwrap_or_default();
        (invoked, done.out)
    };
    assert_eq!(case("", &[]), ("start\n".into(), String::new()));
    let as_user = format!("asked: --reuid={NAME} --regid={NAME} --init-groups /usr/sbin/{NAME}");
    let remembers = format!("{as_user} --create-files --empty\n");
    assert_eq!(case("1.0.0", &["active"]), ("restart\n".into(), remembers));
    let (invoked, said) = case("1.0.0", &["active", "invalid"]);
    assert_eq!(invoked, "");
    assert!(said.contains(&format!("{as_user} -c\n")));
    assert!(said.contains("not restarted, the old version goes on"));
    // What does not run has nothing to lose.
    assert_eq!(case("1.0.0", &["invalid"]).0, "restart\n");
    let (_, said) = case("1.0.0", &["active", "failing"]);
    assert!(said.contains("did not restart: see systemctl status"));
}

/// BIRD would not start again without a file that it includes.
#[test]
fn a_purge_leaves_the_lists_that_bird_still_includes() {
    let dir = Dir::new("deb");
    let root = Root::new();
    root.0
        .write("etc/bird/bird.conf", &format!("include \"/{LIST}\";\n"));
    root.install(&build(dir.path(), "1.0.0"));
    root.dpkg(&["--purge", NAME])
        .ok()
        .says("leaving them there");
    assert!(root.0.at(LIST).exists());
}

#[test]
fn an_architecture_that_debian_does_not_name_is_refused() {
    run(make("deb").args(["TARGET=m68k-unknown-linux-musl", "DIST=/nonexistent"]))
        .exits(2)
        .says("no name for m68k");
}
