//! The OpenWrt package: its init script under the shells that a router and a developer have, with stand-ins for procd's
//! functions, and its Makefile with stand-ins for the build system.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::executable;
use crate::tools::{BINARY, Dir, Done, NAME, command, files_below, path_with, read, run, source};

/// Stands in for /etc/rc.common and procd.sh: every call is a line of $LOG, its words parted by bars. The settings of
/// UCI are files in $UCI.
const RC_COMMON: &str = r#"
note() { first=$1; shift; for word in "$@"; do first="$first|$word"; done; echo "$first" >>"$LOG"; }
for name in open_instance close_instance set_param append_param add_reload_trigger send_signal; do
    eval "procd_$name() { note $name \"\$@\"; }"
done
# The package's user does not exist here: who is given what is written down.
chown() { note chown "$@"; }
chgrp() { note chgrp "$@"; }
config_load() { note config_load "$@"; }
config_get() { if [ -e "$UCI/$3" ]; then read -r "$1" <"$UCI/$3"; else eval "$1=\$4"; fi; }
config_get_bool() { config_get "$@"; }
initscript=$1 action=$2
shift 2
start_service() { :; }
service_triggers() { :; }
. "$initscript"
echo "START=$START STOP=$STOP USE_PROCD=$USE_PROCD" >>"$LOG.order"
start() { note open_service; start_service "$@"; service_triggers; note close_service; }
reload() { if type reload_service >/dev/null 2>&1; then reload_service "$@"; else start; fi; }
case " start boot reload $EXTRA_COMMANDS " in
*" $action "*) $action "$@" ;;
*) exit 3 ;;
esac
"#;

/// A router: the installed files in a root of their own, with every path in them pointing there.
struct Router {
    root: Dir,
    shell: &'static [&'static str],
}

const SHELLS: [&[&str]; 3] = [&["dash"], &["busybox", "ash"], &["bash", "--posix"]];

impl Router {
    fn new(shell: &'static [&'static str]) -> Router {
        let root = Dir::new("openwrt");
        let here = root.path().display().to_string();
        let moved = |file: &str| {
            let mut text = read(source("contrib/openwrt/files").join(file));
            for top in ["/usr/", "/etc/", "/var/"] {
                text = text.replace(&format!("={top}"), &format!("={here}{top}"));
                text = text.replace(&format!(" = {top}"), &format!(" = {here}{top}"));
                text = text.replace(&format!("\t{top}"), &format!("\t{here}{top}"));
            }
            text
        };
        root.script(
            &format!("etc/init.d/{NAME}"),
            &moved("anycast-healthchecker.init"),
        );
        root.script("hotplug", &moved("anycast-healthchecker.hotplug"));
        let pidfile = format!("pidfile = {here}/var/run/{NAME}/{NAME}.pid\n");
        root.write(
            "etc/anycast-healthchecker.conf",
            &format!("{}{pidfile}", moved("anycast-healthchecker.conf")),
        );
        root.write(
            "etc/anycast-healthchecker.d/www.conf",
            "[www]\ncheck_cmd = true\nip_prefix = 10.0.0.1\n",
        );
        root.write(
            "etc/anycast-healthchecker.d/dns.conf",
            "[dns]\ncheck_cmd = true\nip_prefix = 10.0.0.2\n",
        );
        root.write("rc.common", RC_COMMON);
        fs::create_dir_all(root.at("usr/sbin")).expect("can be made");
        symlink(BINARY, root.at(&format!("usr/sbin/{NAME}"))).expect("can be made");
        Router { root, shell }
    }

    fn init(&self, action: &str) -> Done {
        fs::remove_file(self.root.at("log")).unwrap_or_default();
        self.again(action)
    }

    fn again(&self, action: &str) -> Done {
        run(command(self.shell[0])
            .args(&self.shell[1..])
            .arg(self.root.at("rc.common"))
            .arg(self.root.at(&format!("etc/init.d/{NAME}")))
            .arg(action)
            .env("LOG", self.root.at("log"))
            .env("UCI", self.root.at("uci"))
            .env("PATH", path_with(Some(&self.root.at("usr/sbin")))))
    }

    /// What was asked of procd, with the root's own path left out.
    fn log(&self) -> Vec<String> {
        let here = self.root.path().display().to_string();
        let text = fs::read_to_string(self.root.at("log")).unwrap_or_default();
        text.lines().map(|line| line.replace(&here, "")).collect()
    }
}

