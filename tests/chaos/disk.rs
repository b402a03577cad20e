//! A small disk that can be frozen: an ext4 image on a loop device, mounted in the namespace of the calling thread.
//!
//! A process that waits for a frozen file system cannot be killed, and its namespace lives as long as it does. So a
//! helper in a session of its own thaws and unmounts at the end, also if the test is killed or interrupted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::Lab;

const HELPER: &str = r#"
trap '' HUP INT QUIT TERM
cd / && echo ready
read -r end
fsfreeze -u "$1/disk" 2>/dev/null
# What waited for the disk ends now.
tries=0
while [ -e "$1/disk/lost+found" ] && [ $tries -lt 50 ]; do
    for mount in "$1"/*/ "$1"/lists/*/; do umount -l "$mount" 2>/dev/null; done
    tries=$((tries + 1)); sleep 0.1
done
rm -rf "$1"
"#;

pub struct Disk {
    dir: PathBuf,
    helper: Child,
}

impl Disk {
    /// `disk` in the directory of the lab.
    pub fn new(lab: &Lab) -> Disk {
        std::fs::create_dir(lab.path("disk")).expect("mkdir");
        let mut helper = Command::new("setsid")
            .args(["/bin/sh", "-c", HELPER, "sh"])
            .arg(lab.dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setsid (package util-linux)");
        let mut ready = [0; 6];
        let said = helper.stdout.as_mut().expect("stdout");
        std::io::Read::read_exact(said, &mut ready).expect("the helper is ready");
        let disk = Disk {
            dir: lab.path("disk"),
            helper,
        };
        let image = lab.write("disk.img", "");
        let file = std::fs::File::options().write(true).open(&image);
        file.and_then(|file| file.set_len(8 << 20))
            .expect("an image");
        run(
            "mkfs.ext4",
            &["-q", "-m", "0", "-O", "^has_journal"],
            &image,
        );
        let mounted = Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&disk.dir)
            .status();
        assert!(
            mounted.expect("mount").success(),
            "cannot mount an ext4 image: are there loop devices?"
        );
        disk
    }

    pub fn freeze(&self) {
        run("fsfreeze", &["-f"], &self.dir);
    }

    pub fn thaw(&self) {
        run("fsfreeze", &["-u"], &self.dir);
    }
}

fn run(program: &str, words: &[&str], path: &Path) {
    let output = Command::new(program).args(words).arg(path).output();
    let output = output.unwrap_or_else(|cause| panic!("{program}: {cause}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {path:?}: {said}");
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut stdin = self.helper.stdin.take().expect("it was made with one");
        let _ = stdin.write_all(b"end\n");
        drop(stdin);
        let _ = self.helper.wait();
    }
}
