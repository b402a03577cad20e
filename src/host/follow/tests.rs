use super::*;
use crate::host::test_dir::TestDir;
use crate::host::writer::{NO_ANSWER, Request, perform_here};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

const NOW: Mono = Mono::from_micros(1_000_000);

fn maintenance(paths: &[&Path]) -> impl Iterator<Item = (PathBuf, Kind)> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    paths.into_iter().map(|path| (path, Kind::Maintenance))
}

fn follow(paths: &[&Path]) -> Follow {
    let mut follow = Follow::new(maintenance(paths));
    answer(&mut follow);
    follow
}

fn follow_prefixes(path: &Path) -> Follow {
    let mut follow = Follow::new([(path.to_path_buf(), Kind::Prefixes)]);
    assert_eq!(
        answer(&mut follow),
        touched(path),
        "it may have changed before"
    );
    follow
}

fn came(path: &Path) -> Vec<Seen> {
    let (path, present) = (path.to_path_buf(), true);
    vec![Seen::Presence { path, present }]
}

fn went(path: &Path) -> Vec<Seen> {
    let (path, present) = (path.to_path_buf(), false);
    vec![Seen::Presence { path, present }]
}

fn touched(path: &Path) -> Vec<Seen> {
    vec![Seen::Touched(path.to_path_buf())]
}

/// Looks at all that is wanted, as the writer process does.
fn answer(follow: &mut Follow) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some((lane, looks)) = follow.next_request(&|_| true) {
        let reply = perform_here(&Request::Look { looks });
        seen.extend(follow.looked(lane, reply, NOW));
    }
    assert!(follow.is_settled(&|_| false));
    seen
}

fn is_ours(name: &OsStr) -> bool {
    name == ".list.1.tmp"
}

/// What has happened. inotify queues an event before the call that causes it returns, so no waiting is needed.
fn events(follow: &mut Follow) -> Vec<Seen> {
    let mut seen = follow.readable(NOW, &is_ours);
    seen.extend(answer(follow));
    seen.dedup();
    seen
}

fn seen(follow: &mut Follow) -> Vec<Seen> {
    assert_eq!(follow.next_rescan(), None, "everything is watched");
    events(follow)
}

fn look(follow: &mut Follow, path: &Path) -> Vec<Seen> {
    follow.look(path);
    events(follow)
}

fn rescan_in_time(follow: &mut Follow) -> Vec<Seen> {
    let at = follow.next_rescan().expect("it is to look again");
    rescan(follow, at)
}

fn rescan(follow: &mut Follow, at: Mono) -> Vec<Seen> {
    follow.rescan(at);
    answer(follow)
}

#[test]
fn files_come_and_go() {
    let dir = TestDir::new();
    let (one, two) = (dir.join("one"), dir.join("two"));
    fs::write(&two, "").unwrap();
    let mut follow = follow(&[&one, &two, &one]);
    assert_eq!(follow.present(), Set::from([two.clone()]));
    assert!(seen(&mut follow).is_empty());
    fs::write(&one, "").unwrap();
    assert_eq!(seen(&mut follow), came(&one));
    fs::write(&one, "more").unwrap();
    assert!(seen(&mut follow).is_empty());
    fs::remove_file(&two).unwrap();
    assert_eq!(seen(&mut follow), went(&two));
    assert_eq!(follow.present(), Set::from([one.clone()]));
    fs::write(dir.join("other"), "").unwrap();
    fs::rename(&one, dir.join("third")).unwrap();
    assert_eq!(seen(&mut follow), went(&one));
    fs::rename(dir.join("third"), &two).unwrap();
    assert_eq!(seen(&mut follow), came(&two));
    assert!(follow.take_news().is_empty());
}

#[test]
fn only_the_state_at_the_end_counts_and_any_type_is_a_file() {
    let dir = TestDir::new();
    let path = dir.join("one");
    let mut follow = follow(&[&path]);
    fs::write(&path, "").unwrap();
    fs::remove_file(&path).unwrap();
    assert!(seen(&mut follow).is_empty());
    fs::create_dir(&path).unwrap();
    assert_eq!(seen(&mut follow), came(&path));
    fs::remove_dir(&path).unwrap();
    symlink("/nonexistent", &path).unwrap();
    assert!(seen(&mut follow).is_empty(), "gone and here again");
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(&mut follow), went(&path));
}

