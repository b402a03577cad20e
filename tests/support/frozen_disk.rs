//! A disk of its own that can stop answering, as a dead one does: every write hangs in the kernel, whatever signal comes.
//!
//! It is an ext4 file system in a file, frozen with fsfreeze(8). What froze it thaws it when the test is over, however that
//! ends: a shell waits for the end of its input, which comes with the end of the test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{Lab, sys};

pub struct FrozenDisk {
    place: PathBuf,
    freezer: Option<Child>,
}

impl FrozenDisk {
    /// Mounts a new disk on a directory of the lab.
    pub fn mount(lab: &Lab, directory: &str) -> FrozenDisk {
        let place = lab.path(directory);
        std::fs::create_dir_all(&place).expect("a directory to mount on");
        let image = lab.path("disk.image");
        let file = std::fs::File::create(&image).expect("an image");
        file.set_len(16 << 20).expect("a sparse image");
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&place));
        FrozenDisk {
            place,
            freezer: None,
        }
    }

    pub fn freeze(&mut self) {
        let script = "fsfreeze -f \"$1\" && echo frozen && read -r _; fsfreeze -u \"$1\"";
        let mut freezer = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&self.place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let output = freezer.stdout.take().expect("its stdout");
        BufReader::new(output).read_line(&mut line).expect("a line");
        self.freezer = Some(freezer);
        assert_eq!(line, "frozen\n", "fsfreeze(8), of util-linux, is needed");
    }

    pub fn thaw(&mut self) {
        if let Some(mut freezer) = self.freezer.take() {
            drop(freezer.stdin.take());
            let _ = freezer.wait();
        }
    }
}

impl Drop for FrozenDisk {
    fn drop(&mut self) {
        self.thaw();
        // The loop device goes with its last user.
        let _ = sys::unmount(&self.place);
    }
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} (are there loop devices?): {said}"
    );
}
