use std::fs::File;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::host::disk::archive;
use crate::host::disk::tests::Dir;
use crate::time::Wall;

const OLD: &[u8] = b"define A = [ 10.0.0.1/32, 10.0.0.2/32 ];\n";
const NEW: &[u8] = b"define A = [ 10.0.0.1/32 ];\n";

fn replaced(path: &Path, content: &[u8]) -> Outcome {
    replace_prefix_file(path, content, false).unwrap()
}

fn said(program: &str, words: &[&str], path: &Path) -> String {
    let output = Command::new(program)
        .args(words)
        .arg(path)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn access_lists_and_attributes_are_kept() {
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("list.conf");
    fs::write(&path, OLD).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let all = || {
        let list = said("getfacl", &["-cnp"], &path);
        (list, said("getfattr", &["-d", "-m", "user"], &path))
    };
    // What the directory gives to new files, this one never had.
    said("setfacl", &["-dm", "u:4243:rwx"], dir.path());
    let before = all();
    replaced(&path, NEW);
    assert_eq!(all(), before);

    said("setfattr", &["-n", "user.note", "-v", "first"], &path);
    let before = all();
    replaced(&path, NEW);
    assert_eq!(all(), before);
    said("setfacl", &["-m", "u:4242:r"], &path);
    said("setfattr", &["-n", "user.note", "-v", "x"], &path);
    let before = all();
    assert!(before.0.contains("user:4242:r--") && before.1.contains("user.note"));
    replaced(&path, OLD);
    assert_eq!(all(), before);
    reserve::make(&path).unwrap();
    reserve::take(&path, NEW).unwrap();
    assert_eq!(all(), before);
    assert_eq!(fs::read(&path).unwrap(), NEW);
}

#[test]
fn another_part_of_birds_configuration_is_left_alone() {
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("bird.conf");
    let text = "define A = [ 10.0.0.1/32 ];\nprotocol device { }\n";
    fs::write(&path, text).unwrap();
    let error = replace_prefix_file(&path, NEW, true).unwrap_err();
    assert!(error.to_string().contains("its line 2 begins"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}

#[test]
fn the_first_damaged_file_is_kept() {
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("list.conf");
    let kept = dir.path().join("list.conf.damaged");
    fs::write(&path, "# nothing but a comment\n").unwrap();
    assert_eq!(replaced(&path, NEW).damaged, None);
    assert_eq!(replaced(&path, OLD).damaged, None);
    for (damaged, outcome) in [("first", Some(kept.clone())), ("second", None)] {
        fs::write(&path, damaged).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let done = replaced(&path, NEW);
        assert_eq!((done.damaged, done.flaw), (outcome, None));
        assert_eq!(fs::read(&path).unwrap(), NEW);
        assert_eq!(fs::read_to_string(&kept).unwrap(), "first");
        assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o640);
    }
}

#[test]
fn the_history_is_beside_the_target_of_a_link_and_has_what_was_there_before() {
    let dir = Dir::new("prefix-file");
    fs::create_dir(dir.path().join("real")).unwrap();
    let link = dir.path().join("link.conf");
    symlink("real/list.conf", &link).unwrap();
    let first = replace_prefix_file(&link, OLD, true).unwrap();
    assert_eq!(first.old, None);
    let second = replace_prefix_file(&link, NEW, true).unwrap();
    assert_eq!(second.old, Some(Ok(OLD.to_vec())));
    let now = Wall::from_micros(1_700_000_000_000_002);
    archive(&link, OLD, 9, now).unwrap();
    let history = dir.path().join("real/history");
    let copy = fs::read(history.join("1700000000.000002")).unwrap();
    assert_eq!(copy, OLD);
    assert!(!dir.path().join("history").exists());
}

#[test]
fn the_reserve_has_room_for_the_file_and_is_left_alone_while_somebody_reads_it() {
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("list.conf");
    let room = || fs::metadata(reserve::name(&path)).unwrap().blocks() * 512;
    let long = vec![b'\n'; 100_000];
    reserve::make(&path).unwrap();
    assert!(room() >= 4096);
    replaced(&path, &long);
    reserve::make(&path).unwrap();
    assert!(room() > 100_000);
    reserve::take(&path, NEW).unwrap();
    assert_eq!(fs::read(&path).unwrap(), NEW);
    // What was the file is the reserve now; somebody may have opened it before.
    assert_eq!(fs::read(reserve::name(&path)).unwrap(), long);
    let reader = File::open(reserve::name(&path)).unwrap();
    reserve::take(&path, OLD).unwrap_err();
    assert_eq!(fs::read(reserve::name(&path)).unwrap(), long);
    drop(reader);
    reserve::take(&path, OLD).unwrap();
    assert_eq!(fs::read(&path).unwrap(), OLD);
}

#[test]
fn a_reserve_that_is_large_enough_stays_and_what_is_in_its_way_is_named() {
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("list.conf");
    let inode = || fs::metadata(reserve::name(&path)).unwrap().ino();
    fs::write(&path, OLD).unwrap();
    reserve::make(&path).unwrap();
    let first = inode();
    reserve::make(&path).unwrap();
    assert_eq!(inode(), first);
    if crate::host::sys::process::effective_uid() == 0 {
        // It is ours, or of the owner of the prefix file.
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        reserve::make(&path).unwrap();
        std::os::unix::fs::chown(reserve::name(&path), Some(65534), None).unwrap();
        reserve::make(&path).unwrap();
        assert_eq!(inode(), first);
    }
    fs::remove_file(reserve::name(&path)).unwrap();
    fs::create_dir(reserve::name(&path)).unwrap();
    let error = reserve::make(&path).unwrap_err().to_string();
    assert!(error.contains("it is a directory"), "{error}");
    // Where no file can be made at all there is nothing to be said.
    reserve::make(std::path::Path::new("/sys/list.conf")).unwrap();
    reserve::make(&dir.path().join("nowhere/list.conf")).unwrap_err();
}

#[test]
fn what_cannot_be_read_or_kept_is_replaced_all_the_same() {
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("list.conf");
    let long = fs::File::create(&path).unwrap();
    long.set_len(PREFIX_FILE_MAX as u64 + 1).unwrap();
    let outcome = replace_prefix_file(&path, NEW, true).unwrap();
    let old = outcome.old.expect("there was one").unwrap_err();
    assert!(old.contains("more than"), "{old}");
    // No room for the ending of a damaged file.
    let path = dir.path().join("n".repeat(250));
    fs::write(&path, "damaged").unwrap();
    let flaw = replaced(&path, NEW).flaw.expect("it is not kept");
    assert!(flaw.contains("File name too long"), "{flaw}");
    assert_eq!(fs::read(&path).unwrap(), NEW);
}

#[test]
fn what_has_another_name_is_not_written_in_place() {
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("list.conf");
    fs::write(&path, OLD).unwrap();
    fs::hard_link(&path, dir.path().join("also")).unwrap();
    write_in_place(&path, NEW, None).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), OLD);
}