#[test]
fn many_files_of_a_directory_are_one_watch() {
    let dir = TestDir::new();
    let paths: Vec<PathBuf> = (0..500)
        .map(|number| dir.join(&format!("s{number}")))
        .collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let mut follow = follow(&paths);
    let fd = follow.fd().unwrap().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    let watches = info.lines().filter(|line| line.starts_with("inotify "));
    assert_eq!(watches.count(), dir.path().components().count());
    for path in &paths {
        fs::write(path, "").unwrap();
    }
    assert_eq!(seen(&mut follow).len(), 500);
}

#[test]
fn a_directory_that_does_not_exist_yet_is_waited_for() {
    let dir = TestDir::new();
    let path = dir.join("a/b/c/file");
    let mut follow = follow(&[&path]);
    assert!(follow.present().is_empty());
    fs::create_dir(dir.join("a")).unwrap();
    assert!(seen(&mut follow).is_empty());
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(seen(&mut follow), came(&path), "all of it at once");
    fs::remove_dir_all(dir.join("a")).unwrap();
    assert_eq!(seen(&mut follow), went(&path));
    fs::write(dir.join("a"), "in the way").unwrap();
    assert!(seen(&mut follow).is_empty());
    fs::remove_file(dir.join("a")).unwrap();
    assert!(seen(&mut follow).is_empty());
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    assert!(seen(&mut follow).is_empty());
    fs::write(&path, "").unwrap();
    assert_eq!(seen(&mut follow), came(&path));
}

#[test]
fn directories_that_move_take_their_files_along() {
    let dir = TestDir::new();
    let path = dir.join("a/b/file");
    fs::create_dir_all(dir.join("a/b")).unwrap();
    fs::write(&path, "").unwrap();
    let mut follow = follow(&[&path]);
    fs::rename(dir.join("a"), dir.join("away")).unwrap();
    assert_eq!(seen(&mut follow), went(&path));
    fs::remove_file(dir.join("away/b/file")).unwrap();
    fs::rename(dir.join("away"), dir.join("a")).unwrap();
    assert!(seen(&mut follow).is_empty());
    fs::write(&path, "").unwrap();
    assert_eq!(seen(&mut follow), came(&path));
    fs::rename(dir.join("a/b"), dir.join("a/x")).unwrap();
    assert_eq!(seen(&mut follow), went(&path));
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
    let mut follow = follow(&[&path]);
    fs::write(dir.join("old/in/file"), "").unwrap();
    assert_eq!(seen(&mut follow), came(&path));
    fs::remove_file(dir.join("old/in/file")).unwrap();
    assert_eq!(seen(&mut follow), went(&path));
    symlink("new", dir.join("next")).unwrap();
    fs::rename(dir.join("next"), dir.join("link")).unwrap();
    assert_eq!(seen(&mut follow), came(&path));
    fs::remove_file(dir.join("link")).unwrap();
    assert_eq!(seen(&mut follow), went(&path));
    symlink("new", dir.join("link")).unwrap();
    assert_eq!(seen(&mut follow), came(&path));
}

#[test]
fn a_way_through_dots_and_a_loop_of_links() {
    let dir = TestDir::new();
    fs::create_dir_all(dir.join("a/b")).unwrap();
    let path = dir.join("a/b/../file");
    symlink("loop", dir.join("loop")).unwrap();
    let endless = dir.join("loop/file");
    let mut follow = follow(&[&path, &endless]);
    assert_eq!(follow.take_news().len(), 1);
    fs::write(dir.join("a/file"), "").unwrap();
    assert_eq!(events(&mut follow), came(&path));
    fs::remove_file(dir.join("loop")).unwrap();
    fs::create_dir(dir.join("loop")).unwrap();
    fs::write(&endless, "").unwrap();
    assert_eq!(events(&mut follow), came(&endless));
    assert_eq!(follow.take_news()[0].cause, None);
}

#[test]
fn lost_events_are_made_good_by_looking() {
    let dir = TestDir::new();
    let path = dir.join("one");
    let mut follow = follow(&[&path]);
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
        changes.extend(events(&mut follow));
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
    let mut follow = follow(&[&path]);
    follow.inotify = None;
    follow.fail(0, NOW, || "no more watches".to_string());
    assert!(follow.fd().is_none());
    assert_eq!(follow.take_news().len(), 1);
    fs::write(&path, "").unwrap();
    assert_eq!(rescan_in_time(&mut follow), came(&path));
    assert_eq!(follow.take_news()[0].cause, None);
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(&mut follow), went(&path));
}