const STARTED: &str = "open_service
config_load|anycast-healthchecker
chown|-hR|anycast-healthchecker:root|/var/lib/anycast-healthchecker|/var/run/anycast-healthchecker
chgrp|root|/var/prometheus
open_instance|daemon
set_param|command|/usr/sbin/anycast-healthchecker|-f|/etc/anycast-healthchecker.conf|-d|/etc/anycast-healthchecker.d
set_param|file|/etc/anycast-healthchecker.conf
append_param|file|/etc/anycast-healthchecker.d/dns.conf
append_param|file|/etc/anycast-healthchecker.d/www.conf
set_param|reload_signal|HUP
set_param|user|anycast-healthchecker
set_param|group|root
set_param|no_new_privs|1
set_param|respawn|3600|5|0
set_param|term_timeout|60
set_param|stdout|1
set_param|stderr|1
close_instance
open_instance|withdraw
set_param|command|/usr/sbin/anycast-healthchecker|-f|/etc/anycast-healthchecker.conf|-d|/etc/anycast-healthchecker.d|--watch|30
set_param|user|anycast-healthchecker
set_param|group|root
set_param|no_new_privs|1
set_param|respawn|3600|5|0
set_param|stdout|1
set_param|stderr|1
close_instance
add_reload_trigger|anycast-healthchecker
close_service";

#[test]
fn start_makes_what_bird_includes_and_hands_two_instances_to_procd() {
    for shell in SHELLS {
        let router = Router::new(shell);
        router.init("start").silent();
        assert_eq!(
            router.log(),
            STARTED.lines().collect::<Vec<_>>(),
            "{shell:?}"
        );
        for (file, list) in [
            ("anycast-prefixes.conf", "ACAST_PS_ADVERTISE"),
            ("6/anycast-prefixes.conf", "ACAST6_PS_ADVERTISE"),
        ] {
            let path = router.root.at("var/lib/anycast-healthchecker").join(file);
            assert!(
                read(&path).contains(&format!("define {list} =\n    [\n")),
                "{}",
                read(&path)
            );
            let mode = fs::metadata(&path)
                .expect("it was made")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o644, "BIRD must be able to read it");
        }
        assert!(router.root.at("var/run/anycast-healthchecker").is_dir());
        // BIRD has START=70 and STOP=10.
        assert_eq!(
            read(router.root.at("log.order")),
            "START=69 STOP=05 USE_PROCD=1\n"
        );
    }
}

#[test]
fn start_leaves_an_existing_list_alone() {
    let router = Router::new(SHELLS[0]);
    let list = router.root.write(
        "var/lib/anycast-healthchecker/anycast-prefixes.conf",
        "the daemon's own\n",
    );
    router.init("start").silent();
    assert_eq!(read(list), "the daemon's own\n");
}

#[test]
fn a_boot_empties_an_existing_list() {
    for shell in SHELLS {
        let router = Router::new(shell);
        let list = router.root.write(
            "var/lib/anycast-healthchecker/anycast-prefixes.conf",
            "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.0.0.1/32 ];\n",
        );
        fs::create_dir_all(router.root.at("var/run/anycast-healthchecker")).expect("can be made");
        router.init("boot").ok().says("emptied ");
        assert!(!read(&list).contains("10.0.0.1/32"), "{shell:?}");
        assert_eq!(
            router.log(),
            STARTED.lines().collect::<Vec<_>>(),
            "{shell:?}"
        );
    }
}

#[test]
fn uci_has_its_say() {
    let router = Router::new(SHELLS[1]);
    for (option, value) in [
        ("user", "nobody"),
        ("group", "bird"),
        ("withdraw_after", "0"),
    ] {
        router
            .root
            .write(&format!("uci/{option}"), &format!("{value}\n"));
    }
    router.init("start").silent();
    let log = router.log();
    assert!(
        log.contains(&"set_param|user|nobody".to_string())
            && log.contains(&"set_param|group|bird".to_string())
    );
    assert!(!log.contains(&"open_instance|withdraw".to_string()));
    router.root.write("uci/enabled", "0\n");
    router.init("start").silent();
    assert!(
        !router
            .log()
            .iter()
            .any(|line| line.starts_with("open_instance"))
    );
}

#[test]
fn reload_sends_sighup_unless_the_configuration_is_not_valid() {
    for shell in SHELLS {
        let router = Router::new(shell);
        router.init("start").silent();
        router.root.write(
            "etc/anycast-healthchecker.d/new.conf",
            "[new]\ncheck_cmd = true\nip_prefix = 10.0.0.3\n",
        );
        router.init("reload").ok();
        let log = router.log();
        // procd compares the files that it is given: a new one is a change.
        assert!(
            log.contains(&"append_param|file|/etc/anycast-healthchecker.d/new.conf".to_string())
        );
        assert_eq!(
            log.last().map(String::as_str),
            Some("send_signal|anycast-healthchecker|daemon|HUP")
        );
        router.root.write(
            "etc/anycast-healthchecker.d/new.conf",
            "[new]\nip_prefix = 10.0.0.300\n",
        );
        router
            .init("reload")
            .exits(1)
            .says("new.conf:2: [new] ip_prefix");
        assert!(router.log().is_empty(), "{:?}", router.log());
    }
}

