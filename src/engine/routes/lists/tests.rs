use super::*;

fn net(host: u8) -> IpNetwork {
    IpNetwork::from(std::net::IpAddr::from([192, 0, 2, host]))
}

fn nets(hosts: &[u8]) -> Set<IpNetwork> {
    hosts.iter().map(|host| net(*host)).collect()
}

/// Every sequence of steps in a small world, where the count must be what a comparison of the whole says.
#[test]
fn the_difference_is_always_counted_right() {
    const STEPS: usize = 9;
    for found in [&[][..], &[1], &[1, 2], &[1, 2, 3]] {
        for purge in [false, true] {
            for number in 0..STEPS.pow(4) {
                let mut lists = Lists::found(nets(found));
                let claimed = |prefix: &IpNetwork| *prefix != net(2) && *prefix != net(3);
                let strangers = lists.sort_out(purge, &claimed);
                assert!(strangers.iter().all(|stranger| !claimed(stranger)));
                let mut writing = lists.content();
                let mut rest = number;
                for _ in 0..4 {
                    match rest % STEPS {
                        0 => writing = lists.content(),
                        1 => lists.is_written(writing.clone()),
                        2 => lists.claim(&|prefix| *prefix == net(3)),
                        step => {
                            let (host, announced) = ((step / 2) as u8, step % 2 == 0);
                            want(&mut lists, net(host), announced);
                        }
                    }
                    rest /= STEPS;
                    assert_counted(&lists);
                }
            }
        }
    }
}

/// A service had laid claim to it and has let it go: it stands in the file all the same.
#[test]
fn a_stranger_that_is_to_go_is_news() {
    let mut lists = Lists::found(nets(&[1]));
    lists.sort_out(false, &|_| false);
    assert_eq!(lists.want(net(1), false), Some(true));
    assert!(lists.content().is_empty() && !lists.agree());
}

fn want(lists: &mut Lists, prefix: IpNetwork, announced: bool) {
    let before = lists.content();
    let strangers = lists.strangers.len();
    let news = lists.want(prefix, announced);
    assert_eq!(lists.wanted.contains(&prefix), announced);
    match news {
        Some(strange) => {
            assert_eq!(strange, strangers > 0);
            assert!(lists.strangers.is_empty());
        }
        None => assert_eq!(before, lists.content()),
    }
}

fn assert_counted(lists: &Lists) {
    let content = lists.content();
    let missing = content.difference(&lists.written).count();
    let surplus = lists.written.difference(&content).count();
    assert_eq!(lists.different, missing + surplus, "{lists:?}");
    assert_eq!(lists.agree(), *content == *lists.written);
    assert!(
        lists
            .strangers
            .iter()
            .all(|stranger| !lists.wanted.contains(stranger))
    );
}

#[test]
fn lists_that_agree_are_one() {
    let mut lists = Lists::found(nets(&[1, 2]));
    lists.sort_out(false, &|_| true);
    assert!(Rc::ptr_eq(&lists.wanted, &lists.written));
    assert_eq!(lists.want(net(2), false), Some(false));
    assert_eq!(lists.written(), &nets(&[1, 2]));
    let content = lists.content();
    lists.is_written(content);
    assert!(lists.agree() && Rc::ptr_eq(&lists.wanted, &lists.written));
}