#[test]
fn one_way_that_cannot_be_walked_does_not_touch_the_others() {
    let dir = TestDir::new();
    let path = dir.join("one");
    // No file system takes such a name: the way can't be looked at, whoever runs the test.
    let odd = dir.join(&"n".repeat(300)).join("file");
    let mut follow = follow(&[&path, &odd]);
    assert_eq!(follow.take_news().len(), 1);
    assert!(follow.next_rescan().is_some());
    fs::write(&path, "").unwrap();
    assert_eq!(events(&mut follow), came(&path));
    assert!(follow.take_news().is_empty());
    // A reload neither repeats it nor swallows its end.
    follow.follow_others(maintenance(&[&path, &odd]));
    answer(&mut follow);
    assert!(follow.take_news().is_empty());
    follow.follow_others(maintenance(&[&path]));
    answer(&mut follow);
    assert_eq!(follow.take_news()[0].cause, None);
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
    let mut follow = follow(&[&here, &away]);
    turn("way");
    assert!(events(&mut follow).is_empty());
    assert_eq!(follow.take_news().len(), 1);
    // Neither a look nor a reload changes that, and a file that comes meanwhile is seen in the end.
    assert!(look(&mut follow, &here).is_empty());
    follow.follow_others(maintenance(&[&here, &away]));
    assert!(answer(&mut follow).is_empty());
    assert_eq!(follow.present(), Set::from([here.clone()]));
    fs::remove_file(dir.join("run/here")).unwrap();
    fs::write(dir.join("run/away"), "").unwrap();
    assert!(rescan(&mut follow, NOW + RESCAN).is_empty());
    turn("run");
    let changes = [came(&away), went(&here)].concat();
    assert_eq!(rescan_in_time(&mut follow), changes);
    assert_eq!(follow.take_news()[0].cause, None);
    assert_eq!(follow.next_rescan(), None);
    // Nothing is known of one that could never be seen; it is as the caller says until it can.
    turn("way");
    let mut follow = self::follow(&[&here, &away]);
    follow.assume(|path| path == here);
    assert_eq!(follow.present(), Set::from([here.clone()]));
    turn("run");
    assert_eq!(rescan_in_time(&mut follow), changes);
}

#[test]
fn a_look_sees_what_no_event_tells_of() {
    let dir = TestDir::new();
    let path = dir.join("run/file");
    fs::create_dir(dir.join("run")).unwrap();
    let mut follow = follow(&[&path]);
    // As if something had been mounted over it: events of another directory are none.
    follow.inotify = Some(Inotify::new().unwrap());
    fs::write(&path, "").unwrap();
    assert!(seen(&mut follow).is_empty());
    assert_eq!(look(&mut follow, &path), came(&path));
    assert_eq!(follow.next_rescan(), Some(NOW), "the watches are set anew");
    assert!(rescan(&mut follow, NOW).is_empty());
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(&mut follow), went(&path));
    // What an event has told of is no reason for that.
    fs::write(&path, "").unwrap();
    assert_eq!(look(&mut follow, &path), came(&path));
    assert_eq!(follow.next_rescan(), None);
    assert!(look(&mut follow, &path).is_empty());
    assert!(look(&mut follow, &dir.join("other")).is_empty());
}

#[test]
fn nothing_to_watch_takes_no_descriptor() {
    let follow = follow(&[]);
    assert!(follow.fd().is_none() && follow.next_rescan().is_none());
}

#[test]
fn the_limits_are_named() {
    let text = |number| reason(&io::Error::from_raw_os_error(number));
    assert!(text(inotify::NO_MORE_WATCHES).contains("max_user_watches"));
    assert!(text(inotify::NO_MORE_INSTANCES).contains("max_user_instances"));
    assert_eq!(text(13), "Permission denied");
}

