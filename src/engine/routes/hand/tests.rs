use super::*;

/// Each change within twice the pause doubles it, up to a minute, and one line a minute tells of them.
#[test]
fn who_goes_on_is_answered_less_and_less_often() {
    let mut hand = Hand::default();
    for (second, said, pause) in [
        (0, true, 1),
        (2, false, 1),
        (3, false, 2),
        (6, false, 4),
        (13, false, 8),
        (28, false, 16),
        (59, false, 32),
        (60, true, 60),
        (61, false, 60),
        (119, false, 60),
        (120, true, 60),
        (240, true, 1),
    ] {
        let now = Mono::from_micros(1_000_000 * (second + 1));
        assert_eq!(hand.found(now), said, "{second}");
        assert_eq!(hand.pause, Duration::from_secs(pause), "{second}");
    }
}
