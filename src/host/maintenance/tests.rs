use super::*;
use crate::host::test_dir::TestDir;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

const NOW: Mono = Mono::from_micros(1_000_000);

fn watch(paths: &[&Path]) -> Watch {
    Watch::new(paths.iter().map(|path| path.to_path_buf()), NOW)
}

fn came(path: &Path) -> Vec<(PathBuf, bool)> {
    vec![(path.to_path_buf(), true)]
}

fn went(path: &Path) -> Vec<(PathBuf, bool)> {
    vec![(path.to_path_buf(), false)]
}

/// inotify queues an event before the call that causes it returns, so no waiting is needed.
fn seen(watch: &mut Watch) -> Vec<(PathBuf, bool)> {
    assert_eq!(watch.next_rescan(), None, "everything is watched");
    watch.readable(NOW)
}

#[test]
fn files_come_and_go() {
    let dir = TestDir::new();
    let (one, two) = (dir.join("one"), dir.join("two"));
    fs::write(&two, "").unwrap();
    let mut watch = watch(&[&one, &two, &one]);
    assert_eq!(watch.present(), Set::from([two.clone()]));
    assert!(seen(&mut watch).is_empty());
    fs::write(&one, "").unwrap();
    assert_eq!(seen(&mut watch), came(&one));
    fs::write(&one, "more").unwrap();
    assert!(seen(&mut watch).is_empty());
    fs::remove_file(&two).unwrap();
    assert_eq!(seen(&mut watch), went(&two));
    assert_eq!(watch.present(), Set::from([one.clone()]));
    fs::write(dir.join("other"), "").unwrap();
    fs::rename(&one, dir.join("third")).unwrap();
    assert_eq!(seen(&mut watch), went(&one));
    fs::rename(dir.join("third"), &two).unwrap();
    assert_eq!(seen(&mut watch), came(&two));
    assert!(watch.take_news().is_empty());
}

#[test]
fn only_the_state_at_the_end_counts_and_any_type_is_a_file() {
    let dir = TestDir::new();
    let path = dir.join("one");
    let mut watch = watch(&[&path]);
    fs::write(&path, "").unwrap();
    fs::remove_file(&path).unwrap();
    assert!(seen(&mut watch).is_empty());
    fs::create_dir(&path).unwrap();
    assert_eq!(seen(&mut watch), came(&path));
    fs::remove_dir(&path).unwrap();
    symlink("/nonexistent", &path).unwrap();
    assert!(seen(&mut watch).is_empty(), "gone and here again");
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(&mut watch), went(&path));
}

#[test]
fn many_files_of_a_directory_are_one_watch() {
    let dir = TestDir::new();
    let paths: Vec<PathBuf> = (0..500)
        .map(|number| dir.join(&format!("s{number}")))
        .collect();
    let mut watch = Watch::new(paths.clone(), NOW);
    let fd = watch.fd().unwrap().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    let watches = info.lines().filter(|line| line.starts_with("inotify "));
    assert_eq!(watches.count(), dir.path().components().count());
    for path in &paths {
        fs::write(path, "").unwrap();
    }
    assert_eq!(seen(&mut watch).len(), 500);
}

#[test]
fn a_directory_that_does_not_exist_yet_is_waited_for() {
    let dir = TestDir::new();
    let path = dir.join("a/b/c/file");
    let mut watch = watch(&[&path]);
    assert!(watch.present().is_empty());
    fs::create_dir(dir.join("a")).unwrap();
    assert!(seen(&mut watch).is_empty());
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(seen(&mut watch), came(&path), "all of it at once");
    fs::remove_dir_all(dir.join("a")).unwrap();
    assert_eq!(seen(&mut watch), went(&path));
    fs::write(dir.join("a"), "in the way").unwrap();
    assert!(seen(&mut watch).is_empty());
    fs::remove_file(dir.join("a")).unwrap();
    assert!(seen(&mut watch).is_empty());
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    assert!(seen(&mut watch).is_empty());
    fs::write(&path, "").unwrap();
    assert_eq!(seen(&mut watch), came(&path));
}

