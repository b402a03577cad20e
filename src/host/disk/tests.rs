use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Replaces a prefix file for which there is nothing to be said.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let outcome = replace_prefix_file(path, content, false)?;
    let damaged = outcome.damaged.clone();
    assert_eq!(
        outcome,
        Outcome {
            damaged,
            ..Outcome::default()
        }
    );
    Ok(())
}

/// A directory of a test's own, removed with it.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new(name: &str) -> Dir {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("anycast-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Dir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What is in it, without reserves and damaged files.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".reserve") && !name.ends_with(".damaged"))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn fifo(path: &Path) {
    let status = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_new_file_can_be_read_by_everybody() {
    let dir = Dir::new("disk");
    let path = dir.path().join("list.conf");
    replace(&path, b"one").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one");
    assert_eq!(mode(&path), 0o644);
    assert_eq!(dir.names(), ["list.conf"]);
}

#[test]
fn an_old_file_keeps_its_mode_and_becomes_another_inode() {
    let dir = Dir::new("disk");
    let path = dir.path().join("list.conf");
    fs::write(&path, "one").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let mut reader = File::open(&path).unwrap();
    replace(&path, b"two").unwrap();
    assert_eq!(mode(&path), 0o640);
    assert_eq!(fs::read(&path).unwrap(), b"two");
    let mut seen = String::new();
    reader.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "one", "who reads has one of the two, whole");
}

#[test]
fn links_stay_and_their_target_is_replaced() {
    let dir = Dir::new("disk");
    fs::create_dir(dir.path().join("real")).unwrap();
    let real = dir.path().join("real/list.conf");
    let link = dir.path().join("link.conf");
    let second = dir.path().join("second.conf");
    symlink("real/list.conf", &link).unwrap();
    symlink(&link, &second).unwrap();
    // First to a file that is not there yet, then to one that is.
    for content in [b"one", b"two"] {
        replace(&second, content).unwrap();
        assert_eq!(fs::read(&real).unwrap(), content);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::symlink_metadata(&second).unwrap().is_symlink());
    }
    assert_eq!(dir.names(), ["link.conf", "real", "second.conf"]);
}

#[test]
fn a_circle_of_links_is_refused() {
    let dir = Dir::new("disk");
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    symlink(&one, &two).unwrap();
    symlink(&two, &one).unwrap();
    let error = replace(&one, b"x").unwrap_err().to_string();
    assert!(error.ends_with("too many symbolic links"), "{error}");
}

#[test]
fn a_link_in_a_directory_of_everybody_is_followed_only_if_trusted() {
    let dir = Dir::new("disk");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    let link = dir.path().join("list.conf");
    symlink(dir.path().join("victim"), &link).unwrap();
    replace(&link, b"our own link is fine").unwrap();
    if process::effective_uid() == 0 {
        // Only root can make a link that is another user's.
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        let error = replace(&link, b"x").unwrap_err().to_string();
        assert!(error.contains("user 65534"), "{error}");
        assert_eq!(fs::read(&link).unwrap(), b"our own link is fine");
        // That of the directory's owner is, and any where not everybody may put one.
        std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
        replace(&link, b"the owner's").unwrap();
        std::os::unix::fs::chown(dir.path(), Some(0), None).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        replace(&link, b"no sticky bit").unwrap();
    }
}

#[test]
fn what_is_no_regular_file_is_never_replaced() {
    let dir = Dir::new("disk");
    let path = dir.path().join("list.conf");
    fifo(&path);
    for kind in ["a FIFO", "a directory"] {
        if kind == "a directory" {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
        for error in [
            replace(&path, b"x").unwrap_err(),
            replace_here(&path, b"x").unwrap_err(),
        ] {
            let expected = format!(
                "cannot write {}: it is {kind}, not a regular file",
                path.display()
            );
            assert_eq!(error.to_string(), expected);
        }
    }
    let device = Replacement::begin(Path::new("/dev/null")).unwrap_err();
    assert!(device.to_string().contains("a device"), "{device}");
}

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let dir = Dir::new("disk");
    let path = dir.path().join("list.conf");
    fs::write(&path, "old").unwrap();
    // A directory in the way of the temporary file.
    let temporary = temporary_name(&path);
    fs::create_dir(&temporary).unwrap();
    let error = replace(&path, b"new").unwrap_err().to_string();
    assert!(error.contains("no temporary file can be made"), "{error}");
    fs::remove_dir(&temporary).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(dir.names(), ["list.conf"]);

    let missing = replace(&dir.path().join("nowhere/x"), b"").unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    assert!(missing.to_string().contains("No such file"), "{missing}");
}

#[test]
fn a_temporary_file_is_neither_configuration_nor_metrics() {
    for name in ["list.conf", "anycast.prom", "x"] {
        let temporary = temporary_name(Path::new("/d").join(name).as_path());
        let name = temporary.to_str().unwrap();
        assert!(name.starts_with("/d/.") && name.ends_with(".tmp"), "{name}");
    }
    let long = PathBuf::from("/d").join("x".repeat(255));
    assert!(temporary_name(&long).file_name().unwrap().len() <= 255);
}