#[test]
fn the_owner_is_kept() {
    if crate::host::sys::process::effective_uid() != 0 {
        return;
    }
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("list.conf");
    for (owner, group) in [(4242, 4243), (0, 4243), (4242, 0)] {
        fs::write(&path, OLD).unwrap();
        std::os::unix::fs::chown(&path, Some(owner), Some(group)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        replaced(&path, NEW);
        let new = fs::metadata(&path).unwrap();
        assert_eq!((new.uid(), new.gid()), (owner, group));
        assert_eq!(new.mode() & 0o777, 0o600);
    }
}

/// In a directory that everybody may write another user may have put it there, to have it become the prefix file.
#[test]
fn a_reserve_that_others_can_write_is_not_used() {
    let dir = Dir::new("prefix-file");
    let path = dir.path().join("list.conf");
    let reserve = reserve::name(&path);
    fs::write(&path, OLD).unwrap();
    fs::write(&reserve, vec![0; 8192]).unwrap();
    fs::hard_link(&reserve, dir.path().join("also")).unwrap();
    reserve::take(&path, NEW).unwrap_err();
    reserve::make(&path).unwrap();
    assert_eq!(fs::metadata(&reserve).unwrap().nlink(), 1);
    if crate::host::sys::process::effective_uid() == 0 {
        std::os::unix::fs::chown(&reserve, Some(65534), None).unwrap();
        reserve::take(&path, NEW).unwrap_err();
        reserve::make(&path).unwrap();
        assert_eq!(fs::metadata(&reserve).unwrap().uid(), 0);
    }
    reserve::take(&path, NEW).unwrap();
}

/// Replaces the file that is named there in one of the three ways: what the test below kills.
const REPLACE: &str = "ANYCAST_TEST_REPLACE";
/// strace counts each system call of each thread by itself: more of those that the other threads make, too, than they make.
const FILLERS: usize = 32;

#[test]
fn killed_at_any_system_call_it_leaves_a_whole_file() {
    if let Some(path) = std::env::var_os(REPLACE) {
        let path = PathBuf::from(path);
        for _ in 0..FILLERS {
            fs::write("/dev/null", "x").unwrap();
        }
        match path.extension().and_then(|way| way.to_str()) {
            Some("reserve") => drop(reserve::take(&path, NEW).unwrap()),
            Some("place") => write_in_place(&path, NEW, None).unwrap(),
            Some("here") => crate::host::disk::replace_here(&path, NEW).unwrap(),
            _ => drop(replaced(&path, NEW)),
        }
        return;
    }
    const CALLS: &str = "openat,write,pwrite64,ftruncate,fallocate,fchmod,fremovexattr,fsync,fdatasync,rename,renameat,renameat2,fcntl";
    let dir = Dir::new("killed");
    let trace = dir.path().join("trace");
    for way in ["here", "rename", "reserve", "place"] {
        let path = dir.path().join("list").with_extension(way);
        let run = |calls: &str, inject: &[&str]| {
            fs::write(&path, OLD).unwrap();
            reserve::make(&path).unwrap();
            let status = Command::new("strace")
                .args(["-f", "-qq", "-e", &format!("trace={calls}"), "-o"])
                .arg(&trace)
                .args(inject)
                .arg(std::env::current_exe().unwrap())
                .arg("killed_at_any_system_call_it_leaves_a_whole_file")
                .env(REPLACE, &path)
                .stdout(std::process::Stdio::null())
                .status();
            let mut text = fs::read(&path).unwrap();
            if text.starts_with(NEW) {
                text.truncate(text.trim_ascii_end().len() + 1);
            }
            (status.expect("strace").success(), text)
        };
        assert_eq!(run(CALLS, &[]), (true, NEW.to_vec()), "{way}");
        let moments = calls_after_fillers(&fs::read_to_string(&trace).unwrap());
        let first = |begin: &str| moments.iter().position(|(call, _)| call.starts_with(begin));
        // On the disk before it has its name, but for what nobody waits for.
        let (synced, renamed) = (first("fdatasync"), first("rename"));
        match way {
            "here" => assert!(synced.is_none() && renamed.is_some(), "{moments:?}"),
            "place" => assert!(synced.is_some() && renamed.is_none(), "{moments:?}"),
            _ => assert!(synced.is_some() && synced < renamed, "{moments:?}"),
        }
        if way == "here" {
            continue;
        }
        if way == "reserve" {
            assert!(first("fsync") < first("pwrite64"), "{moments:?}");
        }
        let mut seen_old = 0;
        for (call, number) in &moments {
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let (lived, text) = run(call, &["-e", &inject]);
            assert!(!lived, "{way}: it is not killed at {call} {number}");
            assert!(text == OLD || text == NEW, "{way}, {call}: {text:?}");
            seen_old += usize::from(text == OLD);
        }
        assert!(
            (3..moments.len()).contains(&seen_old),
            "{way}: killed before the end {seen_old} times of {moments:?}"
        );
    }
}

/// The system calls of the thread that replaces the file, each with how many of the kind it has made by then.
fn calls_after_fillers(trace: &str) -> Vec<(String, usize)> {
    let lines = || trace.lines().filter_map(|line| line.split_once(' '));
    let mut filler = lines().filter(|(_, call)| call.contains("/dev/null"));
    let (thread, _) = filler.next_back().expect("there are fillers");
    let mut all: Vec<(String, usize)> = Vec::new();
    let mut begin = 0;
    for (_, line) in lines().filter(|(other, _)| *other == thread) {
        let Some((call, rest)) = line.trim_start().split_once('(') else {
            continue;
        };
        if rest.contains("/dev/null") {
            begin = all.len();
        }
        let before = all.iter().filter(|(other, _)| other == call).count();
        all.push((call.to_string(), before + 1));
    }
    all.split_off(begin)
}