#[test]
fn directories_that_move_take_their_files_along() {
    let dir = TestDir::new();
    let path = dir.join("a/b/file");
    fs::create_dir_all(dir.join("a/b")).unwrap();
    fs::write(&path, "").unwrap();
    let mut watch = watch(&[&path]);
    fs::rename(dir.join("a"), dir.join("away")).unwrap();
    assert_eq!(seen(&mut watch), went(&path));
    fs::remove_file(dir.join("away/b/file")).unwrap();
    fs::rename(dir.join("away"), dir.join("a")).unwrap();
    assert!(seen(&mut watch).is_empty());
    fs::write(&path, "").unwrap();
    assert_eq!(seen(&mut watch), came(&path));
    fs::rename(dir.join("a/b"), dir.join("a/x")).unwrap();
    assert_eq!(seen(&mut watch), went(&path));
}

#[test]
fn a_symbolic_link_that_is_turned_is_followed() {
    let dir = TestDir::new();
    fs::create_dir_all(dir.join("old/in")).unwrap();
    fs::create_dir_all(dir.join("new/in")).unwrap();
    fs::write(dir.join("new/in/file"), "").unwrap();
    symlink("old", dir.join("link")).unwrap();
    symlink(dir.join("link"), dir.join("outer")).unwrap();
    let path = dir.join("outer/in/file");
    let mut watch = watch(&[&path]);
    fs::write(dir.join("old/in/file"), "").unwrap();
    assert_eq!(seen(&mut watch), came(&path));
    fs::remove_file(dir.join("old/in/file")).unwrap();
    assert_eq!(seen(&mut watch), went(&path));
    symlink("new", dir.join("next")).unwrap();
    fs::rename(dir.join("next"), dir.join("link")).unwrap();
    assert_eq!(seen(&mut watch), came(&path));
    fs::remove_file(dir.join("link")).unwrap();
    assert_eq!(seen(&mut watch), went(&path));
    symlink("new", dir.join("link")).unwrap();
    assert_eq!(seen(&mut watch), came(&path));
}

#[test]
fn a_way_through_dots_and_a_loop_of_links() {
    let dir = TestDir::new();
    fs::create_dir_all(dir.join("a/b")).unwrap();
    let path = dir.join("a/b/../file");
    symlink("loop", dir.join("loop")).unwrap();
    let endless = dir.join("loop/file");
    let mut watch = watch(&[&path, &endless]);
    assert_eq!(watch.take_news().len(), 1);
    fs::write(dir.join("a/file"), "").unwrap();
    assert_eq!(watch.readable(NOW), came(&path));
    fs::remove_file(dir.join("loop")).unwrap();
    fs::create_dir(dir.join("loop")).unwrap();
    fs::write(&endless, "").unwrap();
    assert_eq!(watch.readable(NOW), came(&endless));
    assert_eq!(watch.take_news()[0].cause, None);
}

#[test]
fn lost_events_are_made_good_by_looking() {
    let dir = TestDir::new();
    let path = dir.join("one");
    let mut watch = watch(&[&path]);
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    assert!(limit <= 1_000_000, "too many events for a test");
    let (here, there) = (dir.join("x"), dir.join("y"));
    fs::write(&here, "").unwrap();
    for _ in 0..limit / 4 + 2 {
        fs::rename(&here, &there).unwrap();
        fs::rename(&there, &here).unwrap();
    }
    fs::write(&path, "").unwrap();
    let mut changes = Vec::new();
    for _ in 0..limit {
        changes.extend(watch.readable(NOW));
        if !changes.is_empty() {
            break;
        }
    }
    assert_eq!(changes, came(&path));
}

#[test]
fn without_watches_it_looks_every_second_until_it_has_them() {
    let dir = TestDir::new();
    let path = dir.join("one");
    let mut watch = watch(&[&path]);
    watch.inotify = None;
    watch.fail(0, NOW, || "no more watches".to_string());
    assert!(watch.fd().is_none());
    assert_eq!(watch.take_news().len(), 1);
    fs::write(&path, "").unwrap();
    assert_eq!(watch.rescan(watch.next_rescan().unwrap()), came(&path));
    assert_eq!(watch.take_news()[0].cause, None);
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(&mut watch), went(&path));
}

