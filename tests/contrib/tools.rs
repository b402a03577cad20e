//! What the tests of contrib share: private directories, running things, and saying what went wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::executable;

pub const NAME: &str = "anycast-healthchecker";

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_anycast-healthchecker");

pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A tool that `make contrib-tools` unpacks instead of installing it.
pub fn unpacked(name: &str) -> PathBuf {
    let target = Path::new(BINARY)
        .ancestors()
        .nth(2)
        .expect("the binary lies in target/PROFILE/");
    let path = target.join("tools").join(name);
    assert!(
        path.exists(),
        "{} is missing: make contrib-tools",
        path.display()
    );
    path
}

/// A directory of the test's own; gone when the test has passed, left for inspection when it has failed.
pub struct Dir(PathBuf);

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Dir {
    pub fn new(what: &str) -> Dir {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ahc-{what}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary directory is writable");
        // Other users look into it too: the packages' own.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        Dir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name.trim_start_matches('/'))
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("can be made");
        fs::write(&path, text).expect("can be written");
        path
    }

    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("can be made");
        executable::write(&path, text);
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.0).unwrap_or_default();
        }
    }
}

/// What a command did.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
    what: String,
}

impl Done {
    #[track_caller]
    pub fn ok(self) -> Done {
        self.exits(0)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Done {
        assert!(
            self.code == code,
            "{} ended with {}, not {code}\n{}{}",
            self.what,
            self.code,
            self.out,
            self.err
        );
        self
    }

    /// It has nothing to complain about.
    #[track_caller]
    pub fn silent(self) -> Done {
        let done = self.ok();
        assert!(
            done.out.is_empty() && done.err.is_empty(),
            "{} says\n{}{}",
            done.what,
            done.out,
            done.err
        );
        done
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Done {
        assert!(
            self.out.contains(text) || self.err.contains(text),
            "{} does not say {text:?} but\n{}{}",
            self.what,
            self.out,
            self.err
        );
        self
    }
}

/// Runs it to its end. A program that is missing is named together with where it comes from.
#[track_caller]
pub fn run(command: &mut Command) -> Done {
    let what = format!("{command:?}");
    let output: Output = command.output().unwrap_or_else(|error| {
        panic!("cannot run {what}: {error} (make contrib-tools installs what tests need)")
    });
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        what,
    }
}

/// A command at the top of the source tree, whose PATH has the places of system programs.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path_with(None))
        .env("LC_ALL", "C.UTF-8");
    command
}

/// PATH with a directory of stand-ins in front.
pub fn path_with(first: Option<&Path>) -> String {
    let inherited = std::env::var("PATH").unwrap_or_default();
    let system = format!("{inherited}:/usr/sbin:/sbin");
    match first {
        Some(first) => format!("{}:{system}", first.display()),
        None => system,
    }
}

pub fn is_root() -> bool {
    // The owner of our own files in /proc is who we are.
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// For scripts: waits until a condition holds, at most half a minute.
const WAIT_FOR: &str = "wait_for() { turns=0; until eval \"$1\"; do turns=$((turns + 1))\n\
     [ $turns -lt 600 ] || { echo \"waited in vain for: $1\" >&2; exit 99; }; sleep 0.05; done; }\n";

/// Runs a shell script in a network namespace of its own, where no other daemon's abstract sockets are.
pub fn alone(script: &str) -> Command {
    let mut shell = command("unshare");
    shell.arg(if is_root() { "-n" } else { "-rn" });
    shell.args(["sh", "-euc", &format!("{WAIT_FOR}{script}"), "sh"]);
    shell
}

/// Every file below a directory, sorted.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in
            fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display()))
        {
            let entry = entry.expect("the directory can be read");
            match entry.file_type().expect("it has a type").is_dir() {
                true => open.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    found
}

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
