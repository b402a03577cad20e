//! A directory with configuration files, and the real binary run in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const BINARY: &str = env!("CARGO_BIN_EXE_anycast-healthchecker");

/// A directory for one test, removed at its end.
pub struct Home(pub PathBuf);

impl Home {
    pub fn new(name: &str) -> Home {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos());
        let path = std::env::temp_dir().join(format!("config-{name}-{}-{now}", std::process::id()));
        for sub in ["", "d", "bird"] {
            fs::create_dir(path.join(sub)).expect("the directory is new");
        }
        Home(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file; `{dir}` is replaced.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let dir = self
            .0
            .to_str()
            .expect("the temporary directory has a plain name");
        fs::write(&path, text.replace("{dir}", dir)).expect("the file can be written");
        // One that changed within the last second may be changing still, and the program would wait for it.
        for path in [Some(path.as_path()), path.parent()].into_iter().flatten() {
            let then = SystemTime::now() - Duration::from_secs(60);
            let _ = fs::File::open(path).and_then(|file| file.set_modified(then));
        }
        path
    }

    /// A main file and one service that are good.
    pub fn good(&self) {
        self.file(
            "main.conf",
            "[daemon]\npidfile = {dir}/a.pid\nbird_conf = {dir}/bird/p.conf\nbird_reconfigure_cmd = true\n",
        );
        self.file(
            "d/s.conf",
            "[s]\ncheck_cmd = /bin/false\nip_prefix = 10.0.0.1\n",
        );
    }

    pub fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(BINARY);
        command
            .args(arguments.split_whitespace())
            .current_dir(&self.0);
        command.output().expect("the program runs")
    }

    /// The standard error of a run, with the directory named `{dir}` again.
    pub fn said(&self, output: &Output) -> String {
        let text = String::from_utf8(output.stderr.clone()).expect("UTF-8");
        text.replace(self.0.to_str().unwrap_or_default(), "{dir}")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