#[test]
fn only_what_predecessors_left_is_swept() {
    let dir = Dir::new("disk");
    let path = dir.path().join("list.conf");
    let link = dir.path().join("link.conf");
    symlink("list.conf", &link).unwrap();
    for name in [".list.conf.1.tmp", ".list.conf.22.tmp"] {
        fs::write(dir.path().join(name), "half").unwrap();
    }
    let others = [
        ".list.conf..tmp",
        ".list.conf.1x.tmp",
        ".list.conf.3.tmp",
        ".list.conf.4.tmp.bak",
        ".other.conf.1.tmp",
        "list.conf.1.tmp",
    ];
    for name in others {
        let file = dir.path().join(name);
        match name {
            ".list.conf.3.tmp" => fs::create_dir(file).unwrap(),
            _ => fs::write(file, "").unwrap(),
        }
    }
    sweep(&link);
    let mut expected = others.to_vec();
    expected.push("link.conf");
    expected.sort_unstable();
    assert_eq!(dir.names(), expected);
    // So does each replacement, and the pid of this process makes no difference: that of process 1 of a container is
    // always the same.
    fs::write(dir.path().join(".list.conf.1.tmp"), "half").unwrap();
    fs::write(temporary_name(&path), "half").unwrap();
    replace(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    expected.push("list.conf");
    expected.sort_unstable();
    assert_eq!(dir.names(), expected);
}

#[test]
fn reading_is_bounded_and_never_waits() {
    let dir = Dir::new("disk");
    let path = dir.path().join("file");
    fs::write(&path, "12345").unwrap();
    assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
    let error = read_bounded(&path, 4).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("more than 4 bytes"), "{error}");

    let pipe = dir.path().join("fifo");
    fifo(&pipe);
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for (path, what) in [
        (pipe.as_path(), "a FIFO"),
        (&socket, "a socket"),
        (dir.path(), "a directory"),
        (Path::new("/dev/zero"), "a device"),
    ] {
        let error = read_bounded(path, 5).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let missing = read_bounded(&dir.path().join("nowhere"), 5).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_path_is_shown_without_control_characters() {
    assert_eq!(shown(Path::new("/a b/ü")), "/a b/ü");
    assert_eq!(shown(Path::new("/a\nb")), "\"/a\\nb\"");
}

#[test]
fn a_file_is_made_unless_it_is_there() {
    let dir = Dir::new("disk");
    let path = dir.path().join("list.conf");
    for content in [b"one", b"two"] {
        create(&path, content).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }
    assert_eq!(mode(&path), 0o644);
    let too_long = create(&dir.path().join("n".repeat(300)), b"x").unwrap_err();
    assert!(too_long.to_string().contains("File name too long"));
    assert_eq!(dir.names(), ["list.conf"]);
}

#[test]
fn a_link_is_overwritten_where_it_stands() {
    let dir = Dir::new("disk");
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::write(&real, "old").unwrap();
    symlink(&real, &link).unwrap();
    replace_here(&link, b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_file());
    // What a predecessor with our pid has left is in nobody's way.
    fs::write(temporary_name(&link), "half").unwrap();
    replace_here(&link, b"newer").unwrap();
    assert_eq!(fs::read(&real).unwrap(), b"old");
    // Not even a temporary file is made where the name cannot be.
    let error = replace_here(&dir.path().join("n".repeat(300)), b"x").unwrap_err();
    assert!(
        error.to_string().ends_with(": File name too long"),
        "{error}"
    );
    assert!(!error.to_string().contains("no new file"), "{error}");
}

#[test]
fn what_is_written_in_pieces_is_whole_or_gone() {
    let dir = Dir::new("disk");
    let path = dir.path().join("list.prom");
    let half = || {
        let mut new = Replacement::begin(&path).unwrap();
        new.write(b"one ").unwrap();
        new
    };
    drop(half());
    assert_eq!(dir.names(), [""; 0]);
    let mut new = half();
    new.write(b"two").unwrap();
    new.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one two");
    assert_eq!(dir.names(), ["list.prom"]);
}

#[test]
fn a_temporary_file_names_its_maker() {
    let ours = temporary_name(Path::new("/d/list.conf"));
    let own = process::Pid::own().number();
    assert_eq!(
        maker_of(ours.file_name().unwrap()).map(i64::from),
        Some(i64::from(own))
    );
    for (name, maker) in [
        (".list.conf.12.tmp", Some(12)),
        (".list.conf.x.tmp", None),
        ("list.conf.12.tmp", None),
        (".list.conf.12", None),
    ] {
        assert_eq!(maker_of(std::ffi::OsStr::new(name)), maker, "{name}");
    }
}

#[test]
fn a_reserve_is_beside_the_target_of_a_link() {
    let dir = Dir::new("disk");
    fs::create_dir(dir.path().join("real")).unwrap();
    let link = dir.path().join("link.conf");
    symlink("real/list.conf", &link).unwrap();
    reserve(&link).unwrap();
    assert!(dir.path().join("real/.list.conf.reserve").exists());
}

#[test]
fn the_directory_of_a_path() {
    for (path, directory) in [("x", "."), ("/x", "/"), ("/a/b", "/a"), ("/", "/")] {
        assert_eq!(directory_of(Path::new(path)), Path::new(directory));
    }
}

#[test]
fn only_missing_room_is_a_full_disk() {
    let full = |number| is_full(&io::Error::from_raw_os_error(number));
    assert!(full(libc::ENOSPC) && full(libc::EDQUOT) && !full(libc::EACCES));
}