#[test]
fn one_way_that_cannot_be_walked_does_not_touch_the_others() {
    let dir = TestDir::new();
    let path = dir.join("one");
    // No file system takes such a name: the way can't be looked at, whoever runs the test.
    let odd = dir.join(&"n".repeat(300)).join("file");
    let mut watch = watch(&[&path, &odd]);
    assert_eq!(watch.take_news().len(), 1);
    assert!(watch.next_rescan().is_some());
    fs::write(&path, "").unwrap();
    assert_eq!(watch.readable(NOW), came(&path));
    assert!(watch.take_news().is_empty());
    // A reload neither repeats it nor swallows its end.
    watch.watch_others([path.clone(), odd], NOW);
    assert!(watch.take_news().is_empty());
    watch.watch_others([path], NOW);
    assert_eq!(watch.take_news()[0].cause, None);
}

/// Nobody can be kept from looking if root runs the tests, but by a link to itself.
#[test]
fn what_cannot_be_seen_is_as_it_was_and_is_looked_at_again() {
    let dir = TestDir::new();
    fs::create_dir(dir.join("run")).unwrap();
    let turn = |target: &str| {
        let _ = fs::remove_file(dir.join("way"));
        symlink(target, dir.join("way")).unwrap();
    };
    turn("run");
    let [here, away] = ["here", "away"].map(|name| dir.join("way").join(name));
    fs::write(&here, "").unwrap();
    let mut watch = watch(&[&here, &away]);
    turn("way");
    assert!(watch.readable(NOW).is_empty());
    assert_eq!(watch.take_news().len(), 1);
    // Neither a look nor a reload changes that, and a file that comes meanwhile is seen in the end.
    assert!(watch.look(&here, NOW).is_empty());
    watch.watch_others([here.clone(), away.clone()], NOW);
    assert_eq!(watch.present(), Set::from([here.clone()]));
    fs::remove_file(dir.join("run/here")).unwrap();
    fs::write(dir.join("run/away"), "").unwrap();
    assert!(watch.rescan(NOW + RESCAN).is_empty());
    turn("run");
    let changes = [(away.clone(), true), (here.clone(), false)];
    assert_eq!(watch.rescan(watch.next_rescan().unwrap()), changes);
    assert_eq!(watch.take_news()[0].cause, None);
    assert_eq!(watch.next_rescan(), None);
    // Nothing is known of one that could never be seen; it is as the caller says until it can.
    turn("way");
    let mut watch = Watch::new([here.clone(), away.clone()], NOW);
    watch.assume(|path| path == here);
    assert_eq!(watch.present(), Set::from([here.clone()]));
    turn("run");
    assert_eq!(watch.rescan(watch.next_rescan().unwrap()), changes);
}

#[test]
fn a_look_sees_what_no_event_tells_of() {
    let dir = TestDir::new();
    let path = dir.join("run/file");
    fs::create_dir(dir.join("run")).unwrap();
    let mut watch = watch(&[&path]);
    // As if something had been mounted over it: events of another directory are none.
    watch.inotify = Some(Inotify::new().unwrap());
    fs::write(&path, "").unwrap();
    assert!(seen(&mut watch).is_empty());
    assert_eq!(watch.look(&path, NOW), came(&path));
    assert_eq!(watch.next_rescan(), Some(NOW), "the watches are set anew");
    assert!(watch.rescan(NOW).is_empty());
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(&mut watch), went(&path));
    // What an event has told of is no reason for that.
    fs::write(&path, "").unwrap();
    assert_eq!(watch.look(&path, NOW), came(&path));
    assert_eq!(watch.next_rescan(), None);
    assert!(watch.look(&path, NOW).is_empty() && watch.look(&dir.join("other"), NOW).is_empty());
}

#[test]
fn nothing_to_watch_takes_no_descriptor() {
    let watch = watch(&[]);
    assert!(watch.fd().is_none() && watch.next_rescan().is_none());
}

#[test]
fn the_limits_are_named() {
    let text = |number| reason(&io::Error::from_raw_os_error(number));
    assert!(text(inotify::NO_MORE_WATCHES).contains("max_user_watches"));
    assert!(text(inotify::NO_MORE_INSTANCES).contains("max_user_instances"));
    assert_eq!(text(13), "Permission denied");
}