#[test]
fn a_directory_that_hangs_holds_up_no_other_and_is_asked_again_when_it_answers() {
    let dir = TestDir::new();
    let [dead, well] = ["dead", "well"].map(|name| {
        fs::create_dir(dir.join(name)).unwrap();
        dir.join(name).join("file")
    });
    let mut follow = follow(&[&dead, &well]);
    let hung = || Err((ErrorKind::TimedOut, NO_ANSWER.to_string()));
    follow.look(&dead);
    let (lane, _) = follow.next_request(&|_| true).unwrap();
    follow.look(&dead);
    assert!(follow.next_request(&|_| true).is_none(), "one at a time");
    assert!(follow.looked(lane, hung(), NOW).is_empty());
    assert_eq!(follow.take_news()[0].cause.as_deref(), Some(NO_ANSWER));
    assert_eq!(
        follow.next_rescan(),
        None,
        "nothing is to be gained by that"
    );
    // As long as the lane is not free, it is not asked for again; the other one is.
    let is_free = |other: usize| other != lane;
    assert!(follow.next_request(&is_free).is_none());
    fs::write(&well, "").unwrap();
    fs::write(&dead, "").unwrap();
    assert!(follow.readable(NOW, &is_ours).is_empty());
    let (other, looks) = follow.next_request(&is_free).unwrap();
    assert_ne!(other, lane);
    let reply = perform_here(&Request::Look { looks });
    assert_eq!(follow.looked(other, reply, NOW), came(&well));
    assert!(follow.next_request(&is_free).is_none());
    assert!(follow.take_news().is_empty());
    // A reload neither waits for it nor asks again.
    follow.follow_others(maintenance(&[&dead, &well]));
    while let Some((lane, looks)) = follow.next_request(&is_free) {
        let reply = perform_here(&Request::Look { looks });
        assert!(follow.looked(lane, reply, NOW).is_empty());
    }
    assert!(follow.is_settled(&|other| other == lane));
    assert_eq!(follow.present(), Set::from([well.clone()]));
    // It answers again.
    assert_eq!(answer(&mut follow), came(&dead));
    assert_eq!(follow.take_news()[0].cause, None);
    fs::remove_file(&dead).unwrap();
    assert_eq!(seen(&mut follow), went(&dead));
}

#[test]
fn nothing_waits_for_lanes_that_all_hang() {
    let dir = TestDir::new();
    let paths: Vec<PathBuf> = (0..=LOOKS)
        .map(|number| {
            fs::create_dir(dir.join(&number.to_string())).unwrap();
            dir.join(&format!("{number}/file"))
        })
        .collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let mut follow = Follow::new(maintenance(&paths));
    for lane in 0..LOOKS {
        assert_eq!(follow.next_request(&|_| true).unwrap().0, lane);
    }
    assert!(follow.next_request(&|_| true).is_none());
    for lane in 0..LOOKS {
        assert!(!follow.is_settled(&|other| other < lane));
        let hung = Err((ErrorKind::TimedOut, NO_ANSWER.to_string()));
        follow.looked(lane, hung, NOW);
    }
    assert!(follow.is_settled(&|_| true) && follow.next_request(&|_| false).is_none());
    assert_eq!(follow.take_news().len(), 1);
    follow.assume(|path| path == paths[0]);
    assert_eq!(follow.present(), Set::from([paths[0].to_path_buf()]));
    assert_eq!(answer(&mut follow), went(paths[0]));
}

#[test]
fn without_a_process_to_look_it_is_tried_again_after_a_second() {
    let dir = TestDir::new();
    let path = dir.join("one");
    let mut follow = Follow::new(maintenance(&[&path]));
    let (lane, _) = follow.next_request(&|_| true).unwrap();
    let failed = Err((ErrorKind::Other, "no more processes".to_string()));
    follow.looked(lane, failed, NOW);
    assert!(follow.is_settled(&|_| false) && follow.next_request(&|_| true).is_none());
    assert_eq!(follow.take_news().len(), 1);
    fs::write(&path, "").unwrap();
    assert_eq!(rescan_in_time(&mut follow), came(&path));
    assert_eq!(follow.take_news()[0].cause, None);
}

#[test]
fn whoever_touches_a_prefix_file_is_seen_unless_it_is_ourselves() {
    let dir = TestDir::new();
    let path = dir.join("list");
    fs::write(&path, "one").unwrap();
    let mut follow = follow_prefixes(&path);
    let ours = |name: &str| {
        fs::write(dir.join(name), "two").unwrap();
        fs::rename(dir.join(name), &path).unwrap();
    };
    ours(".list.1.tmp");
    fs::write(dir.join("other"), "").unwrap();
    fs::write(dir.join("list.damaged"), "").unwrap();
    assert!(seen(&mut follow).is_empty());
    // In place, by another program's rename, by its removal.
    fs::write(&path, "three").unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
    ours(".list.77.tmp");
    assert_eq!(seen(&mut follow), touched(&path));
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
    // The last one counts.
    fs::write(&path, "").unwrap();
    ours(".list.1.tmp");
    assert!(seen(&mut follow).is_empty());
    ours(".list.1.tmp");
    fs::write(&path, "").unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
    // One rename tells of itself alone.
    ours(".list.1.tmp");
    assert!(seen(&mut follow).is_empty());
    fs::rename(dir.join("other"), &path).unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
    assert!(follow.present().is_empty(), "it is no maintenance file");
}