#[test]
fn hotplug_runs_the_checks_when_an_interface_changes() {
    let router = Router::new(SHELLS[0]);
    router.init("run_now").silent();
    assert_eq!(
        router.log(),
        ["send_signal|anycast-healthchecker|daemon|URG"]
    );
    let calls = "#!/bin/sh\necho \"$@\" >>\"$LOG\"\n";
    router.root.script(&format!("etc/init.d/{NAME}"), calls);
    for (action, called) in [
        ("ifup", true),
        ("ifdown", true),
        ("ifupdate", true),
        ("ifupdate-failed", false),
    ] {
        fs::remove_file(router.root.at("log")).unwrap_or_default();
        let hook = router.root.at("hotplug");
        run(command("sh")
            .arg(hook)
            .env("ACTION", action)
            .env("LOG", router.root.at("log")))
        .silent();
        assert_eq!(router.log() == ["run_now"], called, "{action}");
    }
}

/// The parts of OpenWrt's build system that the Makefile leans on.
fn build_system() -> Dir {
    let top = Dir::new("openwrt-build");
    let body = "define noop\nendef\nINSTALL_DIR = install -d -m 755\nINSTALL_BIN = install -m 755\n\
         INSTALL_DATA = install -m 644\nINSTALL_CONF = install -m 600\nCP = cp -fpR\n";
    top.write("rules.mk", body);
    // A file is made for each text block, and the two real steps are targets.
    top.write(
        "include/package.mk",
        "define BuildPackage\n$(foreach part,conffiles description install,\
         $(if $(Package/$(1)/$(part)),,$(error no $(part) of $(1))))\nendef\n\
         export CONFFILES = $(Package/$(PKG_NAME)/conffiles)\nexport PACKAGE = $(Package/$(PKG_NAME))\n\
         .DEFAULT_GOAL := all\nall:\n\t$(call Build/Prepare)\n\t$(call Package/$(PKG_NAME)/install,$(OUT))\n\
         \t@echo \"$$CONFFILES\" >$(OUT)/conffiles; echo \"$$PACKAGE\" >$(OUT)/package; echo $(PKG_VERSION) >$(OUT)/version\n",
    );
    top.write(
        "feeds/packages/lang/rust/rust-package.mk",
        "RUST_ARCH_DEPENDS:=@(aarch64||mipsel)\ndefine RustBinPackage\nendef\n",
    );
    top
}

#[test]
fn the_package_installs_what_its_scripts_name() {
    let top = build_system();
    let out = top.at("out");
    fs::create_dir_all(top.at("built/bin")).expect("can be made");
    executable::copy(BINARY, top.at(&format!("built/bin/{NAME}")));
    fs::create_dir_all(&out).expect("can be made");
    run(command("make")
        .args(["-s", "-C", "contrib/openwrt"])
        .arg(format!("TOPDIR={}", top.path().display()))
        .arg(format!("INCLUDE_DIR={}", top.at("include").display()))
        .arg(format!("PKG_INSTALL_DIR={}", top.at("built").display()))
        .arg(format!("PKG_BUILD_DIR={}", top.at("build").display()))
        .arg(format!("OUT={}", out.display())))
    .ok();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(read(out.join("version")).trim(), version);
    assert!(top.at("build/Cargo.lock").exists() && top.at("build/src/main.rs").exists());
    let installed: Vec<String> = (files_below(&out).iter())
        .map(|path| {
            path.strip_prefix(&out)
                .expect("it is below")
                .display()
                .to_string()
        })
        .filter(|path| path.contains('/'))
        .collect();
    assert_eq!(
        installed,
        [
            "etc/anycast-healthchecker.conf",
            "etc/config/anycast-healthchecker",
            "etc/hotplug.d/iface/90-anycast-healthchecker",
            "etc/init.d/anycast-healthchecker",
            "lib/upgrade/keep.d/anycast-healthchecker",
            "usr/sbin/anycast-healthchecker",
        ]
    );
    // A package upgrade and a system upgrade keep the same files, and they exist.
    let kept = read(out.join("lib/upgrade/keep.d/anycast-healthchecker"));
    assert_eq!(read(out.join("conffiles")).trim(), kept.trim());
    for path in kept.lines() {
        assert!(
            out.join(path.trim_start_matches('/')).exists(),
            "{path} is kept and not there"
        );
    }
    // The daemon is not root and reads its configuration.
    let mode = fs::metadata(out.join("etc/anycast-healthchecker.conf"))
        .expect("it exists")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    // The feed's own test of the package.
    let conf = top.write("empty.conf", "");
    fs::create_dir_all(top.at("empty.d")).expect("can be made");
    let test = read(source("contrib/openwrt/test.sh"));
    assert!(test.contains(" -f /etc/anycast-healthchecker.conf -d /etc/anycast-healthchecker.d"));
    let test = top.script(
        "test.sh",
        &test.replace("-c -f", "-P -f").replace(
            "/etc/anycast-healthchecker.conf",
            &conf.display().to_string(),
        ),
    );
    let mut check = command(&test);
    check
        .args([NAME, version])
        .env("PATH", path_with(Some(&out.join("usr/sbin"))));
    run(&mut check).says(version);
    run(command(&test)
        .args([NAME, "0.0.1"])
        .env("PATH", path_with(Some(&out.join("usr/sbin")))))
    .exits(1);
}