#[test]
fn a_prefix_file_behind_links_is_followed_to_where_it_is() {
    let dir = TestDir::new();
    for name in ["etc", "lib", "other"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    let path = dir.join("etc/list");
    symlink("../lib/alias", &path).unwrap();
    symlink("real", dir.join("lib/alias")).unwrap();
    fs::write(dir.join("lib/real"), "").unwrap();
    let mut follow = follow_prefixes(&path);
    fs::write(dir.join("lib/real"), "").unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
    fs::write(dir.join("other/real"), "").unwrap();
    symlink("../other/real", dir.join("etc/next")).unwrap();
    assert!(seen(&mut follow).is_empty());
    fs::rename(dir.join("etc/next"), &path).unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
    fs::write(dir.join("other/real"), "").unwrap();
    assert_eq!(
        seen(&mut follow),
        touched(&path),
        "the other one is watched"
    );
    // A directory that goes and comes back is a change as well.
    fs::rename(dir.join("other"), dir.join("away")).unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
    fs::rename(dir.join("away"), dir.join("other")).unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
    fs::write(dir.join("other/real"), "").unwrap();
    assert_eq!(seen(&mut follow), touched(&path));
}

/// The way that the kernel goes is watched with fewer links than it may have.
#[test]
fn what_can_be_seen_and_not_watched_is_looked_at_every_second() {
    let dir = TestDir::new();
    fs::create_dir_all(dir.join("real/l0")).unwrap();
    symlink("real", dir.join("base")).unwrap();
    for number in 1..=25 {
        let before = format!("l{}", number - 1);
        symlink(before, dir.join(&format!("real/l{number}"))).unwrap();
    }
    let path = dir.join("base/l25/file");
    let mut follow = follow(&[&path]);
    let news = follow.take_news();
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].part, Part::Watch(dir.join("base/l25")));
    let why = news[0].cause.as_deref();
    assert_eq!(why, Some("Too many levels of symbolic links"));
    fs::write(&path, "").unwrap();
    assert!(rescan(&mut follow, NOW).is_empty(), "not yet");
    let late = NOW + RESCAN + Duration::from_millis(1);
    assert_eq!(rescan(&mut follow, late), came(&path));
    assert!(follow.next_rescan().is_some() && follow.take_news().is_empty());
}

#[test]
fn a_name_that_cannot_be_looked_at_is_trouble_though_its_directory_is_watched() {
    let dir = TestDir::new();
    let mut follow = follow(&[&dir.join(&"n".repeat(300))]);
    let news = follow.take_news();
    assert_eq!(news[0].cause.as_deref(), Some("File name too long"));
    assert!(follow.fd().is_some() && follow.next_rescan().is_some());
}

#[test]
fn an_event_has_only_its_own_file_looked_at() {
    let dir = TestDir::new();
    fs::create_dir(dir.join("one")).unwrap();
    fs::create_dir(dir.join("two")).unwrap();
    let (one, two) = (dir.join("one/this"), dir.join("two/that"));
    let mut follow = follow(&[&one, &two]);
    let inotify = Inotify::new().unwrap();
    inotify.add(&dir.join("one"), inotify::NAMES).unwrap();
    follow.inotify = Some(inotify);
    fs::write(&two, "").unwrap();
    fs::write(&one, "").unwrap();
    assert_eq!(seen(&mut follow), came(&one));
}

#[test]
fn events_that_cannot_be_read_are_made_good_by_looking() {
    let dir = TestDir::new();
    let path = dir.join("one");
    let mut follow = follow(&[&path]);
    follow.inotify = Some(Inotify::of(fs::File::open(dir.path()).unwrap()));
    assert!(follow.readable(NOW, &is_ours).is_empty());
    assert!(follow.fd().is_none(), "poll would spin");
    assert_eq!(follow.next_rescan(), Some(NOW));
    let why = follow.take_news()[0].cause.clone();
    assert_eq!(why.as_deref(), Some("Is a directory"));
    fs::write(&path, "").unwrap();
    assert_eq!(rescan(&mut follow, NOW), came(&path));
    assert_eq!(follow.next_rescan(), None);
}
